//! Sites of files alone, and whether anything in them was touched.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Keyturn;

/// One of each kind, without a search and without RSA: a pass takes a tenth of a second. `{target}` is for more lines
/// of the certificate's target.
const SITE: &str = r#"
[daemon]
instance = "files"
state_dir = "state"
{daemon}

[issuers.internal]
kind = "internal"
common_name = "Files CA"

[certificates.edge]
issuers = ["internal"]
dns_names = ["edge.example.org"]
duration = "90d"
[[certificates.edge.targets]]
kind = "file"
dir = "out/edge"
files = { "tls.crt" = "fullchain", "tls.key" = "private-key", "ca.crt" = "ca" }
mode = "0640"
{target}

[jwt_keys.auth]
algorithm = "ES256"
[[jwt_keys.auth.targets]]
kind = "file"
dir = "out/signer"
files = { "jwt.key" = "private-key", "jwt.kid" = "kid" }
[[jwt_keys.auth.targets]]
kind = "file"
dir = "out/verifiers"
files = { "jwks.json" = "jwks" }
mode = "0644"

[dh_params.edge]
source = "rfc7919"
[[dh_params.edge.targets]]
kind = "file"
dir = "out/edge"
files = { "dhparam.pem" = "dhparam" }
mode = "0644"
"#;

/// A site of files; `target` are more lines of the certificate's target, `{dir}` in them is its folder.
pub fn files_site(target: &str) -> Keyturn {
    files_site_with("", target)
}

/// The same, with more lines for `[daemon]`.
pub fn files_site_with(daemon: &str, target: &str) -> Keyturn {
    Keyturn::alone().config(&SITE.replace("{daemon}", daemon).replace("{target}", target))
}

/// `status -o json` by asset.
pub fn status(keyturn: &Keyturn) -> BTreeMap<String, Value> {
    let mut status: Value = serde_json::from_str(&keyturn.ok(&["status", "-o", "json"])).unwrap();
    let assets = status["assets"].as_array_mut().unwrap();
    assets.drain(..).map(|asset| (asset["asset"].as_str().unwrap().to_owned(), asset)).collect()
}

/// What a file is, as far as anyone could tell that it was touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Permission bits.
    pub mode: u32,
    /// Changed when, in nanoseconds.
    pub changed: (i64, i64),
    /// Owner and group.
    pub owner: (u32, u32),
    /// Its bytes; of a link, what it leads to; of a folder, nothing.
    pub bytes: Vec<u8>,
}

/// Everything below some folders or files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree(pub BTreeMap<PathBuf, Found>);

impl Tree {
    /// What is there now; what is missing is left out.
    pub fn of(roots: &[PathBuf]) -> Self {
        let mut tree = Self::default();
        roots.iter().for_each(|root| tree.add(root));
        tree
    }

    fn add(&mut self, path: &Path) {
        let Ok(meta) = fs::symlink_metadata(path) else { return };
        let bytes = if meta.is_symlink() {
            fs::read_link(path).unwrap().to_string_lossy().into_owned().into_bytes()
        } else if meta.is_file() {
            fs::read(path).unwrap()
        } else {
            Vec::new()
        };
        let changed = (meta.mtime(), meta.mtime_nsec());
        let owner = (meta.uid(), meta.gid());
        self.0.insert(path.to_owned(), Found { mode: meta.mode() & 0o7777, changed, owner, bytes });
        if meta.is_dir() {
            fs::read_dir(path).unwrap().flatten().for_each(|entry| self.add(&entry.path()));
        }
    }

    /// The paths that differ between the two.
    pub fn changed(&self, other: &Self) -> Vec<PathBuf> {
        let all = self.0.keys().chain(other.0.keys());
        let mut changed: Vec<PathBuf> =
            all.filter(|path| self.0.get(*path) != other.0.get(*path)).cloned().collect();
        changed.sort();
        changed.dedup();
        changed
    }
}
