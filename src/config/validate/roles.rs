//! `[roles]`.

use crate::config::raw::{Item, Table};
use crate::config::roles::{Principal, Roles};
use crate::config::words::quoted;

pub(super) fn roles(t: &mut Table<'_>) -> Option<Roles> {
    let read = t.or("read", Vec::new(), |item| item.list(principal));
    let operate = t.or("operate", Vec::new(), |item| item.list(principal));
    t.not_yet(&["approve"], "approvals come");
    Some(Roles { read: read?, operate: operate? })
}

/// Numbers, as the kernel has them: a name may mean another user tomorrow.
pub(super) fn principal(item: &Item<'_>) -> Option<Principal> {
    let text = item.line()?;
    let number = |text: &str| text.parse::<u32>().ok();
    let read = match text.split_once(':') {
        Some(("uid", id)) => number(id).map(Principal::Uid),
        Some(("gid", id)) => number(id).map(Principal::Gid),
        _ => None,
    };
    read.or_else(|| {
        item.fault(format!(
            "{} is no user or group; write uid:1000 or gid:2000 (`id` prints them)",
            quoted(text)
        ))
    })
}
