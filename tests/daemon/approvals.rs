//! What needs two people: asked for by one, done after the word of another, once, over restarts and kills; and who may
//! only look. Real users on the real socket.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::control::run_as;
use super::site;
use crate::support::{Daemon, Inbox, Keyturn, Port, Ran, command, skipped, status, wait_for};

/// May operate.
const ASKER: u32 = 54_331;
/// May operate and approve.
const BOTH: u32 = 54_332;
/// May approve.
const APPROVER: u32 = 54_333;
/// May read.
const READER: u32 = 54_334;
/// May nothing.
const STRANGER: u32 = 54_335;

const GUARDED: &str = r#"
[schedule]
check = "* * * * * *"
[roles]
read = ["uid:54334"]
operate = ["uid:54331", "uid:54332"]
approve = ["uid:54332", "gid:54333", "uid:54331"]
[approvals]
require = ["ca-rotate", "compromised", "restore", "export-private-key"]
expire = "1h"
"#;

/// A site with two who operate and two who approve.
struct House {
    keyturn: Keyturn,
    port: Port,
}

impl House {
    fn new(more: &str) -> Self {
        let (keyturn, port) = site("");
        let text = fs::read_to_string(keyturn.dir().join("keyturn.toml")).unwrap();
        keyturn.write("keyturn.toml", &format!("{text}{GUARDED}{more}"));
        Self { keyturn, port }
    }

    /// With a daemon that runs, whose socket all may open.
    fn start(&self) -> Daemon {
        let daemon = Daemon::start(&self.keyturn, &self.port);
        let socket = self.keyturn.dir().join("control.sock");
        fs::set_permissions(socket, fs::Permissions::from_mode(0o666)).unwrap();
        // At rest: what is asked for is for the revisions that there are.
        self.keyturn.ok(&["run"]);
        daemon
    }

    fn as_user(&self, uid: u32, args: &[&str]) -> Ran {
        run_as(uid, &self.keyturn, args)
    }

    /// Asks for it, and says under which number it waits.
    fn asks(&self, uid: u32, args: &[&str]) -> String {
        let ran = self.as_user(uid, &[args, &["-o", "json"]].concat());
        assert_eq!(ran.code, Some(3), "{ran:#?}");
        ran.json()["approval"]["id"].to_string()
    }

    fn refuses(&self, uid: u32, args: &[&str], words: &str) {
        let ran = self.as_user(uid, args);
        assert_eq!(ran.code, Some(5), "{args:?}: {ran:#?}");
        assert!(ran.stderr.contains(words), "{args:?}: {ran:#?}");
    }

    fn revision(&self) -> Value {
        status(&self.keyturn)["certificates/edge"]["revision"].clone()
    }

    fn state_of(&self, id: &str) -> String {
        let all = self.keyturn.run(&["approvals", "-o", "json"]).json();
        let number: u64 = id.parse().unwrap();
        let found = all["approvals"].as_array().unwrap().iter().find(|one| one["id"] == number).cloned();
        found.unwrap_or_else(|| panic!("{all:#}"))["state"].as_str().unwrap().to_owned()
    }
}

fn is_root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skipped(&format!("approvals::{test}"), "taking on other users needs root");
    }
    root
}

const COMPROMISED: [&str; 3] = ["rotate", "--compromised", "certificates/edge"];

/// X5, X6 among them.
#[test]
fn another_says_yes_and_it_is_done_once() {
    if !is_root("another_says_yes_and_it_is_done_once") {
        return;
    }
    let house = House::new("");
    let daemon = house.start();
    let asked = house.as_user(BOTH, &COMPROMISED);
    assert_eq!(asked.code, Some(3), "{asked:#?}");
    assert!(asked.stdout.contains("request 1 waits for another person's word"), "{asked:#?}");
    assert_eq!(house.asks(BOTH, &COMPROMISED), "1", "the same again is the same");
    assert_eq!(house.revision(), 1);
    // X5: nobody's own, nor root's, nor that of who has no role.
    house.refuses(BOTH, &["approve", "1"], "is your own");
    house.refuses(0, &["approve", "1"], "uid 0 never approves");
    house.refuses(READER, &["approve", "1"], "[roles] approve names who may");
    house.refuses(STRANGER, &["approve", "1"], "may not `approve`");
    assert_eq!((house.revision(), house.state_of("1")), (1.into(), "waiting".to_owned()));
    let done = house.as_user(APPROVER, &["approve", "1"]);
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(done.stdout.contains("certificates/edge"), "the approver sees what comes of it: {done:#?}");
    assert_eq!((house.revision(), house.state_of("1")), (2.into(), "done".to_owned()));
    // X6: the same word again.
    house.refuses(APPROVER, &["approve", "1"], "is over");
    house.refuses(ASKER, &["deny", "1"], "is over");
    assert_eq!(house.revision(), 2);
    let keyturn = &house.keyturn;
    for (action, times) in
        [("approval-asked", 1), ("approved", 1), ("approval-done", 1), ("rotate-asked", 1), ("refused", 1)]
    {
        assert_eq!(keyturn.audited(action), times, "{action}: {}", keyturn.ok(&["audit"]));
    }
    assert!(keyturn.audited("approval-refused") >= 4, "{}", keyturn.ok(&["audit"]));
    let history = keyturn.ok(&["audit"]);
    assert!(
        history.lines().any(|line| line.contains("rotate-asked") && line.contains("uid:54332")),
        "it is done in the name of who has asked: {history}"
    );
    daemon.stop();
    keyturn.ok(&["audit", "--verify"]);
}

