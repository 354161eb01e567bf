//! What is wrong, by what it is about: all problems of one topic of an asset are one condition.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{AssetId, Code, Engine, Inventory, Problem, Severity, Subject, Topic, Validity};

/// Days that are left when what cannot be renewed here is told of, once each.
const DAYS_LEFT: [i64; 5] = [30, 14, 7, 3, 1];

/// Something that is wrong now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The worst of its problems.
    pub problem: Problem,
    /// How far it has got: what gets further is told again.
    pub stage: u8,
}

/// By what they are about.
pub type Conditions = BTreeMap<Subject, Condition>;

/// What is wrong now: `problems` are those of the assets; those of the whole site are on record.
pub fn conditions(inventory: &Inventory, problems: &[(AssetId, Problem)], now: Timestamp) -> Conditions {
    let mut conditions = Conditions::new();
    for (asset, problem) in problems {
        let subject = subject(inventory, asset, problem);
        add(&mut conditions, inventory, subject, problem, now);
    }
    for problem in inventory.tidings.site.values() {
        let subject =
            Subject { asset: None, topic: Topic::of(problem.code), name: problem.code.name().to_owned() };
        add(&mut conditions, inventory, subject, problem, now);
    }
    for (subject, problem) in super::trouble(&inventory.tidings) {
        add(&mut conditions, inventory, subject, &problem, now);
    }
    for request in inventory.approvals.waiting().filter(|request| request.expires_at > now) {
        add(&mut conditions, inventory, super::of_request(request.number), &request.problem(), now);
    }
    conditions
}

/// A fault of the engine or of the clock is told once, not once an asset.
fn subject(inventory: &Inventory, asset: &AssetId, problem: &Problem) -> Subject {
    let engine = matches!(&inventory.world.engine, Engine::Down(down) if down == problem);
    let topic = if engine { Topic::Engine } else { Topic::of(problem.code) };
    let of_site = topic == Topic::Engine || problem.code == Code::ClockBack;
    Subject {
        asset: (!of_site).then(|| asset.clone()),
        topic,
        name: if of_site { topic.name().to_owned() } else { String::new() },
    }
}

/// The worst stands for all of its subject.
fn add(
    conditions: &mut Conditions,
    inventory: &Inventory,
    subject: Subject,
    problem: &Problem,
    now: Timestamp,
) {
    let Some(stage) = stage(inventory, &subject, problem.code, now) else { return };
    let rank = |code: Code, stage: u8| (Severity::of(code), stage);
    match conditions.get(&subject) {
        Some(known) if rank(known.problem.code, known.stage) >= rank(problem.code, stage) => {}
        _ => {
            conditions.insert(subject, Condition { problem: problem.clone(), stage });
        }
    }
}

/// How far it has got; `None` where it is too early to tell anyone.
fn stage(inventory: &Inventory, subject: &Subject, code: Code, now: Timestamp) -> Option<u8> {
    match code {
        Code::AuthorityEnding => {
            let record = inventory.assets.get(subject.asset.as_ref()?)?;
            days_stage(record.active()?.validity?, now)
        }
        Code::Expiring => Some(7),
        Code::Expired => Some(8),
        Code::Overdue => Some(6),
        _ => Some(Severity::of(code) as u8),
    }
}

/// How many of [`DAYS_LEFT`] have been reached.
fn days_stage(validity: Validity, now: Timestamp) -> Option<u8> {
    let left = validity.left(now).as_secs();
    let reached = DAYS_LEFT.iter().filter(|days| left <= **days * 86_400).count();
    u8::try_from(reached).ok().filter(|stage| *stage > 0)
}
