//! `[roles]` and `[approvals]`: who may do what over the control socket, and what needs two of them.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::model::Guarded;

/// A user or a group, as the kernel sees the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    pub(super) approve: Vec<Principal>,
}

impl Roles {
    /// Whether this user may change things.
    pub fn may_operate(&self, uid: u32, gids: &[u32]) -> bool {
        named(&self.operate, uid, gids)
    }

    /// Whether this user may say yes to what others ask for. Root may not, whatever is written: it could be anybody.
    pub fn may_approve(&self, uid: u32, gids: &[u32]) -> bool {
        uid != 0 && named(&self.approve, uid, gids)
    }

    /// Whether this user may see how things stand; who may change or approve them may.
    pub fn may_read(&self, uid: u32, gids: &[u32]) -> bool {
        [&self.read, &self.operate, &self.approve].into_iter().any(|list| named(list, uid, gids))
    }
}

pub(super) fn named(list: &[Principal], uid: u32, gids: &[u32]) -> bool {
    list.iter().any(|one| match one {
        Principal::Uid(named) => *named == uid,
        Principal::Gid(named) => gids.contains(named),
    })
}

/// `[approvals]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guards {
    pub(super) require: BTreeSet<Guarded>,
    pub(super) expire: SignedDuration,
}

impl Guards {
    /// Whether this needs another person's word.
    pub fn requires(&self, what: Guarded) -> bool {
        self.require.contains(&what)
    }

    /// How long a request waits.
    pub fn expire(&self) -> SignedDuration {
        self.expire
    }
}
