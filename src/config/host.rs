//! What a configuration asks of the machine, beyond its own text.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, getgroups};

use zeroize::Zeroizing;

use super::Config;
use super::findings::{ConfigErrors, Finding};
use super::target::Account;
use super::validate::OwnerCheck;
use crate::model::Secret;

/// Bit of `CAP_CHOWN` in a capability set (capabilities(7)).
const CAP_CHOWN: u64 = 1;

/// Who a process is, as far as it may give files away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// The effective user.
    pub uid: u32,
    /// The effective group, and the supplementary ones.
    pub groups: Vec<u32>,
    /// Whether it may give files to anyone (`CAP_CHOWN`).
    pub may_chown: bool,
}

impl Process {
    /// This one.
    pub fn current() -> Self {
        let supplementary = getgroups().unwrap_or_default();
        let groups = std::iter::once(getegid()).chain(supplementary).map(Gid::as_raw).collect();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let may_chown = may_chown(&status).unwrap_or_else(|| geteuid().is_root());
        Self { uid: geteuid().as_raw(), groups, may_chown }
    }
}

/// Root in a container may lack the capability, and a service user may have it: the uid alone says little.
fn may_chown(status: &str) -> Option<bool> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let set = u64::from_str_radix(line.trim(), 16).ok()?;
    Some(set & CAP_CHOWN != 0)
}

impl Config {
    /// Checks that the owners and groups of file targets exist here, and that `process` can set them; and that the passwords
    /// of PKCS#12 files can be read.
    ///
    /// # Errors
    ///
    /// Each owner or group that is unknown, or that `process` may not give files to; each password that cannot be used.
    pub fn check_owners(&self, process: &Process) -> Result<(), ConfigErrors> {
        let faults = self.owners.iter().filter_map(|(finding, check)| {
            let message = fault(check, process)?;
            Some(Finding::with_message(finding, message))
        });
        ConfigErrors::from_findings(faults.collect())
    }
}

fn fault(check: &OwnerCheck, process: &Process) -> Option<String> {
    match check {
        OwnerCheck::Password(file) => password(file).err(),
        OwnerCheck::User(account) => match user(account) {
            Err(message) => Some(message),
            Ok(uid) if process.may_chown || uid == process.uid => None,
            Ok(_) => Some(format!(
                "uid {} cannot give files to {account}; run Keyturn as root or {account}, or leave owner out",
                process.uid
            )),
        },
        OwnerCheck::Group(account) => match group(account) {
            Err(message) => Some(message),
            Ok(gid) if process.may_chown || process.groups.contains(&gid) => None,
            Ok(_) => Some(format!(
                "uid {} is not in group {account}; add it (SupplementaryGroups= in the unit), or leave group out",
                process.uid
            )),
        },
    }
}

/// No password is longer than this, in bytes.
const LONGEST_PASSWORD: usize = 1024;

/// The password of PKCS#12 files in `file`: its one line, without the newline at its end.
///
/// # Errors
///
/// When it cannot be read, or is none that every program reads in the same way. Never the password itself.
pub fn password(file: &Path) -> Result<Secret, String> {
    let at = file.display();
    // The size at once: a buffer that grows leaves copies of a secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST_PASSWORD + 3));
    File::open(file)
        .and_then(|open| open.take(LONGEST_PASSWORD as u64 + 3).read_to_end(&mut bytes))
        .map_err(|error| format!("{at} cannot be read: {error}"))?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(format!("{at} is empty: write the password into it, in one line"));
    }
    if line.contains(&b'\n') {
        return Err(format!("{at} has more than one line: the password is the only one"));
    }
    if line.len() > LONGEST_PASSWORD {
        return Err(format!("{at} is longer than {LONGEST_PASSWORD} characters, which no password is"));
    }
    // OpenSSL and Java write other characters, and each differently, into the key.
    if !line.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(format!(
            "{at} has characters that are not printable ASCII: programs differ in how they read them"
        ));
    }
    Ok(Secret::new(line))
}

fn user(account: &Account) -> Result<u32, String> {
    match account {
        Account::Id(id) => Ok(*id),
        Account::Name(name) => match User::from_name(name) {
            Ok(Some(user)) => Ok(Uid::as_raw(user.uid)),
            Ok(None) => Err(format!("there is no user {name} on this machine")),
            Err(error) => Err(format!("cannot look up user {name}: {error}")),
        },
    }
}

fn group(account: &Account) -> Result<u32, String> {
    match account {
        Account::Id(id) => Ok(*id),
        Account::Name(name) => match Group::from_name(name) {
            Ok(Some(group)) => Ok(Gid::as_raw(group.gid)),
            Ok(None) => Err(format!("there is no group {name} on this machine")),
            Err(error) => Err(format!("cannot look up group {name}: {error}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::may_chown;

    #[test]
    fn capabilities_say_more_than_the_uid() {
        assert_eq!(may_chown("Name:\tx\nCapEff:\t000001ffffffffff\n"), Some(true));
        assert_eq!(may_chown("CapEff:\t0000000000000000\n"), Some(false));
        assert_eq!(may_chown("CapEff:\t00000000000000fe\n"), Some(false));
        assert_eq!(may_chown("Name:\tx\n"), None);
    }
}
