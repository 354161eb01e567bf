//! When are a CA's revocation lists made anew? All of them together, as one edition.
//!
//! Each certificate of a CA that can sign has a list of its own: the intermediates', in which revoked certificates stand,
//! and the roots', without which NGINX and others that look at whole chains (`X509_V_FLAG_CRL_CHECK_ALL`) refuse all.

use jiff::{SignedDuration, Timestamp};

use super::{Context, Draft, authority, later};
use crate::desired::{AssetSpec, KindSpec};
use crate::model::{
    Action, AssetId, AssetRecord, Code, CrlNote, MakeCrl, Part, Problem, RevisionState, Step,
};

/// Plans the next edition where it is due. Who shows it waits for it in the same pass.
pub(super) fn consider(context: &Context<'_>, spec: &AssetSpec, draft: &mut Draft) {
    let KindSpec::Ca(ca) = &spec.kind else { return };
    let record = context.record(&spec.id);
    let revisions = signing(record);
    let Some(lifetime) = ca.crl.filter(|_| !revisions.is_empty()) else { return };
    let Some(reason) = due(context, &spec.id, record, &revisions, lifetime, draft) else { return };
    let edition = record.crl.as_ref().map_or(0, |note| note.edition) + 1;
    let action = Action::List(MakeCrl { asset: spec.id.clone(), edition, revisions, lifetime });
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
    lifetime: SignedDuration,
    draft: &mut Draft,
) -> Option<String> {
    let Some(last) = &record.crl else { return Some("there is none yet".to_owned()) };
    if let Some(new) = revisions.iter().find(|number| !last.revisions.contains(number)) {
        return Some(format!("revision {new} needs one, too"));
    }
    if let Some(serial) = unlisted(context, ca) {
        return Some(format!("{serial} is revoked"));
    }
    let at = half(last).min(later(last.this_update, lifetime / 2));
    if at <= context.now {
        return Some(format!("the last one ends at {}", last.next_update));
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

/// That a list is late: whoever asks for it refuses everybody when it has ended.
pub(super) fn late(spec: &AssetSpec, record: &AssetRecord, now: Timestamp) -> Option<Problem> {
    let KindSpec::Ca(ca) = &spec.kind else { return None };
    ca.crl?;
    let last = record.crl.as_ref()?;
    let life = last.next_update.duration_since(last.this_update);
    (last.next_update.duration_since(now) < life / 3).then(|| {
        let message = format!("the revocation lists of edition {} end at {}", last.edition, last.next_update);
        Problem::new(Code::CrlLate, message)
    })
}
