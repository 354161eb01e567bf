//! Who plays: a signer, a verifier by PyJWT with JWK Sets, one by joserfc with PEM, and one by jose that asks Keyturn by HTTP.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;

use super::support::{
    Engine, Keyturn, Plain, chat_node, command, enter, get, in_netns, jwt_python, must, wait_for,
};

/// Of the keys; each is an asset in lower case.
pub const ALGORITHMS: [&str; 4] = ["RS256", "PS256", "ES256", "EdDSA"];

/// How long a token lives.
pub const TTL: i64 = 15;
/// How long a verifier may keep a JWK Set.
pub const MAX_AGE: i64 = 3;
/// How far behind a verifier's clock may be.
pub const SKEW: i64 = 2;
/// How long a key is known before it signs.
const PUBLISH_BEFORE: i64 = 6;
/// How long a key signs.
pub const PERIOD: Duration = Duration::from_secs(60);
/// Half of it.
pub const HALF: Duration = Duration::from_secs(30);

/// How long a key is needed after its last signature.
pub fn linger() -> SignedDuration {
    SignedDuration::from_secs(TTL + MAX_AGE + SKEW)
}

pub const SIGNER: &str = "api_auth";
const SIGNER_PORT: u16 = 8000;

/// Where tokens are made.
pub fn signer() -> String {
    format!("127.0.0.1:{SIGNER_PORT}")
}

/// Keyturn's own, for everyone.
pub const PUBLIC: &str = "127.0.0.1:9781";

/// Who takes tokens.
#[derive(Debug, Clone, Copy)]
pub struct Verifier {
    /// The service's name.
    pub service: &'static str,
    /// What it is.
    pub library: &'static str,
    /// Where it listens.
    pub port: u16,
    /// Whether its keys come as a Docker config.
    pub delivered: bool,
}

pub const VERIFIERS: [Verifier; 3] = [
    Verifier { service: "api_gateway", library: "PyJWT, JWKS as a config", port: 8001, delivered: true },
    Verifier { service: "api_users", library: "joserfc, PEM as a config", port: 8002, delivered: true },
    Verifier { service: "api_web", library: "jose, JWKS by HTTP", port: 8003, delivered: false },
];

/// The asset of an algorithm.
pub fn asset(algorithm: &str) -> String {
    format!("jwt_keys/{}", algorithm.to_lowercase())
}

/// The JWT libraries, which are not Debian's.
pub struct Libraries;

impl Libraries {
    pub fn missing() -> Option<String> {
        let jose = || chat_node().filter(|folder| folder.join("node_modules/jose").exists());
        let which = match (jwt_python(), jose()) {
            (None, _) => "PyJWT and joserfc of PyPI are",
            (_, None) => "jose of npm is",
            _ => return None,
        };
        Some(format!("{which} not installed (scripts/install-test-deps)"))
    }
}

/// What is waiting to be accepted by a task that ends goes to another one on the same port: without it Linux resets it, a
/// few of tens of thousands, whoever ends the task.
pub fn migrate_requests(engine: &Engine) {
    must(in_netns(engine, &command("sysctl", ["-qw", "net.ipv4.tcp_migrate_req=1"])));
}

/// The services as a site has them before Keyturn comes: nobody can sign, and nobody knows a key.
pub fn create_services(engine: &Engine) {
    for file in ["serving.py", "signer.py", "verifier_pyjwt.py", "verifier_joserfc.py", "verifier_jose.cjs"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tokens").join(file);
        engine.ok(["config", "create", file, path.to_str().unwrap()]);
    }
    python(engine, SIGNER, "signer.py", SIGNER_PORT);
    python(engine, VERIFIERS[0].service, "verifier_pyjwt.py", VERIFIERS[0].port);
    python(engine, VERIFIERS[1].service, "verifier_joserfc.py", VERIFIERS[1].port);
}

/// Waits until all of them can be asked: a task runs before its program listens.
pub fn wait_listening(engine: &Engine) {
    let network = File::open(engine.network()).unwrap();
    let all_answer = move || {
        enter(&network);
        let ports = VERIFIERS.map(|verifier| (verifier.port, "/check/none"));
        let ports: Vec<_> = ports.into_iter().chain([(SIGNER_PORT, "/token/RS256")]).collect();
        wait_for(Duration::from_secs(30), || {
            ports.iter().all(|(port, path)| get(([127, 0, 0, 1], *port).into(), path, "").is_some())
        })
    };
    assert!(std::thread::spawn(all_answer).join().unwrap(), "somebody does not listen");
}

