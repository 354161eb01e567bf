//! A real NGINX on this machine, fed by a file target.
#![cfg(feature = "failpoints")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use support::{Keyturn, Web};

fn configure(keyturn: Keyturn, port: u16, more: &str) -> Keyturn {
    keyturn.config(&format!(
        r#"
[daemon]
instance = "test"
state_dir = "state"
[issuers.internal]
kind = "internal"
common_name = "Test CA"
[certificates.edge]
issuers = ["internal"]
dns_names = ["edge.test"]
[[certificates.edge.targets]]
kind = "file"
dir = "tls"
files = {{ "tls.crt" = "fullchain", "tls.key" = "private-key" }}
verify = {{ connect = ["127.0.0.1:{port}"], server_name = "edge.test" }}
{more}
"#
    ))
}

fn site(more: &str) -> Option<(Keyturn, Web)> {
    if let Some(reason) = Web::missing() {
        support::skipped("nginx", &reason);
        return None;
    }
    let keyturn = Keyturn::alone();
    let web = Web::start(&keyturn);
    let port = web.port;
    let more = more.replace("{at}", &keyturn.dir().display().to_string());
    Some((configure(keyturn, port, &more), web))
}

const TEST: &str = r#"test = ["/usr/sbin/nginx", "-t", "-c", "{at}/nginx.conf", "-e", "stderr"]"#;
const HUP: &str = r#"reload = { signal = "HUP", pid_file = "{at}/nginx.pid" }"#;
const RELOAD: &str =
    r#"reload = ["/usr/sbin/nginx", "-s", "reload", "-c", "{at}/nginx.conf", "-e", "stderr"]"#;

#[test]
fn taken_up_and_proven_by_reload_command_and_by_signal() {
    for reload in [RELOAD, HUP] {
        let Some((keyturn, _web)) = site(&format!("{TEST}\n{reload}")) else { return };
        keyturn.ok(&["run"]);
        let status = keyturn.status("certificates/edge");
        assert_eq!(status["targets"][0]["proof"], "handshake", "{status:#}");
        let first = keyturn.fingerprint("edge");
        keyturn.ok(&["rotate", "edge"]);
        assert_ne!(keyturn.fingerprint("edge"), first);
        assert!(keyturn.status("edge")["served_at"].is_string());
        assert!(keyturn.ok(&["run"]).contains("nothing to do"));
    }
}

#[test]
fn a_mismatched_pair_is_stopped_by_nginx_and_the_old_files_come_back() {
    let Some((mut keyturn, _web)) = site(&format!("{TEST}\n{RELOAD}")) else { return };
    keyturn.ok(&["run"]);
    let link = fs::read_link(keyturn.dir().join("tls/.cert.edge")).unwrap();
    keyturn.set("KEYTURN_FAILPOINT", Some("mismatched-key:1:plant"));
    let ran = keyturn.run(&["rotate", "edge"]);
    keyturn.kill_nowhere();
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(
        ran.stderr.contains("KT-FILE-TEST-FAILED") && ran.stderr.contains("key values mismatch"),
        "{}",
        ran.stderr
    );
    assert_eq!(fs::read_link(keyturn.dir().join("tls/.cert.edge")).unwrap(), link);
}

#[test]
fn a_reload_that_says_nothing_and_keeps_the_old_one_is_noticed() {
    // `kill -HUP` succeeds whatever NGINX thinks of the files (FAULTS.md, N2).
    let Some((mut keyturn, web)) = site(HUP) else { return };
    keyturn.ok(&["run"]);
    let old = keyturn.fingerprint("edge");
    keyturn.set("KEYTURN_FAILPOINT", Some("mismatched-key:1:plant"));
    let begun = Instant::now();
    let ran = keyturn.run(&["rotate", "edge"]);
    keyturn.kill_nowhere();
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stderr.contains("KT-PROOF-FAILED"), "{}", ran.stderr);
    let status = keyturn.status("edge");
    assert_eq!(status["fingerprint_sha256"], old.as_str(), "the old one is still what is in use");
    let mut client = Command::new("openssl");
    client.args(["s_client", "-connect", &format!("127.0.0.1:{}", web.port), "-showcerts"]);
    assert!(client.stdin(std::process::Stdio::null()).output().unwrap().status.success(), "and it is served");
}

#[test]
fn an_nginx_that_is_down_is_told_and_nothing_is_lost() {
    let Some((keyturn, web)) = site(&format!("{TEST}\n{RELOAD}")) else { return };
    keyturn.ok(&["run"]);
    drop(web);
    let ran = keyturn.run(&["rotate", "edge"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stderr.contains("KT-RELOAD-FAILED"), "{}", ran.stderr);
    assert!(keyturn.dir().join("tls/tls.crt").exists());
}
