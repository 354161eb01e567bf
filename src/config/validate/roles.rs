//! `[roles]` and `[approvals]`.

use jiff::SignedDuration;

use crate::config::duration::duration_text;
use crate::config::raw::{Item, Table, not_one_of};
use crate::config::roles::{Guards, Principal, Roles};
use crate::config::words::quoted;
use crate::model::Guarded;

/// Nobody remembers what was asked for so long ago.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(30 * 24);

pub(super) fn roles(t: &mut Table<'_>) -> Option<Roles> {
    let read = t.or("read", Vec::new(), |item| item.list(principal));
    let operate = t.or("operate", Vec::new(), |item| item.list(principal));
    let approve = t.or("approve", Vec::new(), |item| item.list(approver));
    Some(Roles { read: read?, operate: operate?, approve: approve? })
}

/// Without the section nothing is guarded; with it all that can be, unless it says otherwise.
pub(super) fn approvals(t: &mut Table<'_>, there: bool, roles: Option<&Roles>) -> Option<Guards> {
    let all = if there { Guarded::ALL.to_vec() } else { Vec::new() };
    let require = t.or("require", all, |item| item.distinct(guarded));
    let expire = t.or("expire", SignedDuration::from_hours(24), expire);
    let require: std::collections::BTreeSet<Guarded> = require?.into_iter().collect();
    if !require.is_empty() && roles.is_some_and(|roles| roles.approve.is_empty()) {
        return t.fault(
            "require",
            "nobody could approve what it names; write who may: [roles] approve = [\"uid:1001\", \"gid:2000\"]",
        );
    }
    Some(Guards { require, expire: expire? })
}

fn guarded(item: &Item<'_>) -> Option<Guarded> {
    let text = item.text()?;
    let found = Guarded::ALL.into_iter().find(|one| one.name() == text);
    if found == Some(Guarded::Restore) {
        item.warning("guards nothing yet: this version has no `restore`");
    }
    found.or_else(|| item.fault(not_one_of(text, &Guarded::ALL.map(Guarded::name))))
}

fn expire(item: &Item<'_>) -> Option<SignedDuration> {
    let found = item.duration(SignedDuration::from_mins(1))?;
    if found > LONGEST_WAIT {
        return item.fault(format!("must be at most {}", duration_text(LONGEST_WAIT)));
    }
    Some(found)
}

/// Root may do anything, so that its word would be nobody's.
fn approver(item: &Item<'_>) -> Option<Principal> {
    match principal(item)? {
        Principal::Uid(0) => {
            item.fault("uid 0 never approves: whoever is root could be anybody; take it out")
        }
        one => Some(one),
    }
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
