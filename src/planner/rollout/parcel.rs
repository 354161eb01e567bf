//! What a rollout brings, and what will show that it worked.

use super::{Due, against};
use crate::desired::{AssetSpec, KindSpec, Verify};
use crate::model::{
    AssetRecord, Content, Install, KeyAlgorithm, Parcel, Part, Place, ProofAsk, Rollout, Service, Swap,
};
use crate::planner::{Context, Draft, identity, objects, watch};

/// One rollout for all of `group`; the objects that it needs are planned before it.
pub(super) fn rollout(context: &Context<'_>, place: &Place, group: &[Due<'_>], draft: &mut Draft) -> Rollout {
    let parcels: Vec<Parcel> =
        group.iter().map(|due| parcel_of(context, due, swaps(context, due, draft))).collect();
    let mut preflight: Vec<Vec<String>> = Vec::new();
    for command in group.iter().flat_map(|due| &due.site.preflight) {
        if !preflight.contains(command) {
            preflight.push((*command).clone());
        }
    }
    let service = group.first().and_then(|due| due.site.service);
    draft.plan.warnings.extend(service.into_iter().flat_map(|service| service.habits.clone()));
    assemble(context, place, service, parcels, preflight)
}

pub(in crate::planner) fn assemble(
    context: &Context<'_>,
    place: &Place,
    service: Option<&Service>,
    parcels: Vec<Parcel>,
    preflight: Vec<Vec<String>>,
) -> Rollout {
    let applied = parcels.iter().all(|parcel| match place {
        Place::Service(_) => parcel.swaps.is_empty(),
        Place::Dir(_) => context.shows(&parcel.asset, place, &parcel.content),
    });
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
pub(in crate::planner) fn parcel_of(context: &Context<'_>, due: &Due<'_>, swaps: Vec<Swap>) -> Parcel {
    let singles = due.wanted.files.values().filter(|file| !file.part.is_the_issuers());
    let revision = singles.flat_map(|file| &file.revisions).max().copied().unwrap_or(0);
    Parcel {
        asset: due.spec.id.clone(),
        revision,
        content: due.wanted.clone().into_owned(),
        swaps,
        install: install(due),
        proof: proof(context, due, revision),
        against: against(due),
    }
}

fn swaps(context: &Context<'_>, due: &Due<'_>, draft: &mut Draft) -> Vec<Swap> {
    let mut swaps = Vec::new();
    for (path, file) in due.wanted.files.iter().filter(|_| due.site.service.is_some()) {
        let Some(kind) = file.kind else { continue };
        let Some((object, id)) = objects::provide(context, &due.spec.id, file, draft) else { continue };
        let before = watch::reference(context, due.site, path, file);
        if watch::shows(before, file, id.as_deref()) {
            continue;
        }
        swaps.push(Swap {
            kind,
            path: path.clone(),
            object,
            before: before.cloned(),
            mode: file.mode,
            uid: file.owner.clone(),
            gid: file.group.clone(),
        });
    }
    swaps
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
    let record = context.record(&due.spec.id);
    let tasks = tasks(due.site.service);
    match due.site.verify {
        Some(Verify::Connect { connect, server_name }) if tasks > 0 => {
            let fingerprint = record.revisions.get(&revision).and_then(|r| r.fingerprint_sha256.clone());
            fingerprint.map_or(ProofAsk::Converged, |fingerprint_sha256| ProofAsk::Handshake {
                connect: connect.clone(),
                server_name: server_name.clone(),
                count: 20.max(8 * tasks),
                fingerprint_sha256,
                key_algorithm: key_algorithm(due.spec),
            })
        }
        Some(Verify::Url(url)) if tasks > 0 => {
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
