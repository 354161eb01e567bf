//! A certificate from a real Pebble: killed at every step, or cut off from power, and run again until it is there (FAULTS
//! C1 to C8, C20).
//!
//! What has come of it is counted at the CA, which is where a limit counts it.
// Its crash points and clock are there only in a build for tests.
#![cfg(feature = "failpoints")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use support::{Disk, Keyturn, Pebble, command, must, skip_without};

/// A step, and what may come of a crash there.
struct Step {
    point: &'static str,
    /// Whether the key was durable already, so that it must be used again.
    keeps_key: bool,
    /// Orders at the CA, from the first to the last run.
    orders: [usize; 2],
}

/// One order.
const fn step(point: &'static str) -> Step {
    Step { point, keeps_key: true, orders: [1, 1] }
}

/// An order that nobody has heard of, or one that the CA has ended since.
const fn step_with_another_order(point: &'static str) -> Step {
    Step { orders: [1, 2], ..step(point) }
}

const STEPS: [Step; 12] = [
    // C1, C2
    Step { keeps_key: false, ..step("key-made") },
    step("key-stored"),
    step("acme-account-key-kept"),
    // The reply is lost; the key is not, and to the same key the CA gives the same account.
    step("acme-account-made"),
    // C3, C4
    step_with_another_order("acme-order-placed"),
    step("acme-order-stored"),
    // C5: nobody answers the CA that was told to look, so it may end the order.
    step("acme-challenge-set"),
    step_with_another_order("acme-challenge-triggered"),
    // C6, C7, C8
    step("acme-finalized"),
    step("acme-certificate-fetched"),
    step("issued"),
    step("certificate-stored"),
];

/// The same of a certificate that has a predecessor in use: C2, C3, C4, C6, C7, C8.
const RENEWAL: [Step; 7] = [
    step("key-stored"),
    step_with_another_order("acme-order-placed"),
    step("acme-order-stored"),
    step("acme-finalized"),
    step("acme-certificate-fetched"),
    step("issued"),
    step("certificate-stored"),
];

/// What makes the first revision.
const FIRST: (&[&str], u32) = (&["run"], 1);

/// One certificate for two names in a folder, proven by `challenge`.
fn site_with(pebble: &Pebble, challenge: &str) -> Keyturn {
    Keyturn::alone().config(&configuration(pebble, challenge))
}

fn configuration(pebble: &Pebble, challenge: &str) -> String {
    let issuer = pebble.issuer("pebble", challenge);
    format!(
        r#"
[daemon]
instance = "test"
state_dir = "state"
{issuer}
[certificates.edge]
issuers = ["pebble"]
dns_names = ["www.edge.test", "edge.test"]
[[certificates.edge.targets]]
kind = "file"
dir = "tls"
files = {{ "tls.crt" = "fullchain", "tls.key" = "private-key" }}
"#
    )
}

/// The same by http-01 on an own listener.
fn site(pebble: &Pebble) -> Keyturn {
    site_with(pebble, &pebble.http())
}

/// Runs as a timer would until `revision` is in use and there is nothing to do; how many runs it took.
fn finish(keyturn: &mut Keyturn, revision: u32) -> u32 {
    for n in 0..5_u32 {
        // A try that failed is made again only later.
        keyturn.set("KEYTURN_CLOCK_OFFSET", Some(&(n * 700).to_string()));
        let ran = keyturn.run(&["run"]);
        let status = keyturn.status("edge");
        if ran.ok() && status["state"] == "active" && status["revision"] == revision {
            return n + 1;
        }
        println!("run {}: {}", n + 1, ran.stderr);
    }
    panic!("it does not come to an end: {:#}", keyturn.status("edge"));
}

fn key(keyturn: &Keyturn, revision: u32) -> Option<Value> {
    keyturn.material("certificates/edge", revision).map(|material| material["private_key"].clone())
}

/// The pair as a server would read it, which must be one.
fn pair(keyturn: &Keyturn) -> [String; 2] {
    let file = |name: &str| keyturn.dir().join("tls").join(name).display().to_string();
    let (certificate, key) = (file("tls.crt"), file("tls.key"));
    let of_certificate = must(command("openssl", ["x509", "-noout", "-pubkey", "-in", &certificate]));
    let of_key = must(command("openssl", ["pkey", "-pubout", "-in", &key]));
    assert_eq!(of_certificate, of_key, "key and certificate belong together");
    [certificate, key].map(|path| fs::read_to_string(path).unwrap())
}

