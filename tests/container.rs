//! The image: built from the project's Dockerfile on a real engine, and run as a service of the Swarm that it looks after.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use support::{Engine, Nginx, engine_or_skip, keyturn_image, must, wait_for};

const CONFIG: &str = r#"
[daemon]
instance = "contained"
state_key_file = "/run/secrets/state-key"
[issuers.internal]
kind = "internal"
common_name = "Test CA"
[certificates.edge]
issuers = ["internal"]
dns_names = ["edge.test"]
[[certificates.edge.targets]]
kind = "swarm"
services = ["web_nginx"]
files = { "tls.crt" = "fullchain", "tls.key" = "private-key" }
verify = { connect = ["127.0.0.1:8443"], server_name = "edge.test" }
"#;

/// The container of the service, while it runs.
fn container(engine: &Engine) -> Option<String> {
    let filter = "label=com.docker.swarm.service.name=keyturn_keyturn";
    let ids = engine.ok(["ps", "--quiet", "--no-trunc", "--filter", filter]);
    ids.lines().next().map(str::to_owned)
}

fn health(engine: &Engine) -> String {
    let Some(id) = container(engine) else { return String::new() };
    engine.docker(["inspect", "--format", "{{.State.Health.Status}}", &id]).stdout.trim().to_owned()
}

/// What a verb says in it.
fn asked(engine: &Engine, args: &[&str]) -> Option<Value> {
    let id = container(engine)?;
    let ran = engine.docker(["exec", &id, "/usr/local/bin/keyturn"].iter().chain(args));
    serde_json::from_str(&ran.stdout).ok()
}

/// The revision of the certificate, once it is served.
fn served(engine: &Engine) -> Option<u64> {
    let status = asked(engine, &["status", "certificates/edge", "-o", "json"])?;
    let asset = &status["assets"][0];
    asset["served_at"].is_string().then(|| asset["revision"].as_u64()).flatten()
}

fn deploy(engine: &Engine, image: &str) {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/daemon/stack.yml");
    let socket = engine.socket();
    let mut deploy = engine.command(["stack", "deploy", "--resolve-image", "never", "--compose-file"]);
    deploy.arg(example).arg("keyturn");
    deploy.env("KEYTURN_IMAGE", image).env("DOCKER_SOCKET", &socket);
    deploy.env("DOCKER_GID", std::fs::metadata(&socket).unwrap().gid().to_string());
    deploy.env("KEYTURN_NODE", engine.ok(["info", "--format", "{{.Name}}"]));
    must(deploy);
}

#[test]
fn the_image_runs_read_only_without_root_and_does_the_main_job() {
    let engine = engine_or_skip!();
    let image = keyturn_image(&engine);
    let web = Nginx::new("web_nginx", 8443).create(&engine);
    engine.feed(
        ["secret", "create", "keyturn-state-key", "-"],
        b"bm9ib2R5IHdpbGwgZ3Vlc3MgdGhpcyBrZXkgb2YgMzI=",
    );
    engine.feed(["config", "create", "keyturn-toml", "-"], CONFIG.as_bytes());
    deploy(&engine, &image);

    let limit = Duration::from_secs(90);
    let log = || engine.docker(["service", "logs", "--raw", "keyturn_keyturn"]);
    assert!(wait_for(limit, || served(&engine) == Some(1)), "nothing is served: {:#?}", log());
    assert_ne!(engine.secrets_of(web.name()).len(), 0);
    let inspected = engine.inspect(&["inspect", &container(&engine).unwrap()]);
    assert_eq!(inspected["HostConfig"]["ReadonlyRootfs"], true);
    assert!(inspected["HostConfig"]["CapDrop"].to_string().contains("ALL"), "{inspected:#}");
    assert!(inspected["Config"]["User"].as_str().unwrap().starts_with("65532:"), "{inspected:#}");
    let shell = engine.docker(["exec", &container(&engine).unwrap(), "/bin/sh", "-c", "true"]);
    assert!(!shell.ok(), "there is a shell: {shell:#?}");
    assert!(wait_for(limit, || health(&engine) == "healthy"), "not healthy: {:#?}", log());

    // A verb in the container goes through the daemon's socket.
    asked(&engine, &["rotate", "certificates/edge", "-o", "json"]);
    assert!(wait_for(limit, || served(&engine) == Some(2)), "not rotated: {:#?}", log());

    // Killed, it is started anew by the Swarm, and goes on with the state in its volume.
    let killed = container(&engine).unwrap();
    engine.ok(["kill", &killed]);
    let goes_on = || container(&engine).is_some_and(|id| id != killed) && served(&engine) == Some(2);
    assert!(wait_for(limit, goes_on), "it does not go on: {:#?}", log());
}
