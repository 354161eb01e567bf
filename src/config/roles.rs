//! `[roles]`: who may do what over the control socket.

/// A user or a group, as the kernel sees the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal {
    /// `uid:1000`
    Uid(u32),
    /// `gid:2000`
    Gid(u32),
}

/// `[roles]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roles {
    pub(super) read: Vec<Principal>,
    pub(super) operate: Vec<Principal>,
}

impl Roles {
    /// Whether this user may change things.
    pub fn may_operate(&self, uid: u32, gids: &[u32]) -> bool {
        named(&self.operate, uid, gids)
    }

    /// Whether this user may see how things stand; who may change them may.
    pub fn may_read(&self, uid: u32, gids: &[u32]) -> bool {
        named(&self.read, uid, gids) || self.may_operate(uid, gids)
    }
}

pub(super) fn named(list: &[Principal], uid: u32, gids: &[u32]) -> bool {
    list.iter().any(|one| match one {
        Principal::Uid(named) => *named == uid,
        Principal::Gid(named) => gids.contains(named),
    })
}
