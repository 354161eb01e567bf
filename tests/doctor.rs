//! `keyturn doctor`: real servers that are set well and badly, a real Swarm, states that are open, broken, or changed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

#[path = "doctor/house.rs"]
mod house;
#[path = "doctor/peers.rs"]
mod peers;
#[path = "doctor/servers.rs"]
mod servers;
#[path = "doctor/snippets.rs"]
mod snippets;

use serde_json::Value;
use support::{Keyturn, Ran};

/// What `doctor` finds: `level CODE`, of one kind of check, in its order.
fn found(keyturn: &Keyturn, check: &str) -> Vec<String> {
    findings(&keyturn.run(&["doctor", "--offline", "-o", "json"]), check)
}

fn findings(ran: &Ran, check: &str) -> Vec<String> {
    let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:#?}"));
    let all = report["findings"].as_array().unwrap();
    // The exit code says whether anything is a fault, whatever this test asks for.
    let faults = all.iter().filter(|finding| finding["level"] == "fault").count();
    assert_eq!(report["faults"], faults, "{report:#}");
    assert_eq!(ran.code, Some(i32::from(faults > 0)), "{report:#}");
    let here: Vec<&Value> = all.iter().filter(|finding| finding["check"] == check).collect();
    assert!(!here.is_empty(), "it looks at {check}: {report:#}");
    let bad = here.iter().filter(|finding| finding["level"] != "ok");
    bad.map(|finding| {
        for told in ["message", "why", "action"] {
            assert!(finding[told].as_str().is_some_and(|text| !text.is_empty()), "{told}: {finding:#}");
        }
        format!("{} {}", finding["level"].as_str().unwrap(), finding["code"].as_str().unwrap())
    })
    .collect()
}
