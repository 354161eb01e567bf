//! `[[….targets]]`.

use std::path::PathBuf;

use super::OwnerCheck;
use super::commands::{command, plain_command, reload};
use super::files::{dir_files, swarm_files};
use super::names::service_name;
use super::overlap::{Claim, Room};
use super::verify::verify;
use crate::config::findings::Spot;
use crate::config::raw::{Item, Table, not_one_of};
use crate::config::target::{Account, DirFile, FileTarget, Services, SwarmFile, SwarmTarget, Target};
use crate::config::words::quoted;
use crate::model::{AssetId, ObjectKind, Part, mount_path};

/// What a target must know of its asset.
pub(super) struct About {
    /// Which asset.
    pub(super) asset: AssetId,
    /// Whether its key is RSA, so that there is a PKCS#1 form of it.
    pub(super) rsa: bool,
    /// The DNS names of a certificate.
    pub(super) names: Vec<String>,
    /// Whether an internal CA may have signed a certificate, so that there is a bundle of its roots.
    pub(super) authority: bool,
    /// Whether that CA has revocation lists.
    pub(super) lists: bool,
}

/// What only the one or the other kind of target has.
const SWARM_KEYS: [&str; 5] = ["services", "uid", "gid", "preflight", "as"];
const FILE_KEYS: [&str; 5] = ["dir", "owner", "group", "test", "reload"];

/// The asset's targets; without the key there are none.
pub(super) fn targets(t: &mut Table<'_>, about: &About) -> Option<Vec<Target>> {
    t.or("targets", Vec::new(), |item| item.list(|item| item.table(|t| target(t, item, about))))
}

fn target(t: &mut Table<'_>, item: &Item<'_>, about: &About) -> Option<Target> {
    match t.required("kind", "\"swarm\" or \"file\"", Item::text) {
        Some("swarm") => swarm(t, item, about).map(Target::Swarm),
        Some("file") => file(t, item, about).map(Target::File),
        other => {
            // Which keys are right depends on the kind.
            t.ignore_rest();
            t.fault("kind", not_one_of(other?, &["swarm", "file"]))
        }
    }
}

fn swarm(t: &mut Table<'_>, item: &Item<'_>, about: &About) -> Option<SwarmTarget> {
    let services = t.or("services", Services::Labelled, services);
    let object = t.optional("as", object_kind);
    let files =
        t.required("files", "{ \"FILE\" = \"PART\" }", |item| swarm_files(item, about, object.flatten()));
    let mode = t.optional("mode", Item::mode);
    let uid = t.optional("uid", number);
    let gid = t.optional("gid", number);
    let password_file = password_file(t, files.iter().flatten().map(|(_, file)| file.part()));
    let preflight = t.optional("preflight", plain_command);
    let verify = t.optional("verify", |item| verify(item, about));
    t.misplaced(&FILE_KEYS, "belongs to a target of kind = \"file\"");
    warn_unproven(t, about);
    object?;
    let (services, files) = (services?, files?);
    for room in Room::of(&services, &about.asset) {
        let claim = |(spot, file): &(Spot, SwarmFile)| {
            Claim::new(spot, item, &room, mount_path(file.object(), file.path()), about)
        };
        item.cx.claims.borrow_mut().extend(files.iter().map(claim));
    }
    Some(SwarmTarget {
        services,
        files: files.into_iter().map(|(_, file)| file).collect(),
        mode: mode?,
        uid: uid?,
        gid: gid?,
        password_file: password_file?,
        preflight: preflight?,
        verify: verify?,
    })
}

/// Where the password of PKCS#12 files is: needed where there are some, and only there. What is in it is a question to the
/// machine, asked later.
#[allow(clippy::option_option)]
fn password_file(t: &mut Table<'_>, mut parts: impl Iterator<Item = Part>) -> Option<Option<PathBuf>> {
    t.misplaced(&["password"], "is never written here: write password_file = \"FILE\"");
    let wanted = parts.any(|part| part == Part::Pkcs12);
    let given = t.optional("password_file", |item| {
        let path = item.secret_file()?;
        item.cx.owners.borrow_mut().push((item.spot(), OwnerCheck::Password(path.clone())));
        Some(path)
    })?;
    match given {
        None if wanted => t.fault(
            "password_file",
            "is missing: a PKCS#12 file has a password; write password_file = \"credential:NAME\" or a path",
        ),
        Some(_) if !wanted => {
            t.fault("password_file", "belongs to a file with the part pkcs12, and there is none")
        }
        given => Some(given),
    }
}

