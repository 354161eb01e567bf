//! What callers of the control socket can do to it: X1 to X7, measured. The table in docs/operations.md has what these print.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::control::run_as;
use super::{running, site};
use crate::support::{Daemon, Keyturn, command, skipped, status, wait_for};

const STRANGER: u32 = 54_341;

/// Opens so many connections as its own user, says nothing on them, and opens them again when they are closed.
const CROWD: &str = r#"
import os, resource, socket, sys, time
path, count, user = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
os.setgid(user)
os.setuid(user)
def opened():
    one = socket.socket(socket.AF_UNIX)
    one.connect(path)
    return one
crowd = [opened() for _ in range(count)]
print("there", flush=True)
made = count
while True:
    for at in range(0, count, 7):
        crowd[at].close()
        try:
            crowd[at] = opened()
            made += 1
        except OSError:
            time.sleep(0.01)
    print(made, flush=True)
"#;

/// Ends with the test.
struct Crowd(Child, std::path::PathBuf);

impl Crowd {
    fn gather(uid: u32, socket: &Path, count: usize, log: &Path) -> Self {
        let mut run = command("python3", ["-c", CROWD]);
        run.arg(socket).arg(count.to_string()).arg(uid.to_string());
        run.stdout(fs::File::create(log).unwrap()).stdin(Stdio::null());
        let crowd = Self(run.spawn().unwrap(), log.to_owned());
        assert!(wait_for(Duration::from_secs(60), || crowd.said().contains("there")), "no crowd");
        crowd
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.1).unwrap_or_default()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skipped(&format!("hostile::{test}"), "taking on other users needs root");
    }
    root
}

fn open_to_all(keyturn: &Keyturn) -> std::path::PathBuf {
    let socket = keyturn.dir().join("control.sock");
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    fs::set_permissions(keyturn.dir(), fs::Permissions::from_mode(0o755)).unwrap();
    socket
}

/// `VmHWM`, in KiB.
fn peak(daemon: &Daemon) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn owner_is_answered(keyturn: &Keyturn) -> Duration {
    let since = Instant::now();
    keyturn.ok(&["run"]);
    since.elapsed()
}

/// X1: each of the verbs, of a stranger whom the socket's mode lets in.
#[test]
fn x1_a_stranger_gets_nothing_and_is_on_record() {
    if !is_root("x1_a_stranger_gets_nothing_and_is_on_record") {
        return;
    }
    let (keyturn, daemon) = running("");
    open_to_all(&keyturn);
    let verbs: [&[&str]; 12] = [
        &["run"],
        &["rotate", "certificates/edge"],
        &["rotate", "--compromised", "--all"],
        &["revoke", "certificates/edge"],
        &["ca", "rotate", "internal"],
        &["status"],
        &["plan"],
        &["audit"],
        &["approvals"],
        &["approve", "1"],
        &["deny", "1"],
        &["export", "certificates/edge", "--part", "fullchain"],
    ];
    let mut slowest = Duration::ZERO;
    for args in verbs {
        let since = Instant::now();
        let refused = run_as(STRANGER, &keyturn, args);
        slowest = slowest.max(since.elapsed());
        assert_eq!(refused.code, Some(5), "{args:?}: {refused:#?}");
        assert!(refused.stdout.is_empty(), "{args:?}: {refused:#?}");
        assert!(refused.stderr.contains(&format!("uid {STRANGER} may not")), "{args:?}: {refused:#?}");
    }
    assert_eq!(status(&keyturn)["certificates/edge"]["revision"], 1);
    // Each verb, so that none is tried unseen behind another (`ca rotate` is a `rotate`); and each once in ten seconds.
    let audit: Value = serde_json::from_str(&keyturn.ok(&["audit", "-o", "json"])).unwrap();
    let refused = audit["entries"].as_array().unwrap().iter().filter(|entry| entry["action"] == "refused");
    let seen: Vec<&str> = refused.map(|entry| entry["detail"]["verb"].as_str().unwrap()).collect();
    let wanted = [
        "run",
        "rotate",
        "rotate --compromised",
        "revoke",
        "status",
        "plan",
        "audit",
        "approvals",
        "approve",
        "deny",
        "export",
    ];
    let missing: Vec<_> = wanted.iter().filter(|verb| !seen.contains(verb)).collect();
    assert!(missing.is_empty(), "{missing:?} are not on record: {seen:?}");
    assert!(seen.len() <= wanted.len() + 1, "once in ten seconds: {seen:?}");
    let entries = seen.len();
    println!("X1: {} verbs refused, {entries} entries in the history, slowest {slowest:?}", verbs.len());
    daemon.stop();
}

