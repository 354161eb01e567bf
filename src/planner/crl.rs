//! When are a CA's revocation lists made anew? All of them together, as one edition.
//!
//! Each certificate of a CA that can sign has a list of its own: the intermediates', in which revoked certificates stand,
//! and the roots', without which NGINX and others that look at whole chains (`X509_V_FLAG_CRL_CHECK_ALL`) refuse all.

use jiff::{SignedDuration, Timestamp};

use super::{Context, Draft, authority, later};
use crate::desired::{AssetSpec, CertificateSpec, CrlSpec, Desired, KindSpec};
use crate::model::{
    Action, AssetId, AssetRecord, Code, CrlNote, Delivery, Inventory, MakeCrl, Part, Problem, RevisionState,
    Step, Validity,
};

/// Plans the next edition where it is due. Who shows it waits for it in the same pass.
pub(super) fn consider(context: &Context<'_>, spec: &AssetSpec, draft: &mut Draft) {
    let KindSpec::Ca(ca) = &spec.kind else { return };
    let record = context.record(&spec.id);
    let revisions = signing(record);
    let Some(crl) = ca.crl.filter(|_| !revisions.is_empty()) else { return };
    let Some(reason) = due(context, &spec.id, record, &revisions, crl, draft) else { return };
    let edition = record.crl.as_ref().map_or(0, |note| note.edition) + 1;
    let CrlSpec { lifetime, every } = crl;
    let action = Action::List(MakeCrl { asset: spec.id.clone(), edition, revisions, lifetime, every });
    draft.push(Step { at: context.now, assets: vec![spec.id.clone()], action, reason });
    let shows = |spec: &&AssetSpec| spec.targets.iter().flat_map(|t| t.files.values()).any(is_list);
    let shown: Vec<AssetId> =
        authority::clients(context, &spec.id).filter(shows).map(|spec| spec.id.clone()).collect();
    draft.making.extend(shown);
}

fn is_list(file: &crate::desired::FileSpec) -> bool {
    file.part == Part::Crl
}

/// The revisions whose keys are there: those that sign, will sign, or have signed what may still be shown.
fn signing(record: &AssetRecord) -> Vec<u32> {
    let signs = |state| state >= RevisionState::Prepared && state <= RevisionState::Retiring;
    record.revisions.values().filter(|revision| signs(revision.state)).map(|one| one.number).collect()
}

fn due(
    context: &Context<'_>,
    ca: &AssetId,
    record: &AssetRecord,
    revisions: &[u32],
    crl: CrlSpec,
    draft: &mut Draft,
) -> Option<String> {
    let Some(last) = &record.crl else { return Some("there is none yet".to_owned()) };
    if let Some(new) = revisions.iter().find(|number| !last.revisions.contains(number)) {
        return Some(format!("revision {new} needs one, too"));
    }
    if let Some(serial) = unlisted(context, ca) {
        return Some(format!("{serial} is revoked"));
    }
    if record.upper_lists.as_ref().is_some_and(|upper| last.upper != Some(upper.taken_at)) {
        return Some("a list from above was brought".to_owned());
    }
    // Those that were made for less are renewed by that.
    let at = half(last).min(later(last.this_update, crl.every));
    if at <= context.now {
        return Some(format!(
            "the last one was made at {}, and ends at {}",
            last.this_update, last.next_update
        ));
    }
    draft.wake(Some(at));
    None
}

/// A certificate that was revoked since.
fn unlisted<'c>(context: &'c Context<'_>, ca: &AssetId) -> Option<&'c str> {
    let mut issued = context.inventory.issued.values().filter(|one| one.ca == *ca);
    issued.find(|one| one.revoked.is_some() && !one.listed).map(|one| one.serial.as_str())
}

/// When half of its life is over.
fn half(last: &CrlNote) -> Timestamp {
    later(last.this_update, last.next_update.duration_since(last.this_update) / 2)
}

/// Why the next edition could not be made.
pub(super) fn not_made(spec: &AssetSpec, record: &AssetRecord) -> Option<Problem> {
    match &spec.kind {
        KindSpec::Ca(ca) if ca.crl.is_some() => record.crl_problem.clone(),
        _ => None,
    }
}

