//! ACME CAs with moods: orders that come to nothing, answers that are lost, Retry-After, advice.

use jiff::SignedDuration;

use super::super::bench::{hours, line};
use super::orders::Blame;
use super::run::{Run, problem};
use crate::desired::KindSpec;
use crate::model::{AssetId, MAKING_PAUSES, Make, OrderOutcome, Renewal, Revision, Signer, Step, Validity};
use crate::planner::{assume, draw, order_note};

/// How an order goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ordered {
    Issued,
    /// Nobody answers.
    Unreachable,
    /// Refused, with a Retry-After of so many seconds.
    Limited(i64),
    /// The proof of control was not found.
    Unproven,
    /// The CA is at work.
    Pending,
    /// The process dies before the answer is kept.
    CrashLost,
    /// And after it.
    CrashKept,
}

impl Ordered {
    fn places(self) -> bool {
        !matches!(self, Self::Unreachable | Self::Limited(_))
    }
}

impl Run {
    /// The same order has no bad luck twice, but as long as something lasts.
    pub(super) fn luck_of(&mut self, step: &Step) -> Ordered {
        if self.outage {
            return Ordered::Unreachable;
        }
        if self.unproven {
            return Ordered::Unproven;
        }
        let luck = self.roll(24);
        if luck > 5 || !self.failed.insert(line(step)) {
            self.failed.remove(&line(step));
            return Ordered::Issued;
        }
        let most = (self.lead.as_secs() / 16).clamp(1, 86_400);
        let moods = [
            Ordered::Unreachable,
            Ordered::Limited(1 + self.roll(most as u64) as i64),
            Ordered::Unproven,
            Ordered::Pending,
            Ordered::CrashLost,
            Ordered::CrashKept,
        ];
        moods[luck as usize]
    }

    /// What the executor writes down; whether there is a certificate.
    pub(super) fn order(&mut self, step: &Step, make: &Make, ordered: Ordered) -> Result<bool, String> {
        let now = self.bench.now;
        let Some(Signer::Acme { name, replaces }) = &make.signer else { return Ok(false) };
        let spec = self.bench.desired.assets[&make.asset].clone();
        let KindSpec::Certificate(certificate) = &spec.kind else { return Ok(false) };
        let record = self.bench.record(&make.asset.to_string());
        let before = record.clone();
        self.orders.tries(&spec, &before, name, self.began)?;
        record.begin(Revision::pending(make.revision, &step.reason, &make.made_for, now));
        let note = order_note(certificate, record, &make.made_for, (name, replaces.is_some()), now);
        let resumed = record.open_order(name, &note.set).is_some();
        if ordered.places() && !resumed {
            self.orders.places(&before, name, now)?;
            record.ordering(note);
            record.order_kept(name, ordered != Ordered::CrashLost);
        }
        let because = Some(make.made_for.clone());
        match ordered {
            Ordered::Issued => {
                record.ordered(OrderOutcome::Issued, &[]);
                self.orders.succeeds(&make.asset);
                self.issued(step, make, certificate.duration)?;
                return Ok(true);
            }
            Ordered::Unreachable | Ordered::Limited(_) => {
                record.order_failed(&[]);
                let effort = record.by_issuer.entry(name.clone()).or_default();
                effort.failed(problem(), because, &MAKING_PAUSES, now);
            }
            Ordered::Unproven => {
                record.order_kept(name, false);
                record.order_failed(&certificate.dns_names);
                record.effort.failed(problem(), because, &MAKING_PAUSES, now);
                self.orders.comes_to_nothing(&make.asset);
            }
            Ordered::Pending => record.effort.failed(problem(), because, &MAKING_PAUSES, now),
            Ordered::CrashLost => self.orders.comes_to_nothing(&make.asset),
            Ordered::CrashKept => {}
        }
        if let Ordered::Limited(pause) = ordered {
            let until = now + SignedDuration::from_secs(pause);
            self.orders.silent(name, now, until);
            let issuers = &mut self.bench.inventory.issuers;
            let record = issuers.entry(name.clone()).or_default();
            record.not_before = record.not_before.max(Some(until));
        }
        match ordered {
            Ordered::Unreachable | Ordered::Limited(_) => {
                self.orders.fails(&make.asset, Blame::Issuer(name.clone()), now);
            }
            Ordered::Unproven | Ordered::Pending => self.orders.fails(&make.asset, Blame::Names, now),
            Ordered::Issued | Ordered::CrashLost | Ordered::CrashKept => {}
        }
        Ok(false)
    }

    fn issued(&mut self, step: &Step, make: &Make, life: SignedDuration) -> Result<(), String> {
        let now = self.bench.now;
        assume(&self.bench.desired, &mut self.bench.inventory, step, now);
        let record = self.bench.record(&make.asset.to_string());
        let revision = record.revisions.get_mut(&make.revision).unwrap();
        revision.validity = Some(Validity { not_before: now, not_after: now + life });
        self.checks.ordered(make, &self.bench.inventory, now)
    }

    /// What a CA says of a certificate when it is asked: mostly a window, at times that it must go.
    pub(super) fn advise(&mut self, id: &AssetId, number: u32) {
        let (now, seed, mood) = (self.bench.now, self.bench.seed(), self.roll(64));
        let record = self.bench.record(&id.to_string());
        let Some(validity) = record.revisions.get(&number).and_then(|revision| revision.validity) else {
            return;
        };
        let life = validity.lifetime();
        let start = match mood {
            0 => now - hours(1),
            1 => validity.not_after + hours(10_000),
            _ => validity.not_after - life / 2,
        };
        let window = (start, start + life / 20);
        let revoked_since = (mood == 2).then_some(now);
        let chosen = Some(draw(seed, id, number, window));
        let Some(revision) = record.revisions.get_mut(&number) else { return };
        revision.renewal = Some(Renewal {
            window: Some(window),
            chosen,
            explanation_url: None,
            ask_at: Some(now + (life / 10).max(hours(1))),
            revoked_since,
        });
        if matches!(mood, 0 | 2) {
            self.checks.asked(id, now);
        }
    }
}
