//! A site with a certificate of one of the peers.

use std::path::PathBuf;

use crate::support::{Keyturn, command, must};

/// http-01 where the RFC has it.
pub(super) const HTTP: &str = r#"challenge = { kind = "http-01", listen = "127.0.0.1:80" }"#;

/// A site in `network` with `issuers`, of which the one named `ca` issues `edge`; `lines` are the certificate's.
pub(super) fn site(network: PathBuf, issuers: &str, lines: &str) -> Keyturn {
    Keyturn::inside(network).config(&format!(
        "[daemon]\ninstance = \"test\"\nstate_dir = \"state\"\n{issuers}\n[certificates.edge]\nissuers = [\"ca\"]\n{lines}\n"
    ))
}

/// One pass, after which `edge` is in use and leads to `root`, by OpenSSL; all that the pass says.
pub(super) fn passes(keyturn: &Keyturn, root: &str) -> String {
    let ran = keyturn.run(&["run", "-v"]);
    assert!(ran.ok(), "{ran:#?}");
    assert_eq!(keyturn.status("edge")["state"], "active");
    let root = keyturn.write("root.pem", root);
    let part = |part: &str| keyturn.write(part, &keyturn.ok(&["export", "edge", "--part", part]));
    let mut openssl = command("openssl", ["verify", "-purpose", "sslserver", "-CAfile"]);
    must_verify(openssl.arg(root).arg("-untrusted").arg(part("chain")).arg(part("certificate")));
    format!("{}\n{}", ran.stdout, ran.stderr)
}

fn must_verify(openssl: &mut std::process::Command) {
    let said = openssl.output().unwrap();
    assert!(said.status.success(), "{said:#?}");
}

/// Its serial in hex, as OpenSSL has it.
pub(super) fn serial(keyturn: &Keyturn) -> String {
    let file = keyturn.write("shown.pem", &keyturn.ok(&["export", "edge", "--part", "certificate"]));
    let text = must(command("openssl", ["x509", "-noout", "-serial", "-in", file.to_str().unwrap()]));
    text.trim_start_matches("serial=").trim().to_owned()
}

/// Someone with the same account: the site and its state, copied.
pub(super) fn twin(keyturn: &Keyturn, network: PathBuf) -> Keyturn {
    let twin = Keyturn::inside(network);
    let mut copy = command("cp", ["-a"]);
    copy.args([keyturn.dir().join("keyturn.toml"), keyturn.dir().join("state"), twin.dir().to_owned()]);
    must(copy);
    twin
}

/// From now on its clock is so many seconds ahead.
pub(super) fn ahead(keyturn: &mut Keyturn, seconds: i64) {
    keyturn.set("KEYTURN_CLOCK_OFFSET", Some(&seconds.to_string()));
}
