//! Issued, delivered, served; valid until; next renewal; what is wrong, and what to do.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::{Cli, Format};
use super::fail::Failure;
use super::wish::{Answer, Manner, Wish};
use super::{approvals, limits, output, reading, state};
use crate::clock::{Clock, System};
use crate::config::Config;
use crate::desired::{AssetSpec, Desired};
use crate::model::{
    Approval, AssetId, AssetKind, AssetRecord, Code, Delivery, DeliveryState, Inventory, Place, Problem,
    Proof, Renewal, Revision, RevisionState,
};
use crate::planner::{self, IssuerUse, Seed, StockLevel};

pub(super) fn run(cli: &Cli, asset: Option<&str>) -> Result<u8, Failure> {
    let config = state::client_config(cli)?;
    let wish = Wish::Status { asset: asset.map(str::to_owned) };
    let answer = match reading::by_daemon(cli, &config, &wish)? {
        Some(answer) => answer,
        None => {
            // What is asked for wrongly is said before the state is looked for.
            wish.check(&config)?;
            let inventory = state::inventory(&config)?;
            answer(&config, &inventory, System::new().now(), asset, Manner { format: cli.output })?
        }
    };
    Ok(answer.print())
}

/// What is told of the records.
pub(super) fn answer(
    config: &Config,
    inventory: &Inventory,
    now: Timestamp,
    asset: Option<&str>,
    manner: Manner,
) -> Result<Answer, Failure> {
    let only = asset.map(|text| state::asset(config, text)).transpose()?;
    let desired = Desired::of(config);
    let problems = planner::health(&desired, inventory, now, Seed::of(&desired.instance));
    let mut report = Report::of(config, inventory, &problems, now);
    report.assets.retain(|asset| only.as_ref().is_none_or(|only| asset.id == *only));
    Ok(Answer::done(match manner.format {
        Format::Json => format!("{:#}\n", report.json()),
        Format::Table => report.table() + "\n",
    }))
}

/// Problems that make a pass fail, whoever caused them. A CA that wants to be left alone for a while, or is still at work,
/// needs nobody: once it takes too long, the renewal is overdue.
pub(super) fn stands_in_the_way(problems: &[(AssetId, Problem)], only: Option<&BTreeSet<AssetId>>) -> bool {
    let harmless = |code: Code| {
        matches!(
            code,
            Code::ServiceMissing
                | Code::ProofWeak
                | Code::Drift
                | Code::NotConfigured
                | Code::StateRepaired
                | Code::Expiring
                | Code::RevokeByHand
                | Code::AuthorityEnding
                | Code::IssuerLimited
                | Code::OrderPending
        )
    };
    let concerns = |id: &AssetId| only.is_none_or(|only| only.contains(id));
    problems.iter().any(|(id, problem)| concerns(id) && !harmless(problem.code))
}

/// All that is told of the assets.
pub(super) struct Report {
    now: Timestamp,
    /// What is wrong with no asset.
    pub(super) problems: Vec<Problem>,
    pub(super) issuers: Vec<IssuerUse>,
    pub(super) stock: Vec<StockLevel>,
    /// What waits for somebody's word.
    pub(super) waiting: Vec<Approval>,
    pub(super) assets: Vec<Row>,
}

/// What is told of one asset.
pub(super) struct Row {
    pub(super) id: AssetId,
    record: Arc<AssetRecord>,
    pub(super) shown: Option<Revision>,
    pub(super) renew_at: Option<Timestamp>,
    pub(super) delivered_at: Option<Timestamp>,
    pub(super) served_at: Option<Timestamp>,
    retires: Vec<(u32, Option<Timestamp>)>,
    pub(super) targets: Vec<(Place, Delivery)>,
    pub(super) problems: Vec<Problem>,
}

