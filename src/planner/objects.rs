//! Which Docker objects are to be made, and which may go?

use jiff::Timestamp;

use super::{Context, Draft, Site, content, sites};
use crate::model::{
    Action, AssetId, FileContent, NewObject, ObjectKind, ObjectRecord, OldObject, Part, Step,
};

/// The bytes of an object, by what they are made of: kind, asset, part and revisions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bytes(ObjectKind, AssetId, Part, Vec<u32>);

impl Bytes {
    /// Of an object that we have.
    pub(super) fn of(object: &ObjectRecord) -> Self {
        Self(object.kind, object.asset.clone(), object.part, object.revisions.clone())
    }

    fn wanted(asset: &AssetId, file: &FileContent) -> Option<Self> {
        Some(Self(file.kind?, asset.clone(), file.part, file.revisions.clone()))
    }
}

/// The order in which steps can be followed.
pub(super) fn rank(action: &Action) -> u8 {
    match action {
        Action::Generate(_) => 0,
        Action::Issue(_) => 1,
        Action::Publish(_) => 2,
        Action::Rollout(_) => 3,
        Action::Verify(_) => 4,
        Action::Note(..) => 5,
        Action::Announce(..) => 6,
        Action::Activate(..) => 7,
        Action::Delete(_) => 8,
        Action::Retire(..) => 9,
    }
}

/// The name of the object that shows `file`, and its ID where it is made; where it is not, its making is planned.
pub(super) fn provide(
    context: &Context<'_>,
    asset: &AssetId,
    file: &FileContent,
    draft: &mut Draft,
) -> Option<(String, Option<String>)> {
    let bytes = Bytes::wanted(asset, file)?;
    if let Some(record) = context.object(&bytes) {
        if record.id.is_none() && !draft.names.contains_key(&bytes) {
            draft.names.insert(bytes.clone(), record.name.clone());
            draft.push(publish(context.now, bytes, record.name.clone()));
        }
        return Some((record.name.clone(), record.id.clone()));
    }
    if let Some(name) = draft.names.get(&bytes) {
        return Some((name.clone(), None));
    }
    let name = next_name(context, &bytes, draft);
    draft.names.insert(bytes.clone(), name.clone());
    draft.push(publish(context.now, bytes, name.clone()));
    Some((name, None))
}

fn publish(now: Timestamp, bytes: Bytes, name: String) -> Step {
    let Bytes(kind, asset, part, revisions) = bytes;
    let reason = format!("{part} of revision {}", revisions.last().copied().unwrap_or(0));
    let assets = vec![asset.clone()];
    Step {
        at: now,
        assets,
        action: Action::Publish(NewObject { kind, name, asset, part, revisions }),
        reason,
    }
}

/// One above the highest number seen in our records or in the engine: a name is never used twice.
fn next_name(context: &Context<'_>, bytes: &Bytes, draft: &Draft) -> String {
    let Bytes(_, asset, part, _) = bytes;
    let stem = format!("{}.{}.{}", asset.kind.short(), asset.name, part);
    let kept = context.record(asset).and_then(|record| record.numbers.get(part.name())).copied().unwrap_or(0);
    let planned = draft.names.keys().filter(|other| other.1 == *asset && other.2 == *part).count() as u32;
    let number = kept.max(context.highest(&stem.to_lowercase())) + 1 + planned;
    format!("{stem}.{number}")
}

/// Plans the removal of our objects that nobody can need any more (idea 5).
pub(super) fn consider_old(context: &Context<'_>, draft: &mut Draft) {
    if !context.engine_ready() {
        return;
    }
    for record in context.inventory.objects.values() {
        let Some(spec) = context.desired.assets.get(&record.asset) else { continue };
        let places = sites(spec, context.of(spec), &context.inventory.world);
        if places.iter().any(|site| still_wanted(context, record, site)) {
            continue;
        }
        match reason_to_keep(context, record, &places) {
            Some((until, reason)) => {
                draft.defer(&record.asset, until, format!("{} is kept: {reason}", record.name))
            }
            None => draft.push(delete(context.now, record)),
        }
    }
}

fn delete(now: Timestamp, record: &ObjectRecord) -> Step {
    let old = OldObject {
        kind: record.kind,
        name: record.name.clone(),
        id: record.id.clone(),
        asset: record.asset.clone(),
    };
    let reason = "nobody names it, and its successor is proven".to_owned();
    Step { at: now, assets: vec![record.asset.clone()], action: Action::Delete(old), reason }
}

/// Whether a place should have it, or has it by our own books.
fn still_wanted(context: &Context<'_>, object: &ObjectRecord, site: &Site<'_>) -> bool {
    let Some(spec) = context.desired.assets.get(&object.asset) else { return true };
    let holds = |file: &FileContent| {
        file.kind == Some(object.kind) && file.part == object.part && file.revisions == object.revisions
    };
    let delivered = context.of(spec).deliveries.get(&site.place);
    content::wanted(context, spec, site).files.values().any(holds)
        || delivered.is_some_and(|delivery| delivery.content.files.values().any(holds))
}

/// Why an object that no place should have stays, and until when.
fn reason_to_keep(
    context: &Context<'_>,
    object: &ObjectRecord,
    places: &[Site<'_>],
) -> Option<(Option<Timestamp>, String)> {
    if let Some(who) = object.id.as_ref().and_then(|id| context.inventory.world.named_by(id)) {
        return Some((None, format!("{who} names it")));
    }
    let spec = context.desired.assets.get(&object.asset)?;
    let deliveries = &context.of(spec).deliveries;
    let unproven = places
        .iter()
        .find(|site| !deliveries.get(&site.place).is_some_and(|delivery| delivery.state.is_there()));
    if let Some(site) = unproven {
        return Some((None, format!("its successor is not proven in {}", site.place.name())));
    }
    let until = object.replaced_at.unwrap_or(object.created_at) + context.desired.retention;
    (until > context.now).then(|| (Some(until), "the retention has not passed".to_owned()))
}
