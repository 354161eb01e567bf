//! Real database servers and HAProxy on certificates of the internal CA, turned over by the shipped hooks while mutual
//! TLS clients are connected and others come all the time.
#![cfg(feature = "failpoints")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

#[path = "databases/clients.rs"]
mod clients;
#[path = "databases/servers.rs"]
mod servers;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clients::{Held, Stream};
use servers::Server;
use support::{Keyturn, Port};

const SITE: &str = r#"
[daemon]
instance = "databases"
state_dir = "state"
[issuers.internal]
kind = "internal"
common_name = "Databases CA"
trust_before = "0s"

[certificates.server]
issuers = ["internal"]
dns_names = ["localhost"]
usages = ["server-auth"]
[[certificates.server.targets]]
kind = "file"
dir = "tls"
files = { {files} }
{owner}
{reload}

[certificates.client]
issuers = ["internal"]
dns_names = ["app.test"]
usages = ["client-auth"]
[[certificates.client.targets]]
kind = "file"
dir = "client"
files = { "tls.crt" = "fullchain", "tls.key" = "private-key", "ca.crt" = "ca" }
mode = "0600"
"#;

const PAIR: &str = r#""tls.crt" = "fullchain", "tls.key" = "private-key", "ca.crt" = "ca""#;

/// What differs between the servers.
struct Case {
    files: &'static str,
    /// Whom the key belongs to: a server that runs as a user of its own does not read root's.
    owner: Option<&'static str>,
    /// The hook with its arguments, and `verify` where a plain handshake can see the certificate.
    reload: &'static str,
    /// Whether other roots end connections on which nobody asks anything.
    ends_idle_connections: bool,
    start: fn(&Keyturn, &Port) -> Server,
}

impl Case {
    fn config(&self, keyturn: &Keyturn, port: &Port, reload: bool) {
        let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("hooks");
        let owner = self.owner.map(|owner| format!("owner = \"{owner}\"\nmode = \"0600\""));
        let text = SITE
            .replace("{files}", self.files)
            .replace("{owner}", &owner.unwrap_or_default())
            .replace("{reload}", if reload { self.reload } else { "" })
            .replace("{hooks}", &hooks.display().to_string())
            .replace("{dir}", &keyturn.dir().display().to_string())
            .replace("{port}", &port.to_string());
        keyturn.write("keyturn.toml", &text);
    }

    /// Certificates first, then the server on them, and from then on its hook.
    fn start(&self) -> (Keyturn, Server) {
        let (keyturn, port) = (Keyturn::alone(), Port::free(None));
        // The server's user passes through.
        fs::set_permissions(keyturn.dir(), Permissions::from_mode(0o755)).unwrap();
        self.config(&keyturn, &port, false);
        keyturn.ok(&["run"]);
        let server = (self.start)(&keyturn, &port);
        self.config(&keyturn, &port, true);
        (keyturn, server)
    }

    /// Server and client certificates turn over, and nobody notices but by looking.
    fn turns_over(&self) {
        let (keyturn, server) = self.start();
        let mut held = Held::start(server.session(), server.question, server.answer);
        held.ask();
        let stream = Stream::start(&server);
        for _ in 0..2 {
            let before = server.served();
            assert_eq!(before, keyturn.fingerprint("server"));
            keyturn.ok(&["rotate", "server"]);
            assert_ne!(server.served(), before);
            assert_eq!(server.served(), keyturn.fingerprint("server"));
            held.ask();
            stream.goes_on();
        }
        stream.stop().assert_all_answered();
        // The client's own, by the next connection; the old one lives.
        let before = keyturn.fingerprint("client");
        keyturn.ok(&["rotate", "client"]);
        assert_ne!(keyturn.fingerprint("client"), before);
        server.connects();
        held.ask();
        assert!(!server.connects_without_certificate(), "a client without a certificate was let in");
    }

