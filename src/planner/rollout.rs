//! Which places differ from what they should hold, and may they be touched now?
//!
//! The unit is the place: all that is due there is one rollout, and each thing that stands in its way is said.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::{Context, Draft, Site, content, identity, objects, sites};
use crate::desired::{AssetSpec, KindSpec, Turn, Verify};
use crate::model::{
    Action, AssetRecord, Code, Content, Delivery, DeliveryState, Install, KeyAlgorithm, Parcel, Part, Place,
    Problem, Proof, ProofAsk, Reference, Rollout, Service, Step, Swap, Update, mount_path,
};

/// One asset that is due in a place.
struct Due<'a> {
    spec: &'a AssetSpec,
    site: Site<'a>,
    wanted: Content,
    delivery: Option<&'a Delivery>,
}

/// Plans the rollouts and the proofs of all places.
pub(super) fn consider(context: &Context<'_>, draft: &mut Draft) {
    let mut places: BTreeMap<Place, Vec<Due<'_>>> = BTreeMap::new();
    for spec in context.desired.assets.values() {
        let record = context.of(spec);
        for site in sites(spec, record, &context.inventory.world) {
            let wanted = content::wanted(context, spec, &site);
            let delivery = context.inventory.assets.get(&spec.id).and_then(|r| r.deliveries.get(&site.place));
            places.entry(site.place.clone()).or_default().push(Due { spec, site, wanted, delivery });
        }
    }
    for (place, dues) in places {
        one_place(context, &place, dues, draft);
    }
}

fn one_place(context: &Context<'_>, place: &Place, dues: Vec<Due<'_>>, draft: &mut Draft) {
    if let Some(step) = undoing(context, place, &dues) {
        draft.push(step);
        return;
    }
    let due: Vec<Due<'_>> = dues.into_iter().filter(|due| is_due(context, due, draft)).collect();
    let Some(first) = due.first() else { return };
    if matches!(place, Place::Service(_)) && first.site.service.is_none() {
        wait_for_service(context, &due, draft);
        return;
    }
    let group = together(context, without_conflicts(due, draft), draft);
    if group.is_empty() || stopped_by(context, &group, draft) {
        return;
    }
    let reason = reason(&group);
    let rollout = rollout(context, place, &group, draft);
    warn(&group, draft);
    draft.push(Step { at: context.now, assets: rollout.assets(), action: Action::Rollout(rollout), reason });
}

/// An undoing that a crash has interrupted comes before everything else in its place.
fn undoing(context: &Context<'_>, place: &Place, dues: &[Due<'_>]) -> Option<Step> {
    let record = context.inventory.rollouts.get(place)?;
    let problem = record.undoing.clone()?;
    let service = dues.first().and_then(|due| due.site.service);
    let mut ignored = Draft::new(context.now);
    let begun = dues.iter().filter(|due| record.assets.contains(&due.spec.id));
    let parcels = begun.map(|due| Parcel { swaps: Vec::new(), ..parcel(context, due, &mut ignored) });
    let rollout = Rollout {
        place: place.clone(),
        service_id: service.map(|service| service.id.clone()),
        parcels: parcels.collect(),
        preflight: Vec::new(),
        deadline: context.desired.rollout_deadline,
        applied: true,
        undo: Some(problem),
    };
    let reason = "an earlier rollout failed and was not undone to the end".to_owned();
    Some(Step { at: context.now, assets: record.assets.clone(), action: Action::Rollout(rollout), reason })
}

/// Whether the place differs from what it should hold. What it says beside that goes into the draft.
fn is_due(context: &Context<'_>, due: &Due<'_>, draft: &mut Draft) -> bool {
    if due.wanted.files.is_empty() {
        return false;
    }
    if matches!(due.site.place, Place::Service(_)) && !context.engine_ready() {
        let why = "the Swarm cannot be worked with";
        draft.defer(&due.spec.id, None, format!("{} waits: {why}", due.site.place.name()));
        return false;
    }
    match due.delivery {
        Some(delivery) if is_settled(context, due, delivery) => {
            watch(context, due, delivery, draft);
            false
        }
        Some(delivery) if !may_try(context, due, delivery) => {
            let problem = delivery.effort.problem.as_ref().map_or("", |p| p.message.as_str());
            let reason = format!("{} is tried again then: {problem}", due.site.place.name());
            draft.defer(&due.spec.id, delivery.effort.next_try_at, reason);
            false
        }
        _ => true,
    }
}

