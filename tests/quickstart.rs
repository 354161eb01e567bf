//! The quickstart, as a person would try it: what it makes holds up to OpenSSL, and a second run touches nothing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use support::{Ran, Tree, command, must};

/// The example in a folder of its own, with its relative paths as they are.
struct Quickstart {
    folder: tempfile::TempDir,
}

impl Quickstart {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("keyturn-quickstart-").tempdir().unwrap();
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/keyturn.toml");
        let there = folder.path().join("examples/quickstart");
        fs::create_dir_all(&there).unwrap();
        fs::create_dir(folder.path().join("state")).unwrap();
        fs::copy(here, there.join("keyturn.toml")).unwrap();
        Self { folder }
    }

    fn run(&self, args: &[&str]) -> Ran {
        let config = self.folder.path().join("examples/quickstart/keyturn.toml");
        let mut keyturn = command(env!("CARGO_BIN_EXE_keyturn"), ["--config"]);
        keyturn.arg(config).args(args).env_remove("KEYTURN_LOG").env_remove("RUST_LOG");
        let output = keyturn.output().unwrap();
        Ran::new(output.status, &output.stdout, &output.stderr)
    }

    fn json(&self, args: &[&str]) -> Value {
        let ran = self.run(args);
        assert!(ran.ok(), "{ran:#?}");
        ran.json()
    }

    fn out(&self, path: &str) -> PathBuf {
        self.folder.path().join("examples/quickstart/out").join(path)
    }

    fn state(&self, path: &str) -> PathBuf {
        self.folder.path().join("state/quickstart").join(path)
    }
}

fn openssl(args: &[&str]) -> String {
    must(command("openssl", args))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn fields(value: &Value) -> BTreeSet<&str> {
    value
        .as_object()
        .map(Map::keys)
        .unwrap_or_else(|| panic!("no object: {value}"))
        .map(String::as_str)
        .collect()
}

/// One test, because its search for a safe prime takes up to a minute.
#[test]
fn the_quickstart_does_what_it_says() {
    let site = Quickstart::new();
    let first = site.run(&["run"]);
    assert!(first.ok(), "{first:#?}");
    assert!(!first.stderr.contains("WARN") && first.stderr.starts_with("note: "), "{}", first.stderr);
    the_pair_is_good(&site);
    the_parameters_are_good(&site);
    the_jwks_has_both_keys(&site);
    modes_are_as_configured(&site);
    the_status_has_the_documented_fields(&site);
    the_plan_has_the_documented_fields(&site);
    a_second_run_touches_nothing(&site);
}

fn the_pair_is_good(site: &Quickstart) {
    let [chain, key, ca] = ["edge/tls.crt", "edge/tls.key", "edge/ca.crt"].map(|path| site.out(path));
    for host in ["localhost", "edge.example.internal"] {
        let args = ["verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", host];
        let files = ["-CAfile", text(&ca), "-untrusted", text(&chain), text(&chain)];
        openssl(&[args.as_slice(), files.as_slice()].concat());
    }
    let of_key = openssl(&["pkey", "-in", text(&key), "-check", "-pubout"]);
    let of_certificate = openssl(&["x509", "-in", text(&chain), "-noout", "-pubkey"]);
    assert!(
        of_key.contains(&of_certificate),
        "the key is not the certificate's:\n{of_key}\n{of_certificate}"
    );
    let shown = openssl(&["x509", "-in", text(&chain), "-noout", "-text"]);
    assert!(shown.contains("prime256v1") && shown.contains("TLS Web Server Authentication"), "{shown}");
}

fn the_parameters_are_good(site: &Quickstart) {
    let file = site.out("edge/dhparam.pem");
    let said = openssl(&["dhparam", "-in", text(&file), "-check", "-noout", "-text"]);
    assert!(said.contains("2048 bit"), "{said}");
    // The fresh prime of this site, and none of the well-known ones.
    assert_ne!(fs::read_to_string(file).unwrap().trim(), support::FFDHE2048.trim());
}

fn the_jwks_has_both_keys(site: &Quickstart) {
    let key = site.out("signer/jwt.key");
    openssl(&["rsa", "-in", text(&key), "-check", "-noout"]);
    openssl(&["pkey", "-in", text(&key), "-noout"]);
    let modulus = openssl(&["rsa", "-in", text(&key), "-noout", "-modulus"]);
    let kid = fs::read_to_string(site.out("signer/jwt.kid")).unwrap();
    let jwks: Value = serde_json::from_slice(&fs::read(site.out("verifiers/jwks.json")).unwrap()).unwrap();
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2, "{jwks}");
    for key in keys {
        assert_eq!(fields(key), ["alg", "e", "kid", "kty", "n", "use"].into());
        assert_eq!((&key["kty"], &key["alg"], &key["use"]), (&"RSA".into(), &"RS256".into(), &"sig".into()));
        assert_eq!(key["kid"], thumbprint(key));
    }
    let signing = keys.iter().find(|key| key["kid"] == kid.trim()).unwrap_or_else(|| panic!("{kid}: {jwks}"));
    let n = URL_SAFE_NO_PAD.decode(signing["n"].as_str().unwrap()).unwrap();
    assert_eq!(n.len(), 3072 / 8);
    assert_eq!(
        modulus,
        format!("Modulus={}", n.iter().map(|byte| format!("{byte:02X}")).collect::<String>())
    );
}

