//! What a site wants, in the planner's own terms: assets with their thresholds and their targets.

mod of_config;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::config::{Cron, Schedule};
use crate::model::{
    AssetId, Few, JwsAlgorithm, KeyAlgorithm, Limits, Listeners, ObjectKind, Part, Reload, Usage,
};

/// All that is wanted.
#[derive(Debug, Clone)]
pub struct Desired {
    /// Marks our objects.
    pub instance: String,
    /// How long replaced objects are kept, beside the rule that nobody may name them.
    pub retention: SignedDuration,
    /// A rollout that still runs then has failed.
    pub rollout_deadline: SignedDuration,
    /// So many of each kind of key and parameters are kept ready.
    pub stock: usize,
    /// When service updates may start.
    pub windows: Windows,
    /// The ACME CAs, by name.
    pub acme: BTreeMap<String, AcmeSpec>,
    /// The assets.
    pub assets: BTreeMap<AssetId, AssetSpec>,
    /// Who is told what happens.
    pub listeners: Listeners,
}

/// What is wanted of one asset.
#[derive(Debug, Clone)]
pub struct AssetSpec {
    /// Its name.
    pub id: AssetId,
    /// Changes exactly when the configuration asks for a new revision.
    pub made_for: String,
    /// What it is made of.
    pub kind: KindSpec,
    /// When it turns, and what must overlap.
    pub overlap: Overlap,
    /// Where it goes.
    pub targets: Vec<TargetSpec>,
}

/// What differs between kinds when a revision is made.
#[derive(Debug, Clone)]
pub enum KindSpec {
    /// A root and an intermediate under it.
    Ca(CaSpec),
    /// An end-entity certificate.
    Certificate(CertificateSpec),
    /// Diffie-Hellman parameters.
    DhParams {
        /// Of the prime.
        bits: usize,
        /// Take the group of RFC 7919 instead of a fresh safe prime.
        rfc7919: bool,
    },
    /// A signing key.
    JwtKey {
        /// What it signs with.
        jws: JwsAlgorithm,
        /// What kind of key that is.
        algorithm: KeyAlgorithm,
    },
}

/// An internal CA.
#[derive(Debug, Clone)]
pub struct CaSpec {
    /// Of the root; the intermediate's is made of it.
    pub common_name: String,
    /// Of the root.
    pub root_lifetime: SignedDuration,
    /// Of the signing intermediate.
    pub intermediate_lifetime: SignedDuration,
    /// DNS name constraints; none if empty.
    pub permitted_dns: Vec<String>,
    /// Whether its root is ours to make and to replace.
    pub root_in_state: bool,
    /// Whether a person has its intermediates signed by a root that was never here.
    pub root_offline: bool,
    /// Its revocation lists; `None`: there are none.
    pub crl: Option<CrlSpec>,
}

/// The revocation lists of an internal CA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrlSpec {
    /// How long one is valid.
    pub lifetime: SignedDuration,
    /// How often they are made anew.
    pub every: SignedDuration,
}

/// A certificate.
#[derive(Debug, Clone)]
pub struct CertificateSpec {
    /// Who may issue it: the first that works; at most one of them is our own.
    pub issuers: Vec<IssuerRef>,
    /// Subject common name.
    pub common_name: Option<String>,
    /// dNSName SANs.
    pub dns_names: Vec<String>,
    /// iPAddress SANs.
    pub ip_addresses: Vec<IpAddr>,
    /// Extended key usages.
    pub usages: Vec<Usage>,
    /// Of its key.
    pub algorithm: KeyAlgorithm,
    /// Whether the key stays over renewals.
    pub keep_key: bool,
    /// The lifetime asked for.
    pub duration: SignedDuration,
}

/// Who may issue a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssuerRef {
    /// One of our own CAs, as an asset.
    Internal(AssetId),
    /// An ACME CA, by its name in the configuration.
    Acme(String),
    /// A person, by the issuer's name in the configuration.
    Manual(String),
}

/// What a plan must know of an ACME CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeSpec {
    /// What it allows.
    pub limits: Limits,
}

impl CertificateSpec {
    /// Whether a person has to have it issued.
    pub fn is_by_hand(&self) -> bool {
        self.issuers.iter().any(|issuer| matches!(issuer, IssuerRef::Manual(_)))
    }

    /// The CA of our own among its issuers.
    pub fn authority(&self) -> Option<&AssetId> {
        self.issuers.iter().find_map(|issuer| match issuer {
            IssuerRef::Internal(id) => Some(id),
            IssuerRef::Acme(_) | IssuerRef::Manual(_) => None,
        })
    }
}