/// X2: the body is not taken, whatever is said of its length.
#[test]
fn x2_a_request_of_a_gibibyte() {
    let (keyturn, daemon) = running("");
    let socket = keyturn.dir().join("control.sock");
    let before = peak(&daemon);
    for head in ["Content-Length: 1073741824", "Transfer-Encoding: chunked"] {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        let start = format!("POST /v1/wishes HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n");
        stream.write_all(start.as_bytes()).unwrap();
        let (mut sent, since) = (0_u64, Instant::now());
        let piece = [&b"100000\r\n"[..], &[b'x'; 0x10_0000], b"\r\n"].concat();
        let piece = if head.starts_with('C') { &piece[8..piece.len() - 2] } else { &piece[..] };
        while sent < 1 << 30 && stream.write_all(piece).is_ok() {
            sent += piece.len() as u64;
        }
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(sent < 16 << 20, "{sent} octets were taken");
        println!("X2: {head}: cut off within {} MiB, after {:?}", (sent >> 20) + 1, since.elapsed());
    }
    let more = peak(&daemon) - before;
    println!("X2: {more} KiB more at the peak, owner answered in {:?}", owner_is_answered(&keyturn));
    assert!(more < 10 * 1024, "{more} KiB");
    daemon.stop();
}

/// X3: of the head and of the body.
#[test]
fn x3_a_byte_a_second() {
    let (keyturn, daemon) = running("");
    let socket = keyturn.dir().join("control.sock");
    let whole = "POST /v1/wishes HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n";
    let dawdle = |begun: &'static str| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        std::thread::spawn(move || {
            let since = Instant::now();
            stream.write_all(begun.as_bytes()).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            while since.elapsed() < Duration::from_secs(40) {
                if stream.write_all(b"x").is_err() {
                    break;
                }
                let mut answer = [0; 512];
                if let Ok(0) = stream.read(&mut answer) {
                    break;
                }
            }
            since.elapsed()
        })
    };
    let (head, body) = (dawdle("POST /v1/wi"), dawdle(whole));
    let owner = owner_is_answered(&keyturn);
    let (head, body) = (head.join().unwrap(), body.join().unwrap());
    println!("X3: cut off after {head:?} (head), {body:?} (body); owner meanwhile answered in {owner:?}");
    assert!(head < Duration::from_secs(15) && body < Duration::from_secs(15), "{head:?} {body:?}");
    assert!(owner < Duration::from_secs(1), "{owner:?}");
    daemon.stop();
}

/// X4: 5,000 connections of a stranger, some of them ever anew; then of the owner's own user, who keep still.
#[test]
fn x4_five_thousand_connections() {
    if !is_root("x4_five_thousand_connections") {
        return;
    }
    let (keyturn, daemon) = running("");
    let socket = open_to_all(&keyturn);
    let folder = tempfile::tempdir().unwrap();
    let before = peak(&daemon);
    let crowd = Crowd::gather(STRANGER, &socket, 5000, &folder.path().join("crowd"));
    let slowest = (0..10).map(|_| owner_is_answered(&keyturn)).max().unwrap();
    let made = crowd.said().lines().last().unwrap_or_default().to_owned();
    drop(crowd);
    println!(
        "X4: 5,000 of a stranger, {made} made in all: owner answered in {slowest:?} at the slowest of 10"
    );
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    // The owner's own: they keep still, so that nothing but what was opened last is his.
    let mut own: Vec<UnixStream> = Vec::new();
    own.extend((0..5000).filter_map(|_| UnixStream::connect(&socket).ok()));
    assert!(own.len() == 5000, "{}", own.len());
    let slowest = (0..10).map(|_| owner_is_answered(&keyturn)).max().unwrap();
    println!("X4: 5,000 of the owner's own: answered in {slowest:?} at the slowest of 10");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    println!("X4: {} KiB more at the peak", peak(&daemon) - before);
    daemon.stop();
}

