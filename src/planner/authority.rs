//! What is particular about a CA: who must know its root, when a new one is due, and what still stands under an old one.

use jiff::{SignedDuration, Timestamp};

use super::{Context, Draft, Site, later};
use crate::desired::{AssetSpec, CaSpec, KindSpec};
use crate::model::{AssetId, AssetKind, AssetRecord, Place, Revision, RevisionState, SUCCESSOR_TIME};

/// The certificates that the CA signs for.
pub(super) fn clients<'c>(context: &'c Context<'_>, ca: &'c AssetId) -> impl Iterator<Item = &'c AssetSpec> {
    let signs = move |spec: &&AssetSpec| match &spec.kind {
        KindSpec::Certificate(certificate) => certificate.authority() == Some(ca),
        _ => false,
    };
    context.desired.assets.values().filter(signs)
}

/// The places that have the CA's roots or its revocation lists. A service that is not there has no clients that it could
/// refuse; when it comes, it gets all that is known then.
pub(super) fn knowers<'c>(
    context: &'c Context<'_>,
    ca: &'c AssetId,
) -> impl Iterator<Item = (&'c AssetSpec, &'c Site<'c>)> {
    let there = |site: &&Site<'_>| matches!(*site.place, Place::Dir(_)) || site.service.is_some();
    let has = |site: &&Site<'_>| site.files.values().any(|file| file.file.part.is_the_issuers());
    clients(context, ca).flat_map(move |spec| {
        context.sites(spec).iter().filter(has).filter(there).map(move |site| (spec, site))
    })
}

/// Whether the successor of `last` gets a root of its own: the operator wants it, or the root that there is would cut a
/// whole intermediate short.
pub(super) fn wants_new_root(
    context: &Context<'_>,
    ca: &CaSpec,
    record: &AssetRecord,
    last: &Revision,
) -> bool {
    let asked =
        record.request.as_ref().is_some_and(|request| request.new_root && last.number <= request.after);
    can_have_new_root(ca, last) && (asked || ends_too_soon(context, ca, last))
}

/// Whether its root's successor is ours to make.
pub(super) fn can_have_new_root(ca: &CaSpec, last: &Revision) -> bool {
    ca.root_in_state && !last.root_is_elsewhere
}

/// Whether a person has to have its next intermediate signed: the root's key is not here.
pub(super) fn is_by_hand(ca: &CaSpec, last: Option<&Revision>) -> bool {
    ca.root_offline || last.is_some_and(|last| last.root_is_elsewhere)
}

/// What the person has to do.
pub(super) fn by_hand(id: &AssetId) -> String {
    format!(
        "waits for a person: `keyturn csr {id}` prints the request for its root, and `keyturn import {id} --cert FILE --chain \
         FILE` takes what comes back"
    )
}

fn ends_too_soon(context: &Context<'_>, ca: &CaSpec, last: &Revision) -> bool {
    let slack = slack(ca.intermediate_lifetime);
    last.root_ends.is_some_and(|end| end.duration_since(context.now) + slack < ca.intermediate_lifetime)
}

/// What a lifetime may come out shorter by, without that anybody has cut it.
pub(super) fn slack(lifetime: SignedDuration) -> SignedDuration {
    SignedDuration::from_secs(lifetime.as_secs() / 100).min(SignedDuration::from_hours(2))
}

/// Whether the key of a root that is still trusted is in wrong hands: its successor waits for nobody.
pub(super) fn is_out(record: &AssetRecord) -> bool {
    record.revisions.values().any(|revision| revision.compromised && !revision.state.is_over())
}

/// Whether that is so of the CA of a certificate: it is reissued, and the old root dropped, without delay.
pub(super) fn is_out_of(context: &Context<'_>, spec: &AssetSpec) -> bool {
    match &spec.kind {
        KindSpec::Certificate(certificate) => {
            certificate.authority().is_some_and(|ca| is_out(context.record(ca)))
        }
        _ => false,
    }
}

/// From when on the successor of a root in wrong hands signs, whoever has not been shown to know it.
pub(super) fn signs_anyway_at(record: &AssetRecord) -> Option<Timestamp> {
    let request = record.request.as_ref().filter(|_| super::compromise::is_open(record))?;
    Some(later(request.at, SUCCESSOR_TIME))
}

