//! The tests' own ground: a real engine, a real NGINX, a prober, and that nothing of them stays behind.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::{
    Engine, Nginx, Plain, Prober, Ran, busybox_image, engine_or_skip, in_netns, pause, self_signed,
};

/// Processes, mounts, cgroups and folders that name the engine.
fn traces_of(name: &str) -> Vec<String> {
    let mut traces = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command).contains(name) {
            traces.push(format!("process {}", entry.path().display()));
        }
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    traces.extend(mounts.lines().filter(|line| line.contains(name)).map(str::to_owned));
    let folders = [std::env::temp_dir(), "/sys/fs/cgroup".into(), "/sys/fs/cgroup/memory".into()];
    let left = folders.map(|folder| folder.join(name)).into_iter().filter(|path| path.exists());
    traces.extend(left.map(|path| path.display().to_string()));
    traces
}

#[test]
fn replaces_secrets_without_a_failed_connection() {
    let engine = engine_or_skip!();
    let web = Nginx::new("web_nginx", 8443).with_dhparam().create(&engine);
    assert_eq!(engine.secrets_of("web_nginx").len(), 3);

    let prober = Prober::start(&engine, &web.address());
    pause(Duration::from_secs(2));
    prober.so_far().assert_clean();

    let new = self_signed("new.test");
    engine.feed(["secret", "create", "new.crt", "-"], new.certificate.as_bytes());
    engine.feed(["secret", "create", "new.key", "-"], new.key.as_bytes());
    let update = ["--secret-rm=web_nginx-placeholder-tls.crt", "--secret-rm=web_nginx-placeholder-tls.key"];
    let add = ["--secret-add=source=new.crt,target=tls.crt", "--secret-add=source=new.key,target=tls.key"];
    let fixed = ["service", "update", "--quiet", "--detach", "--no-resolve-image"];
    engine.ok(fixed.iter().chain(&update).chain(&add).chain(&["web_nginx"]));
    engine.wait_update("web_nginx", "completed");
    engine.wait_running("web_nginx", 2);
    pause(Duration::from_secs(1));

    let report = prober.stop();
    report.assert_clean();
    let (old, new) = (&report.leaves[web.fingerprint()], &report.leaves[&new.fingerprint]);
    println!("{} ok, {:.0} a second; {old:?}, then {new:?}", report.ok, report.rate());
    assert!(new.first > Duration::from_secs(2) && new.last > old.last);
}

#[test]
fn counts_what_fails() {
    let engine = engine_or_skip!();
    let prober = Prober::start(&engine, "127.0.0.1:8443");
    pause(Duration::from_secs(1));
    let report = prober.stop();
    assert_eq!(report.ok, 0);
    assert!(report.failures.len() > 40 && report.failures[0].error.contains("refused"), "{report:#?}");
}

#[test]
fn serves_files_to_those_inside_its_network_only() {
    let engine = engine_or_skip!();
    engine.feed(["config", "create", "greeting", "-"], b"hello");
    let mount = ["--config=source=greeting,target=/srv/greeting.txt"];
    Plain::serving("files", "/srv", 18_080).args(mount).create(&engine);
    Plain::sleeping("signer").replicas(2).create(&engine);
    let mut curl = Command::new("curl");
    curl.args(["-fsS", "-m", "5", "http://127.0.0.1:18080/greeting.txt"]);
    assert_eq!(support::must(in_netns(&engine, &curl)), "hello");
    assert!(!curl.output().unwrap().status.success());
    assert_eq!(engine.names("service"), ["files", "signer"]);
}

#[test]
fn comes_back_after_a_stop_and_a_kill() {
    let mut engine = engine_or_skip!();
    let web = Nginx::new("web_nginx", 8443).create(&engine);
    for signal in ["TERM", "KILL"] {
        engine.stop(signal);
        engine.boot_again();
        engine.wait_running("web_nginx", 2);
        let prober = Prober::start(&engine, &web.address());
        prober.wait_leaf(web.fingerprint(), Duration::from_secs(20));
    }
}

#[test]
fn leaves_nothing_behind() {
    let engine = engine_or_skip!();
    let other = Engine::start();
    let names = [engine.name().to_owned(), other.name().to_owned()];
    Nginx::new("web_nginx", 8443).create(&engine);
    Nginx::new("web_nginx", 8443).create(&other);
    assert_ne!(busybox_image(&engine), "");
    let inside = fs::read_to_string(format!("/proc/{}/mountinfo", engine.pid())).unwrap();
    assert!(inside.contains(engine.name()) && !traces_of(engine.name()).is_empty());
    drop(engine);
    drop(other);
    for name in names {
        assert_eq!(traces_of(&name), Vec::<String>::new());
        assert!(!Path::new("/run/netns").join(&name).exists());
    }
}

#[test]
fn runs_the_real_binary_and_keeps_what_it_says() {
    let site = support::Keyturn::alone().config("# {dir}");
    let text = fs::read_to_string(site.dir().join("keyturn.toml")).unwrap();
    assert_eq!(text, format!("# {}", site.dir().display()));
    let ran: Ran = site.run(&["--version"]);
    assert!(ran.code.is_some(), "{ran:?}");
}
