//! What should each place hold?

use std::borrow::Cow;
use std::fmt::{Debug, Write};

use ring::digest;
use smallvec::SmallVec;

use super::site::SiteFile;
use super::{Context, Site, life};
use crate::desired::{AssetSpec, FileSpec, KindSpec};
use crate::model::{Content, FileContent, Numbers, ObjectKind, Part, Revision, RevisionState, hex};

/// What `site` should hold now; empty while there is nothing for it yet. Nearly always it is what was delivered: that is not
/// made a second time.
pub(super) fn wanted<'c>(context: &'c Context<'_>, spec: &AssetSpec, site: &Site<'_>) -> Cow<'c, Content> {
    let files: SmallVec<[Wish<'_>; 4]> = wishes(context, spec, site).collect();
    // Half of a certificate is worse than none; a JWKS is worth having before the key that is to come.
    if files.len() < site.files.len() && !spec.overlap.standby {
        return Cow::Owned(Content::default());
    }
    let delivered = context.record(&spec.id).deliveries.get(&site.place).map(|delivery| &delivery.content);
    match delivered.filter(|content| is_just(content, &files)) {
        Some(content) => Cow::Borrowed(content),
        None => Cow::Owned(Content { files: files.into_iter().map(Wish::file).collect() }),
    }
}

/// What one file should hold.
struct Wish<'s> {
    path: &'s str,
    file: &'s SiteFile<'s>,
    revisions: Numbers,
    password: Option<&'s str>,
}

/// Those of the site's files that there is something for.
fn wishes<'s>(
    context: &'s Context<'_>,
    spec: &'s AssetSpec,
    site: &'s Site<'_>,
) -> impl Iterator<Item = Wish<'s>> {
    site.files.iter().filter_map(move |(path, file)| {
        let revisions = revisions(context, spec, site, file.file.part);
        let password = password(context, spec, site, path, file.file).ok()?;
        (!revisions.is_empty()).then_some(Wish { path, file, revisions, password })
    })
}

/// Whether `content` has these files, as they should be, and no others. Both are in the order of their paths.
fn is_just(content: &Content, files: &[Wish<'_>]) -> bool {
    let pairs = || content.files.iter().zip(files);
    content.files.len() == files.len()
        && pairs().all(|((path, have), wish)| path == wish.path && wish.is(have))
}

impl Wish<'_> {
    fn is(&self, have: &FileContent) -> bool {
        let FileContent { part, revisions, password, kind, mode, owner, group } = have;
        let SiteFile { file, mode: wanted_mode, owner: wanted_owner, group: wanted_group } = self.file;
        *part == file.part
            && *revisions == self.revisions
            && password.as_deref() == self.password
            && *kind == file.kind
            && mode == wanted_mode
            && owner.as_deref() == *wanted_owner
            && group.as_deref() == *wanted_group
    }

    fn file(self) -> (String, FileContent) {
        let SiteFile { file, mode, owner, group } = *self.file;
        let content = FileContent {
            part: file.part,
            revisions: self.revisions,
            password: self.password.map(str::to_owned),
            kind: file.kind,
            mode,
            owner: owner.map(str::to_owned),
            group: group.map(str::to_owned),
        };
        (self.path.to_owned(), content)
    }
}

/// There is no password where one is needed.
struct NoPassword;

/// By which password a file is opened: that of today, or of what was delivered where that cannot be read.
fn password<'c>(
    context: &'c Context<'_>,
    spec: &AssetSpec,
    site: &Site<'_>,
    path: &str,
    file: &FileSpec,
) -> Result<Option<&'c str>, NoPassword> {
    let Some(source) = &file.password else { return Ok(None) };
    if let Some(Ok(digest)) = context.inventory.world.passwords.get(source) {
        return Ok(Some(digest));
    }
    let delivered = context.record(&spec.id).deliveries.get(&site.place);
    let before = delivered.and_then(|delivery| delivery.content.files.get(path)?.password.as_deref());
    before.map(Some).ok_or(NoPassword)
}

/// The revisions that a part is made of here and now.
fn revisions(context: &Context<'_>, spec: &AssetSpec, site: &Site<'_>, part: Part) -> Numbers {
    match part {
        Part::Ca => roots(context, spec),
        Part::Crl => edition(context, spec),
        part if part.spans_revisions() => {
            life::known(context, spec).map(|revision| revision.number).collect()
        }
        _ => in_turn(context, spec, site).map(|revision| revision.number).into_iter().collect(),
    }
}

/// The roots that a certificate's clients must trust, by the CA revision each was made in.
fn roots(context: &Context<'_>, spec: &AssetSpec) -> Numbers {
    let KindSpec::Certificate(certificate) = &spec.kind else { return Numbers::new() };
    let Some(authority) = certificate.authority() else { return Numbers::new() };
    let authority = context.record(authority);
    let live = |state| {
        matches!(state, RevisionState::Prepared | RevisionState::Published)
            || matches!(state, RevisionState::Active | RevisionState::Retiring)
    };
    let mut roots: Numbers = authority
        .revisions
        .values()
        .filter(|revision| live(revision.state))
        .filter_map(|revision| revision.root)
        .collect();
    roots.sort_unstable();
    roots.dedup();
    roots
}