#[test]
fn each_guarded_verb_waits_and_the_others_do_not() {
    if !is_root("each_guarded_verb_waits_and_the_others_do_not") {
        return;
    }
    let house = House::new("");
    let daemon = house.start();
    let first = house.asks(ASKER, &["ca", "rotate", "internal"]);
    let second = house.asks(ASKER, &["rotate", "--compromised", "--all"]);
    // Root and the owner of the state wait like anybody.
    let third = house.keyturn.run(&["rotate", "--compromised", "jwt_keys/auth"]);
    assert_eq!(third.code, Some(3), "{third:#?}");
    let plain = house.as_user(ASKER, &["rotate", "certificates/edge"]);
    assert_eq!((plain.code, house.revision()), (Some(0), 2.into()), "{plain:#?}");
    // The second was asked for what is another now.
    house.refuses(APPROVER, &["approve", &second], "is outdated: certificates/edge had revision 1");
    assert_eq!(house.state_of(&second), "outdated");
    let no = house.as_user(APPROVER, &["deny", "3"]);
    assert!(no.ok() && no.stdout.contains("denied by uid:54333"), "{no:#?}");
    let rolled = house.as_user(BOTH, &["approve", &first]);
    assert_eq!(rolled.code, Some(0), "{rolled:#?}");
    // It is trusted everywhere before anything is signed under it.
    let revisions = status(&house.keyturn)["ca/internal"]["revisions"].clone();
    assert_eq!(revisions.as_array().unwrap().len(), 2, "{revisions:#}");
    let unknown = house.as_user(BOTH, &["approve", "77"]);
    assert_eq!(unknown.code, Some(2), "{unknown:#?}");
    daemon.stop();
    // Without a daemon there is nobody to wait with.
    for args in [COMPROMISED.as_slice(), &["ca", "rotate", "internal"], &["approve", "1"]] {
        let alone = house.keyturn.run(args);
        assert_eq!(alone.code, Some(4), "{alone:#?}");
        assert!(alone.stderr.contains("only the daemon takes those"), "{alone:#?}");
    }
    house.keyturn.ok(&["rotate", "certificates/edge"]);
}

#[test]
fn a_private_key_is_handed_to_who_has_asked_once() {
    if !is_root("a_private_key_is_handed_to_who_has_asked_once") {
        return;
    }
    let house = House::new("");
    let daemon = house.start();
    let export = ["export", "certificates/edge", "--part", "private-key"];
    let id = house.asks(ASKER, &export);
    house.refuses(ASKER, &["approve", &id], "is your own");
    let said = house.as_user(APPROVER, &["approve", &id]);
    assert!(said.ok() && said.stdout.contains("uid 54331 gets it"), "{said:#?}");
    assert!(!said.stdout.contains("PRIVATE"), "{said:#?}");
    // To nobody else: another's is another request.
    assert_ne!(house.asks(BOTH, &export), id);
    let got = house.as_user(ASKER, &export);
    assert!(got.ok() && got.stdout.starts_with("-----BEGIN PRIVATE KEY-----"), "{got:#?}");
    assert_eq!(got.stdout, fs::read_to_string(house.keyturn.dir().join("out/edge/tls.key")).unwrap());
    assert_eq!((house.keyturn.audited("exported"), house.state_of(&id)), (1, "done".to_owned()));
    assert_ne!(house.asks(ASKER, &export), id, "the next time it waits again");
    // Root waits as well, and a public part needs nobody.
    assert_eq!(house.keyturn.run(&export).code, Some(3));
    house.keyturn.ok(&["export", "certificates/edge", "--part", "fullchain"]);
    assert_eq!(house.as_user(READER, &export).code, Some(5));
    let log = daemon.log();
    assert!(!log.contains("PRIVATE KEY"), "{log}");
    daemon.stop();
    assert_eq!(house.keyturn.run(&export).code, Some(4));
}