/// Processor time that the daemon has taken so far.
fn cpu(daemon: &Daemon) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", daemon.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// X8: questions that take minutes, of one who may only read: neither the work nor anybody else waits for them, and they
/// are dropped when he has gone.
#[test]
fn x8_questions_that_take_minutes() {
    if !is_root("x8_questions_that_take_minutes") {
        return;
    }
    let (keyturn, port) = site("");
    let mut text = fs::read_to_string(keyturn.dir().join("keyturn.toml")).unwrap();
    text += &format!("\n[roles]\nread = [\"uid:{STRANGER}\", \"uid:{}\"]\n", STRANGER + 1);
    for number in 0..300 {
        text += &format!("[jwt_keys.k{number}]\nalgorithm = \"ES256\"\nrotate_every = \"30d\"\n");
    }
    keyturn.write("keyturn.toml", &text);
    let daemon = Daemon::start(&keyturn, &port);
    keyturn.ok(&["run"]);
    open_to_all(&keyturn);
    assert_eq!(run_as(STRANGER, &keyturn, &["approvals"]).code, Some(0));
    let ask = || {
        let mut ask = command(keyturn.dir().join("keyturn").to_str().unwrap(), ["--config"]);
        ask.arg(keyturn.dir().join("keyturn.toml")).args(["plan", "--until", "3650d"]);
        ask.uid(STRANGER).gid(STRANGER).current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
        Asker(ask.spawn().unwrap())
    };
    let mut crowd: Vec<Asker> = (0..4).map(|_| ask()).collect();
    std::thread::sleep(Duration::from_secs(1));
    let slowest = |ask: &dyn Fn()| {
        let each = (0..10).map(|_| {
            let since = Instant::now();
            ask();
            since.elapsed()
        });
        each.max().unwrap()
    };
    let health = slowest(&|| assert_eq!(daemon.get("/healthz").status, 200));
    let metrics = slowest(&|| assert_eq!(daemon.get("/metrics").status, 200));
    let owner = owner_is_answered(&keyturn);
    let since = Instant::now();
    let other = run_as(STRANGER + 1, &keyturn, &["status"]);
    let status = since.elapsed();
    assert_eq!(other.code, Some(0), "{other:#?}");
    assert!(crowd.iter_mut().all(|one| one.0.try_wait().unwrap().is_none()), "they are no burden");
    println!(
        "X8: 4 plans of ten years of 300 keys: at the slowest /healthz {health:?}, /metrics {metrics:?}, `run` of the owner \
         {owner:?}, `status` of another {status:?}"
    );
    assert!(health < Duration::from_secs(1) && metrics < Duration::from_secs(2), "{health:?} {metrics:?}");
    assert!(owner < Duration::from_secs(10) && status < Duration::from_secs(10), "{owner:?} {status:?}");
    drop(crowd);
    let idles = || {
        let before = cpu(&daemon);
        std::thread::sleep(Duration::from_secs(1));
        cpu(&daemon) - before < Duration::from_millis(300)
    };
    assert!(wait_for(Duration::from_secs(10), idles), "it plans on for nobody");
    daemon.stop();
}

/// Ends with the test.
struct Asker(Child);

impl Drop for Asker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// X7: what lies at the socket's place, or where its folder should be, is nothing that we put there.
#[test]
fn x7_a_place_that_was_taken_before() {
    let (keyturn, port) = site("");
    let place = keyturn.dir().join("control.sock");
    let elsewhere = keyturn.dir().join("elsewhere");
    let refused = |words: &str| {
        let ran = keyturn.run(&["daemon"]);
        assert_eq!(ran.code, Some(1), "{ran:#?}");
        assert!(ran.stderr.contains(words), "{ran:#?}");
    };
    fs::write(&place, "mine").unwrap();
    refused("something else than a socket");
    assert_eq!(fs::read_to_string(&place).unwrap(), "mine");
    fs::remove_file(&place).unwrap();
    fs::create_dir(&place).unwrap();
    refused("something else than a socket");
    fs::remove_dir(&place).unwrap();
    // To a file, to nothing, and to a socket on which another listens.
    fs::write(&elsewhere, "mine").unwrap();
    symlink(&elsewhere, &place).unwrap();
    refused("something else than a socket");
    fs::remove_file(&elsewhere).unwrap();
    refused("something else than a socket");
    let other = std::os::unix::net::UnixListener::bind(&elsewhere).unwrap();
    refused("something else than a socket");
    assert!(fs::symlink_metadata(&place).unwrap().is_symlink());
    fs::remove_file(&place).unwrap();
    drop(other);
    // Somebody who listens there already is not pushed aside.
    let other = std::os::unix::net::UnixListener::bind(&place).unwrap();
    refused("another process answers there");
    drop(other);
    // What is left of one who has gone is in nobody's way.
    let daemon = Daemon::start(&keyturn, &port);
    let mode = fs::metadata(&place).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode, 0o660);
    println!("X7: 7 of 7 refused and left alone; the socket's mode is {mode:o}");
    daemon.stop();
}
