//! lego: an ACME client that is not ours, to show that a CA works before ours is blamed.

use std::net::SocketAddr;
use std::path::Path;

use super::Bind;
use super::command::command;
use super::place::Place;
use super::skip::not_installed;

/// How it shows that a name is its own.
#[derive(Debug)]
pub enum Proof<'a> {
    /// http-01, answered at this address.
    Http(SocketAddr),
    /// tls-alpn-01, answered at this address.
    Tls(SocketAddr),
    /// dns-01, through this BIND.
    Dns(&'a Bind),
}

/// The program, for `skip_without!`.
#[derive(Debug)]
pub enum Lego {}

impl Lego {
    /// Why it cannot be run here, if it cannot.
    pub fn missing() -> Option<String> {
        not_installed(&["lego", "openssl"])
    }
}

/// Orders a certificate for `names` from the CA at `directory`, by a fresh account; the chain in PEM.
pub fn lego(
    place: &Place,
    directory: &str,
    ca_file: &Path,
    proof: &Proof<'_>,
    names: &[&str],
    more: &[&str],
) -> String {
    lego_pair(place, directory, ca_file, proof, names, more).0
}

/// The same; the chain, and the private key in the form that lego leaves it in.
pub fn lego_pair(
    place: &Place,
    directory: &str,
    ca_file: &Path,
    proof: &Proof<'_>,
    names: &[&str],
    more: &[&str],
) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut lego = command("lego", ["--server", directory, "--email", "ops@example.test", "--accept-tos"]);
    lego.arg("--path").arg(folder.path()).env("LEGO_CA_CERTIFICATES", ca_file);
    for name in names {
        lego.args(["-d", name]);
    }
    match proof {
        Proof::Http(address) => lego.args(["--http", "--http.port", &address.to_string()]),
        Proof::Tls(address) => lego.args(["--tls", "--tls.port", &address.to_string()]),
        Proof::Dns(bind) => {
            let at = bind.address().to_string();
            lego.env("RFC2136_NAMESERVER", &at).env("RFC2136_TSIG_KEY", format!("{}.", Bind::KEY));
            lego.env("RFC2136_TSIG_ALGORITHM", "hmac-sha256.").env("RFC2136_TSIG_SECRET", bind.secret());
            lego.env("RFC2136_POLLING_INTERVAL", "1").env("RFC2136_SEQUENCE_INTERVAL", "1");
            lego.args(["--dns", "rfc2136", "--dns.disable-cp", "--dns.resolvers", &at])
        }
    };
    lego.args(more).arg("run");
    let ran = place.run(lego);
    assert!(ran.ok(), "{ran:#?}");
    let read = |end: &str| {
        let file = format!("certificates/{}.{end}", names[0].replace('*', "_"));
        std::fs::read_to_string(folder.path().join(file)).unwrap()
    };
    (read("crt"), read("key"))
}
