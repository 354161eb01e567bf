//! Who makes a certificate now: the first of its issuers that may be asked.
//!
//! Each issuer goes through a chain of small questions (has it asked to be left alone, is it resting after a failure of
//! its own, have too many orders come to nothing, does a limit stand in the way, are others first); the first that says
//! no gives the reason and the time.

mod advice;
mod ledger;
mod limits;
mod names;

use jiff::{SignedDuration, Timestamp};

use super::renewal::{gains_nothing, is_only_advised};
use super::turn::{days, next_try};
use super::{Context, Draft, compromise, later, life};
use crate::desired::{AssetSpec, CertificateSpec, IssuerRef, KindSpec};
use crate::model::{AssetId, AssetRecord, MAKING_PAUSES, OrderNote, Rate, RevisionState, Signer, Validity};

pub(super) use advice::consult;
pub(super) use ledger::{Counted, Ledger};
pub use limits::{IssuerUse, LimitUse, issuers};
pub use names::order_note;

/// Orders that nobody has planned, at most, for one set of names (FAULTS.md, I5).
const RETRIES: Rate = Rate { count: 3, window: SignedDuration::from_hours(7 * 24) };
/// Where validity would run out otherwise, one such order in this time is right nonetheless; of short lives, in a
/// [`LAST_SHARE`]th of them.
const LAST_RESORT: SignedDuration = SignedDuration::from_hours(24);
const LAST_SHARE: i32 = 24;
/// Of renewals that a CA asks for at once, so many orders start in so long: a CA that has revoked all is busy enough.
const AT_ONCE: Rate = Rate { count: 20, window: SignedDuration::from_secs(60) };

/// Why an issuer may not be asked now, and until when.
struct Wait {
    until: Option<Timestamp>,
    why: String,
    /// It is only a matter of this pass: nobody else is asked instead.
    soon: bool,
}

impl Wait {
    fn new(until: Option<Timestamp>, why: String) -> Self {
        Self { until, why, soon: false }
    }
}

/// One certificate that looks for its issuer.
struct Case<'c, 'a> {
    context: &'c Context<'a>,
    spec: &'c AssetSpec,
    certificate: &'c CertificateSpec,
    record: &'c AssetRecord,
}

/// Who signs; `None` where nobody may now, which is then deferred.
pub(super) fn signer(
    context: &Context<'_>,
    spec: &AssetSpec,
    draft: &mut Draft,
) -> Result<Option<Signer>, ()> {
    let KindSpec::Certificate(certificate) = &spec.kind else { return Ok(None) };
    let case = Case { context, spec, certificate, record: context.record(&spec.id) };
    let mut waits: Vec<Wait> = Vec::new();
    for issuer in case.in_order() {
        let found = match issuer {
            IssuerRef::Internal(id) => case.internal(id, draft),
            IssuerRef::Acme(name) => case.acme(name, draft),
            IssuerRef::Manual(name) => Err(case.by_hand(name)),
        };
        match found {
            Ok(signer) => return Ok(Some(signer)),
            Err(wait) => waits.push(wait),
        }
        if waits.last().is_some_and(|wait| wait.soon) {
            break;
        }
    }
    let first = waits.iter().filter_map(|wait| wait.until).min();
    let reasons: Vec<String> = waits.into_iter().map(|wait| wait.why).collect();
    draft.defer(&spec.id, first, reasons.join("; "));
    Err(())
}

impl Case<'_, '_> {
    /// As the configuration has them; but an order that is open is gone on with before another is placed elsewhere.
    fn in_order(&self) -> Vec<&IssuerRef> {
        let set = names::set(self.certificate);
        let open = |issuer: &IssuerRef| matches!(issuer, IssuerRef::Acme(name) if self.record.open_order(name, &set).is_some());
        let mut issuers: Vec<&IssuerRef> = self.certificate.issuers.iter().collect();
        issuers.sort_by_key(|issuer| !open(issuer));
        issuers
    }

