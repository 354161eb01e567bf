//! Who is asked for a certificate, and when nobody may be.

use jiff::{SignedDuration, Timestamp};

use super::bench::{Bench, acme_certificate, at, days, hours};
use crate::desired::{AcmeSpec, KindSpec};
use crate::model::{
    AssetId, AssetRecord, Code, IssuerRecord, Limits, MAKING_PAUSES, OrderNote, OrderOutcome, Problem,
    Renewal, Validity,
};

const EDGE: &str = "certificates/edge";

fn bench(issuers: &[&str], limits: Limits) -> Bench {
    let mut bench = Bench::new().with(acme_certificate("edge", issuers));
    for name in issuers {
        bench.desired.acme.insert((*name).to_owned(), AcmeSpec { limits });
    }
    bench
}

fn note(at: Timestamp, retry: bool, outcome: OrderOutcome) -> OrderNote {
    let mut spec = acme_certificate("edge", &["le"]);
    let KindSpec::Certificate(certificate) = &mut spec.kind else { panic!() };
    let record = AssetRecord::new(EDGE.parse().unwrap());
    let note = crate::planner::order_note(certificate, &record, &spec.made_for, ("le", false), at);
    OrderNote { retry, outcome, ..note }
}

/// The issuer fails, as the executor writes it down.
fn fails(bench: &mut Bench, issuer: &str) {
    let (now, made_for) = (bench.now, bench.spec(EDGE).made_for.clone());
    let effort = bench.record(EDGE).by_issuer.entry(issuer.to_owned()).or_default();
    effort.failed(Problem::new(Code::IssuerUnreachable, "it is away"), Some(made_for), &MAKING_PAUSES, now);
}

/// The CA has nothing to say about the renewal of the first revision, for a long time.
fn asked_already(bench: &mut Bench) {
    let renewal = Renewal { ask_at: Some(at("2100-01-01T00:00:00Z")), ..Renewal::default() };
    bench.record(EDGE).revisions.get_mut(&1).unwrap().renewal = Some(renewal);
}

#[test]
fn the_next_one_is_asked_when_the_first_fails_and_the_first_again_later() {
    let mut bench = bench(&["le", "zero"], Limits::default());
    assert_eq!(bench.lines(), ["issue certificates/edge 1 by le"]);
    fails(&mut bench, "le");
    assert_eq!(bench.lines(), ["issue certificates/edge 1 by zero"]);
    fails(&mut bench, "zero");
    bench.assert_idle();
    bench.assert_waits("le is tried again then: it is away; zero is tried again then: it is away");
    assert_eq!(bench.plan().next_wake, Some(bench.now + SignedDuration::from_secs(60)));
    bench.now += SignedDuration::from_secs(60);
    assert_eq!(bench.lines(), ["issue certificates/edge 1 by le"]);
}

#[test]
fn retry_after_holds_even_against_the_operator() {
    let mut bench = bench(&["le"], Limits::default());
    let until = bench.now + hours(1);
    let record = IssuerRecord { name: "le".to_owned(), not_before: Some(until), ..IssuerRecord::default() };
    bench.inventory.issuers.insert("le".to_owned(), record);
    bench.rotate(EDGE);
    bench.assert_idle();
    bench.assert_waits("le has asked to be left alone until 2026-01-01T01:00:00Z");
    assert_eq!(bench.plan().next_wake, Some(until));
    bench.now = until;
    assert_eq!(bench.lines(), ["issue certificates/edge 1 by le"]);
}

/// One fault is one alert; but who makes us wait for too long is one after all.
#[test]
fn what_fails_is_not_called_late_as_well() {
    let mut bench = bench(&["le"], Limits::default());
    bench.settle();
    asked_already(&mut bench);
    bench.now = at("2026-03-10T00:00:00Z");
    let codes = |bench: &Bench| bench.plan().problems.into_iter().map(|(_, p)| p.code).collect::<Vec<_>>();
    assert_eq!(codes(&bench), [Code::Overdue]);
    fails(&mut bench, "le");
    assert_eq!(codes(&bench), [Code::IssuerUnreachable]);
    let effort = bench.record(EDGE).by_issuer.get_mut("le").unwrap();
    effort.problem = Some(Problem::new(Code::IssuerLimited, "later"));
    assert_eq!(codes(&bench), [Code::IssuerLimited, Code::Overdue]);
}

