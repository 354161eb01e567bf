//! What a configuration asks of the machine, beyond its own text.

use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, getgroups};

use super::Config;
use super::findings::{ConfigErrors, Finding};
use super::target::Account;
use super::validate::OwnerCheck;

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
    /// Checks that the owners and groups of file targets exist here, and that `process` can set them.
    ///
    /// # Errors
    ///
    /// Each owner or group that is unknown, or that `process` may not give files to.
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