/// The newest edition of the CA's revocation lists.
fn edition(context: &Context<'_>, spec: &AssetSpec) -> Numbers {
    let KindSpec::Certificate(certificate) = &spec.kind else { return Numbers::new() };
    let last = certificate.authority().and_then(|ca| context.record(ca).crl.as_ref());
    last.map(|last| last.edition).into_iter().collect()
}

/// The revision whose turn it is at this site: the newest that may be used, or the one in use.
fn in_turn<'c>(context: &'c Context<'_>, spec: &AssetSpec, site: &Site<'_>) -> Option<&'c Revision> {
    if spec.overlap.standby {
        return life::in_turn(context, spec).or_else(|| first_of_all(context, spec, site));
    }
    let usable = |revision: &&Revision| {
        matches!(revision.state, RevisionState::Prepared | RevisionState::Published | RevisionState::Active)
    };
    context.record(&spec.id).revisions.values().rev().find(usable)
}

/// The very first revision does not wait: a service that both signs and verifies gets key and JWKS in one
/// rollout, once the other verifiers have it.
fn first_of_all<'c>(context: &'c Context<'_>, spec: &AssetSpec, site: &Site<'_>) -> Option<&'c Revision> {
    let record = context.record(&spec.id);
    if record.active().is_some() || !site.has_spanning() {
        return None;
    }
    let first = record.coming().find(|revision| revision.state == RevisionState::Prepared)?;
    life::is_announced(context, spec, first, Some(&site.place)).then_some(first)
}

/// The identity of a directory's content: what its hidden folder is named for. Files that are installed are known
/// by it over versions of this program: what goes into it is spelt out here.
pub fn identity(content: &Content) -> String {
    hex(&identifying(content))
}

/// Whether it is that of `content`. This is asked of every directory at every pass.
pub(super) fn is_identity(shown: &str, content: &Content) -> bool {
    let halves = identifying(content).into_iter().flat_map(|octet| [octet >> 4, octet & 15]);
    shown.chars().eq(halves.filter_map(|half| char::from_digit(u32::from(half), 16)))
}

/// So many octets of the digest are enough.
const IDENTITY: usize = 6;

fn identifying(content: &Content) -> [u8; IDENTITY] {
    let mut text = Digested(digest::Context::new(&digest::SHA256));
    for (path, file) in &content.files {
        let FileContent { part, revisions, password, kind, mode, owner, group } = file;
        text.word(path);
        text.word(part.name());
        text.spell(revisions);
        text.spell_option(kind.map(ObjectKind::name));
        text.spell_option(*mode);
        text.spell_option(owner.as_deref());
        text.spell_option(group.as_deref());
        if let Some(password) = password {
            text.word(password);
        }
    }
    let mut first = [0; IDENTITY];
    first.copy_from_slice(&text.0.finish().as_ref()[..IDENTITY]);
    first
}

/// A text of which only the digest is wanted.
struct Digested(digest::Context);

impl Digested {
    fn word(&mut self, word: &str) {
        self.0.update(word.as_bytes());
        self.0.update(b"\0");
    }

    fn spell(&mut self, value: impl Debug) {
        // A digest takes everything.
        let _ = write!(self, "{value:?}\0");
    }

    /// Most files have none of them.
    fn spell_option(&mut self, value: Option<impl Debug>) {
        match value {
            None => self.word("None"),
            some => self.spell(some),
        }
    }
}

impl Write for Digested {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ring::digest;

    use super::{identity, is_identity};
    use crate::model::{Content, FileContent, Numbers, ObjectKind, Part};

    fn file(mode: Option<u32>, owner: Option<&str>, kind: Option<ObjectKind>) -> FileContent {
        let owner = owner.map(str::to_owned);
        FileContent {
            part: Part::Ca,
            revisions: Numbers::from_slice(&[1, 20]),
            password: None,
            kind,
            mode,
            group: owner.clone(),
            owner,
        }
    }

    /// What is installed is known by it: this is how it has been computed since the first version.
    fn at_first(content: &Content) -> String {
        let mut text = String::new();
        for (path, file) in &content.files {
            let FileContent { part, revisions, password, kind, mode, owner, group } = file;
            let kind = kind.map(ObjectKind::name);
            text += &format!("{path}\0{part}\0{revisions:?}\0{kind:?}\0{mode:?}\0{owner:?}\0{group:?}\0");
            text += &password.as_ref().map_or_else(String::new, |password| format!("{password}\0"));
        }
        let digest = digest::digest(&digest::SHA256, text.as_bytes());
        digest.as_ref().iter().take(6).map(|octet| format!("{octet:02x}")).collect()
    }

    #[test]
    fn the_identity_of_what_was_installed_by_an_older_version_is_still_the_same() {
        let plain = file(None, None, None);
        let with_password = FileContent { password: Some("9f".to_owned()), ..file(Some(0o400), None, None) };
        let odd = file(Some(0o640), Some("o\"\u{e9}\n"), Some(ObjectKind::Secret));
        let contents = [vec![], vec![plain.clone()], vec![with_password], vec![plain, odd]];
        for files in contents {
            let files =
                files.into_iter().enumerate().map(|(at, file)| (format!("file-{at}"), file)).collect();
            let content = Content { files };
            assert_eq!(identity(&content), at_first(&content), "{content:?}");
            assert!(is_identity(&identity(&content), &content));
            assert!(!is_identity(&identity(&content).to_uppercase(), &content) && !is_identity("", &content));
        }
    }
}
