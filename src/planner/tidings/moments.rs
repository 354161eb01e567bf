//! What has happened to revisions that nobody was told of.

use std::sync::Arc;

use jiff::Timestamp;

use super::outbox;
use crate::model::{
    AssetId, AssetRecord, Effort, Errand, Event, Item, Listeners, Moment, Phase, Revision, Severity, Subject,
    Tidings, Topic,
};

/// Something that has happened to a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// What.
    pub moment: Moment,
    /// To which asset.
    pub asset: AssetId,
    /// To which revision.
    pub revision: u32,
    /// When.
    pub at: Timestamp,
    /// What there is to say of it.
    pub text: String,
}

/// What has happened to `record` and was not told, in the order of time.
pub fn untold(record: &AssetRecord) -> Vec<Happened> {
    let of = |revision: &Revision| {
        let news = |moment: Moment| {
            let at = moment.of(revision)?;
            (revision.told & moment.bit() == 0).then(|| Happened {
                moment,
                asset: record.id.clone(),
                revision: revision.number,
                at,
                text: text(record, revision, moment),
            })
        };
        Moment::ALL.into_iter().filter_map(news).collect::<Vec<_>>()
    };
    let mut all: Vec<Happened> = record.revisions.values().flat_map(of).collect();
    all.sort_by_key(|one| (one.at, one.revision));
    all
}

/// Whether there is anything that [`untold`] would give; asked of every asset at every look.
pub fn has_news(record: &AssetRecord) -> bool {
    let is_news = |revision: &Revision, moment: Moment| {
        revision.told & moment.bit() == 0 && moment.of(revision).is_some()
    };
    record.revisions.values().any(|revision| Moment::ALL.into_iter().any(|moment| is_news(revision, moment)))
}

/// Marks what has happened so far as told.
pub(super) fn mark(record: &mut AssetRecord) {
    for revision in record.revisions.values_mut() {
        for moment in Moment::ALL {
            if moment.of(revision).is_some() {
                revision.told |= moment.bit();
            }
        }
    }
}

fn text(record: &AssetRecord, revision: &Revision, moment: Moment) -> String {
    let until = revision
        .validity
        .map_or_else(String::new, |validity| format!(", valid until {}", validity.not_after));
    let number = revision.number;
    match moment {
        Moment::Activated => {
            let before = record.revisions.range(..number).next_back().map(|(before, _)| *before);
            let instead = before.map_or_else(String::new, |before| format!(" instead of {before}"));
            format!("revision {number} is in use{instead}{until}")
        }
        _ => format!("revision {number} is {}{until}", moment.name()),
    }
}

pub(super) fn happened(tidings: &mut Tidings, listeners: &Listeners, happened: &Happened) {
    for hook in
        listeners.hooks.iter().filter(|hook| hook.moment == happened.moment && hook.is_for(&happened.asset))
    {
        let errand = Errand {
            command: hook.command.clone(),
            moment: happened.moment,
            asset: happened.asset.clone(),
            revision: happened.revision,
            at: happened.at,
            effort: Effort::default(),
        };
        let number = tidings.number();
        tidings.errands.insert(number, Arc::new(errand));
    }
    if happened.moment == Moment::Activated {
        let item = Item {
            event: Event::Rotation,
            severity: Severity::Info,
            phase: Phase::Happened,
            asset: Some(happened.asset.clone()),
            revision: Some(happened.revision),
            code: None,
            text: super::alerts::shortened(&happened.text),
            at: happened.at,
            since: None,
        };
        let subject =
            Subject { asset: Some(happened.asset.clone()), topic: Topic::Issuance, name: String::new() };
        outbox::post(tidings, listeners, item, &subject);
    }
}
