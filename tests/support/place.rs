//! Where a peer lives: a folder, a network, and a TLS certificate of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{CertificateParams, DnType, KeyPair};

use super::authority::Authority;
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

    /// Its network, where it is not the machine's own.
    pub fn network(&self) -> Option<&Path> {
        self.network.as_deref()
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

    /// The same command, run in its network.
    pub fn inside(&self, program: Command) -> Command {
        match &self.network {
            Some(network) => inside(network, &program),
            None => program,
        }
    }

    /// Runs `program` in its network to its end.
    pub fn run(&self, program: Command) -> Ran {
        let mut program = self.inside(program);
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

    /// `[issuers.NAME]` of the ACME CA here, whose directory is at `server`, with these further lines.
    pub fn issuer(&self, name: &str, server: &str, lines: &str) -> String {
        let ca = self.ca_file();
        format!(
            "\n[issuers.{name}]\nkind = \"acme\"\nserver = \"{server}\"\nca_file = \"{}\"\n\
             email = \"ops@example.org\"\n{lines}\n",
            ca.display()
        )
    }

    /// Makes `ca.pem`, and `tls.crt` and `tls.key` for localhost and 127.0.0.1 under it.
    pub fn make_tls(&self) {
        let root = Authority::root("peer TLS CA");
        self.write("ca.pem", &root.certificate);
        let key = KeyPair::generate().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut server = CertificateParams::new(names).unwrap();
        server.distinguished_name.push(DnType::CommonName, "peer");
        server.use_authority_key_identifier_extension = true;
        self.write("tls.crt", &server.signed_by(&key, &root.issuer).unwrap().pem());
        self.write("tls.key", &key.serialize_pem());
    }
}