/// Whether the place has what it should, by our own books. (What is really there is [`watch`]ed.)
fn is_settled(context: &Context<'_>, due: &Due<'_>, delivery: &Delivery) -> bool {
    let same_place = match due.site.service {
        Some(service) => delivery.service_id.as_ref() == Some(&service.id),
        None => matches!(due.site.place, Place::Dir(_)) && shows(context, due),
    };
    delivery.state.is_there() && delivery.content == due.wanted && same_place
}

/// Whether a directory's link shows what it should.
fn shows(context: &Context<'_>, due: &Due<'_>) -> bool {
    let Place::Dir(dir) = &due.site.place else { return false };
    let key = (due.spec.id.clone(), dir.clone());
    context.inventory.world.dirs.get(&key) == Some(&identity(&due.wanted))
}

/// A failed delivery is tried again when its time has come, or at once when the service's spec has changed or
/// something else is to be delivered.
fn may_try(context: &Context<'_>, due: &Due<'_>, delivery: &Delivery) -> bool {
    let against = against(due);
    delivery.effort.may_try(context.now) || delivery.effort.against.as_ref() != Some(&against)
}

/// What a failure is remembered against: the content and the service's spec.
fn against(due: &Due<'_>) -> String {
    let spec = due.site.service.map_or("", |service| service.spec_digest.as_str());
    format!("{}:{spec}", identity(&due.wanted))
}

/// What has been delivered is looked at: has someone changed it, and is it still to be proven?
fn watch(context: &Context<'_>, due: &Due<'_>, delivery: &Delivery, draft: &mut Draft) {
    let Some(service) = due.site.service else { return };
    let mut parcel = parcel(context, due, draft);
    if !parcel.swaps.is_empty() {
        let paths: Vec<&str> = parcel.swaps.iter().map(|swap| swap.path.as_str()).collect();
        let message = format!("service {} no longer names our objects on {}", service.name, paths.join(", "));
        note(due, delivery, Some(Problem::new(Code::Drift, message)), draft);
        return;
    }
    note(due, delivery, None, draft);
    let unproven = delivery.proof == Some(Proof::Converged) && parcel.proof != ProofAsk::Converged;
    if unproven && service.running > 0 && delivery.effort.may_try(context.now) {
        parcel.swaps.clear();
        let rollout = assemble(context, &due.site.place, Some(service), vec![parcel], Vec::new());
        let reason = "delivered, but not yet shown to be served".to_owned();
        let assets = vec![due.spec.id.clone()];
        draft.push(Step { at: context.now, assets, action: Action::Verify(rollout), reason });
    }
}

/// Keeps in mind what is wrong with a place: only when that changes.
fn note(due: &Due<'_>, delivery: &Delivery, problem: Option<Problem>, draft: &mut Draft) {
    if delivery.note == problem {
        return;
    }
    let reason = problem.as_ref().map_or("it is gone".to_owned(), |problem| problem.message.clone());
    let action = Action::Note(due.spec.id.clone(), due.site.place.clone(), problem);
    draft.push(Step { at: draft.plan.now, assets: vec![due.spec.id.clone()], action, reason });
}

/// The service is not there: its objects are made, so that it can be deployed, and it is waited for.
fn wait_for_service(context: &Context<'_>, due: &[Due<'_>], draft: &mut Draft) {
    for due in due {
        for file in due.wanted.files.values() {
            objects::provide(context, &due.spec.id, file, draft);
        }
        let reason = format!("waits for service {}", due.site.place.name());
        let nothing = Delivery::default();
        let problem = Problem::new(Code::ServiceMissing, reason.clone());
        note(due, due.delivery.unwrap_or(&nothing), Some(problem), draft);
        draft.defer(&due.spec.id, None, reason);
    }
}