/// The table of thresholds: all that the overlap engine knows of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    /// When a revision's successor is due.
    pub turn: Turn,
    /// A successor must have been known, proven, for this long before it is used.
    pub publish_before: SignedDuration,
    /// Nobody goes on with an older set of public keys for longer than this: not even a key in wrong hands is replaced by
    /// one that is known for less.
    pub max_age: SignedDuration,
    /// A predecessor must stay known for this long after its last use.
    pub linger: SignedDuration,
    /// Whether others must know a successor before it is used.
    pub told: bool,
    /// Whether a successor is always ready and known.
    pub standby: bool,
    /// How long a swap may wait for another asset's rollout of the same service.
    pub rides: SignedDuration,
}

/// When a successor is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// When this share of the lifetime is left.
    ShareLeft {
        /// Above the line.
        of: u32,
        /// Below the line.
        parts: u32,
    },
    /// When this much is left.
    Left(SignedDuration),
    /// This long after it became active.
    Every(SignedDuration),
}

/// Where an asset goes.
#[derive(Debug, Clone)]
pub struct TargetSpec {
    /// Which places.
    pub places: Places,
    /// The files, by name or path.
    pub files: Few<String, FileSpec>,
    /// Permission bits.
    pub mode: Option<u32>,
    /// A number for services, a number or a name for directories.
    pub owner: Option<String>,
    /// A number for services, a number or a name for directories.
    pub group: Option<String>,
    /// What shows that it is served.
    pub verify: Option<Verify>,
}

/// Which places a target means.
#[derive(Debug, Clone)]
pub enum Places {
    /// Swarm services.
    Services {
        /// By name; `None`: every service whose label `keyturn.asset` names the asset.
        names: Option<Vec<String>>,
        /// Run first, in a one-off task.
        preflight: Option<Vec<String>>,
    },
    /// A directory on this machine.
    Dir {
        /// Which.
        dir: PathBuf,
        /// Run with the new files in place, before the reload.
        test: Option<Vec<String>>,
        /// What makes the reader take them up.
        reload: Option<Reload>,
        /// How long test and reload may take.
        timeout: Duration,
    },
}

/// What a file of a target holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSpec {
    /// Which rendering.
    pub part: Part,
    /// As what; `None` in directories.
    pub kind: Option<ObjectKind>,
    /// Of a PKCS#12 file: where its password is.
    pub password: Option<PathBuf>,
}

impl FileSpec {
    /// A part of a target whose PKCS#12 files, where it has some, are opened by the password in `source`.
    pub fn new(part: Part, kind: Option<ObjectKind>, source: Option<&Path>) -> Self {
        let password = source.filter(|_| part == Part::Pkcs12).map(Path::to_owned);
        Self { part, kind, password }
    }
}

/// What shows that something is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verify {
    /// TLS handshakes.
    Connect {
        /// `host:port` each.
        connect: Vec<String>,
        /// SNI.
        server_name: Option<String>,
    },
    /// A JWKS over HTTP.
    Url(String),
}

/// When service updates may start.
#[derive(Debug, Clone)]
pub struct Windows {
    /// An update may start while one of them matches; no expression means always.
    pub schedules: Vec<Cron>,
    /// In which the expressions are read.
    pub timezone: TimeZone,
}

impl Windows {
    /// Always open.
    pub fn always() -> Self {
        Self { schedules: Vec::new(), timezone: TimeZone::UTC }
    }

    /// As `[schedule]` has them.
    pub fn of(schedule: &Schedule) -> Self {
        Self { schedules: schedule.maintenance().to_vec(), timezone: schedule.timezone().clone() }
    }

    /// Whether an update may start at `now`.
    pub fn are_open(&self, now: Timestamp) -> bool {
        self.schedules.is_empty() || self.schedules.iter().any(|cron| cron.matches(now, &self.timezone))
    }

    /// The next moment after `now` at which one opens.
    pub fn next_opening(&self, now: Timestamp) -> Option<Timestamp> {
        self.schedules.iter().filter_map(|cron| cron.next(now, &self.timezone)).min()
    }
}

impl Overlap {
    /// Nothing overlaps.
    pub const NONE: Self = Self {
        turn: Turn::Every(SignedDuration::MAX),
        publish_before: SignedDuration::ZERO,
        max_age: SignedDuration::ZERO,
        linger: SignedDuration::ZERO,
        told: false,
        standby: false,
        rides: SignedDuration::ZERO,
    };
}

impl AssetSpec {
    /// Whether any target tells verifiers or clients of coming revisions.
    pub fn spans(&self) -> bool {
        self.targets.iter().flat_map(|target| target.files.values()).any(|file| file.part.spans_revisions())
    }

    /// Whether it goes to a Swarm.
    pub fn needs_engine(&self) -> bool {
        self.targets.iter().any(|target| matches!(target.places, Places::Services { .. }))
    }
}
