//! The Docker engine, its Swarm, and the services on it.

use jiff::{SignedDuration, Timestamp};

use super::Finding;
use crate::model::{Code, EngineFacts, Problem, World};

/// The Swarm's CA lives for 20 years; this is time enough to notice.
const ROOT_SOON: SignedDuration = SignedDuration::from_hours(24 * 90);

/// Of the engine and its Swarm.
pub fn engine(socket: &str, facts: &Result<EngineFacts, Problem>, now: Timestamp) -> Vec<Finding> {
    let facts = match facts {
        Ok(facts) => facts,
        Err(problem) => return vec![Finding::fault("engine", socket, problem.code, &problem.message)],
    };
    let is = format!(
        "{} is a manager with a leader; Docker {}, API {}",
        facts.node, facts.version, facts.api_version
    );
    let mut found = vec![Finding::ok("engine", socket, is)];
    found.push(managers(facts));
    found.push(autolock(facts));
    found.extend(facts.root_ends.map(|end| root(&facts.node, end, now)));
    found
}

fn managers(facts: &EngineFacts) -> Finding {
    let about = "managers";
    let all = facts.managers.len();
    let away: Vec<&str> =
        facts.managers.iter().filter(|(_, up)| !up).map(|(name, _)| name.as_str()).collect();
    if !away.is_empty() {
        let message = format!("{} of {all} cannot be reached: {}", away.len(), away.join(", "));
        return Finding::warning("engine", about, Code::ManagerAway, message);
    }
    let few = |message: String| Finding::warning("engine", about, Code::ManagersFew, message);
    match all {
        1 => few("there is one: when it is gone, nothing can be changed".to_owned()),
        2 => few("there are two, and both are needed: more can fail than with one".to_owned()),
        all if all % 2 == 0 => few(format!("there are {all}, which outlive no more than {} would", all - 1)),
        all => Finding::ok("engine", about, format!("all {all} are up; {} may fail", (all - 1) / 2)),
    }
}

/// The raft logs are always encrypted at rest; what matters is where the key to them lies.
fn autolock(facts: &EngineFacts) -> Finding {
    let about = "raft logs";
    if facts.autolock {
        let message = "they are encrypted, and autolock keeps the key off the disk";
        return Finding::ok("engine", about, message);
    }
    let message = "they are encrypted, but the key lies on the same disk: autolock is off";
    Finding::warning("engine", about, Code::SwarmUnlocked, message)
}

fn root(node: &str, end: Timestamp, now: Timestamp) -> Finding {
    let message = format!("the Swarm's own CA is valid until {end}");
    match end.duration_since(now) < ROOT_SOON {
        true => Finding::fault("engine", node, Code::SwarmRootEnding, message),
        false => Finding::ok("engine", node, message),
    }
}

/// Of the services that anything goes to: what `plan` warns of.
pub fn habits<'n>(names: impl Iterator<Item = &'n str>, world: &World) -> Vec<Finding> {
    let of = |name: &str| match world.services.get(name) {
        None => vec![Finding::warning(
            "services",
            name,
            Code::ServiceMissing,
            format!("the Swarm has no service {name} yet"),
        )],
        Some(service) if service.habits.is_empty() => {
            vec![Finding::ok("services", name, "a turn-over leaves no gap and hides no failure")]
        }
        Some(service) => {
            let one = |habit: &String| Finding::warning("services", name, Code::ServiceHabit, habit);
            service.habits.iter().map(one).collect()
        }
    };
    names.flat_map(of).collect()
}