/// RFC 7638 §3: over the required members alone, in the order of their names, without space.
fn thumbprint(key: &Value) -> String {
    let text = format!(r#"{{"e":{},"kty":"RSA","n":{}}}"#, key["e"], key["n"]);
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()))
}

fn modes_are_as_configured(site: &Quickstart) {
    let modes = [
        ("edge/tls.crt", 0o640),
        ("edge/tls.key", 0o640),
        ("edge/ca.crt", 0o640),
        ("edge/dhparam.pem", 0o644),
        ("signer/jwt.key", 0o640),
        ("signer/jwt.kid", 0o640),
        ("verifiers/jwks.json", 0o644),
    ];
    for (path, mode) in modes {
        let real = fs::canonicalize(site.out(path)).unwrap();
        assert_eq!(Tree::of(std::slice::from_ref(&real)).0[&real].mode, mode, "{path}");
    }
    for folder in ["", "edge", "signer", "verifiers"] {
        let folder = site.out(folder).components().collect::<PathBuf>();
        assert_eq!(Tree::of(std::slice::from_ref(&folder)).0[&folder].mode, 0o755, "{}", folder.display());
    }
}

/// `null`, or what JSON calls it; times are RFC 3339 in UTC.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(text) if text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok() => "time",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// Exactly these fields, each of its kind; `text?` may be null.
fn assert_shape(value: &Value, shape: &[(&str, &str)]) {
    let names: BTreeSet<&str> = shape.iter().map(|(name, _)| *name).collect();
    assert_eq!(fields(value), names);
    for (name, wanted) in shape {
        let found = kind(&value[name]);
        let fits = wanted.trim_end_matches('?') == found || (wanted.ends_with('?') && found == "null");
        assert!(fits, "{name} is {found}, not {wanted}: {value:#}");
    }
}

const ASSET: [(&str, &str); 19] = [
    ("asset", "text"),
    ("revision", "number?"),
    ("state", "text?"),
    ("issuer", "text?"),
    ("serial", "text?"),
    ("fingerprint_sha256", "text?"),
    ("kid", "text?"),
    ("not_before", "time?"),
    ("not_after", "time?"),
    ("renew_at", "time?"),
    ("renewal", "object?"),
    ("issued_at", "time?"),
    ("delivered_at", "time?"),
    ("served_at", "time?"),
    ("overdue", "bool"),
    ("held", "bool"),
    ("revisions", "list"),
    ("targets", "list"),
    ("problems", "list"),
];