fn services(item: &Item<'_>) -> Option<Services> {
    let names = item.distinct(service_name)?;
    if names.is_empty() {
        return item.fault("is empty; name a service, or leave it out for those labelled keyturn.asset");
    }
    Some(Services::Named(names))
}

fn object_kind(item: &Item<'_>) -> Option<ObjectKind> {
    item.choice(&[ObjectKind::Secret, ObjectKind::Config], ObjectKind::name)
}

fn number(item: &Item<'_>) -> Option<u32> {
    // The highest is no user: it is what chown takes for "leave it".
    item.integer(0..=i64::from(u32::MAX) - 1).and_then(|number| u32::try_from(number).ok())
}

fn file(t: &mut Table<'_>, item: &Item<'_>, about: &About) -> Option<FileTarget> {
    let dir = t.required("dir", "\"/etc/nginx/tls/edge\"", Item::path);
    let files = t.required("files", "{ \"FILE\" = \"PART\" }", |item| dir_files(item, about));
    let mode = t.or("mode", 0o640, Item::mode);
    let owner = t.optional("owner", |item| account(item, OwnerCheck::User));
    let group = t.optional("group", |item| account(item, OwnerCheck::Group));
    let password_file = password_file(t, files.iter().flatten().map(|(_, file)| file.part()));
    let test = t.optional("test", command);
    let reload = t.optional("reload", reload);
    let verify = t.optional("verify", |item| verify(item, about));
    t.misplaced(&SWARM_KEYS, "belongs to a target of kind = \"swarm\"");
    warn_unproven(t, about);
    refuse_open_keys(t, mode, files.as_deref());
    let (dir, files) = (dir?, files?);
    let room = Room::Dir(dir.clone());
    let claim = |(spot, file): &(Spot, DirFile)| Claim::new(spot, item, &room, file.name().to_owned(), about);
    item.cx.claims.borrow_mut().extend(files.iter().map(claim));
    Some(FileTarget {
        dir,
        files: files.into_iter().map(|(_, file)| file).collect(),
        owner: owner?,
        group: group?,
        mode: mode?,
        password_file: password_file?,
        test: test?,
        reload: reload?,
        verify: verify?,
    })
}

fn refuse_open_keys(t: &Table<'_>, mode: Option<u32>, files: Option<&[(Spot, DirFile)]>) {
    let Some(mode) = mode.filter(|mode| mode & 0o007 != 0) else { return };
    if files.unwrap_or_default().iter().any(|(_, file)| !file.part().is_public()) {
        t.fault::<()>("mode", format!("{mode:04o} opens a private key to everyone; write \"0640\" or less"));
    }
}

/// A user or group, by name or number. Whether it exists is a question to the machine, asked later.
fn account(item: &Item<'_>, check: impl Fn(Account) -> OwnerCheck) -> Option<Account> {
    let account = match item.value {
        toml::de::DeValue::Integer(_) => Account::Id(number(item)?),
        _ => {
            let name = item.line()?;
            match name.parse() {
                Ok(id) => Account::Id(id),
                Err(_) if name.contains([':', '/', ' ']) => {
                    return item.fault(format!("{} is not the name of a user or group", quoted(name)));
                }
                Err(_) => Account::Name(name.to_owned()),
            }
        }
    };
    item.cx.owners.borrow_mut().push((item.spot(), check(account.clone())));
    Some(account)
}

/// A certificate that no handshake shows is delivered, and never called served.
fn warn_unproven(t: &Table<'_>, about: &About) {
    if about.asset.kind == crate::model::AssetKind::Certificate && !t.has("verify") {
        t.warning(
            "verify",
            "is missing: nothing will show that the new certificate is the one served; \
             write verify = { connect = [\"HOST:PORT\"] }",
        );
    }
}
