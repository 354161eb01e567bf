//! Two certificates for one name, RSA and ECDSA, side by side in one NGINX.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::json;

use super::pebble_or_skip;
use super::site::{configuration, passes};
use crate::support::{Keyturn, PebbleOptions, command, must, pause, self_signed, skipped, wait_for};

const NGINX: &str = "/usr/sbin/nginx";
/// Keys, and a signature algorithm that only such a key can make.
const KEYS: [(&str, &str); 2] =
    [("rsa-2048", "rsa_pss_rsae_sha256"), ("ecdsa-p256", "ecdsa_secp256r1_sha256")];

/// Ended by its process ID when the test ends.
struct Web(Child);

impl Drop for Web {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-QUIT", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

/// An NGINX that serves both pairs at `port`; the operator's own lie there at first.
fn start(dir: &Path, port: u16) -> Web {
    let at = dir.display();
    let mut pairs = String::new();
    for (key, _) in KEYS {
        let pair = self_signed("placeholder.test");
        fs::create_dir_all(dir.join(key)).unwrap();
        fs::write(dir.join(key).join("tls.crt"), pair.certificate).unwrap();
        fs::write(dir.join(key).join("tls.key"), pair.key).unwrap();
        pairs += &format!("ssl_certificate {at}/{key}/tls.crt; ssl_certificate_key {at}/{key}/tls.key;\n");
    }
    let conf = format!(
        "daemon off; worker_processes 1; pid {at}/nginx.pid; error_log {at}/error.log;\nevents {{}}\n\
         http {{ access_log off; client_body_temp_path {at}/a; proxy_temp_path {at}/b; fastcgi_temp_path {at}/c;\n\
         uwsgi_temp_path {at}/d; scgi_temp_path {at}/e;\n\
         server {{ listen 127.0.0.1:{port} ssl; {pairs} return 200 ok; }} }}\n"
    );
    fs::write(dir.join("nginx.conf"), conf).unwrap();
    let mut nginx = Command::new(NGINX);
    let child =
        nginx.arg("-c").arg(dir.join("nginx.conf")).arg("-e").arg(dir.join("start.log")).spawn().unwrap();
    assert!(wait_for(Duration::from_secs(10), || dir.join("nginx.pid").exists()));
    pause(Duration::from_millis(300));
    Web(child)
}

/// The fingerprint of the leaf that is served to who takes only this kind of signature, by OpenSSL.
fn served(port: u16, signatures: &str) -> String {
    let line = format!(
        "openssl s_client -connect 127.0.0.1:{port} -servername edge.test -sigalgs {signatures} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256"
    );
    let text = must(command("bash", ["-c", &line]));
    text.trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase()
}

#[test]
fn both_are_served_and_each_is_proven_by_a_handshake_of_its_kind() {
    if !Path::new(NGINX).exists() {
        return skipped("acme::dual", "NGINX is not installed (nginx-light)");
    }
    let pebble = pebble_or_skip!(PebbleOptions::default());
    let keyturn = Keyturn::alone();
    let port = pebble.place().port().number();
    let web = start(keyturn.dir(), port);
    let certificates: String = KEYS
        .iter()
        .map(|(key, _)| {
            format!(
                "[certificates.{key}]\nissuers = [\"pebble\"]\ndns_names = [\"edge.test\"]\n\
                 private_key = {{ algorithm = \"{key}\" }}\n[[certificates.{key}.targets]]\nkind = \"file\"\n\
                 dir = \"{key}\"\nfiles = {{ \"tls.crt\" = \"fullchain\", \"tls.key\" = \"private-key\" }}\n\
                 reload = {{ signal = \"HUP\", pid_file = \"nginx.pid\" }}\n\
                 verify = {{ connect = [\"127.0.0.1:{port}\"], server_name = \"edge.test\" }}\n"
            )
        })
        .collect();
    let keyturn = keyturn.config(&configuration(&pebble.issuer("pebble", &pebble.http()), &certificates));
    let mut leaves = Vec::new();
    for turn in 1..=2 {
        passes(&keyturn, &pebble);
        for (key, signatures) in KEYS {
            let status = keyturn.status(key);
            let target = &status["targets"][0];
            assert_eq!(
                (&status["revision"], &status["state"]),
                (&json!(turn), &json!("active")),
                "{status:#}"
            );
            assert_eq!((&target["state"], &target["proof"]), (&json!("proven"), &json!("handshake")));
            assert_eq!(served(port, signatures), keyturn.fingerprint(key), "{key}");
            leaves.push(keyturn.fingerprint(key));
        }
        if turn == 1 {
            keyturn.ok(&["rotate", "rsa-2048", "ecdsa-p256"]);
        }
    }
    leaves.sort();
    leaves.dedup();
    assert_eq!((leaves.len(), pebble.counts().orders), (4, 4));
    drop(web);
}