fn the_status_has_the_documented_fields(site: &Quickstart) {
    let status = site.json(&["status", "-o", "json"]);
    assert_shape(
        &status,
        &[
            ("approvals", "list"),
            ("assets", "list"),
            ("issuers", "list"),
            ("problems", "list"),
            ("stock", "list"),
        ],
    );
    assert_eq!(status["issuers"], Value::Array(Vec::new()), "there is no ACME issuer here");
    let assets = status["assets"].as_array().unwrap();
    let names: BTreeSet<&str> = assets.iter().map(|asset| asset["asset"].as_str().unwrap()).collect();
    assert_eq!(names, ["ca/internal", "certificates/edge", "dh_params/edge", "jwt_keys/auth"].into());
    for asset in assets {
        assert_shape(asset, &ASSET);
        let lists: [(&str, &[(&str, &str)]); 3] = [
            (
                "revisions",
                &[
                    ("revision", "number"),
                    ("state", "text"),
                    ("kid", "text?"),
                    ("not_after", "time?"),
                    ("retires_at", "time?"),
                ],
            ),
            (
                "targets",
                &[
                    ("kind", "text"),
                    ("name", "text"),
                    ("state", "text"),
                    ("proof", "text?"),
                    ("verified_at", "time?"),
                ],
            ),
            ("problems", &[("code", "text"), ("message", "text"), ("action", "text")]),
        ];
        for (list, shape) in lists {
            asset[list].as_array().unwrap().iter().for_each(|value| assert_shape(value, shape));
        }
        assert_eq!((&asset["state"], &asset["revision"]), (&"active".into(), &1.into()), "{asset:#}");
    }
    let edge = assets.iter().find(|asset| asset["asset"] == "certificates/edge").unwrap();
    let chain = site.out("edge/tls.crt");
    let print = openssl(&["x509", "-in", text(&chain), "-noout", "-fingerprint", "-sha256"]);
    let print = print.rsplit('=').next().unwrap().replace(':', "").to_lowercase();
    assert_eq!(edge["fingerprint_sha256"], print);
    let serial = openssl(&["x509", "-in", text(&chain), "-noout", "-serial"]);
    assert!(serial.to_lowercase().ends_with(edge["serial"].as_str().unwrap()), "{serial} {edge:#}");
    // No handshake has looked: it may not be called served, and that is said.
    assert!(edge["served_at"].is_null() && edge["problems"][0]["code"] == "KT-PROOF-WEAK", "{edge:#}");
}

const ACTIONS: [&str; 9] =
    ["generate", "issue", "publish", "rollout", "verify", "activate", "retire", "revoke", "delete"];

fn the_plan_has_the_documented_fields(site: &Quickstart) {
    let shape = [
        ("now", "time"),
        ("next_wake", "time?"),
        ("actions", "list"),
        ("deferred", "list"),
        ("warnings", "list"),
    ];
    let now = site.json(&["plan", "-o", "json"]);
    assert_shape(&now, &shape);
    assert_eq!(now["actions"], Value::Array(Vec::new()), "nothing is due");
    let plan = site.json(&["plan", "--until", "100d", "-o", "json"]);
    assert_shape(&plan, &shape);
    let actions = plan["actions"].as_array().unwrap();
    for action in actions {
        let shape =
            [("at", "time"), ("asset", "text"), ("action", "text"), ("reason", "text"), ("services", "list")];
        assert_shape(action, &shape);
        assert!(ACTIONS.contains(&action["action"].as_str().unwrap()), "{action}");
    }
    let days_until = |asset: &str, wanted: &str| {
        let found = actions.iter().find(|action| action["asset"] == asset && action["action"] == wanted);
        let found = found.unwrap_or_else(|| panic!("no {wanted} of {asset}: {plan:#}"));
        let [at, now] = [&found["at"], &plan["now"]]
            .map(|time| time.as_str().unwrap().parse::<jiff::Timestamp>().unwrap());
        at.duration_since(now).as_hours() / 24
    };
    // A third of 90 days before its end; 60 days after it began to sign. Both come up to some hours earlier, so that
    // not all assets of a site turn at once.
    assert!((58..=60).contains(&days_until("certificates/edge", "issue")));
    assert!((58..=60).contains(&days_until("jwt_keys/auth", "rollout")));
    assert!((88..=90).contains(&days_until("dh_params/edge", "generate")));
    let table = site.run(&["plan", "--until", "100d"]);
    assert!(table.stdout.contains("because") && table.stdout.contains("jwt_keys/auth"), "{table:#?}");
}

fn a_second_run_touches_nothing(site: &Quickstart) {
    let roots = [site.out(""), site.state("journal"), site.state("audit.log"), site.state("state.key")];
    let before = Tree::of(&roots);
    let again = site.run(&["run"]);
    assert!(again.ok() && again.stdout.contains("nothing to do"), "{again:#?}");
    let after = Tree::of(&roots);
    assert!(after.0.len() > 20, "{after:#?}");
    assert_eq!(before.changed(&after), Vec::<PathBuf>::new());
}
