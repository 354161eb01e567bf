//! Which Docker objects are to be made, and which may go?

use std::collections::BTreeSet;

use jiff::Timestamp;
use smallvec::SmallVec;

use super::{Context, Draft, compromise, content, later, life};
use crate::desired::AssetSpec;
use crate::model::{
    Action, AssetId, FileContent, NewObject, Numbers, ObjectKind, ObjectRecord, OldObject, Part, Step,
};

/// The bytes of an object, by what they are made of: kind, asset, part, revisions, and the password of a PKCS#12 file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bytes(ObjectKind, AssetId, Part, Numbers, Option<String>);

impl Bytes {
    fn wanted(asset: &AssetId, file: &FileContent) -> Option<Self> {
        let FileContent { part, revisions, password, .. } = file.clone();
        Some(Self(file.kind?, asset.clone(), part, revisions, password))
    }
}

/// The order in which steps can be followed.
pub(super) fn rank(action: &Action) -> u8 {
    match action {
        Action::Consult(..) => 0,
        Action::Generate(_) | Action::List(_) => 1,
        Action::Issue(_) => 2,
        Action::Publish(_) => 3,
        Action::Rollout(_) => 4,
        Action::Forget(_) => 5,
        Action::Verify(_) => 6,
        Action::Note(..) => 7,
        Action::Announce(..) => 8,
        Action::Activate(..) => 9,
        Action::Revoke(..) => 10,
        Action::Delete(_) => 11,
        Action::Retire(..) => 12,
    }
}

/// The name of the object that shows `file`, and its ID where it is made; where it is not, its making is planned.
pub(super) fn provide(
    context: &Context<'_>,
    asset: &AssetId,
    file: &FileContent,
    draft: &mut Draft,
) -> Option<(String, Option<String>)> {
    let made = context.object(asset, file);
    if let Some(made) = made.filter(|record| record.id.is_some()) {
        return Some((made.name.clone(), made.id.clone()));
    }
    let bytes = Bytes::wanted(asset, file)?;
    if let Some(intended) = made {
        if !draft.names.contains_key(&bytes) {
            draft.names.insert(bytes.clone(), intended.name.clone());
            draft.push(publish(context.now, bytes, intended.name.clone()));
        }
        return Some((intended.name.clone(), None));
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
    let Bytes(kind, asset, part, revisions, password) = bytes;
    let numbers: Vec<String> = revisions.iter().map(ToString::to_string).collect();
    let plural = if numbers.len() > 1 { "s" } else { "" };
    let reason = format!("{part} of revision{plural} {}", numbers.join(", "));
    let assets = vec![asset.clone()];
    Step {
        at: now,
        assets,
        action: Action::Publish(NewObject { kind, name, asset, part, revisions, password }),
        reason,
    }
}

/// One above the highest number seen in our records, in the engine or in this plan: a name is never used twice.
fn next_name(context: &Context<'_>, bytes: &Bytes, draft: &mut Draft) -> String {
    let Bytes(_, asset, part, ..) = bytes;
    let stem = format!("{}.{}.{}", asset.kind.short(), asset.name, part);
    let kept = context.record(asset).numbers.get(part.name()).copied().unwrap_or(0);
    let given = draft.numbers.entry(stem.to_lowercase()).or_insert(0);
    *given = kept.max(context.highest(&stem.to_lowercase())).max(*given) + 1;
    format!("{stem}.{given}")
}

/// Plans the removal of our objects of an asset that nobody can need any more (idea 5). Of one that is `at_rest` each place
/// has what it should.
pub(super) fn consider_old(context: &Context<'_>, spec: &AssetSpec, at_rest: bool, draft: &mut Draft) {
    let objects = context.objects(&spec.id);
    if !context.has_engine() || objects.is_empty() {
        return;
    }
    let wanted = wanted(context, spec, at_rest);
    let is_wanted = |object: &ObjectRecord| wanted.iter().any(|wanted| std::ptr::eq(*wanted, object));
    for object in objects.iter().filter(|object| !is_wanted(object)) {
        match reason_to_keep(context, spec, object) {
            Some((until, reason)) => {
                draft.defer(&spec.id, until, format!("{} is kept: {reason}", object.name));
            }
            None => draft.push(delete(context.now, object)),
        }
    }
}

/// The assets that the plan's rollouts move. A rollout may fail and leave things as they were: what may go is asked again
/// after it.
pub(super) fn moving(draft: &Draft) -> BTreeSet<AssetId> {
    let rollouts = draft.plan.steps.iter().filter(|step| matches!(step.action, Action::Rollout(_)));
    rollouts.flat_map(|step| step.assets.clone()).collect()
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

/// The objects that a place of the asset should have, or has by our own books.
fn wanted<'a>(context: &Context<'a>, spec: &AssetSpec, at_rest: bool) -> SmallVec<[&'a ObjectRecord; 8]> {
    let mut wanted = SmallVec::new();
    for site in context.sites(spec) {
        let content = (!at_rest).then(|| content::wanted(context, spec, site));
        let delivered =
            context.record(&spec.id).deliveries.get(&site.place).map(|delivery| &delivery.content);
        let contents = delivered.into_iter().chain(content.as_deref());
        let files = contents.flat_map(|content| content.files.values());
        wanted.extend(files.filter_map(|file| context.object(&spec.id, file)));
    }
    wanted
}

/// Why an object that no place should have stays, and until when.
fn reason_to_keep(
    context: &Context<'_>,
    spec: &AssetSpec,
    object: &ObjectRecord,
) -> Option<(Option<Timestamp>, String)> {
    if let Some(namer) = context.named_by(object) {
        return Some((None, format!("{namer} names it")));
    }
    if let Some(site) = context.sites(spec).iter().find(|site| life::in_place(context, spec, site).is_none())
    {
        return Some((None, format!("its successor is not proven in {}", site.place.name())));
    }
    if compromise::is_known_of(context, object) {
        return None;
    }
    let until = later(object.replaced_at.unwrap_or(object.created_at), context.desired.retention);
    (until > context.now).then(|| (Some(until), "the retention has not passed".to_owned()))
}
