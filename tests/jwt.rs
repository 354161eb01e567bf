//! A JWT key's life on a real Swarm: in every verifier before it signs, and there for as long as a token of it may live.
//!
//! Tokens are signed and verified by openssl, with the key that the signer's task has and the JWKS that the verifier's
//! task serves. The days are virtual (`KEYTURN_CLOCK_OFFSET`), the rollouts are real.
#![cfg(feature = "failpoints")]
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Value, json};
use support::{Engine, Keyturn, Plain, Ran, command, engine_or_skip};

const DAY: i64 = 86_400;
const HOUR: i64 = 3600;
const KEY: &str = "jwt_keys/auth";
/// The Swarm watches each new task for this long; its default of five seconds would only make the tests slow.
const MONITOR: &str = "--update-monitor=1s";

const GATEWAY: &str = r#"
[[jwt_keys.auth.targets]]
kind = "swarm"
services = ["api_gateway"]
files = { "/srv/jwks.json" = "jwks" }
verify = { url = "http://127.0.0.1:8080/jwks.json" }
"#;

const USERS: &str = r#"
[[jwt_keys.auth.targets]]
kind = "swarm"
services = ["api_users"]
files = { "/etc/api/jwks.json" = "jwks" }
"#;

const SIGNER: &str = r#"
[[jwt_keys.auth.targets]]
kind = "swarm"
services = ["api_auth"]
files = { "jwt.key" = "private-key", "jwt.kid" = "kid" }
mode = "0400"
"#;

/// A site with these targets.
fn site(engine: &Engine, targets: &[&str]) -> Keyturn {
    let socket = engine.socket().display().to_string();
    let targets = targets.concat();
    Keyturn::beside(engine).config(&format!(
        "[daemon]\ninstance = \"test\"\nstate_dir = \"state\"\n[docker]\nsocket = \"{socket}\"\n\
         [delivery]\nrollout_deadline = \"10s\"\n[jwt_keys.auth]\n{targets}"
    ))
}

fn signer(engine: &Engine) {
    Plain::sleeping("api_auth").args([MONITOR]).create(engine);
}

fn gateway(engine: &Engine) {
    Plain::serving("api_gateway", "/srv", 8080).args([MONITOR]).create(engine);
}

fn users(engine: &Engine) {
    Plain::sleeping("api_users").args([MONITOR]).create(engine);
}

/// Stands at so many seconds after the first day, by Keyturn's clock.
fn stand_at(keyturn: &mut Keyturn, seconds: i64) {
    keyturn.set("KEYTURN_CLOCK_OFFSET", Some(&seconds.to_string()));
}

fn run(keyturn: &Keyturn, args: &[&str]) -> Ran {
    let ran = keyturn.run(args);
    assert!(ran.ok(), "{ran:#?}");
    ran
}

/// What a file holds in the running task of a service.
fn file(engine: &Engine, service: &str, path: &str) -> String {
    let filter = format!("label=com.docker.swarm.service.name={service}");
    let container = engine.ok(["ps", "--quiet", "--filter", &filter]);
    engine.ok(["exec", container.lines().next().unwrap(), "cat", path])
}

/// The JWKS as the gateway's clients get it.
fn served(engine: &Engine) -> Value {
    let filter = "label=com.docker.swarm.service.name=api_gateway";
    let container = engine.ok(["ps", "--quiet", "--filter", filter]);
    let url = "http://127.0.0.1:8080/jwks.json";
    let text = engine.ok(["exec", container.as_str(), "wget", "-q", "-O", "-", url]);
    serde_json::from_str(&text).unwrap()
}