/// What is left of a list's life when it is called late wherever it is: a third.
const LATE_SHARE: i32 = 3;

/// That the next edition is late: it is overdue by a third of the time between two, or less than a third of the life of
/// the last one is left. Whoever asks for a list refuses everybody when it has ended.
pub(super) fn late(spec: &AssetSpec, record: &AssetRecord, now: Timestamp) -> Option<Problem> {
    let KindSpec::Ca(ca) = &spec.kind else { return None };
    let (crl, last) = (ca.crl?, record.crl.as_ref()?);
    let overdue = later(last.this_update, crl.every + (crl.every / LATE_SHARE).max(OVERDUE));
    let life = last.next_update.duration_since(last.this_update);
    let ending = later(last.next_update, -(life / LATE_SHARE));
    (overdue.min(ending) < now).then(|| {
        let message = format!(
            "the revocation lists of edition {} were to be made anew at {}, and end at {}: from then on whoever checks them \
             refuses everybody",
            last.edition,
            later(last.this_update, crl.every),
            last.next_update
        );
        Problem::new(Code::CrlLate, message)
    })
}

/// An edition may be so late without that anybody is told.
const OVERDUE: SignedDuration = SignedDuration::from_secs(10);

/// That a list which a person has to bring ends soon.
pub(super) fn late_above(record: &AssetRecord, now: Timestamp) -> Option<Problem> {
    let lists = record.upper_lists.as_ref()?;
    let (id, end) = (&record.id, lists.next_update);
    let whose = match &lists.signer {
        Some(name) => format!("`{name}` above {id}"),
        None => format!("what stands above {id}"),
    };
    let bring = format!("`keyturn import {id} --crl FILE` takes its successor");
    if end < now {
        let message = format!("the revocation list of {whose} has ended at {end}; {bring}");
        return Some(Problem::new(Code::CrlLate, message));
    }
    let within = super::health::within(Validity { not_before: lists.this_update, not_after: end }, now)?;
    let message = format!("the revocation list of {whose} ends at {end}, within {within}; {bring}");
    Some(Problem::new(Code::CrlLate, message))
}

/// That a place still has an edition which ends soon, though a later one is made: it could not be delivered.
pub(super) fn old_in_place<'i>(
    desired: &'i Desired,
    inventory: &'i Inventory,
    spec: &'i AssetSpec,
    record: &'i AssetRecord,
    now: Timestamp,
) -> impl Iterator<Item = Problem> + 'i {
    let certificate = match &spec.kind {
        KindSpec::Certificate(certificate) => Some(certificate),
        _ => None,
    };
    record.deliveries.iter().filter_map(move |(place, delivery)| {
        let edition = editions(delivery).max()?;
        let ca = certificate.and_then(CertificateSpec::authority)?;
        let end = inventory.record(ca)?.crl.as_ref()?.before.get(&edition)?;
        (later(*end, -(crl_of(desired, ca)?.lifetime / LATE_SHARE)) < now).then(|| {
            let message = format!(
                "{} still has edition {edition} of the revocation lists, which ends at {end}: from then on it refuses everybody",
                place.name()
            );
            Problem::new(Code::CrlLate, message)
        })
    })
}

fn crl_of(desired: &Desired, ca: &AssetId) -> Option<CrlSpec> {
    match &desired.assets.get(ca)?.kind {
        KindSpec::Ca(ca) => ca.crl,
        _ => None,
    }
}

/// The editions that a place has.
fn editions(delivery: &Delivery) -> impl Iterator<Item = u32> + '_ {
    let lists = delivery.content.files.values().filter(|file| file.part == Part::Crl);
    lists.flat_map(|file| file.revisions.iter().copied())
}

/// From when on what a place has of revocation lists waits for nobody: less than a third of a list's life is left of it.
pub(super) fn urgent_at(context: &Context<'_>, spec: &AssetSpec, delivery: &Delivery) -> Option<Timestamp> {
    let KindSpec::Certificate(certificate) = &spec.kind else { return None };
    let ca = certificate.authority()?;
    let life = crl_of(context.desired, ca)?.lifetime;
    let end = context.record(ca).crl.as_ref()?.before.get(&editions(delivery).max()?)?;
    Some(later(*end, -(life / LATE_SHARE)))
}