    /// A key that does not fit: the hook says so, the old files come back, and the server never stopped serving.
    fn a_bad_pair_changes_nothing(&self) {
        let (mut keyturn, server) = self.start();
        let mut held = Held::start(server.session(), server.question, server.answer);
        held.ask();
        let stream = Stream::start(&server);
        let before = server.served();
        keyturn.set("KEYTURN_FAILPOINT", Some("mismatched-key:1:plant"));
        let ran = keyturn.run(&["rotate", "server"]);
        keyturn.kill_nowhere();
        assert_eq!(ran.code, Some(1), "{ran:#?}");
        assert!(ran.stderr.contains("KT-RELOAD-FAILED"), "{}", ran.stderr);
        assert_eq!(server.served(), before);
        stream.goes_on();
        stream.stop().assert_all_answered();
        held.ask();
        keyturn.ok(&["rotate", "server"]);
        assert_ne!(server.served(), before);
    }

    /// A client under the new root is let in, and so is one that has only the old root, all along; who is connected stays.
    fn goes_along_with_a_root_rollover(&self) {
        let (keyturn, server) = self.start();
        let mut held = Held::start(server.session(), server.question, server.answer);
        held.ask();
        let client = keyturn.dir().join("client");
        copy(&client, &keyturn.dir().join("before"));
        let stream = Stream::of(server.client_of("before"));
        keyturn.ok(&["ca", "rotate", "internal"]);
        keyturn.ok(&["run"]);
        let bundle = fs::read_to_string(client.join("ca.crt")).unwrap();
        assert_eq!(bundle.matches("BEGIN").count(), 2, "both roots are trusted");
        assert_eq!(server.served(), keyturn.fingerprint("server"));
        // Without what the old root has certified nothing but the new root helps.
        let chain = fs::read_to_string(client.join("tls.crt")).unwrap();
        let blocks: Vec<&str> = chain.split_inclusive("-----END CERTIFICATE-----\n").collect();
        assert_eq!(blocks.len(), 3, "{chain}");
        copy(&client, &keyturn.dir().join("bare"));
        fs::write(keyturn.dir().join("bare/tls.crt"), blocks[..2].concat()).unwrap();
        for folder in ["bare", "before", "client"] {
            server.client_of(folder).connect().unwrap_or_else(|error| panic!("{folder}: {error}"));
        }
        stream.goes_on();
        stream.stop().assert_all_answered();
        if !self.ends_idle_connections {
            held.ask();
        }
        // And after that certificates turn over as before.
        keyturn.ok(&["rotate", "server"]);
        assert_eq!(server.served(), keyturn.fingerprint("server"));
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for name in ["tls.crt", "tls.key", "ca.crt"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

const POSTGRESQL: Case = Case {
    files: PAIR,
    owner: Some("postgres"),
    reload: r#"reload = ["{hooks}/reload-postgresql", "{dir}/data", "127.0.0.1:{port}", "{dir}/tls/tls.crt"]"#,
    ends_idle_connections: false,
    start: servers::postgresql,
};

const MARIADB: Case = Case {
    files: PAIR,
    owner: Some("mysql"),
    reload: r#"reload = ["{hooks}/reload-mariadb", "{dir}/data/db.sock", "127.0.0.1:{port}", "{dir}/tls/tls.crt"]"#,
    ends_idle_connections: false,
    start: servers::mariadb,
};

const REDIS: Case = Case {
    files: PAIR,
    owner: None,
    reload: r#"reload = ["{hooks}/reload-redis", "{dir}/redis.sock", "{dir}/tls/tls.crt", "{dir}/tls/tls.key", "{dir}/tls/ca.crt"]
verify = { connect = ["127.0.0.1:{port}"], server_name = "localhost" }"#,
    ends_idle_connections: false,
    start: servers::redis,
};

const HAPROXY: Case = Case {
    files: r#""edge.pem" = "combined", "ca.crt" = "ca""#,
    owner: None,
    reload: r#"reload = ["{hooks}/reload-haproxy", "{dir}/admin.sock", "{dir}/tls/edge.pem", "{dir}/tls/ca.crt", "{dir}/master.sock"]
verify = { connect = ["127.0.0.1:{port}"], server_name = "localhost" }"#,
    ends_idle_connections: true,
    start: servers::haproxy,
};

#[test]
fn postgresql_turns_over() {
    if servers::can_run_postgresql() {
        POSTGRESQL.turns_over();
    }
}

#[test]
fn postgresql_keeps_serving_after_a_bad_pair() {
    if servers::can_run_postgresql() {
        POSTGRESQL.a_bad_pair_changes_nothing();
    }
}

#[test]
fn mariadb_turns_over() {
    if servers::can_run("mariadb", &["mariadbd", "mariadb"]) {
        MARIADB.turns_over();
    }
}

#[test]
fn mariadb_keeps_serving_after_a_bad_pair() {
    if servers::can_run("mariadb", &["mariadbd", "mariadb"]) {
        MARIADB.a_bad_pair_changes_nothing();
    }
}

#[test]
fn redis_turns_over() {
    if servers::can_run("redis", &["redis-server", "redis-cli"]) {
        REDIS.turns_over();
    }
}

#[test]
fn redis_keeps_serving_after_a_bad_pair() {
    if servers::can_run("redis", &["redis-server", "redis-cli"]) {
        REDIS.a_bad_pair_changes_nothing();
    }
}

/// The hooks take up a new root as well.
#[test]
fn postgresql_goes_along_with_a_root_rollover() {
    if servers::can_run_postgresql() {
        POSTGRESQL.goes_along_with_a_root_rollover();
    }
}

#[test]
fn mariadb_goes_along_with_a_root_rollover() {
    if servers::can_run("mariadb_goes_along_with_a_root_rollover", &["mariadbd", "mariadb"]) {
        MARIADB.goes_along_with_a_root_rollover();
    }
}

#[test]
fn redis_goes_along_with_a_root_rollover() {
    if servers::can_run("redis_goes_along_with_a_root_rollover", &["redis-server", "redis-cli"]) {
        REDIS.goes_along_with_a_root_rollover();
    }
}

#[test]
fn haproxy_goes_along_with_a_root_rollover() {
    if servers::can_run("haproxy_goes_along_with_a_root_rollover", &["haproxy", "socat", "curl"]) {
        HAPROXY.goes_along_with_a_root_rollover();
    }
}

#[test]
fn haproxy_turns_over() {
    if servers::can_run("haproxy", &["haproxy", "socat", "curl"]) {
        HAPROXY.turns_over();
    }
}

/// No MongoDB could be had; how its hook calls the shell is looked at with one of our own, run by Node as mongosh is.
const MONGOSH: &str = r#"#!/usr/bin/env node
const fs = require("fs");
const say = (name, what) => fs.writeFileSync(`${__dirname}/${name}`, JSON.stringify(what));
say("command-line", fs.readFileSync("/proc/self/cmdline", "utf8"));
const connect = (uri) => ({ adminCommand: (command) => (say("asked", { uri, command }), { ok: uri.endsWith("good") ? 1 : 0, errmsg: "no" }) });
const print = console.log, quit = process.exit;
eval(process.argv[process.argv.indexOf("--eval") + 1]);
"#;

#[test]
fn the_hook_of_mongodb_keeps_its_password_off_the_command_line() {
    if !servers::can_run("the_hook_of_mongodb_keeps_its_password_off_the_command_line", &["node"]) {
        return;
    }
    let site = Keyturn::alone();
    let shell = site.write("mongosh", MONGOSH);
    fs::set_permissions(shell, Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", site.dir().display(), std::env::var("PATH").unwrap());
    let read = |name: &str| fs::read_to_string(site.dir().join(name)).unwrap();
    for (uri, code) in
        [("mongodb://admin:s3cret@localhost/?x=good", 0), ("mongodb://admin:s3cret@localhost/", 1)]
    {
        let file = site.write("uri", &format!("{uri}\n"));
        let hook = Path::new(env!("CARGO_MANIFEST_DIR")).join("hooks/reload-mongodb");
        let ran = std::process::Command::new(hook).arg(file).env("PATH", &path).output().unwrap();
        assert_eq!(ran.status.code(), Some(code), "{ran:?}");
        assert_eq!(read("asked"), format!(r#"{{"uri":"{uri}","command":{{"rotateCertificates":1}}}}"#));
        assert!(!read("command-line").contains("s3cret"), "{}", read("command-line"));
    }
}