impl Report {
    /// Of all configured assets, what is wrong first.
    pub(super) fn of(
        config: &Config,
        inventory: &Inventory,
        problems: &[(AssetId, Problem)],
        now: Timestamp,
    ) -> Self {
        let desired = Desired::of(config);
        let seed = Seed::of(&desired.instance);
        let mut by_asset: HashMap<&AssetId, Vec<&Problem>> = HashMap::new();
        for (id, problem) in problems {
            by_asset.entry(id).or_default().push(problem);
        }
        let labelled = planner::Labelled::of(&inventory.world);
        let row = |spec: &AssetSpec| {
            let problems = by_asset.get(&spec.id).map_or(&[][..], Vec::as_slice);
            row(&desired, spec, inventory, &labelled, problems, seed)
        };
        let mut assets: Vec<Row> = desired.assets.values().map(row).collect();
        assets.sort_by_key(|row| row.problems.is_empty());
        let issuers = planner::issuers(&desired, inventory, now);
        let of_site = inventory.tidings.site.values().cloned();
        let of_channels =
            planner::tidings::trouble(&inventory.tidings).into_iter().map(|(_, problem)| problem);
        let waiting: Vec<Approval> =
            inventory.approvals.waiting().filter(|request| request.expires_at > now).cloned().collect();
        let waits = waiting.iter().map(Approval::problem);
        // An asset that the configuration no longer has is in no row.
        let of_none = problems.iter().filter(|(id, _)| !desired.assets.contains_key(id));
        let of_none = of_none.map(|(_, problem)| problem.clone());
        let problems = of_site.chain(of_channels).chain(of_none).chain(waits).collect();
        Self { now, problems, issuers, stock: planner::stock(&desired, inventory, now), waiting, assets }
    }

    /// As DESIGN.md documents it.
    pub(super) fn json(&self) -> Value {
        json!({
            "assets": self.assets.iter().map(|row| row.json(self.now)).collect::<Vec<_>>(),
            "problems": self.problems.iter().map(problem).collect::<Vec<_>>(),
            "issuers": self.issuers.iter().map(limits::json).collect::<Vec<_>>(),
            "stock": self.stock.iter().map(stock).collect::<Vec<_>>(),
            "approvals": self.waiting.iter().map(approvals::json).collect::<Vec<_>>(),
        })
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let mut table = output::table(&["ASSET", "REV", "STATE", "TARGETS", "VALID UNTIL", "NEXT TURN"]);
        for row in &self.assets {
            let revision = row.shown.as_ref();
            table.add_row([
                format!("{}{}", if row.problems.is_empty() { "  " } else { "! " }, row.id),
                revision.map_or_else(|| "-".to_owned(), |revision| revision.number.to_string()),
                row.state(),
                row.target_words(),
                output::moment(revision.and_then(|r| r.validity).map(|v| v.not_after), self.now),
                output::moment(row.renew_at, self.now),
            ]);
        }
        let mut text = table.to_string();
        for row in &self.assets {
            for problem in &row.problems {
                text.push_str(&format!("\n\n! {}: {problem}\n  {}", row.id, problem.code.action()));
            }
        }
        for problem in &self.problems {
            text.push_str(&format!("\n\n! {problem}\n  {}", problem.code.action()));
        }
        for line in self.issuers.iter().flat_map(|issuer| limits::lines(issuer, self.now)) {
            text.push_str(&format!("\n\n{line}"));
        }
        if let Some(line) = stock_line(&self.stock) {
            text.push_str(&format!("\n\n{line}"));
        }
        text
    }
}

/// "ready for a turn: rsa-3072 1 of 1, dh-2048 0 of 1"
pub(super) fn stock_line(levels: &[StockLevel]) -> Option<String> {
    let words: Vec<String> =
        levels.iter().map(|level| format!("{} {} of {}", level.ware, level.ready, level.wanted)).collect();
    (!words.is_empty()).then(|| format!("ready for a turn: {}", words.join(", ")))
}

fn stock(level: &StockLevel) -> Value {
    json!({
        "kind": level.ware.to_string(),
        "wanted": level.wanted,
        "ready": level.ready,
        "oldest": level.oldest,
    })
}

fn row(
    desired: &Desired,
    spec: &AssetSpec,
    inventory: &Inventory,
    labelled: &planner::Labelled<'_>,
    problems: &[&Problem],
    seed: Seed,
) -> Row {
    let record = inventory.assets.get(&spec.id).cloned();
    let record = record.unwrap_or_else(|| Arc::new(AssetRecord::new(spec.id.clone())));
    let shown = record.active().or_else(|| record.coming().last()).cloned();
    let linger = spec.overlap.linger.max(desired.retention);
    let targets: Vec<(Place, Delivery)> = planner::sites(spec, Some(&record), &inventory.world, labelled)
        .into_iter()
        .map(|site| {
            (site.place.clone().into_owned(), record.deliveries.get(&site.place).cloned().unwrap_or_default())
        })
        .collect();
    let mut own: Vec<Problem> = Vec::new();
    for problem in problems {
        if !own.contains(problem) {
            own.push((*problem).clone());
        }
    }
    Row {
        renew_at: shown.as_ref().and_then(|r| planner::renew_at(&spec.id, &spec.overlap, r, seed)),
        delivered_at: delivered_at(&targets),
        served_at: served_at(spec.id.kind, &targets),
        retires: record
            .revisions
            .values()
            .map(|revision| (revision.number, planner::last_needed(revision, linger)))
            .collect(),
        id: spec.id.clone(),
        shown,
        record,
        targets,
        problems: own,
    }
}