const OFFLINE: &str = r#"
[issuers.outer]
kind = "internal"
common_name = "Outer CA"
root = "offline"
intermediate_lifetime = "100d"
trust_before = "0s"
"#;

/// `NAME.pem` and `NAME.key` that all may read: a root, and CAs under it.
fn offline(house: &House, root: &str, under: &[&str]) {
    let openssl = |line: &str| {
        let output = command("openssl", line.split(' ')).current_dir(house.keyturn.dir()).output().unwrap();
        assert!(output.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let made = |name: &str, depth: u32, signer: &str| {
        openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -days 100 -subj /CN={name} \
             -out {name}.pem -addext basicConstraints=critical,CA:TRUE,pathlen:{depth} -addext \
             keyUsage=critical,keyCertSign,cRLSign{signer}"
        ));
        for file in [format!("{name}.pem"), format!("{name}.key")] {
            fs::set_permissions(house.keyturn.dir().join(file), fs::Permissions::from_mode(0o644)).unwrap();
        }
    };
    made(root, 1, "");
    under.iter().for_each(|name| made(name, 0, &format!(" -CA {root}.pem -CAkey {root}.key")));
}

/// Whoever may not bring a new root by `ca rotate` may not bring one by `import` either.
#[test]
fn a_root_that_is_imported_waits_like_one_that_is_made() {
    if !is_root("a_root_that_is_imported_waits_like_one_that_is_made") {
        return;
    }
    let house = House::new(OFFLINE);
    offline(&house, "old", &["first", "second"]);
    offline(&house, "new", &["third"]);
    offline(&house, "evil", &["fourth"]);
    let daemon = house.start();
    let file =
        |name: &str, end: &str| house.keyturn.dir().join(format!("{name}.{end}")).display().to_string();
    let import = |name: &str, root: &str| {
        let (cert, key, chain) = (file(name, "pem"), file(name, "key"), file(root, "pem"));
        let words = ["import", "ca/outer", "--cert", &cert, "--key", &key, "--chain", &chain];
        words.map(str::to_owned)
    };
    let run = |words: &[String]| house.as_user(ASKER, &words.iter().map(String::as_str).collect::<Vec<_>>());
    let asks = |words: &[String]| house.asks(ASKER, &words.iter().map(String::as_str).collect::<Vec<_>>());
    let imported = || house.keyturn.audited("imported");
    let first = import("first", "old");
    let id = asks(&first);
    assert_eq!(imported(), 0);
    let said = house.as_user(APPROVER, &["approve", &id]);
    assert!(said.ok() && said.stdout.contains("uid 54331 gets it done"), "{said:#?}");
    let done = run(&first);
    assert!(done.ok() && imported() == 1 && house.state_of(&id) == "done", "{done:#?} {}", daemon.log());
    // Under the same root nobody has to be asked.
    let again = run(&import("second", "old"));
    assert!(again.ok() && imported() == 2, "{again:#?}");
    // What is approved is this root, and no other.
    let third = import("third", "new");
    let id = asks(&third);
    assert!(house.as_user(APPROVER, &["approve", &id]).ok());
    assert_ne!(asks(&import("fourth", "evil")), id);
    assert_eq!(imported(), 2);
    let done = run(&third);
    assert!(done.ok() && imported() == 3, "{done:#?}");
    assert!(house.keyturn.ok(&["approvals"]).contains("with a new root, SHA-256"));
    daemon.stop();
    let fourth = import("fourth", "evil");
    let alone = house.keyturn.run(&fourth.each_ref().map(String::as_str));
    assert!(alone.code == Some(4) && alone.stderr.contains("only the daemon takes those"), "{alone:#?}");
    assert_eq!(imported(), 3);
}

#[test]
fn another_configuration_outdates_it() {
    if !is_root("another_configuration_outdates_it") {
        return;
    }
    let house = House::new("");
    let daemon = house.start();
    let id = house.asks(ASKER, &COMPROMISED);
    let file = house.keyturn.dir().join("keyturn.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}# another\n")).unwrap();
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    daemon.wait_says("reloaded");
    house.refuses(APPROVER, &["approve", &id], "the configuration has changed since it was asked");
    assert_eq!((house.state_of(&id), house.revision()), ("outdated".to_owned(), 1.into()));
    assert_eq!(house.keyturn.audited("approval-outdated"), 1);
    assert_ne!(house.asks(ASKER, &COMPROMISED), id);
    daemon.stop();
}

