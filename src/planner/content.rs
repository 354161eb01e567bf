//! What should each place hold?

use ring::digest;

use super::site::SiteFile;
use super::{Context, Site, life};
use crate::desired::{AssetSpec, KindSpec};
use crate::model::{AssetRecord, Content, FileContent, Part, Revision, RevisionState};

/// What `site` should hold now; empty while there is nothing for it yet.
pub(super) fn wanted(context: &Context<'_>, spec: &AssetSpec, site: &Site<'_>) -> Content {
    let record = context.of(spec);
    let files = site.files.iter().filter_map(|(path, file)| {
        let revisions = revisions(context, spec, record, site, file.file.part);
        (!revisions.is_empty()).then(|| ((*path).to_owned(), file_content(file, revisions)))
    });
    let content = Content { files: files.collect() };
    // Half of a certificate is worse than none; a JWKS is worth having before the key that is to come.
    let whole = content.files.len() == site.files.len();
    if whole || spec.overlap.standby { content } else { Content::default() }
}

fn file_content(file: &SiteFile<'_>, revisions: Vec<u32>) -> FileContent {
    FileContent {
        part: file.file.part,
        revisions,
        kind: file.file.kind,
        mode: file.mode,
        owner: file.owner.map(str::to_owned),
        group: file.group.map(str::to_owned),
    }
}

/// The revisions that a part is made of here and now.
fn revisions(
    context: &Context<'_>,
    spec: &AssetSpec,
    record: &AssetRecord,
    site: &Site<'_>,
    part: Part,
) -> Vec<u32> {
    if part == Part::Ca {
        return roots(context, spec);
    }
    if part.spans_revisions() {
        return life::known(spec, record, context.now).map(|revision| revision.number).collect();
    }
    in_turn(context, spec, record, site).map(|revision| revision.number).into_iter().collect()
}

/// The roots that a certificate's clients must trust, by the CA revision each was made in.
fn roots(context: &Context<'_>, spec: &AssetSpec) -> Vec<u32> {
    let KindSpec::Certificate(certificate) = &spec.kind else { return Vec::new() };
    let Some(authority) = context.record(&certificate.authority) else { return Vec::new() };
    let live = |state| {
        matches!(state, RevisionState::Prepared | RevisionState::Published)
            || matches!(state, RevisionState::Active | RevisionState::Retiring)
    };
    let mut roots: Vec<u32> = authority
        .revisions
        .values()
        .filter(|revision| live(revision.state))
        .filter_map(|revision| revision.root)
        .collect();
    roots.sort_unstable();
    roots.dedup();
    roots
}

/// The revision whose turn it is at this site: the newest that may be used, or the one in use.
fn in_turn<'r>(
    context: &Context<'_>,
    spec: &AssetSpec,
    record: &'r AssetRecord,
    site: &Site<'_>,
) -> Option<&'r Revision> {
    if spec.overlap.standby {
        return life::in_turn(context, spec, record).or_else(|| first_of_all(context, spec, record, site));
    }
    let usable = |revision: &&Revision| {
        matches!(revision.state, RevisionState::Prepared | RevisionState::Published | RevisionState::Active)
    };
    record.revisions.values().rev().find(usable)
}

/// The very first revision does not wait: a service that both signs and verifies gets key and JWKS in one
/// rollout, once the other verifiers have it.
fn first_of_all<'r>(
    context: &Context<'_>,
    spec: &AssetSpec,
    record: &'r AssetRecord,
    site: &Site<'_>,
) -> Option<&'r Revision> {
    if record.active().is_some() || !site.has_spanning() {
        return None;
    }
    let first = record.coming().find(|revision| revision.state == RevisionState::Prepared)?;
    life::is_announced(context, spec, record, first.number, Some(&site.place)).then_some(first)
}

/// The identity of a directory's content: what its hidden folder is named for.
pub fn identity(content: &Content) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    for (path, file) in &content.files {
        hash.update(format!("{path}\0{file:?}\0").as_bytes());
    }
    let digest = hash.finish();
    digest.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
