//! What is particular about a CA: who must know its root, when a new one is due, and what still stands under an old one.

use jiff::{SignedDuration, Timestamp};

use super::{Context, Draft, Site, later};
use crate::desired::{AssetSpec, CaSpec, KindSpec};
use crate::model::{AssetId, AssetKind, AssetRecord, Place, Revision, RevisionState};

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
    let there = |site: &&Site<'_>| matches!(site.place, Place::Dir(_)) || site.service.is_some();
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

fn ends_too_soon(context: &Context<'_>, ca: &CaSpec, last: &Revision) -> bool {
    let slack = slack(ca.intermediate_lifetime);
    last.root_ends.is_some_and(|end| end.duration_since(context.now) + slack < ca.intermediate_lifetime)
}

/// What a lifetime may come out shorter by, without that anybody has cut it.
pub(super) fn slack(lifetime: SignedDuration) -> SignedDuration {
    SignedDuration::from_secs(lifetime.as_secs() / 100).min(SignedDuration::from_hours(2))
}

/// The revision in use, where its root is another than that of revision `number`: whoever knows only the old root must
/// find a way.
pub(super) fn under_old_root(record: &AssetRecord, number: u32) -> Option<u32> {
    let root = record.revisions.get(&number).and_then(|revision| revision.root);
    let lives = |revision: &&Revision| {
        matches!(revision.state, RevisionState::Active | RevisionState::Retiring)
            && revision.number < number
            && (root.is_none() || revision.root != root)
    };
    record.revisions.values().rev().find(lives).map(|revision| revision.number)
}

/// When the last certificate ends that revision `number` of the CA has signed and that somebody may still serve or show.
pub(super) fn last_end(context: &Context<'_>, ca: &AssetId, number: u32) -> Option<Timestamp> {
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
    ends.chain(asked.map(|one| one.not_after)).max()
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
    let root = record.revisions.get(&signer).and_then(|signer| signer.root);
    if signer >= active.number || root == active.root {
        return None;
    }
    let before = context.desired.assets.get(ca).map_or(SignedDuration::ZERO, |ca| ca.overlap.publish_before);
    let share = before.as_secs() as f64 * context.seed.fraction(&spec.id, revision.number);
    let at = later(active.active_at?, SignedDuration::from_secs(share as i64));
    if at > context.now {
        draft.wake(Some(at));
        return None;
    }
    Some(format!("{ca} signs under a new root"))
}