fn assert_within(counted: usize, [least, most]: [usize; 2], of: &str, point: &str) {
    assert!((least..=most).contains(&counted), "{point}: {counted} {of}, wanted {least} to {most}");
}

/// Kills `verb`, which makes `revision`, at `step`; looks by `look` at what there is; finishes, and compares what the CA
/// has counted since.
fn crash(
    pebble: &Pebble,
    keyturn: &mut Keyturn,
    step: &Step,
    (verb, revision): (&[&str], u32),
    look: impl FnOnce(&Keyturn),
) {
    let point = step.point;
    let before = pebble.counts();
    keyturn.kill_at(point, 1);
    let ran = keyturn.run(verb);
    assert_eq!(ran.signal, Some(6), "{point}: {ran:#?}\n{}", pebble.log());
    keyturn.kill_nowhere();
    look(keyturn);
    let begun = key(keyturn, revision);
    assert_eq!(begun.is_some(), step.keeps_key, "{point}: whether the key is stored");
    let crashed = pebble.counts();
    let runs = finish(keyturn, revision);
    let after = pebble.counts();
    if let Some(begun) = begun {
        assert_eq!(Some(begun), key(keyturn, revision), "{point}: a stored key is used again");
    }
    let [orders, finalizations, certificates] = [
        after.orders - before.orders,
        after.finalizations - before.finalizations,
        after.issued.len() - before.issued.len(),
    ];
    println!(
        "{point}: {orders} orders ({} before the crash), {finalizations} finalizations, {} accounts, {certificates} certificates, {runs} more runs",
        crashed.orders - before.orders,
        after.accounts - before.accounts,
    );
    assert_within(orders, step.orders, "orders", point);
    assert_eq!(finalizations, 1, "{point}: finalizations");
    assert_eq!(certificates, 1, "{point}: certificates");
    let accounts = after.accounts - before.accounts;
    assert_eq!(accounts, usize::from(revision == 1), "{point}: one account, from the first certificate on");
    assert_settled(pebble, keyturn, point, revision);
}

/// `revision` is in use, the history is whole, and nothing is left to do.
fn assert_settled(pebble: &Pebble, keyturn: &Keyturn, point: &str, revision: u32) {
    let status = keyturn.status("edge");
    let revisions = status["revisions"].as_array().unwrap();
    let active: Vec<_> = revisions.iter().filter(|one| one["state"] == "active").collect();
    assert_eq!(active.len(), 1, "{point}: {status:#}");
    assert_eq!(active[0]["revision"], json!(revision), "{point}: {status:#}");
    assert_eq!(revisions.len(), revision as usize, "{point}: none was made in vain: {status:#}");
    keyturn.ok(&["audit", "--verify"]);
    let counts = pebble.counts();
    assert!(keyturn.ok(&["run"]).contains("nothing to do"), "{point}");
    assert_eq!(pebble.counts(), counts, "{point}: with nothing to do, nobody is asked");
}

#[test]
fn killed_in_the_first_run() {
    skip_without!(Pebble);
    let pebble = Pebble::start();
    for step in &STEPS {
        // A folder and a state of its own for each.
        crash(&pebble, &mut site(&pebble), step, FIRST, |_| {});
    }
    pebble.assert_alive();
}

/// The pair in use is the old one, whole, until it is the new one, whole.
#[test]
fn killed_in_a_renewal() {
    skip_without!(Pebble);
    let pebble = Pebble::start();
    for step in &RENEWAL {
        let mut keyturn = site(&pebble);
        keyturn.ok(&["run"]);
        let old = pair(&keyturn);
        crash(&pebble, &mut keyturn, step, (&["rotate", "edge"], 2), |keyturn| {
            assert_eq!(pair(keyturn), old, "{}: what is in use is untouched", step.point);
            assert_eq!(keyturn.status("edge")["revision"], 1, "{}", step.point);
        });
        assert_ne!(pair(&keyturn), old, "{}: the new one is in use", step.point);
    }
    pebble.assert_alive();
}

