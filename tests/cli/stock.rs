//! What is kept ready: filled when asked, drawn by a turn, and nothing of it in the clear.

use serde_json::{Value, json};

use super::quick;
use crate::support::Keyturn;

const SITE: &str = r#"
[daemon]
instance = "stock"
state_dir = "state"

[jwt_keys.auth]
algorithm = "PS512"
bits = 2048
[[jwt_keys.auth.targets]]
kind = "file"
dir = "out/signer"
files = { "jwt.key" = "private-key", "jwt.kid" = "kid" }
"#;

fn stock(keyturn: &Keyturn) -> Value {
    quick(keyturn, &["status", "-o", "json"]).json()["stock"].take()
}

/// The details `spare` of the history, with their actions.
fn spares(keyturn: &Keyturn) -> Vec<String> {
    let history = quick(keyturn, &["audit", "-o", "json"]).json();
    let entries = history["entries"].as_array().unwrap().iter();
    let of =
        |entry: &Value| Some(format!("{} {}", entry["action"].as_str()?, entry["detail"]["spare"].as_str()?));
    entries.filter_map(of).collect()
}

#[cfg(feature = "failpoints")]
#[test]
fn a_stock_is_filled_when_asked_and_drawn_by_a_turn() {
    let mut keyturn = Keyturn::alone().config(SITE);
    keyturn.ok(&["run"]);
    assert_eq!(stock(&keyturn), json!([{ "kind": "rsa-2048", "wanted": 1, "ready": 0, "oldest": null }]));
    assert!(quick(&keyturn, &["run"]).stdout.contains("nothing to do"), "a pass fills nothing by itself");
    assert_eq!(spares(&keyturn), [] as [String; 0]);

    let filled = quick(&keyturn, &["run", "--stock"]);
    assert!(filled.ok() && filled.stdout.contains("ready for a turn: rsa-2048 1 of 1"), "{filled:#?}");
    assert_eq!((&stock(&keyturn)[0]["ready"], stock(&keyturn)[0]["oldest"].is_string()), (&json!(1), true));
    assert!(quick(&keyturn, &["status"]).stdout.contains("ready for a turn: rsa-2048 1 of 1"));
    keyturn.ok(&["run", "--stock"]);
    assert_eq!(spares(&keyturn), ["spare-made rsa-2048/1"], "full is full");

    // A key in wrong hands: the standby takes over once no cache can be without it (jwks_max_age), and what was ready is
    // the next standby.
    keyturn.set("KEYTURN_CLOCK_OFFSET", Some("600"));
    let ran = quick(&keyturn, &["-vv", "rotate", "auth", "--compromised"]);
    assert!(ran.code.is_some_and(|code| code < 2), "{ran:#?}");
    // How long it took is said, not tested: machines differ. docs/keys.md has figures.
    let key = ran.stderr.lines().find(|line| line.contains("the key is there")).unwrap();
    assert!(key.contains("drawn=true") && key.contains("took_ms="), "{key}");
    println!("{key}");
    assert_eq!(spares(&keyturn), ["spare-made rsa-2048/1", "generated rsa-2048/1"]);
    assert_eq!(stock(&keyturn)[0]["ready"], 0);
    assert!(quick(&keyturn, &["audit", "--verify"]).ok());
}

/// The state folder holds no PEM.
#[test]
fn what_is_ready_is_sealed() {
    let keyturn = Keyturn::alone().config(SITE);
    keyturn.ok(&["run", "--stock"]);
    let mut folders = vec![keyturn.dir().join("state")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let bytes = std::fs::read(&entry).unwrap();
                assert!(!bytes.windows(11).any(|window| window == b"PRIVATE KEY"), "{}", entry.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 2);
}
