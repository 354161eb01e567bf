//! The machine: state, key, history, clock, configuration.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::found;
use crate::support::{Keyturn, files_site};

const NONE: [&str; 0] = [];

fn chmod(keyturn: &Keyturn, file: &str, mode: u32) {
    fs::set_permissions(keyturn.dir().join(file), Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_state_is_looked_at_from_all_sides() {
    let keyturn = files_site("");
    assert_eq!(found(&keyturn, "state"), ["warning KT-STATE-KEY-BESIDE"], "there is none yet");
    keyturn.ok(&["run"]);
    assert_eq!(found(&keyturn, "state"), ["warning KT-STATE-KEY-BESIDE"]);
    let told = keyturn.ok(&["doctor", "--offline"]);
    assert!(told.contains("it opens, is closed to others") && told.contains("entries are whole"), "{told}");

    chmod(&keyturn, "state", 0o755);
    assert_eq!(found(&keyturn, "state")[0], "fault KT-STATE-POSTURE");
    chmod(&keyturn, "state", 0o700);
    chmod(&keyturn, "state/state.key", 0o644);
    assert_eq!(found(&keyturn, "state")[0], "fault KT-STATE-POSTURE");
    chmod(&keyturn, "state/state.key", 0o600);

    let log = keyturn.dir().join("state/audit.log");
    let good = fs::read_to_string(&log).unwrap();
    fs::write(&log, good.replacen("issued", "stolen", 1)).unwrap();
    assert_eq!(found(&keyturn, "state")[0], "fault KT-AUDIT-BROKEN");
    fs::write(&log, good).unwrap();

    let key = keyturn.dir().join("state/state.key");
    let own = fs::read_to_string(&key).unwrap();
    fs::write(&key, format!("{}=\n", "A".repeat(43))).unwrap();
    assert_eq!(found(&keyturn, "state")[0], "fault KT-STATE-UNREADABLE");
    fs::write(&key, own).unwrap();
    assert_eq!(found(&keyturn, "state"), ["warning KT-STATE-KEY-BESIDE"]);
}

#[cfg(feature = "failpoints")]
#[test]
fn a_clock_behind_the_state_is_a_fault() {
    let mut keyturn = files_site("");
    keyturn.ok(&["run"]);
    let clock = |keyturn: &Keyturn| {
        let mut all = found(keyturn, "clock");
        // Whether the machine of the tests has NTP is its own matter.
        all.retain(|finding| finding != "warning KT-CLOCK-UNSYNCED");
        all
    };
    assert_eq!(clock(&keyturn), NONE);
    keyturn.set("KEYTURN_CLOCK_OFFSET", Some("-3600"));
    assert_eq!(clock(&keyturn), ["fault KT-CLOCK-BACK"]);
}

#[test]
fn files_that_are_trusted_must_be_closed() {
    let keyturn = files_site("");
    let secret = keyturn.write("slack", "https://hooks.slack.com/services/T/B/X\n");
    let file = keyturn.dir().join("keyturn.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}\n[notify.ops]\nkind = \"slack\"\nurl_file = \"slack\"\n")).unwrap();
    // The site of the tests has its oddities, which are told as well.
    let loose = |keyturn: &Keyturn| {
        let mut all = found(keyturn, "config");
        assert!(all.contains(&"warning KT-CONFIG-ODD".to_owned()), "{all:?}");
        all.retain(|finding| finding != "warning KT-CONFIG-ODD");
        all
    };
    assert_eq!(loose(&keyturn), NONE);
    fs::set_permissions(&secret, Permissions::from_mode(0o640)).unwrap();
    assert_eq!(loose(&keyturn), ["warning KT-CONFIG-LOOSE"]);
    chmod(&keyturn, "slack", 0o604);
    assert_eq!(loose(&keyturn), ["fault KT-CONFIG-LOOSE"]);
    chmod(&keyturn, "slack", 0o600);
    chmod(&keyturn, "keyturn.toml", 0o606);
    assert_eq!(loose(&keyturn), ["fault KT-CONFIG-LOOSE"]);
    let ran = keyturn.run(&["doctor", "--offline"]);
    assert!(!ran.stdout.contains("hooks.slack.com"), "no secret is told: {}", ran.stdout);
}