fn kids(jwks: &Value) -> Vec<String> {
    let keys = jwks["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// A token (RFC 7519) and what is needed to look at it.
struct Token {
    kid: String,
    signed: String,
    signature: Vec<u8>,
    folder: tempfile::TempDir,
}

impl Token {
    /// Signed as the service would, with the key and the ID that its task has.
    fn of(engine: &Engine, service: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kid = file(engine, service, "/run/secrets/jwt.kid");
        let encode = |part: Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        let header = encode(json!({ "alg": "RS256", "typ": "JWT", "kid": kid }));
        let signed = format!("{header}.{}", encode(json!({ "sub": "someone" })));
        let at = |name: &str| folder.path().join(name).display().to_string();
        fs::write(at("key"), file(engine, service, "/run/secrets/jwt.key") + "\n").unwrap();
        fs::write(at("signed"), &signed).unwrap();
        let said = openssl(&["dgst", "-sha256", "-sign", &at("key"), "-out", &at("sig"), &at("signed")]);
        assert_eq!(said, "");
        let signature = fs::read(at("sig")).unwrap();
        assert_eq!(signature.len(), 384, "RSA of 3072 bits");
        Self { kid, signed, signature, folder }
    }

    /// Whether who has this JWKS takes it.
    fn is_good(&self, jwks: &Value) -> bool {
        let keys = jwks["keys"].as_array().unwrap();
        let Some(jwk) = keys.iter().find(|key| key["kid"] == self.kid) else { return false };
        assert_eq!((&jwk["kty"], &jwk["alg"], &jwk["use"]), (&json!("RSA"), &json!("RS256"), &json!("sig")));
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        fs::write(at("pub"), public_pem(jwk)).unwrap();
        fs::write(at("signed"), &self.signed).unwrap();
        fs::write(at("sig"), &self.signature).unwrap();
        let said =
            openssl(&["dgst", "-sha256", "-verify", &at("pub"), "-signature", &at("sig"), &at("signed")]);
        said == "Verified OK"
    }
}

/// What openssl says; a signature that is none makes it exit with 1.
fn openssl(args: &[&str]) -> String {
    let output = command("openssl", args).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// SubjectPublicKeyInfo (RFC 8017, appendix A.1.1) of a JWK's `n` and `e`, PEM: written here, not by what is tested.
fn public_pem(jwk: &Value) -> String {
    let number = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let key = der(0x30, &[der(2, &[vec![0], number("n")].concat()), der(2, &number("e"))].concat());
    let rsa_encryption = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let bits = der(3, &[vec![0], key].concat());
    let whole = der(0x30, &[der(0x30, &rsa_encryption), bits].concat());
    let text = BASE64_STANDARD.encode(whole);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = match content.len() {
        0..=127 => vec![tag, length[1]],
        128..=255 => vec![tag, 0x81, length[1]],
        _ => vec![tag, 0x82, length[0], length[1]],
    };
    [head, content.to_vec()].concat()
}

/// The kid is what RFC 7638 makes of the key.
fn assert_thumbprints(jwks: &Value) {
    for key in jwks["keys"].as_array().unwrap() {
        let members = format!(r#"{{"e":{},"kty":"RSA","n":{}}}"#, key["e"], key["n"]);
        let digest = ring::digest::digest(&ring::digest::SHA256, members.as_bytes());
        assert_eq!(key["kid"], BASE64_URL_SAFE_NO_PAD.encode(digest));
    }
}

/// No config of the engine has anything private in it.
fn assert_configs_are_public(engine: &Engine) {
    for name in engine.names("config").iter().filter(|name| name.starts_with("jwt.")) {
        let data = engine.inspect(&["config", "inspect", name])["Spec"]["Data"].take();
        let data = BASE64_STANDARD.decode(data.as_str().unwrap()).unwrap();
        let text = String::from_utf8(data).unwrap();
        assert!(!text.contains("PRIVATE"), "{name}");
        let jwks: Value = serde_json::from_str(&text).unwrap();
        for key in jwks["keys"].as_array().unwrap() {
            let mut members: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
            members.sort_unstable();
            assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"], "{name}");
        }
    }
}

/// The places of `action` in the history: sequence number and place.
fn happened(keyturn: &Keyturn, action: &str) -> Vec<(u64, String)> {
    let audit: Value = serde_json::from_str(&keyturn.ok(&["audit", "-o", "json"])).unwrap();
    let entries = audit["entries"].as_array().unwrap().iter().filter(|entry| entry["action"] == action);
    let place = |entry: &Value| entry["detail"]["place"].as_str().unwrap_or_default().to_owned();
    entries.map(|entry| (entry["seq"].as_u64().unwrap(), place(entry))).collect()
}

#[test]
fn a_key_from_its_first_day_to_its_end() {
    let engine = engine_or_skip!();
    signer(&engine);
    gateway(&engine);
    users(&engine);
    let mut keyturn = site(&engine, &[SIGNER, GATEWAY, USERS]);

    run(&keyturn, &["run"]);
    let begun = happened(&keyturn, "rollout-begun");
    let signing = begun.iter().find(|(_, place)| place == "swarm:api_auth").unwrap().0;
    let delivered = happened(&keyturn, "delivered");
    for verifier in ["swarm:api_gateway", "swarm:api_users"] {
        let proven = delivered.iter().find(|(_, place)| place == verifier).unwrap().0;
        assert!(proven < signing, "{verifier} was proven at {proven}, the signer begun at {signing}");
    }
    let config = engine.service("api_gateway")["Spec"]["TaskTemplate"]["ContainerSpec"]["Configs"][0].take();
    assert_eq!(config["ConfigName"], "jwt.auth.jwks.1");
    assert_eq!((&config["File"]["Name"], &config["File"]["Mode"]), (&json!("/srv/jwks.json"), &json!(0o444)));
    let secret = engine.service("api_auth")["Spec"]["TaskTemplate"]["ContainerSpec"]["Secrets"][0].take();
    assert_eq!((&secret["File"]["Name"], &secret["File"]["Mode"]), (&json!("jwt.key"), &json!(0o400)));
    let first = served(&engine);
    let (old, standby) = (kids(&first)[0].clone(), kids(&first)[1].clone());
    let old_token = Token::of(&engine, "api_auth");
    assert!(old_token.kid == old && old_token.is_good(&first));
    assert_thumbprints(&first);
    let forged = Token { signed: "not.this".to_owned(), ..Token::of(&engine, "api_auth") };
    assert!(!forged.is_good(&first), "openssl looks at what was signed");
    let status = keyturn.status(KEY);
    let proof =
        |place: usize| (status["targets"][place]["name"].clone(), status["targets"][place]["proof"].clone());
    assert_eq!(proof(1), (json!("api_gateway"), json!("jwks")));
    assert_eq!(proof(2), (json!("api_users"), json!("converged")));
    assert_eq!((&status["kid"], &status["problems"]), (&json!(old), &json!([])));
    let again = run(&keyturn, &["run"]);
    assert!(again.stdout.contains("nothing to do"), "{again:#?}");

    stand_at(&mut keyturn, 58 * DAY);
    let again = run(&keyturn, &["run"]);
    assert!(again.stdout.contains("nothing to do"), "{again:#?}");

    stand_at(&mut keyturn, 60 * DAY);
    run(&keyturn, &["run"]);
    let turned = served(&engine);
    assert_eq!(kids(&turned)[..2], [old.clone(), standby.clone()]);
    assert_eq!(kids(&turned).len(), 3, "the next standby");
    let token = Token::of(&engine, "api_auth");
    assert_eq!(token.kid, standby);
    assert!(token.is_good(&turned) && token.is_good(&first), "also to who has the old JWKS in its cache");
    assert!(old_token.is_good(&turned), "what was signed before is still good");

    stand_at(&mut keyturn, 60 * DAY + HOUR);
    run(&keyturn, &["run"]);
    assert_eq!(served(&engine), turned, "one hour for the token, and five minutes for caches");

    stand_at(&mut keyturn, 60 * DAY + HOUR + 7 * 60);
    run(&keyturn, &["run"]);
    let later = served(&engine);
    assert_eq!(kids(&later), kids(&turned)[1..]);
    assert!(token.is_good(&later) && !old_token.is_good(&later));
    let users: Value = serde_json::from_str(&file(&engine, "api_users", "/etc/api/jwks.json")).unwrap();
    assert_eq!(users, later);
    assert_configs_are_public(&engine);

    // The signer's PreviousSpec lets go of the first key when the third comes.
    stand_at(&mut keyturn, 121 * DAY);
    run(&keyturn, &["run"]);
    assert!(Token::of(&engine, "api_auth").is_good(&served(&engine)));
    let states = &keyturn.status(KEY)["revisions"];
    let retired = states.as_array().unwrap().iter().find(|one| one["kid"] == old).unwrap();
    assert_eq!(retired["state"], "retired", "{states:#}");
    let secrets = engine.names("secret");
    assert!(!secrets.contains(&"jwt.auth.private-key.1".to_owned()), "{secrets:?}");
    let gone = keyturn.run(&["export", KEY, "--part", "public-key", "--revision", "1"]);
    assert!(!gone.ok() && gone.stderr.contains("revision 1"), "{gone:#?}");
    run(&keyturn, &["audit", "--verify"]);
}

#[test]
fn rotate_twice_says_until_when() {
    let engine = engine_or_skip!();
    signer(&engine);
    gateway(&engine);
    let mut keyturn = site(&engine, &[SIGNER, GATEWAY]);
    run(&keyturn, &["run"]);
    let kid = file(&engine, "api_auth", "/run/secrets/jwt.kid");

    let asked = run(&keyturn, &["rotate", KEY]);
    let wait = "the standby must have been in every JWKS for 24 hours first (until ";
    assert!(asked.stdout.contains("waits") && asked.stdout.contains(wait), "{asked:#?}");
    let again = run(&keyturn, &["rotate", KEY]);
    assert!(again.stdout.contains(wait), "{again:#?}");
    assert_eq!(file(&engine, "api_auth", "/run/secrets/jwt.kid"), kid);
    let plan: Value = serde_json::from_str(&keyturn.ok(&["plan", "-o", "json"])).unwrap();
    assert_eq!(plan["actions"], json!([]));
    let until: jiff::Timestamp = plan["deferred"][0]["until"].as_str().unwrap().parse().unwrap();
    assert_eq!(plan["next_wake"], plan["deferred"][0]["until"]);

    stand_at(&mut keyturn, DAY - 300);
    run(&keyturn, &["run"]);
    assert_eq!(file(&engine, "api_auth", "/run/secrets/jwt.kid"), kid, "five minutes early");
    stand_at(&mut keyturn, DAY);
    run(&keyturn, &["run"]);
    let turned = Token::of(&engine, "api_auth");
    assert!(turned.kid != kid && turned.is_good(&served(&engine)));
    let asked = run(&keyturn, &["rotate", KEY]);
    assert!(asked.stdout.contains(wait), "{asked:#?}");
    assert_eq!(file(&engine, "api_auth", "/run/secrets/jwt.kid"), turned.kid);
    let plan: Value = serde_json::from_str(&keyturn.ok(&["plan", "-o", "json"])).unwrap();
    let next =
        plan["deferred"].as_array().unwrap().iter().filter_map(|one| one["until"].as_str()?.parse().ok());
    let next: Vec<jiff::Timestamp> = next.collect();
    assert!(next.iter().any(|at| *at > until + jiff::SignedDuration::from_hours(23)), "{plan:#}");
}

#[test]
fn an_unproven_verifier_holds_back_the_signer() {
    let engine = engine_or_skip!();
    signer(&engine);
    gateway(&engine);
    // Its new task waits for the old one, and the old one for the new: pending is never a failure to the Swarm.
    let never = ["--update-order=start-first", "--replicas-max-per-node=1"];
    Plain::sleeping("api_users").args([MONITOR]).args(never).create(&engine);
    let keyturn = site(&engine, &[SIGNER, GATEWAY, USERS]);

    let ran = keyturn.run(&["run"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stderr.contains("api_users") && ran.stderr.contains("KT-ROLLOUT-TIMEOUT"), "{}", ran.stderr);
    let held =
        "waits: jwt_keys/auth: nothing signs with it before every verifier knows it: not proven in api_users";
    assert!(ran.stdout.contains(held), "{ran:#?}");
    assert!(ran.stdout.contains("api_users is tried again then"), "{}", ran.stdout);
    assert_eq!(engine.secrets_of("api_auth"), [], "nobody signs with what not everyone knows");
    assert_eq!(kids(&served(&engine)).len(), 2, "the other verifier has it");
    assert_eq!(keyturn.status(KEY)["state"], "prepared");

    engine.ok(["service", "update", "--detach", "--update-order=stop-first", "api_users"]);
    engine.wait_running("api_users", 1);
    run(&keyturn, &["run"]);
    assert!(Token::of(&engine, "api_auth").is_good(&served(&engine)));
}

#[test]
fn a_signer_scaled_to_nothing_and_a_service_that_signs_and_verifies() {
    let engine = engine_or_skip!();
    Plain::sleeping("api_auth").args([MONITOR]).replicas(0).create(&engine);
    gateway(&engine);
    let both =
        GATEWAY.replace(r#"= "jwks" }"#, r#"= "jwks", "jwt.key" = "private-key", "jwt.kid" = "kid" }"#);
    let keyturn = site(&engine, &[SIGNER, &both]);

    run(&keyturn, &["run"]);
    let previous = &engine.service("api_gateway")["PreviousSpec"]["TaskTemplate"]["ContainerSpec"];
    assert!(previous["Secrets"].is_null() && previous["Configs"].is_null(), "one rollout: {previous:#}");
    assert_eq!(keyturn.status(KEY)["state"], "active");
    assert!(Token::of(&engine, "api_gateway").is_good(&served(&engine)));
    engine.ok(["service", "scale", "--detach", "api_auth=1"]);
    engine.wait_running("api_auth", 1);
    let token = Token::of(&engine, "api_auth");
    assert!(token.is_good(&served(&engine)));
    let again = run(&keyturn, &["run"]);
    assert!(again.stdout.contains("nothing to do"), "{again:#?}");
}
