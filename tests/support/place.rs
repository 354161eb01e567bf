//! Where a peer lives: a folder, a network, and a TLS certificate of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use super::command::{Ran, command};
use super::guarded::Guarded;
use super::namespace::inside;
use super::ports::Port;

/// A folder that goes when it is dropped, and the network that everything here is in.
#[derive(Debug)]
pub struct Place {
    folder: tempfile::TempDir,
    network: Option<PathBuf>,
}

impl Place {
    /// In the machine's own network, or in this one (`Engine::network`, `Namespace::network`).
    pub fn new(network: Option<PathBuf>) -> Self {
        let folder = tempfile::Builder::new().prefix("keyturn-peer-").tempdir().unwrap();
        Self { folder, network }
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// A path in its folder, as text.
    pub fn path(&self, name: &str) -> String {
        self.dir().join(name).display().to_string()
    }

    /// Writes a file into its folder.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A free port of its network.
    pub fn port(&self) -> Port {
        Port::free(self.network.as_deref())
    }

    /// Starts `program` here, with `NAME.log` in its folder.
    pub fn start(&self, name: &str, program: &mut Command) -> Guarded {
        program.current_dir(self.dir());
        Guarded::start(program, &self.dir().join(format!("{name}.log")), self.network.as_deref())
    }

    /// Runs `program` in its network to its end.
    pub fn run(&self, program: Command) -> Ran {
        let mut program = match &self.network {
            Some(network) => inside(network, &program),
            None => program,
        };
        let output = program.output().unwrap_or_else(|error| panic!("{program:?}: {error}"));
        Ran::new(output.status, &output.stdout, &output.stderr)
    }

    /// `curl ARGS` in its network, which trusts its CA only and waits 5 s at most.
    pub fn curl(&self, args: &[&str]) -> Ran {
        let mut curl = command("curl", ["-q", "-sS", "-m", "5", "--noproxy", "*"]);
        if self.ca_file().exists() {
            curl.arg("--cacert").arg(self.ca_file());
        }
        curl.args(args);
        self.run(curl)
    }

    /// The body of `url`; nothing where it does not answer with a success.
    pub fn get(&self, url: &str) -> Option<String> {
        let ran = self.curl(&["-f", url]);
        ran.ok().then_some(ran.stdout)
    }

    /// The CA of its TLS certificate, for `ca_file` of an issuer.
    pub fn ca_file(&self) -> PathBuf {
        self.dir().join("ca.pem")
    }

    /// Makes `ca.pem`, and `tls.crt` and `tls.key` for localhost and 127.0.0.1 under it.
    pub fn make_tls(&self) {
        let (ca, key) = authority();
        self.write("ca.pem", &ca.self_signed(&key).unwrap().pem());
        let issuer = Issuer::new(ca, key);
        let key = KeyPair::generate().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut server = CertificateParams::new(names).unwrap();
        server.distinguished_name.push(DnType::CommonName, "peer");
        server.use_authority_key_identifier_extension = true;
        self.write("tls.crt", &server.signed_by(&key, &issuer).unwrap().pem());
        self.write("tls.key", &key.serialize_pem());
    }
}

fn authority() -> (CertificateParams, KeyPair) {
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "peer CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (ca, KeyPair::generate().unwrap())
}