/// The records count whole seconds: what has failed in the very second of the operator's order is no reason to wait.
#[test]
fn who_asks_in_the_second_of_a_failure_does_not_wait_for_its_pause() {
    let mut bench = bench(&["le"], Limits::default());
    bench.settle();
    fails(&mut bench, "le");
    bench.rotate(EDGE);
    assert_eq!(bench.lines(), ["issue certificates/edge 2 by le"]);
    fails(&mut bench, "le");
    bench.assert_idle();
}

/// Such a certificate is due when it comes, and so is each that would follow.
#[test]
fn what_comes_with_little_of_its_life_left_is_not_renewed_at_once() {
    let mut bench = bench(&["le"], Limits::default());
    bench.settle();
    asked_already(&mut bench);
    let now = bench.now;
    let revision = bench.record(EDGE).revisions.get_mut(&1).unwrap();
    revision.validity = Some(Validity { not_before: now - days(80), not_after: now + days(10) });
    bench.assert_idle();
    bench.now = now + days(6);
    bench.assert_idle();
    bench.now = now + days(7);
    assert_eq!(bench.lines(), ["issue certificates/edge 2 by le"]);
}

/// A5: an hour-long outage costs no more tries than this.
#[test]
fn six_hours_of_503_are_four_tries() {
    let mut bench = bench(&["le"], Limits::default());
    let (start, mut tries) = (bench.now, 0);
    while bench.now < start + hours(6) {
        if bench.lines() == ["issue certificates/edge 1 by le"] {
            tries += 1;
            fails(&mut bench, "le");
        }
        bench.now = bench.plan().next_wake.unwrap();
    }
    assert_eq!(tries, 4, "at 0, 1, 11 and 111 minutes; FAULTS.md allows 12");
}

#[test]
fn a_fourth_order_that_nobody_planned_waits_for_a_week_but_nothing_runs_out_over_it() {
    let mut bench = bench(&["le"], Limits::default());
    bench.settle();
    let end = bench.record(EDGE).active().unwrap().validity.unwrap().not_after;
    asked_already(&mut bench);
    bench.now = end - days(29);
    let first = bench.now - hours(3);
    for minutes in [0, 1, 11] {
        let at = first + SignedDuration::from_mins(minutes);
        bench.record(EDGE).ordering(note(at, true, OrderOutcome::Failed));
    }
    bench.assert_idle();
    bench.assert_waits(
        "the last 3 orders for its names came to nothing; `keyturn rotate certificates/edge` tries at once",
    );
    assert_eq!(bench.plan().next_wake, Some(first + days(7)));
    // Less than a fifth of its life is left: once a day is right then.
    bench.now = end - days(17);
    for days_before in [2, 1, 0] {
        let at = bench.now - days(days_before) - hours(1);
        bench.record(EDGE).ordering(note(at, true, OrderOutcome::Failed));
    }
    assert_eq!(bench.plan().next_wake, Some(bench.now + hours(23)));
    // And the operator is nobody's retry.
    bench.rotate(EDGE);
    assert_eq!(bench.lines(), ["issue certificates/edge 2 by le"]);
}

#[test]
fn limits_are_not_run_into() {
    let mut bench = bench(&["le"], Limits::LETS_ENCRYPT);
    for hour in 0..5 {
        let at = bench.now - hours(48) + hours(hour);
        bench.record(EDGE).ordering(note(at, false, OrderOutcome::Issued));
    }
    bench.assert_idle();
    bench.assert_waits("le allows 5 certificates for exactly these names in 7 days, and 5 are used");
    assert_eq!(bench.plan().next_wake, Some(bench.now - hours(48) + days(7)));
}

