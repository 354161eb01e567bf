//! `ca sign` over the control socket: a role that names its users is for those alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::control::run_as;
use super::site;
use crate::support::{Daemon, Keyturn, Ran, command, skipped};

const NAMED: u32 = 54_321;
const OPERATOR: u32 = 54_322;
const NEITHER: u32 = 54_323;

const ROLES: &str = r#"
[issuers.internal.sign.theirs]
common_names = ["svc-*"]
usages = ["client-auth"]
duration = "1d"
by = ["uid:54321"]
[issuers.internal.sign.group]
common_names = ["svc-*"]
usages = ["client-auth"]
duration = "1d"
by = ["gid:54321"]
[issuers.internal.sign.anybodys]
common_names = ["svc-*"]
usages = ["client-auth"]
duration = "1d"
[roles]
operate = ["uid:54322"]
"#;

/// A request that everybody can read.
fn request(keyturn: &Keyturn) -> String {
    let file = |name: &str| keyturn.dir().join(name).display().to_string();
    let (key, out) = (file("svc.key"), file("svc.csr"));
    let line = format!(
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {key} -subj /CN=svc-1 -out {out}"
    );
    let made = command("openssl", line.split(' ')).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    fs::set_permissions(&out, fs::Permissions::from_mode(0o644)).unwrap();
    out
}

#[test]
fn a_role_is_for_whom_it_names() {
    if !nix::unistd::geteuid().is_root() {
        return skipped("signing::a_role_is_for_whom_it_names", "taking on other users needs root");
    }
    let (keyturn, port) = site("");
    let text = fs::read_to_string(keyturn.dir().join("keyturn.toml")).unwrap();
    keyturn.write("keyturn.toml", &format!("{text}{ROLES}"));
    let daemon = Daemon::start(&keyturn, &port);
    keyturn.ok(&["run"]);
    let request = request(&keyturn);
    // The uid decides, not the socket's mode.
    let socket = keyturn.dir().join("control.sock");
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    let sign = |uid: u32, role: &str| -> Ran {
        run_as(uid, &keyturn, &["ca", "sign", &request, "--ca", "internal", "--role", role])
    };
    let mut signed = 0;
    for (uid, role, may) in [
        (NAMED, "theirs", true),
        (NAMED, "group", true),
        (NAMED, "anybodys", false),
        (OPERATOR, "theirs", false),
        (OPERATOR, "group", false),
        (OPERATOR, "anybodys", true),
        (NEITHER, "theirs", false),
        (NEITHER, "group", false),
        (NEITHER, "anybodys", false),
    ] {
        let ran = sign(uid, role);
        if may {
            assert!(ran.ok() && ran.stdout.contains("BEGIN CERTIFICATE"), "{uid} {role}: {ran:#?}");
            signed += 1;
        } else {
            assert!(ran.code == Some(5) && ran.stdout.is_empty(), "{uid} {role}: {ran:#?}");
            assert!(ran.stderr.contains("may not"), "{uid} {role}: {ran:#?}");
        }
        assert_eq!(keyturn.audited("csr-signed"), signed, "{uid} {role}");
    }
    let refused = sign(OPERATOR, "theirs");
    assert!(refused.stderr.contains("the role theirs: its `by` names who may"), "{refused:#?}");
    // Nothing else is open to whom a role names.
    assert_eq!(run_as(NAMED, &keyturn, &["rotate", "certificates/edge"]).code, Some(5));
    let audit = keyturn.ok(&["audit"]);
    let by = |uid: u32| {
        audit.lines().any(|line| line.contains("csr-signed") && line.contains(&format!("uid:{uid}")))
    };
    assert!(by(NAMED) && by(OPERATOR) && !by(NEITHER), "{audit}");
    daemon.stop();
}
