//! A writer becomes who owns the state: files that root made there would lock the daemon out.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Context;
use nix::unistd::{Gid, Uid, User, geteuid, getuid, initgroups, setgid, setuid};

use super::fail::{Failure, REFUSED};

/// Takes on the uid that owns the state, where that is another's. It must be called before any thread is started.
pub(super) fn become_owner(state_dir: &Path) -> Result<(), Failure> {
    must_be_allowed(state_dir)?;
    let Ok(meta) = std::fs::symlink_metadata(state_dir) else { return Ok(()) };
    let owner = Uid::from_raw(meta.uid());
    if owner == geteuid() {
        return Ok(());
    }
    let gid = Gid::from_raw(meta.gid());
    take_on(owner, gid)
        .with_context(|| format!("could not take on uid {owner}, which owns {}", state_dir.display()))
        .map_err(Failure::failed)
}

/// Only its owner, and root in the owner's place, may write a state or take keys out of it.
pub(super) fn must_be_allowed(state_dir: &Path) -> Result<(), Failure> {
    let Ok(meta) = std::fs::symlink_metadata(state_dir) else { return Ok(()) };
    let (owner, me) = (Uid::from_raw(meta.uid()), geteuid());
    if owner == me || me.is_root() {
        return Ok(());
    }
    let message = anyhow::anyhow!(
        "the state in {} belongs to uid {owner}, and you are uid {me}: run as its owner, or as root",
        state_dir.display()
    );
    Err(Failure { code: REFUSED, error: message })
}

/// Groups first: without root they can no longer be changed.
fn take_on(uid: Uid, gid: Gid) -> anyhow::Result<()> {
    match User::from_uid(uid)? {
        Some(user) => {
            let name = std::ffi::CString::new(user.name)?;
            initgroups(&name, user.gid)?;
            setgid(user.gid)?;
        }
        None => {
            nix::unistd::setgroups(&[gid])?;
            setgid(gid)?;
        }
    }
    setuid(uid)?;
    Ok(())
}

/// For the audit: who has called, whatever uid was taken on since.
pub(super) fn actor() -> String {
    format!("uid:{}", getuid())
}

/// The groups of a user, as the machine's user database has them.
pub(super) fn groups_of(uid: u32) -> Vec<u32> {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    if let Some(user) = user
        && let Ok(name) = std::ffi::CString::new(user.name)
        && let Ok(all) = nix::unistd::getgrouplist(&name, user.gid)
    {
        return all.iter().map(|gid| gid.as_raw()).collect();
    }
    Vec::new()
}