#[test]
fn three_hundred_orders_in_three_hours_count_with_what_the_plan_holds() {
    let mut bench = Bench::new();
    bench.desired.acme.insert("le".to_owned(), AcmeSpec { limits: Limits::LETS_ENCRYPT });
    for number in 0..310 {
        let mut spec = acme_certificate(&format!("c{number}"), &["le"]);
        if let KindSpec::Certificate(certificate) = &mut spec.kind {
            // Each under a registered domain of its own: only the account's limit is in the way.
            certificate.dns_names = vec![format!("www.site{number}.org")];
        }
        bench = bench.with(spec);
    }
    assert_eq!(bench.lines().len(), 300);
    bench.assert_waits("le allows 300 orders in 3 hours, and 300 are used");
}

#[test]
fn failed_authorizations_of_a_name_are_counted() {
    let mut bench = bench(&["le"], Limits::LETS_ENCRYPT);
    for minutes in [1, 2, 3, 4, 5] {
        let mut failed = note(bench.now - SignedDuration::from_mins(minutes), false, OrderOutcome::Failed);
        failed.failed_names = vec!["edge.example.org".to_owned()];
        bench.record(EDGE).orders.push(failed);
    }
    bench.assert_idle();
    bench
        .assert_waits("le allows 5 failed authorizations for edge.example.org in 60 minutes, and 5 are used");
}

#[test]
fn what_the_ca_advises_goes_first_but_not_for_ever() {
    let mut bench = bench(&["le"], Limits::default());
    let done = bench.settle();
    assert_eq!(
        done,
        ["issue certificates/edge 1 by le", "activate certificates/edge 1", "consult certificates/edge 1"]
    );
    let advise = |bench: &mut Bench, chosen: Timestamp| {
        let ask_at = Some(bench.now + hours(6));
        let window = Some((chosen, chosen + hours(1)));
        let renewal = Renewal { window, chosen: Some(chosen), ask_at, ..Renewal::default() };
        bench.record(EDGE).revisions.get_mut(&1).unwrap().renewal = Some(renewal);
    };
    // In the past: now, and the order says what it replaces.
    let past = bench.now - days(1);
    advise(&mut bench, past);
    assert_eq!(bench.lines(), ["issue certificates/edge 2 by le for 1"]);
    // In the year 3000: a quarter of the life before the end, which is not late yet.
    advise(&mut bench, at("3000-01-01T00:00:00Z"));
    bench.assert_idle();
    let end = bench.record(EDGE).active().unwrap().validity.unwrap().not_after;
    let quarter = end - hours(540);
    bench.now = quarter - hours(1);
    assert!(!bench.lines().iter().any(|line| line.starts_with("issue")));
    bench.now = quarter;
    assert!(bench.lines().contains(&"issue certificates/edge 2 by le for 1".to_owned()));
    assert!(bench.plan().problems.is_empty());
}

/// A20: a CA that says so of whatever it has just issued.
#[test]
fn advice_that_never_ends_is_followed_with_pauses() {
    let mut bench = bench(&["le"], Limits::default());
    bench.settle();
    let issued = bench.now;
    let orders = |bench: &mut Bench, hours_ago: &[i64]| {
        let now = bench.now;
        let one = |ago: &i64| note(now - hours(*ago), false, OrderOutcome::Issued);
        bench.record(EDGE).orders = hours_ago.iter().map(one).collect();
        let is_past = Some((issued - hours(2), issued - hours(1)));
        let asked = Some(now + hours(6));
        let renewal = Renewal { window: is_past, chosen: Some(issued), ask_at: asked, ..Renewal::default() };
        bench.record(EDGE).revisions.get_mut(&1).unwrap().renewal = Some(renewal);
    };
    bench.now += days(2);
    orders(&mut bench, &[1]);
    assert_eq!(bench.lines(), ["issue certificates/edge 2 by le for 1"], "the first time at once");
    orders(&mut bench, &[2, 1]);
    bench.assert_idle();
    bench.assert_waits("le wants it renewed again, after 2 certificates in 7 days");
    assert_eq!(bench.plan().next_wake, Some(bench.now + hours(6)), "asked before that");
    orders(&mut bench, &[30, 24]);
    assert_eq!(bench.lines(), ["issue certificates/edge 2 by le for 1"], "a day later");
    orders(&mut bench, &[100, 60, 30]);
    bench.assert_waits("le wants it renewed again, after 3 certificates in 7 days");
    bench.rotate(EDGE);
    assert_eq!(bench.lines(), ["issue certificates/edge 2 by le for 1"], "the operator need not wait");
}

