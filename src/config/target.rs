//! `[[….targets]]`: where an asset's parts go, and what shows that they have arrived.

use std::fmt;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use nix::sys::signal::Signal;

use crate::model::{ObjectKind, Part};

/// One `[[….targets]]` of an asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `kind = "swarm"`: services of the Swarm.
    Swarm(SwarmTarget),
    /// `kind = "file"`: a directory on this machine.
    File(FileTarget),
}

impl Target {
    /// What shows that it has arrived; `None`: convergence alone.
    pub fn verify(&self) -> Option<&Verify> {
        match self {
            Self::Swarm(target) => target.verify(),
            Self::File(target) => target.verify(),
        }
    }
}

/// Which services a target means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Services {
    /// These; at least one, none twice.
    Named(Vec<String>),
    /// Every service whose label `keyturn.asset` names the asset.
    Labelled,
}

/// A file in a service's containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwarmFile {
    pub(super) path: String,
    pub(super) part: Part,
    pub(super) object: ObjectKind,
}

impl SwarmFile {
    /// As the service's spec names it: absolute, or relative to `/run/secrets` for a secret and `/` for a config.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is in it.
    pub fn part(&self) -> Part {
        self.part
    }

    /// What it is made of; a private part is always a secret.
    pub fn object(&self) -> ObjectKind {
        self.object
    }
}

/// A target of `kind = "swarm"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwarmTarget {
    pub(super) services: Services,
    pub(super) files: Vec<SwarmFile>,
    pub(super) mode: Option<u32>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) preflight: Option<Command>,
    pub(super) verify: Option<Verify>,
}

impl SwarmTarget {
    /// Which services.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Its files, by path; at least one.
    pub fn files(&self) -> &[SwarmFile] {
        &self.files
    }

    /// Permission bits; `None`: as the service mounts the file today.
    pub fn mode(&self) -> Option<u32> {
        self.mode
    }

    /// The owner in the container; `None`: as the service mounts the file today.
    pub fn uid(&self) -> Option<u32> {
        self.uid
    }

    /// The group in the container; `None`: as the service mounts the file today.
    pub fn gid(&self) -> Option<u32> {
        self.gid
    }

    /// Where the password of its PKCS#12 files is; there where it has some.
    pub fn password_file(&self) -> Option<&Path> {
        self.password_file.as_deref()
    }

    /// Run first, in a one-off task of the service's image with the new files.
    pub fn preflight(&self) -> Option<&Command> {
        self.preflight.as_ref()
    }

    /// What shows that it has arrived.
    pub fn verify(&self) -> Option<&Verify> {
        self.verify.as_ref()
    }
}

/// A file in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirFile {
    pub(super) name: String,
    pub(super) part: Part,
}

impl DirFile {
    /// Its name, without folders, not hidden.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is in it.
    pub fn part(&self) -> Part {
        self.part
    }
}

/// A user or group of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// By name, looked up when it is needed.
    Name(String),
    /// By number.
    Id(u32),
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Id(id) => write!(f, "{id}"),
        }
    }
}

/// A target of `kind = "file"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileTarget {
    pub(super) dir: PathBuf,
    pub(super) files: Vec<DirFile>,
    pub(super) owner: Option<Account>,
    pub(super) group: Option<Account>,
    pub(super) mode: u32,
    pub(super) password_file: Option<PathBuf>,
    pub(super) test: Option<Command>,
    pub(super) reload: Option<Reload>,
    pub(super) verify: Option<Verify>,
}

impl FileTarget {
    /// The directory, absolute. Several assets may share it; an asset has one target in it.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its files, by name; at least one.
    pub fn files(&self) -> &[DirFile] {
        &self.files
    }

    /// Who owns the files; `None`: the process that writes them.
    pub fn owner(&self) -> Option<&Account> {
        self.owner.as_ref()
    }

    /// The files' group; `None`: the process's own.
    pub fn group(&self) -> Option<&Account> {
        self.group.as_ref()
    }

    /// Permission bits; never readable by everyone where a private part is among the files.
    pub fn mode(&self) -> u32 {
        self.mode
    }

    /// Where the password of its PKCS#12 files is; there where it has some.
    pub fn password_file(&self) -> Option<&Path> {
        self.password_file.as_deref()
    }

    /// Run before the reload; its failure puts the old files back.
    pub fn test(&self) -> Option<&Command> {
        self.test.as_ref()
    }

    /// What makes the reader take the files up.
    pub fn reload(&self) -> Option<&Reload> {
        self.reload.as_ref()
    }

    /// What shows that it has arrived.
    pub fn verify(&self) -> Option<&Verify> {
        self.verify.as_ref()
    }
}

/// A program with its arguments; no shell is between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub(super) argv: Vec<String>,
    pub(super) timeout: SignedDuration,
}

impl Command {
    /// The program and its arguments; the first is never empty.
    pub fn argv(&self) -> &[String] {
        &self.argv
    }

    /// After this it is killed, and has failed.
    pub fn timeout(&self) -> SignedDuration {
        self.timeout
    }
}

/// What makes a program take up new files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reload {
    /// A command; for a systemd unit, `systemctl reload UNIT`.
    Command(Command),
    /// A signal.
    Signal {
        /// HUP, USR1 or USR2.
        signal: Signal,
        /// The file with the process's number, absolute.
        pid_file: PathBuf,
    },
}

/// What shows that a target serves the new revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verify {
    /// TLS handshakes; of certificates.
    Handshake {
        /// Where to connect to; at least one, none twice.
        connect: Vec<Endpoint>,
        /// The name in the handshake; `None`: none is sent.
        server_name: Option<String>,
    },
    /// The JWKS at an `http://` address; of JWT keys.
    Jwks {
        /// The address.
        url: hyper::Uri,
    },
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Endpoint {
    /// A name, or an IP address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port; not 0.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