#[test]
fn it_is_told_shown_and_expires() {
    if !is_root("it_is_told_shown_and_expires") {
        return;
    }
    let inbox = Inbox::start();
    let house = House::new(
        "[notify.ops]\nkind = \"webhook\"\nurl_file = \"url\"\nallow_private = true\nevents = [\"approval\", \"recovery\"]\n",
    );
    house.keyturn.write("url", &inbox.url("/hook"));
    let daemon = house.start();
    let id = house.asks(ASKER, &COMPROMISED);
    assert!(
        wait_for(std::time::Duration::from_secs(20), || !inbox.received().is_empty()),
        "{}",
        daemon.log()
    );
    let told = inbox.received()[0].json();
    assert_eq!(
        (&told["items"][0]["event"], &told["items"][0]["phase"]),
        (&"approval".into(), &"opened".into())
    );
    assert_eq!(told["items"][0]["code"], "KT-APPROVAL-WAITS");
    let words = told["items"][0]["message"].as_str().unwrap();
    assert!(
        words.contains("rotate --compromised certificates/edge") && words.contains("uid:54331"),
        "{words}"
    );
    let shown = house.keyturn.ok(&["status"]);
    assert!(shown.contains("! KT-APPROVAL-WAITS: request 1 of uid:54331"), "{shown}");
    let json = house.keyturn.run(&["status", "-o", "json"]).json();
    assert_eq!(json["approvals"][0]["what"], "rotate --compromised certificates/edge");
    // The page is made anew no more often than every ten seconds.
    let page = || daemon.get("/").body;
    assert!(
        wait_for(std::time::Duration::from_secs(20), || page().contains("keyturn approve 1")),
        "{}",
        page()
    );
    assert!(daemon.get("/metrics").body.contains("keyturn_approvals_waiting 1"));
    assert_eq!(house.as_user(ASKER, &["deny", &id]).code, Some(0), "who has asked may take it back");
    assert!(wait_for(std::time::Duration::from_secs(20), || inbox.received().len() > 1), "{}", daemon.log());
    let over = inbox.received()[1].json();
    assert_eq!(over["items"][0]["phase"], "closed", "{over:#}");
    assert!(over["items"][0]["message"].as_str().unwrap().contains("denied by uid:54331"), "{over:#}");
    daemon.stop();
    // What waits over a restart, and its end.
    let file = house.keyturn.dir().join("keyturn.toml");
    let text = fs::read_to_string(&file).unwrap().replace("expire = \"1h\"", "expire = \"1m\"");
    fs::write(&file, text).unwrap();
    let daemon = house.start();
    let id = house.asks(ASKER, &COMPROMISED);
    daemon.kill();
    let daemon = house.start();
    assert_eq!(house.state_of(&id), "waiting");
    assert!(
        wait_for(std::time::Duration::from_secs(90), || house.state_of(&id) == "expired"),
        "{}",
        daemon.log()
    );
    house.refuses(APPROVER, &["approve", &id], "is over");
    assert_eq!((house.keyturn.audited("approval-expired"), house.revision()), (1, 1.into()));
    daemon.stop();
}

/// Killed at each step, it is done once, or asked again; never twice, and never without a yes.
#[cfg(feature = "failpoints")]
#[test]
fn killed_at_each_step_it_is_done_once() {
    if !is_root("killed_at_each_step_it_is_done_once") {
        return;
    }
    for (failpoint, after) in
        [("approval-asked", "waiting"), ("approval-decided", "done"), ("rotate-asked", "done")]
    {
        let mut house = House::new("");
        house.keyturn.kill_at(failpoint, 1);
        let daemon = house.start();
        // The clients have no failpoints: they are run without the variable.
        let cut = house.as_user(ASKER, &COMPROMISED);
        if failpoint == "approval-asked" {
            assert_eq!(cut.code, Some(4), "{failpoint}: {cut:#?}");
        } else {
            assert_eq!(cut.code, Some(3), "{failpoint}: {cut:#?}");
            let cut = house.as_user(APPROVER, &["approve", "1"]);
            assert_eq!(cut.code, Some(4), "{failpoint}: {cut:#?}");
        }
        daemon.kill();
        house.keyturn.kill_nowhere();
        let daemon = house.start();
        house.keyturn.ok(&["run"]);
        assert_eq!(house.state_of("1"), after, "{failpoint}");
        if after == "waiting" {
            assert_eq!(house.revision(), 1);
            assert_eq!(house.as_user(APPROVER, &["approve", "1"]).code, Some(0));
        }
        house.keyturn.ok(&["run"]);
        assert_eq!(house.revision(), 2, "{failpoint}: once");
        house.refuses(APPROVER, &["approve", "1"], "is over");
        for action in ["approval-asked", "approved", "approval-done", "rotate-asked"] {
            assert_eq!(house.keyturn.audited(action), 1, "{failpoint}: {action}");
        }
        daemon.stop();
        house.keyturn.ok(&["audit", "--verify"]);
    }
}