/// What the process had on record counts after a power cut too: not one step is worse than a kill, in a first run and in a
/// renewal. Each has a disk of its own, and all of the site is on it: state, history, and the files that are served.
#[test]
fn cut_off_from_power() {
    skip_without!(Pebble, Disk);
    let pebble = Pebble::start();
    for step in &STEPS {
        let site = Keyturn::alone();
        let mut disk = Disk::over(site.dir());
        let mut keyturn = site.config(&configuration(&pebble, &pebble.http()));
        disk.settle();
        crash(&pebble, &mut keyturn, step, FIRST, |_| disk.cut());
        // Before the folder, which could not be removed with a disk on it.
        drop(disk);
    }
    for step in &RENEWAL {
        let site = Keyturn::alone();
        let mut disk = Disk::over(site.dir());
        let mut keyturn = site.config(&configuration(&pebble, &pebble.http()));
        keyturn.ok(&["run"]);
        let old = pair(&keyturn);
        disk.settle();
        crash(&pebble, &mut keyturn, step, (&["rotate", "edge"], 2), |keyturn| {
            disk.cut();
            assert_eq!(pair(keyturn), old, "{}: what is in use is untouched", step.point);
        });
        // Before the folder, which could not be removed with a disk on it.
        drop(disk);
    }
    pebble.assert_alive();
}

/// Keeps records as a DNS provider would, and shows them to Pebble.
fn hook(pebble: &Pebble, folder: &Keyturn) -> String {
    let records = folder.dir().join("records");
    fs::create_dir(&records).unwrap();
    let (records, management) = (records.display(), pebble.dns().management());
    let hook = folder.write(
        "hook",
        &format!(
            "#!/bin/sh\ncase $1 in present) verb=set-txt; : >'{records}'/\"$2=$3\" ;; *) verb=clear-txt; rm -f '{records}'/\"$2=$3\" ;; esac\n\
             exec curl -sf -d \"{{\\\"host\\\": \\\"$2.\\\", \\\"value\\\": \\\"$3\\\"}}\" http://{management}/$verb\n"
        ),
    );
    fs::set_permissions(&hook, Permissions::from_mode(0o755)).unwrap();
    hook.display().to_string()
}

/// A record outlives the process that put it up: the next one takes it away, also where the CA has seen it in time.
#[test]
fn killed_with_a_record_in_the_dns() {
    skip_without!(Pebble);
    let pebble = Pebble::start();
    for step in [step("acme-challenge-set"), step_with_another_order("acme-challenge-triggered")] {
        let folder = Keyturn::alone();
        let hook = hook(&pebble, &folder);
        let records = || fs::read_dir(folder.dir().join("records")).unwrap().count();
        let challenge =
            format!("challenge = {{ kind = \"dns-01\", hook = \"{hook}\", propagation = \"0s\" }}");
        let mut keyturn = site_with(&pebble, &challenge);
        crash(&pebble, &mut keyturn, &step, FIRST, |_| {
            assert_eq!(records(), 2, "{}: both names have one", step.point);
        });
        assert_eq!(records(), 0, "{}: none stays", step.point);
    }
}

#[test]
fn killed_while_the_ca_looks_by_tls_alpn_01() {
    skip_without!(Pebble);
    let pebble = Pebble::start();
    let challenge =
        format!("challenge = {{ kind = \"tls-alpn-01\", listen = \"127.0.0.1:{}\" }}", pebble.tls_port());
    for step in [
        step("acme-order-stored"),
        step("acme-challenge-set"),
        step_with_another_order("acme-challenge-triggered"),
        step("acme-finalized"),
    ] {
        crash(&pebble, &mut site_with(&pebble, &challenge), &step, FIRST, |_| {});
    }
}

/// FAULTS C20 has 1,000, which take minutes: `KEYTURN_TEST_RESTARTS=1000`.
fn restarts() -> u32 {
    std::env::var("KEYTURN_TEST_RESTARTS").map_or(30, |text| text.parse().unwrap())
}

#[test]
fn restarts_with_nothing_due_change_nothing() {
    skip_without!(Pebble);
    let pebble = Pebble::start();
    let keyturn = site(&pebble);
    keyturn.ok(&["run"]);
    let audit = || fs::read(keyturn.dir().join("state/audit.log")).unwrap();
    let facts = || (key(&keyturn, 1), keyturn.fingerprint("edge"), audit(), pebble.counts());
    let before = facts();
    for n in 0..restarts() {
        assert!(keyturn.ok(&["run"]).contains("nothing to do"), "restart {n}");
    }
    assert!(before == facts(), "no key, no order, no line, no request");
    assert_eq!((before.3.orders, before.3.accounts), (1, 1));
    println!("{} restarts, {} requests in all", restarts(), pebble.counts().all_requests());
}