/// Two assets on one path (one of them found by label): the second is left out, and said so.
fn without_conflicts<'a>(dues: Vec<Due<'a>>, draft: &mut Draft) -> Vec<Due<'a>> {
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    let mut good = Vec::new();
    for due in dues {
        let paths: Vec<String> = mounts(&due.wanted);
        if let Some((path, other)) = paths.iter().find_map(|path| taken.get_key_value(path)) {
            let message =
                format!("{} and {other} both write {path} of {}", due.spec.id, due.site.place.name());
            draft
                .plan
                .problems
                .push((due.spec.id.clone(), Problem::new(Code::PathConflict, message.clone())));
            draft.defer(&due.spec.id, None, message);
            continue;
        }
        taken.extend(paths.into_iter().map(|path| (path, due.spec.id.to_string())));
        good.push(due);
    }
    good
}

fn mounts(content: &Content) -> Vec<String> {
    let mount = |(path, file): (&String, &crate::model::FileContent)| {
        file.kind.map_or_else(|| path.clone(), |kind| mount_path(kind, path))
    };
    content.files.iter().map(mount).collect()
}

/// What goes into one rollout: all that has not failed before. What has failed goes alone, so that one bad
/// asset does not hold back its neighbours for ever.
fn together<'a>(context: &Context<'_>, due: Vec<Due<'a>>, draft: &mut Draft) -> Vec<Due<'a>> {
    let failures = |due: &Due<'_>| due.delivery.map_or(0, |delivery| delivery.effort.failures);
    let (fresh, mut failed): (Vec<_>, Vec<_>) = due.into_iter().partition(|due| failures(due) == 0);
    failed.sort_by_key(|due| (failures(due), due.delivery.and_then(|delivery| delivery.effort.next_try_at)));
    let (chosen, others) = if fresh.is_empty() {
        let others = if failed.is_empty() { Vec::new() } else { failed.split_off(1) };
        (failed, others)
    } else {
        (fresh, failed)
    };
    for due in others {
        let reason = format!("{}: tried apart from the others, since it has failed", due.site.place.name());
        draft.defer(&due.spec.id, Some(context.now + SignedDuration::from_secs(1)), reason);
    }
    ride(context, chosen, draft)
}

/// What may ride on another's rollout does not start one by itself for a while.
fn ride<'a>(context: &Context<'_>, chosen: Vec<Due<'a>>, draft: &mut Draft) -> Vec<Due<'a>> {
    let rides_until = |due: &Due<'_>| {
        let record = context.of(due.spec);
        let first = due.delivery.is_none_or(|delivery| delivery.content.files.is_empty());
        let urgent = first || is_asked(record);
        let issued = record.coming().last().and_then(|revision| revision.issued_at);
        issued.filter(|_| !urgent).map(|at| at + due.spec.overlap.rides).filter(|at| *at > context.now)
    };
    if chosen.iter().any(|due| rides_until(due).is_none()) {
        return chosen;
    }
    for due in &chosen {
        let reason = format!("rides on the next rollout of {}, or goes alone then", due.site.place.name());
        draft.defer(&due.spec.id, rides_until(due), reason);
    }
    Vec::new()
}

/// Whether the operator waits for what is being delivered.
fn is_asked(record: &AssetRecord) -> bool {
    let current = record.active().map_or(0, |revision| revision.number);
    record.request.as_ref().is_some_and(|request| current <= request.after && current > 0)
}

/// What stands in the way of any rollout in this place now: said, and waited for.
fn stopped_by(context: &Context<'_>, group: &[Due<'_>], draft: &mut Draft) -> bool {
    let Some(service) = group.first().and_then(|due| due.site.service) else { return false };
    let urgent = group.iter().any(|due| is_urgent(context, due.spec));
    let ours = context.inventory.rollouts.contains_key(&Place::Service(service.name.clone()));
    let (until, problem) = match &service.update {
        Update::Unfinished(what) if !urgent && !ours => {
            let message = format!("the last update of service {} is {what}", service.name);
            (None, Some(Problem::new(Code::ServiceBusy, message)))
        }
        _ if !may_start(context, group, urgent) => (context.desired.windows.next_opening(context.now), None),
        _ => return false,
    };
    for due in group {
        if let Some(problem) = &problem {
            note(due, due.delivery.unwrap_or(&Delivery::default()), Some(problem.clone()), draft);
        }
        let reason = problem.as_ref().map_or("waits for a maintenance window", |p| p.message.as_str());
        draft.defer(&due.spec.id, until, format!("{}: {reason}", service.name));
    }
    true
}

