//! Revocation lists and a real NGINX that asks for them (`ssl_crl`): whoever misses a renewal, or several, is served for as long
//! as the list was made to last; when it has ended NGINX refuses everybody, and lets them in again with the next.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use support::{Keyturn, Port, Ran, command, pause, skipped, wait_for};

/// A site whose certificates are there, and which from now on tells NGINX by the shipped hook: `crl` is a key of the issuer;
/// its certificates outlive what is tested.
fn site(crl: &str, port: &Port) -> Keyturn {
    let keyturn = configured(Keyturn::alone(), crl, "");
    keyturn.write(
        "nginx.conf",
        &format!(
            "pid {dir}/nginx.pid; error_log {dir}/error.log info; worker_processes 1; daemon off; events {{}}\n\
             http {{ access_log off; client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;\n\
             uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;\n\
             server {{ listen 127.0.0.1:{port} ssl; ssl_session_cache off; ssl_session_tickets off;\n\
             ssl_certificate {dir}/out/tls.crt; ssl_certificate_key {dir}/out/tls.key;\n\
             ssl_verify_client on; ssl_verify_depth 4;\n\
             ssl_client_certificate {dir}/out/ca.crt; ssl_crl {dir}/out/ca.crl;\n\
             location / {{ return 200; }} }} }}\n",
            dir = keyturn.dir().display(),
        ),
    );
    keyturn.ok(&["run"]);
    let hook = Path::new(env!("CARGO_MANIFEST_DIR")).join("hooks/reload-nginx");
    let reload = format!(r#"reload = ["{}", "-p", "{{dir}}", "-c", "{{dir}}/nginx.conf"]"#, hook.display());
    configured(keyturn, crl, &reload)
}

fn configured(keyturn: Keyturn, crl: &str, reload: &str) -> Keyturn {
    keyturn.config(&format!(
        r#"
[daemon]
instance = "test"
state_dir = "state"
control_socket = "control.sock"
[schedule]
check = "*/2 * * * * *"
[issuers.internal]
kind = "internal"
common_name = "Test CA"
intermediate_lifetime = "1000d"
crl = {crl}
[issuers.internal.sign.clients]
common_names = ["*"]
usages = ["client-auth"]
duration = "7d"
[certificates.edge]
issuers = ["internal"]
dns_names = ["edge.test"]
duration = "300d"
[[certificates.edge.targets]]
kind = "file"
dir = "out"
files = {{ "tls.crt" = "fullchain", "tls.key" = "private-key", "ca.crt" = "ca", "ca.crl" = "crl" }}
{reload}
[certificates.client]
issuers = ["internal"]
common_name = "client"
usages = ["client-auth"]
duration = "300d"
[[certificates.client.targets]]
kind = "file"
dir = "client"
files = {{ "tls.crt" = "fullchain", "tls.key" = "private-key" }}
"#
    ))
}

/// `program ARGS`, to which it is so many days later.
fn later(days: u32, program: &Command) -> Command {
    let mut fake = command("faketime", ["-f", &format!("+{days}d")]);
    fake.arg(program.get_program()).args(program.get_args());
    fake
}

/// An NGINX of the test's own; it ends with this.
struct Web {
    /// What tells it the time, and waits for it.
    wrapper: Child,
    pid_file: PathBuf,
}

impl Web {
    fn start(keyturn: &Keyturn, port: &Port, days: u32) -> Self {
        let conf = keyturn.dir().join("nginx.conf");
        let nginx = command("nginx", ["-p", keyturn.dir().to_str().unwrap(), "-c", conf.to_str().unwrap()]);
        let wrapper = later(days, &nginx).stdin(Stdio::null()).spawn().unwrap();
        let web = Self { wrapper, pid_file: keyturn.dir().join("nginx.pid") };
        let answers = || !asked(keyturn, port).is_empty();
        assert!(wait_for(Duration::from_secs(20), answers), "{}", log(keyturn));
        web
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        let pid = fs::read_to_string(&self.pid_file).ok().and_then(|pid| pid.trim().parse().ok());
        if let Some(pid) = pid {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGTERM);
        }
        if !wait_for(Duration::from_secs(10), || self.wrapper.try_wait().unwrap().is_some()) {
            let _ = self.wrapper.kill();
        }
        let _ = self.wrapper.wait();
    }
}

fn log(keyturn: &Keyturn) -> String {
    fs::read_to_string(keyturn.dir().join("error.log")).unwrap_or_default()
}