    fn by_hand(&self, name: &str) -> Wait {
        let id = &self.spec.id;
        let why = format!(
            "waits for a person: `keyturn csr {id}` prints the request for {name}, and `keyturn import {id} --cert FILE` \
             takes what comes back"
        );
        Wait::new(None, why)
    }

    /// The ACME CA `name`, if nothing stands in the way.
    fn acme(&self, name: &str, draft: &mut Draft) -> Result<Signer, Wait> {
        let replaces = self.replaced(name);
        self.left_alone(name)?;
        self.resting(name)?;
        let note = order_note(
            self.certificate,
            self.record,
            &self.spec.made_for,
            (name, replaces.is_some()),
            self.context.now,
        );
        // An order that is open is gone on with: that costs nothing.
        if self.record.open_order(name, &note.set).is_none() {
            // A key in wrong hands waits for no budget of ours: what the CA makes of it, the CA says.
            if !compromise::is_open(self.record) {
                self.retried_enough(&note, draft)?;
                self.advised_enough(&note, draft)?;
                limits::within(self.context, self.certificate, &note, draft)?;
                self.one_after_the_other(name, draft)?;
            }
            draft.planned.note(&note);
        }
        Ok(Signer::Acme { name: name.to_owned(), replaces })
    }

    /// Retry-After holds over everything, also over the operator's wish.
    fn left_alone(&self, name: &str) -> Result<(), Wait> {
        match left_alone(self.context, name) {
            Some(until) => {
                Err(Wait::new(Some(until), format!("{name} has asked to be left alone until {until}")))
            }
            None => Ok(()),
        }
    }

    fn resting(&self, name: &str) -> Result<(), Wait> {
        let Some(effort) = self.record.by_issuer.get(name) else { return Ok(()) };
        let same = effort.against.as_ref() == Some(&self.spec.made_for);
        let next = next_try(self.spec, self.record, effort, &MAKING_PAUSES);
        match next.filter(|at| same && *at > self.context.now) {
            Some(until) => {
                let why = effort.problem.as_ref().map_or("the last try failed", |p| p.message.as_str());
                Err(Wait::new(Some(until), format!("{name} is tried again then: {why}")))
            }
            None => Ok(()),
        }
    }

    /// The revision in use, where it is of the same CA and nothing has replaced it there: the order says that it takes
    /// its place (RFC 9773 §5).
    fn replaced(&self, name: &str) -> Option<u32> {
        let active = self.record.active()?;
        let by = |issuer: &Option<String>| issuer.as_deref() == Some(name);
        let lives = active.validity.is_some_and(|validity| validity.contains(self.context.now));
        let renewal = active.renewal.as_ref()?;
        let stands = active.revoked_at.is_none() && renewal.revoked_since.is_none();
        let mut newer = self.record.revisions.range(active.number + 1..).map(|(_, revision)| revision);
        let last = !newer.any(|revision| by(&revision.issuer));
        (by(&active.issuer) && lives && stands && last && renewal.window.is_some()).then_some(active.number)
    }

    /// A name whose orders come to nothing again and again needs a person, not more orders; but nothing may run out
    /// over it.
    fn retried_enough(&self, note: &OrderNote, draft: &Draft) -> Result<(), Wait> {
        if !note.retry {
            return Ok(());
        }
        let now = self.context.now;
        let counted = Counted::Retry(note.set.clone());
        let times = self.context.ledger.times(&draft.planned, &counted, RETRIES.window, now);
        let Some(frees_at) = ledger::frees_at(&times, RETRIES, now) else { return Ok(()) };
        let in_use = self.record.active().and_then(|active| active.validity);
        let pause = in_use.map_or(LAST_RESORT, |all| LAST_RESORT.min(all.lifetime() / LAST_SHARE));
        let urgent = times.last().map_or(now, |last| later(*last, pause)).max(runs_out_at(in_use));
        let until = frees_at.min(urgent);
        if until <= now {
            return Ok(());
        }
        let why = format!(
            "the last {} orders for its names came to nothing; `keyturn rotate {}` tries at once",
            times.len(),
            self.spec.id
        );
        Err(Wait::new(Some(until), why))
    }

