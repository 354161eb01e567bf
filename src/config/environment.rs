//! What a configuration takes from the process that reads it.

use std::path::{Component, Path, PathBuf};

/// Where systemd puts what it hands to `keyturn.service` (systemd.exec(5), CREDENTIALS).
const OF_THE_DAEMON: &str = "/run/credentials/keyturn.service";

/// What a configuration takes from its surroundings; an argument, so that tests need no process of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    credentials: Option<PathBuf>,
}

impl Environment {
    /// That of this process: `$CREDENTIALS_DIRECTORY`, as systemd sets it for `LoadCredential=`. A verb in a shell has none:
    /// where systemd runs, the daemon's are meant, which root can read while it runs.
    pub fn of_process() -> Self {
        let folder = std::env::var_os("CREDENTIALS_DIRECTORY").filter(|folder| !folder.is_empty());
        let folder = folder.map(PathBuf::from);
        let systemd = || Path::new("/run/systemd/system").is_dir();
        Self { credentials: folder.or_else(|| systemd().then(|| PathBuf::from(OF_THE_DAEMON))) }
    }

    /// One whose credentials lie in `folder`.
    pub fn with_credentials(folder: impl Into<PathBuf>) -> Self {
        Self { credentials: Some(folder.into()) }
    }

    /// For who asks the daemon: its credentials are its own business, and need not be there for the caller.
    pub fn or_of_the_daemon(self) -> Self {
        Self { credentials: self.credentials.or_else(|| Some(PathBuf::from(OF_THE_DAEMON))) }
    }

    /// Where `credential:name` is.
    pub(super) fn credential(&self, name: &str) -> Result<PathBuf, String> {
        let plain = !name.is_empty() && !matches!(name, "." | "..") && !name.contains(['/', '\0']);
        if !plain {
            return Err(
                "credential: is followed by a file's name without folders, such as credential:state-key"
                    .into(),
            );
        }
        match &self.credentials {
            Some(folder) => Ok(folder.join(name)),
            None => Err(format!(
                "credential:{} needs $CREDENTIALS_DIRECTORY, which is not set; start Keyturn from a unit \
                 with LoadCredential={}:FILE, or write a file's path here",
                name.escape_debug(),
                name.escape_debug()
            )),
        }
    }
}

/// `path` as one that does not depend on the working directory: relative to `base`, without `.` and `..`.
///
/// Behind a symbolic link `..` stays: there it leads elsewhere than the text says.
pub(super) fn resolved(base: &Path, path: &str) -> PathBuf {
    let mut straight = PathBuf::new();
    for step in base.join(path).components() {
        let back = step == Component::ParentDir;
        let named = matches!(straight.components().next_back(), Some(Component::Normal(_)));
        if back && named && !straight.is_symlink() {
            straight.pop();
        } else if !(back && straight.parent().is_none()) {
            straight.push(step);
        }
    }
    straight
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_straight_but_behind_links() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path();
        std::fs::create_dir_all(base.join("real/deep")).unwrap();
        std::os::unix::fs::symlink("real/deep", base.join("link")).unwrap();
        assert_eq!(resolved(base, "a/./b/../../state"), base.join("state"));
        assert_eq!(resolved(&base.join("real/deep"), "../x"), base.join("real/x"));
        assert_eq!(resolved(base, "link/../x"), base.join("link/../x"));
        assert_eq!(resolved(Path::new("/etc/keyturn"), "../../../../x"), Path::new("/x"));
    }
}