fn may_start(context: &Context<'_>, group: &[Due<'_>], urgent: bool) -> bool {
    let asked = group.iter().any(|due| is_asked(context.of(due.spec)));
    urgent || asked || context.desired.windows.are_open(context.now)
}

/// Less than half of what the renewal was to have in hand is left.
fn is_urgent(context: &Context<'_>, spec: &AssetSpec) -> bool {
    let Some(validity) = context.of(spec).active().and_then(|revision| revision.validity) else {
        return false;
    };
    let lead = match spec.overlap.turn {
        Turn::ShareLeft { of, parts } => {
            validity.lifetime().as_secs() / i64::from(parts.max(1)) * i64::from(of)
        }
        Turn::Left(lead) => lead.as_secs(),
        Turn::Every(_) => return false,
    };
    validity.left(context.now).as_secs() < lead / 2
}

fn reason(group: &[Due<'_>]) -> String {
    let each = group.iter().map(|due| match due.delivery.map(|delivery| delivery.state) {
        Some(DeliveryState::Delivering) => format!("{} was begun and not finished", due.spec.id),
        Some(DeliveryState::Failed) => format!("{} is tried again", due.spec.id),
        Some(state) if state.is_there() => format!("{} has turned", due.spec.id),
        _ => format!("{} is new here", due.spec.id),
    });
    each.collect::<Vec<_>>().join(", ")
}

/// One rollout for all of `group`; the objects that it needs are planned before it.
fn rollout(context: &Context<'_>, place: &Place, group: &[Due<'_>], draft: &mut Draft) -> Rollout {
    let parcels: Vec<Parcel> = group.iter().map(|due| parcel(context, due, draft)).collect();
    let mut preflight: Vec<Vec<String>> = Vec::new();
    for command in group.iter().flat_map(|due| &due.site.preflight) {
        if !preflight.contains(command) {
            preflight.push((*command).clone());
        }
    }
    assemble(context, place, group.first().and_then(|due| due.site.service), parcels, preflight)
}

fn assemble(
    context: &Context<'_>,
    place: &Place,
    service: Option<&Service>,
    parcels: Vec<Parcel>,
    preflight: Vec<Vec<String>>,
) -> Rollout {
    let applied = match place {
        Place::Service(_) => parcels.iter().all(|parcel| parcel.swaps.is_empty()),
        Place::Dir(dir) => parcels.iter().all(|parcel| {
            let shown = context.inventory.world.dirs.get(&(parcel.asset.clone(), dir.clone()));
            parcel.install.as_ref().is_some_and(|install| shown == Some(&install.identity))
        }),
    };
    Rollout {
        place: place.clone(),
        service_id: service.map(|service| service.id.clone()),
        parcels,
        preflight,
        deadline: context.desired.rollout_deadline,
        applied,
        undo: None,
    }
}

/// What one asset brings: the references to be changed, and what will show that it worked.
fn parcel(context: &Context<'_>, due: &Due<'_>, draft: &mut Draft) -> Parcel {
    let singles = due.wanted.files.values().filter(|file| file.part != Part::Ca);
    let revision = singles.flat_map(|file| &file.revisions).max().copied().unwrap_or(0);
    Parcel {
        asset: due.spec.id.clone(),
        revision,
        content: due.wanted.clone(),
        swaps: due.site.service.map_or_else(Vec::new, |service| swaps(context, due, service, draft)),
        install: install(due),
        proof: proof(context, due, revision),
        against: against(due),
    }
}