fn delivered_at(targets: &[(Place, Delivery)]) -> Option<Timestamp> {
    let all = targets.iter().all(|(_, delivery)| delivery.state.is_there());
    targets.iter().filter_map(|(_, delivery)| delivery.delivered_at).max().filter(|_| all)
}

/// A certificate is served when a handshake has shown it, everywhere; keys and parameters when all have them.
fn served_at(kind: AssetKind, targets: &[(Place, Delivery)]) -> Option<Timestamp> {
    let proven = targets.iter().all(|(_, delivery)| delivery.state == DeliveryState::Proven);
    let at = |delivery: &Delivery| match kind {
        AssetKind::Certificate => delivery.verified_at,
        _ => delivery.verified_at.or(delivery.delivered_at),
    };
    targets.iter().map(|(_, delivery)| at(delivery)).max().flatten().filter(|_| proven)
}

impl Row {
    fn state(&self) -> String {
        match &self.shown {
            None => "none yet".to_owned(),
            Some(revision) if self.served_at.is_some() && revision.state == RevisionState::Active => {
                "served".to_owned()
            }
            Some(revision) => revision.state.to_string(),
        }
    }

    fn target_words(&self) -> String {
        if self.targets.is_empty() {
            return "-".to_owned();
        }
        let words = self.targets.iter().map(|(place, delivery)| {
            let proof = delivery.proof.filter(|_| delivery.state == DeliveryState::Proven);
            let proof = proof.map_or_else(String::new, |proof| format!(" by {}", proof.name()));
            format!("{}: {}{proof}", place.name(), delivery.state.name())
        });
        words.collect::<Vec<_>>().join("\n")
    }

    fn json(&self, now: Timestamp) -> Value {
        let shown = self.shown.as_ref();
        let validity = shown.and_then(|revision| revision.validity);
        let overdue = self.renew_at.is_some_and(|at| at < now);
        json!({
            "asset": self.id,
            "revision": shown.map(|revision| revision.number),
            "state": shown.map(|revision| revision.state),
            "issuer": shown.and_then(|revision| revision.issuer.clone()),
            "serial": shown.and_then(|revision| revision.serial.clone()),
            "fingerprint_sha256": shown.and_then(|revision| revision.fingerprint_sha256.clone()),
            "kid": shown.and_then(|revision| revision.kid.clone()),
            "not_before": validity.map(|validity| validity.not_before),
            "not_after": validity.map(|validity| validity.not_after),
            "renew_at": self.renew_at,
            "renewal": shown.and_then(|revision| revision.renewal.as_ref()).map(renewal),
            "issued_at": shown.and_then(|revision| revision.issued_at),
            "delivered_at": self.delivered_at,
            "served_at": self.served_at,
            "overdue": overdue,
            "held": self.targets.iter().any(|(_, delivery)| delivery.state == DeliveryState::Held),
            "revisions": self.record.revisions.values().map(|r| self.revision(r)).collect::<Vec<_>>(),
            "targets": self.targets.iter().map(|(place, delivery)| target(place, delivery)).collect::<Vec<_>>(),
            "problems": self.problems.iter().map(problem).collect::<Vec<_>>(),
        })
    }

    fn revision(&self, revision: &Revision) -> Value {
        let retires = self.retires.iter().find(|(number, _)| *number == revision.number);
        json!({
            "revision": revision.number,
            "state": revision.state,
            "kid": revision.kid,
            "not_after": revision.validity.map(|validity| validity.not_after),
            "retires_at": retires.and_then(|(_, at)| *at).filter(|_| !revision.state.is_over()),
        })
    }
}

/// What the CA says of it (RFC 9773).
fn renewal(renewal: &Renewal) -> Value {
    json!({
        "window": renewal.window.map(|(start, end)| json!({ "start": start, "end": end })),
        "chosen": renewal.chosen,
        "explanation_url": renewal.explanation_url,
        "ask_at": renewal.ask_at,
        "revoked_since": renewal.revoked_since,
    })
}

fn target(place: &Place, delivery: &Delivery) -> Value {
    json!({
        "kind": place.kind(),
        "name": place.name(),
        "state": delivery.state,
        "proof": delivery.proof.map(Proof::name),
        "verified_at": delivery.verified_at,
    })
}

fn problem(problem: &Problem) -> Value {
    json!({ "code": problem.code, "message": problem.message, "action": problem.code.action() })
}
