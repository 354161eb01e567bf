//! What ACME CAs allow and what of it is used, as `status` shows it.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::output;
use crate::model::Problem;
use crate::planner::{IssuerUse, LimitUse};

/// A limit that is used more than this, in hundredths, is worth a line.
const NEARLY_ALL: u64 = 80;

/// One issuer, as DESIGN.md documents it.
pub(super) fn json(issuer: &IssuerUse) -> Value {
    json!({
        "name": issuer.name,
        "account": issuer.account,
        "not_before": issuer.not_before,
        "problem": issuer.problem.as_ref().map(problem),
        "limits": issuer.limits.iter().map(limit).collect::<Vec<_>>(),
    })
}

fn problem(problem: &Problem) -> Value {
    json!({ "code": problem.code, "message": problem.message, "action": problem.code.action() })
}

fn limit(limit: &LimitUse) -> Value {
    json!({
        "limit": limit.limit,
        "of": limit.of,
        "used": limit.used,
        "allowed": limit.allowed,
        "window": span(limit.window),
        "frees_at": limit.frees_at,
    })
}

/// As the configuration writes it: `7d`, `3h`.
fn span(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    let fits = units.into_iter().find(|(unit, _)| seconds % unit == 0);
    let (unit, letter) = fits.unwrap_or((1, "s"));
    format!("{}{letter}", seconds / unit)
}

/// For people: only what stands in the way, or soon may.
pub(super) fn lines(issuer: &IssuerUse, now: Timestamp) -> Vec<String> {
    let name = &issuer.name;
    let blocked = issuer.not_before.map(|until| {
        let why = issuer.problem.as_ref().map_or_else(String::new, |problem| format!(": {problem}"));
        format!("issuers.{name} has asked to be left alone until {}{why}", output::moment(Some(until), now))
    });
    let nearly = |limit: &&LimitUse| u64::from(limit.used) * 100 > u64::from(limit.allowed) * NEARLY_ALL;
    let used = issuer.limits.iter().filter(nearly).map(|limit| {
        let LimitUse { limit: what, used, allowed, window, .. } = limit;
        let of = limit.of.as_ref().map_or_else(String::new, |of| format!(" of {of}"));
        let frees = limit.frees_at.map_or_else(String::new, |at| {
            format!("; there is room again at {}", output::moment(Some(at), now))
        });
        format!("issuers.{name}: {used} of {allowed} {what}{of} in {} are used{frees}", span(*window))
    });
    blocked.into_iter().chain(used).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_as_the_configuration_writes_them() {
        let all = [(604_800, "7d"), (10_800, "3h"), (5400, "90m"), (61, "61s")];
        for (seconds, text) in all {
            assert_eq!(span(SignedDuration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn only_what_is_nearly_used_up_or_blocked_is_told() {
        let limit = |used| LimitUse {
            limit: "orders",
            of: None,
            used,
            allowed: 10,
            window: SignedDuration::from_hours(3),
            frees_at: None,
        };
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut issuer = IssuerUse {
            name: "le".to_owned(),
            account: None,
            not_before: None,
            problem: None,
            limits: vec![limit(8)],
        };
        assert_eq!(lines(&issuer, now), Vec::<String>::new());
        issuer.limits = vec![limit(9)];
        assert_eq!(lines(&issuer, now), ["issuers.le: 9 of 10 orders in 3h are used"]);
        issuer.not_before = Some(now + SignedDuration::from_hours(1));
        let told = lines(&issuer, now);
        assert!(told[0].contains("issuers.le has asked to be left alone until 2026-01-01 01:00"), "{told:?}");
    }
}