/// The status that a client with its certificate gets: `200`, or `400` where that is refused; empty where nobody answers.
fn asked(keyturn: &Keyturn, port: &Port) -> String {
    let file = |name: &str| keyturn.dir().join("client").join(name).display().to_string();
    let url = format!("https://127.0.0.1:{port}/");
    let output = command(
        "curl",
        ["-sk", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", "--cert", &file("tls.crt")],
    )
    .args(["--key", &file("tls.key"), &url])
    .output()
    .unwrap();
    let status = String::from_utf8(output.stdout).unwrap();
    if status == "000" { String::new() } else { status }
}

fn is_missing(name: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    let there =
        |tool: &str| path.split(':').chain(["/usr/sbin"]).any(|dir| Path::new(dir).join(tool).exists());
    let missing = ["nginx", "curl", "faketime"].into_iter().find(|tool| !there(tool));
    if let Some(tool) = missing {
        skipped(name, &format!("`{tool}` is not installed (scripts/install-test-deps)"));
    }
    missing.is_some()
}

/// What Keyturn does at that day.
fn run_later(keyturn: &Keyturn, days: u32, args: &[&str]) -> Ran {
    let output = later(days, &keyturn.command(args)).current_dir(keyturn.dir()).output().unwrap();
    Ran::new(output.status, &output.stdout, &output.stderr)
}

#[test]
fn keyturn_may_stand_still_for_75_days_with_what_is_the_default() {
    if is_missing("crl::keyturn_may_stand_still_for_75_days_with_what_is_the_default") {
        return;
    }
    let port = Port::free(None);
    let keyturn = site("{}", &port);
    // Made anew every 15 days, good for 90: five renewals may be missed.
    for days in [0, 16, 31, 46, 61, 76, 89] {
        let _web = Web::start(&keyturn, &port, days);
        assert_eq!(asked(&keyturn, &port), "200", "after {days} days: {}", log(&keyturn));
    }
    // It is told long before.
    assert!(!run_later(&keyturn, 14, &["status"]).stdout.contains("KT-CRL-LATE"));
    let status = run_later(&keyturn, 21, &["status"]);
    assert!(
        status.stdout.contains("KT-CRL-LATE") && status.stdout.contains("refuses everybody"),
        "{status:#?}"
    );

    // When it has ended, nobody is let in; the next list, and all is well.
    {
        let _web = Web::start(&keyturn, &port, 91);
        assert_eq!(asked(&keyturn, &port), "400", "{}", log(&keyturn));
        assert!(log(&keyturn).contains("CRL has expired"), "{}", log(&keyturn));
        let ran = run_later(&keyturn, 91, &["run"]);
        assert!(ran.ok(), "{ran:#?}");
        assert!(wait_for(Duration::from_secs(10), || asked(&keyturn, &port) == "200"), "{}", log(&keyturn));
    }
    println!(
        "served for 89 days with a list that was never made anew; refused on day 91, served again after one pass"
    );
}

#[test]
fn clients_are_let_in_while_renewals_are_made_and_while_two_are_missed() {
    if is_missing("crl::clients_are_let_in_while_renewals_are_made_and_while_two_are_missed") {
        return;
    }
    let port = Port::free(None);
    let keyturn = site(r#"{ lifetime = "105s", every = "30s" }"#, &port);
    let _web = Web::start(&keyturn, &port, 0);
    let daemon = keyturn.spawn(&["daemon"]);
    let editions = || {
        let history = fs::read_to_string(keyturn.dir().join("state/audit.log")).unwrap();
        history.lines().filter(|line| line.contains("crl-made")).count()
    };
    let mut served = 0;
    let mut serve_for = |time: Duration| {
        let until = Instant::now() + time;
        while Instant::now() < until {
            assert_eq!(asked(&keyturn, &port), "200", "{}", log(&keyturn));
            served += 1;
            pause(Duration::from_millis(100));
        }
    };
    // Renewed in time, by itself: each new list is at work before the one before it ends.
    let first = editions();
    serve_for(Duration::from_secs(40));
    assert!(editions() > first, "{}", daemon.stderr());
    // Two are missed; whoever asks does not notice.
    daemon.signal(Signal::SIGSTOP);
    let before = editions();
    serve_for(Duration::from_secs(65));
    assert_eq!(editions(), before);
    daemon.signal(Signal::SIGCONT);
    let again = || editions() > before;
    assert!(wait_for(Duration::from_secs(20), again), "{}", daemon.stderr());
    // Past the end of what there was when it stood still.
    serve_for(Duration::from_secs(45));
    println!(
        "{served} clients, {} editions, 0 refused; it stood still for 65 s of lists that last 105 s",
        editions()
    );
    daemon.stop();
}

#[test]
fn an_entry_outlives_its_certificate_until_a_list_made_on_time_had_it() {
    if is_missing("crl::an_entry_outlives_its_certificate_until_a_list_made_on_time_had_it") {
        return;
    }
    let keyturn = configured(Keyturn::alone(), "{}", "");
    keyturn.ok(&["run"]);
    let file = |name: &str| keyturn.dir().join(name).display().to_string();
    let (key, asked) = (file("key.pem"), file("asked.pem"));
    let request = [
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=gone",
    ];
    let made = command("openssl", request.iter().chain(&["-keyout", &key, "-out", &asked])).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let signed = keyturn.run(&["-o", "json", "ca", "sign", &asked, "--role", "clients"]).json();
    let serial = signed["serial"].as_str().unwrap().to_uppercase();
    keyturn.ok(&["revoke", "ca/internal", "--serial", &serial.to_lowercase()]);
    // It ends on day 7, and the editions of days 15 and 30 are made after that; a day later each is due for sure.
    for (day, listed) in [(0, true), (16, true), (32, true), (48, false)] {
        let ran = run_later(&keyturn, day, &["run"]);
        assert!(ran.ok(), "{ran:#?}");
        let lists = keyturn.write("lists.pem", &keyturn.ok(&["ca", "crl", "internal"]));
        let shown =
            command("openssl", ["crl", "-noout", "-text", "-in", lists.to_str().unwrap()]).output().unwrap();
        let text = String::from_utf8(shown.stdout).unwrap();
        assert_eq!(text.contains(&serial), listed, "day {day}: {text}");
    }
}