/// Once at once, then after a day, then not in this week, whatever it says of what it has issued just now.
#[test]
fn a_ca_that_is_never_content_has_no_order_at_each_pass() {
    let mut bench = bench(&["le"], Limits::default());
    let mut issued = Vec::new();
    for hour in 0..72 {
        if bench.settle().iter().any(|line| line.starts_with("issue")) {
            let at = bench.now;
            bench.record(EDGE).ordering(note(at, false, OrderOutcome::Issued));
            issued.push(hour);
        }
        let (now, seed) = (bench.now, bench.seed());
        let window = (now - days(2), now - days(1));
        let record = bench.record(EDGE);
        let number = record.active().unwrap().number;
        let chosen = Some(crate::planner::draw(seed, &record.id, number, window));
        let renewal =
            Renewal { window: Some(window), chosen, ask_at: Some(now + hours(1)), ..Renewal::default() };
        record.revisions.get_mut(&number).unwrap().renewal = Some(renewal);
        bench.now += hours(1);
    }
    assert_eq!(issued, [0, 1, 25]);
}

#[test]
fn a_ca_is_asked_again_when_it_has_said_and_never_of_what_has_ended() {
    let mut bench = bench(&["le"], Limits::default());
    bench.settle();
    let ask_at = bench.now + hours(6);
    let renewal = Renewal { ask_at: Some(ask_at), ..Renewal::default() };
    bench.record(EDGE).revisions.get_mut(&1).unwrap().renewal = Some(renewal);
    bench.assert_idle();
    assert_eq!(bench.plan().next_wake, Some(ask_at));
    bench.now = ask_at;
    assert_eq!(bench.lines(), ["consult certificates/edge 1"]);
    bench.now = at("2027-01-01T00:00:00Z");
    assert_eq!(bench.lines(), ["issue certificates/edge 2 by le"], "expired: not asked, not replaced");
}

/// A21: 500 revoked at once are renewed within the hour, and never more than twenty in a minute.
#[test]
fn what_a_ca_has_revoked_at_once_is_spread() {
    let mut bench = Bench::new();
    bench.desired.acme.insert("le".to_owned(), AcmeSpec { limits: Limits::LETS_ENCRYPT });
    for number in 0..500 {
        bench = bench.with(acme_certificate(&format!("c{number}"), &["le"]));
    }
    let ids: Vec<AssetId> = bench.desired.assets.keys().cloned().collect();
    bench.desired.acme.get_mut("le").unwrap().limits = Limits::default();
    bench.settle();
    bench.desired.acme.get_mut("le").unwrap().limits = Limits::LETS_ENCRYPT;
    bench.now += days(10);
    let start = bench.now;
    for id in &ids {
        let chosen = Some(start - hours(1));
        let window = Some((start - hours(2), start));
        let renewal = Renewal { window, chosen, ask_at: Some(start + days(1)), ..Renewal::default() };
        bench.record(&id.to_string()).revisions.get_mut(&1).unwrap().renewal = Some(renewal);
    }
    let mut busiest = 0;
    let mut renewed = 0;
    while renewed < 500 {
        let plan = bench.plan();
        let now = bench.now;
        let mut count = 0;
        for step in &plan.steps {
            crate::planner::assume(&bench.desired, &mut bench.inventory, step, now);
            if step.action.name() == "issue" {
                count += 1;
                let mut note = note(now, false, OrderOutcome::Issued);
                note.replaces = true;
                bench.record(&step.assets[0].to_string()).ordering(note);
            }
        }
        busiest = busiest.max(count);
        renewed += count;
        if count == 0 {
            bench.now = bench.plan().next_wake.unwrap();
        }
    }
    assert_eq!(busiest, 20);
    assert!(bench.now.duration_since(start) <= SignedDuration::from_mins(60), "{}", bench.now);
}