/// Until when a root in wrong hands is trusted: until nothing is in use under it, but never for long.
pub(super) fn trusted_until(context: &Context<'_>, ca: &AssetId, revision: &Revision) -> Option<Timestamp> {
    let mut leaves = clients(context, ca).filter_map(|spec| context.record(&spec.id).active());
    let shown = leaves.any(|leaf| {
        leaf.issuer.as_ref() == Some(&ca.name) && leaf.signed_by.is_some_and(|by| by <= revision.number)
    });
    revision.replaced_at.filter(|_| shown).map(|at| later(at, SUCCESSOR_TIME))
}

/// The revision in use, where its root is another than that of revision `number`: whoever knows only the old root must
/// find a way.
pub(super) fn under_old_root(record: &AssetRecord, number: u32) -> Option<u32> {
    let root = record.revisions.get(&number).and_then(|revision| revision.root);
    let lives = |revision: &&Revision| {
        matches!(revision.state, RevisionState::Active | RevisionState::Retiring)
            && revision.number < number
            && !revision.compromised
            && (root.is_none() || revision.root != root)
    };
    record.revisions.values().rev().find(lives).map(|revision| revision.number)
}

/// When the last certificate ends that revision `number` of the CA has signed and that somebody may still serve or show,
/// in good faith or not: one that is revoked is on a list only as long as who has signed it can sign that list.
pub(super) fn last_end(context: &Context<'_>, spec: &AssetSpec, number: u32) -> Option<Timestamp> {
    let ca = &spec.id;
    let records = context.inventory.assets.values().filter(|record| record.id.kind == AssetKind::Certificate);
    let under = |revision: &&Revision| {
        revision.signed_by == Some(number)
            && revision.issuer.as_ref() == Some(&ca.name)
            && !revision.state.is_over()
    };
    let leaves = records.flat_map(|record| record.revisions.values()).filter(under);
    let ends = leaves.filter_map(|revision| revision.validity.map(|validity| validity.not_after));
    let asked = context.inventory.issued.values().filter(|one| {
        one.ca == *ca && one.signed_by == number && one.asked.is_some() && one.revoked.is_none()
    });
    ends.chain(asked.map(|one| one.not_after)).chain(listed_until(context, spec, number)).max()
}

/// Until when what revision `number` of the CA has signed and is revoked stands on its lists, where it has any: no longer
/// than its own certificate lasts, without which nobody believes them.
fn listed_until(context: &Context<'_>, spec: &AssetSpec, number: u32) -> Option<Timestamp> {
    let KindSpec::Ca(CaSpec { crl: Some(crl), .. }) = &spec.kind else { return None };
    let own_end = context.record(&spec.id).revisions.get(&number)?.validity?.not_after;
    let revoked = context
        .inventory
        .issued
        .values()
        .filter(|one| one.ca == spec.id && one.signed_by == number && one.revoked.is_some());
    revoked.map(|one| one.listed_until(crl.every).min(own_end)).max()
}

/// Whether who stands above a revision of a CA has revoked it.
fn is_revoked(revision: &Revision) -> bool {
    revision.renewal.as_ref().is_some_and(|renewal| renewal.revoked_since.is_some())
}

/// Why a certificate is to be renewed because its CA has a new root. All do so within the time that the root was made
/// known before, each at its own moment of it.
pub(super) fn uprooted(
    context: &Context<'_>,
    spec: &AssetSpec,
    revision: &Revision,
    draft: &mut Draft,
) -> Option<String> {
    let KindSpec::Certificate(certificate) = &spec.kind else { return None };
    let ca = certificate.authority().filter(|ca| revision.issuer.as_ref() == Some(&ca.name))?;
    let record = context.record(ca);
    let (active, signer) = (record.active()?, revision.signed_by?);
    let old = record.revisions.get(&signer);
    let root = old.and_then(|signer| signer.root);
    if signer < active.number && old.is_some_and(is_revoked) {
        return Some(format!("{ca} signs under another intermediate, and the one before was revoked"));
    }
    if signer >= active.number || root == active.root {
        return None;
    }
    let hurried = old.is_none_or(|signer| signer.compromised);
    let known = context.desired.assets.get(ca).filter(|_| !hurried);
    let before = known.map_or(SignedDuration::ZERO, |ca| ca.overlap.publish_before);
    let share = before.as_secs() as f64 * context.seed.fraction(&spec.id, revision.number);
    let at = later(active.active_at?, SignedDuration::from_secs(share as i64));
    if at > context.now {
        draft.wake(Some(at));
        return None;
    }
    Some(format!("{ca} signs under a new root"))
}