/// What was approved and could not be put on record then is done without a restart.
#[cfg(feature = "failpoints")]
#[test]
fn a_deed_that_fails_is_tried_again() {
    if !is_root("a_deed_that_fails_is_tried_again") {
        return;
    }
    let mut house = House::new("");
    house.keyturn.set("KEYTURN_FAILPOINT", Some("approval-deed:1:fail"));
    let daemon = house.start();
    let id = house.asks(ASKER, &COMPROMISED);
    let failed = house.as_user(APPROVER, &["approve", &id]);
    assert_eq!((failed.code, house.state_of(&id)), (Some(1), "approved".to_owned()), "{failed:#?}");
    let done = || house.state_of(&id) == "done" && house.revision() == 2;
    assert!(wait_for(std::time::Duration::from_secs(40), done), "{}", daemon.log());
    assert_eq!((house.keyturn.audited("approval-done"), house.keyturn.audited("rotate-asked")), (1, 1));
    daemon.stop();
}

/// Killed after the key was noted as handed out and before it was: it is not handed out again.
#[cfg(feature = "failpoints")]
#[test]
fn a_handing_out_that_was_cut_short_is_not_repeated() {
    if !is_root("a_handing_out_that_was_cut_short_is_not_repeated") {
        return;
    }
    let mut house = House::new("");
    house.keyturn.kill_at("exported", 1);
    let daemon = house.start();
    let export = ["export", "certificates/edge", "--part", "private-key"];
    let id = house.asks(ASKER, &export);
    assert_eq!(house.as_user(APPROVER, &["approve", &id]).code, Some(0));
    let cut = house.as_user(ASKER, &export);
    assert!(cut.code == Some(4) && !cut.stdout.contains("PRIVATE"), "{cut:#?}");
    daemon.kill();
    house.keyturn.kill_nowhere();
    let daemon = house.start();
    assert_eq!(house.state_of(&id), "done");
    assert_ne!(house.asks(ASKER, &export), id);
    daemon.stop();
}

/// `[roles] read`: through the daemon, for who cannot read the state.
#[test]
fn readers_ask_the_daemon() {
    if !is_root("readers_ask_the_daemon") {
        return;
    }
    let house = House::new("");
    let daemon = house.start();
    for uid in [READER, ASKER, APPROVER] {
        let json = house.as_user(uid, &["status", "-o", "json"]);
        assert!(json.ok(), "{json:#?}");
        let own = house.keyturn.run(&["status", "-o", "json"]).json();
        assert_eq!(json.json()["assets"], own["assets"], "the same as who owns it");
        for args in [
            ["status", "certificates/edge"].as_slice(),
            &["plan", "--until", "90d"],
            &["audit"],
            &["audit", "--verify"],
            &["approvals"],
            &["jwks", "auth"],
            &["export", "certificates/edge", "--part", "fullchain"],
        ] {
            let theirs = house.as_user(uid, args);
            assert!(theirs.ok() && !theirs.stdout.is_empty(), "{args:?}: {theirs:#?}");
        }
    }
    let jwks = house.as_user(READER, &["jwks", "auth"]).stdout;
    assert_eq!(jwks, house.keyturn.ok(&["jwks", "auth"]));
    let wrong = house.as_user(READER, &["status", "certificates/egde"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("did you mean certificates/edge?"), "{wrong:#?}");
    // To read is not to write, and a stranger may neither.
    house.refuses(READER, &["rotate", "certificates/edge"], "[roles] operate names who may");
    house.refuses(STRANGER, &["status"], "[roles] read, operate or approve");
    let before = house.keyturn.ok(&["audit"]);
    house.as_user(READER, &["status"]);
    assert_eq!(house.keyturn.ok(&["audit"]), before, "looking leaves nothing behind");
    daemon.stop();
    let alone = house.as_user(READER, &["status"]);
    assert!(!alone.ok(), "{alone:#?}");
}