fn swaps(context: &Context<'_>, due: &Due<'_>, service: &Service, draft: &mut Draft) -> Vec<Swap> {
    let mut swaps = Vec::new();
    for (path, file) in &due.wanted.files {
        let Some(kind) = file.kind else { continue };
        let Some((object, id)) = objects::provide(context, &due.spec.id, file, draft) else { continue };
        let mount = mount_path(kind, path);
        let before =
            service.references.iter().find(|have| mount_path(have.kind, &have.path) == mount).cloned();
        let swap = Swap {
            kind,
            path: path.clone(),
            object,
            before,
            mode: file.mode,
            uid: file.owner.clone(),
            gid: file.group.clone(),
        };
        if !is_there(&swap, id.as_deref()) {
            swaps.push(swap);
        }
    }
    swaps
}

/// Whether the service's reference is just what it should be.
fn is_there(swap: &Swap, id: Option<&str>) -> bool {
    let Some(have) = &swap.before else { return false };
    let same = |wanted: &Option<String>, have: &str| wanted.as_ref().is_none_or(|wanted| wanted == have);
    let Reference { kind, id: have_id, uid, gid, mode, .. } = have;
    *kind == swap.kind
        && id == Some(have_id)
        && swap.mode.is_none_or(|wanted| wanted == *mode)
        && same(&swap.uid, uid)
        && same(&swap.gid, gid)
}

fn install(due: &Due<'_>) -> Option<Install> {
    let dir = due.site.dir?;
    let before = due.delivery.filter(|delivery| !delivery.content.files.is_empty());
    Some(Install {
        dir: dir.dir.clone(),
        identity: identity(&due.wanted),
        previous: before.map(|delivery| identity(&delivery.content)),
        test: dir.test.cloned(),
        reload: dir.reload.cloned(),
        timeout: dir.timeout,
    })
}

/// A handshake wherever there is something to shake hands with.
fn proof(context: &Context<'_>, due: &Due<'_>, revision: u32) -> ProofAsk {
    let record = context.of(due.spec);
    match due.site.verify {
        Some(Verify::Connect { connect, server_name }) => {
            let fingerprint = record.revisions.get(&revision).and_then(|r| r.fingerprint_sha256.clone());
            match (fingerprint, tasks(due.site.service)) {
                (Some(fingerprint_sha256), tasks) if tasks > 0 => ProofAsk::Handshake {
                    connect: connect.clone(),
                    server_name: server_name.clone(),
                    count: 20.max(8 * tasks),
                    fingerprint_sha256,
                    key_algorithm: key_algorithm(due.spec),
                },
                _ => ProofAsk::Converged,
            }
        }
        Some(Verify::Url(url)) if tasks(due.site.service) > 0 => {
            ProofAsk::Jwks { url: url.clone(), kids: kids(record, &due.wanted) }
        }
        _ => ProofAsk::Converged,
    }
}

/// How many tasks should answer; a program on this machine counts as one.
fn tasks(service: Option<&Service>) -> usize {
    let tasks = service.map_or(1, |service| service.replicas.unwrap_or(service.running.max(1)));
    usize::try_from(tasks).unwrap_or(usize::MAX / 8)
}

fn key_algorithm(spec: &AssetSpec) -> KeyAlgorithm {
    match &spec.kind {
        KindSpec::Certificate(certificate) => certificate.algorithm,
        _ => KeyAlgorithm::EcdsaP256,
    }
}

fn kids(record: &AssetRecord, content: &Content) -> Vec<String> {
    let spanning = content.files.values().filter(|file| file.part == Part::Jwks);
    let numbers = spanning.flat_map(|file| &file.revisions);
    numbers.filter_map(|number| record.revisions.get(number)?.kid.clone()).collect()
}

/// What would go badly with this service, whatever we do.
fn warn(group: &[Due<'_>], draft: &mut Draft) {
    for habit in group.iter().filter_map(|due| due.site.service).flat_map(|service| &service.habits) {
        if !draft.plan.warnings.contains(habit) {
            draft.plan.warnings.push(habit.clone());
        }
    }
}