/// Two tasks that share a port, new ones first; the second is replaced when the first has had time to listen.
fn python(engine: &Engine, service: &str, script: &str, port: u16) {
    let python = jwt_python().unwrap();
    let run = format!("cd /srv && exec {} -B {script}", python.display());
    plain(service, &run, port, &["serving.py", script])
        .replicas(2)
        .args(["--update-order=start-first", "--update-delay=4s", "--update-monitor=1s"])
        .create(engine);
}

/// Whoever gets its keys by HTTP is no target of Keyturn's, and is never replaced.
pub fn create_client_of_http(engine: &Engine) {
    let modules = chat_node().unwrap().join("node_modules");
    let more = [("MAX_AGE", MAX_AGE.to_string()), ("JWKS", format!("http://{PUBLIC}/jwks"))];
    let more = more.into_iter().chain([("MODULES", modules.display().to_string())]);
    plain(
        VERIFIERS[2].service,
        "exec node /srv/verifier_jose.cjs",
        VERIFIERS[2].port,
        &["verifier_jose.cjs"],
    )
    .args(more.map(|(name, value)| format!("--env={name}={value}")))
    .args([mount(&modules)])
    .create(engine);
}

fn plain(service: &str, run: &str, port: u16, files: &[&str]) -> Plain {
    let python = jwt_python().unwrap();
    let prefix = |name: &str| {
        let script = format!("import sys; print(sys.{name})");
        PathBuf::from(must(command(python.to_str().unwrap(), ["-c", &script])))
    };
    let usr = ["/usr", "/lib", "/lib64"].map(PathBuf::from).into_iter().filter(|folder| folder.exists());
    let folders =
        usr.chain([prefix("prefix"), prefix("base_prefix")].into_iter().filter(|it| !it.starts_with("/usr")));
    Plain::running(service, &format!("export PATH=/usr/local/bin:/usr/bin:/bin; {run}"))
        .args(["--network=host".to_owned(), "--stop-grace-period=10s".to_owned()])
        .args(folders.map(|folder| mount(&folder)))
        .args(files.iter().map(|file| format!("--config=source={file},target=/srv/{file}")))
        .args(
            [("PORT", i64::from(port)), ("TTL", TTL), ("SKEW", SKEW)]
                .map(|(name, is)| format!("--env={name}={is}")),
        )
}

/// An image of this machine's programs would be copied for every task.
fn mount(folder: &Path) -> String {
    format!("--mount=type=bind,readonly,source={0},target={0}", folder.display())
}

/// A site whose keys are turned every [`PERIOD`].
pub fn site(engine: &Engine) -> Keyturn {
    let keys: String = ALGORITHMS.iter().map(|algorithm| key(algorithm)).collect();
    Keyturn::beside(engine).config(&format!(
        "[daemon]\ninstance = \"test\"\nstate_dir = \"state\"\ncontrol_socket = \"control.sock\"\n\
         public_listen = \"{PUBLIC}\"\n[docker]\nsocket = \"{}\"\n[delivery]\nretention = \"0s\"\n{keys}",
        engine.socket().display()
    ))
}

fn key(algorithm: &str) -> String {
    let name = algorithm.to_lowercase();
    let [pyjwt, joserfc, _] = VERIFIERS;
    format!(
        r#"
[jwt_keys.{name}]
algorithm = "{algorithm}"
allow_any_window = true
rotate_every = "{}s"
publish_before = "{PUBLISH_BEFORE}s"
jwks_max_age = "{MAX_AGE}s"
max_token_ttl = "{TTL}s"
skew = "{SKEW}s"
[[jwt_keys.{name}.targets]]
kind = "swarm"
services = ["{SIGNER}"]
files = {{ "{name}.key" = "private-key", "{name}.kid" = "kid" }}
[[jwt_keys.{name}.targets]]
kind = "swarm"
services = ["{}"]
files = {{ "/etc/api/{name}.json" = "jwks" }}
verify = {{ url = "http://127.0.0.1:{}/jwks/{name}.json" }}
[[jwt_keys.{name}.targets]]
kind = "swarm"
services = ["{}"]
files = {{ "/etc/api/{name}.pem" = "public-keys" }}
"#,
        PERIOD.as_secs(),
        pyjwt.service,
        pyjwt.port,
        joserfc.service,
    )
}