    /// A CA that wants everything renewed as soon as it is issued is followed once at once, and then with pauses.
    fn advised_enough(&self, note: &OrderNote, draft: &Draft) -> Result<(), Wait> {
        if !self.is_only_advised() {
            return Ok(());
        }
        let now = self.context.now;
        let life = self.record.active().and_then(|active| active.validity).map(|all| all.lifetime());
        let rate = life.map_or(RETRIES, |life| Rate { window: RETRIES.window.min(life), ..RETRIES });
        let counted = Counted::Issued(note.set.clone());
        let times = self.context.ledger.times(&draft.planned, &counted, rate.window, now);
        let [_, .., last] = times.as_slice() else { return Ok(()) };
        let rested = later(*last, life.map_or(LAST_RESORT, |life| LAST_RESORT.min(life / LAST_SHARE)));
        let until = ledger::frees_at(&times, rate, now).map_or(rested, |free| free.max(rested));
        if until <= now {
            return Ok(());
        }
        let why = format!(
            "{} wants it renewed again, after {} certificates in {}",
            note.issuer,
            times.len(),
            days(rate.window)
        );
        Err(Wait::new(Some(until), why))
    }

    /// Neither we nor the operator would renew it yet.
    fn is_only_advised(&self) -> bool {
        let hurried = |revision| is_only_advised(self.context, self.spec, self.record, revision);
        self.record.active().is_some_and(hurried)
    }

    /// Renewals that the CA has asked for at once are spread.
    fn one_after_the_other(&self, name: &str, draft: &Draft) -> Result<(), Wait> {
        if !self.is_only_advised() {
            return Ok(());
        }
        let now = self.context.now;
        let counted = Counted::Started(name.to_owned());
        let times = self.context.ledger.times(&draft.planned, &counted, AT_ONCE.window, now);
        match ledger::frees_at(&times, AT_ONCE, now) {
            Some(until) => {
                Err(Wait::new(Some(until), format!("{name} has many to renew at once; this one in turn")))
            }
            None => Ok(()),
        }
    }

    /// The CA of our own and its revision that signs now, or what is waited for. A CA that is itself being made is made
    /// first.
    fn internal(&self, id: &AssetId, draft: &mut Draft) -> Result<Signer, Wait> {
        self.resting(&id.name)?;
        let record = self.context.record(id);
        let ca = self.context.desired.assets.get(id);
        let soon = |revision: &crate::model::Revision| {
            revision.state != RevisionState::Pending
                && !ca.is_some_and(|ca| life::waits_to_be_known(self.context, ca, revision))
        };
        if draft.making.contains(id) || record.coming().any(soon) {
            draft.making.insert(self.spec.id.clone());
            return Err(Wait { until: None, why: format!("waits for {id}"), soon: true });
        }
        let active = record.active().ok_or_else(|| Wait::new(None, format!("waits for {id}")))?;
        if active.validity.is_some_and(|validity| !validity.contains(self.context.now)) {
            let why = format!("waits for {id}: its revision {} is not valid now", active.number);
            return Err(Wait::new(None, why));
        }
        let fallback = self.certificate.issuers.len() > 1;
        let in_use = self.record.active().filter(|_| fallback);
        if in_use.is_some_and(|in_use| gains_nothing(self.context, self.spec, in_use)) {
            return Err(Wait::new(None, format!("{id} could sign for no longer than what is in use lasts")));
        }
        Ok(Signer::Internal(id.clone(), active.number))
    }
}

/// From when on nothing waits any more: less than a fifth of the life of what is in use is left, or nothing is.
fn runs_out_at(in_use: Option<Validity>) -> Timestamp {
    in_use.map_or(Timestamp::MIN, |all| later(all.not_after, -(all.lifetime() / 5)))
}

/// Until when an ACME CA has asked to be left alone.
pub(super) fn left_alone(context: &Context<'_>, name: &str) -> Option<Timestamp> {
    let record = context.inventory.issuers.get(name)?;
    record.not_before.filter(|until| *until > context.now)
}
