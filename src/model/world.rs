//! What is out there: the Swarm's services and objects, and installed files, as far as the planner needs them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{AssetId, Few, ObjectKind, Part, Problem};

/// Where something is delivered to; the unit of delivery.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A Swarm service, by name.
    Service(String),
    /// A directory on this machine.
    Dir(PathBuf),
}

impl Place {
    /// The kind of target it belongs to: `swarm` or `file`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Service(_) => "swarm",
            Self::Dir(_) => "file",
        }
    }

    /// The service's name or the directory's path.
    pub fn name(&self) -> String {
        self.as_text().into_owned()
    }

    /// The same, without a copy.
    pub fn as_text(&self) -> Cow<'_, str> {
        match self {
            Self::Service(name) => Cow::Borrowed(name),
            Self::Dir(path) => path.to_string_lossy(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.as_text())
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("swarm", name)) => Ok(Self::Service(name.to_owned())),
            Some(("file", path)) => Ok(Self::Dir(PathBuf::from(path))),
            _ => Err(format!("`{text}` is not a place")),
        }
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What was seen of the world.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Whether a Swarm was looked at.
    pub engine: Engine,
    /// All services of the Swarm, by name.
    pub services: BTreeMap<String, Service>,
    /// All secrets and configs of the Swarm.
    pub objects: Vec<Object>,
    /// For each asset and directory: the identity of the content that its link shows now.
    pub dirs: BTreeMap<AssetId, Few<PathBuf, String>>,
    /// The directories that do not answer, and the problem that this is: nobody knows what they show.
    pub silent: BTreeMap<PathBuf, Problem>,
    /// For each file with a password of PKCS#12 files: the keyed digest of what is in it now, or why it cannot be used.
    pub passwords: BTreeMap<PathBuf, Result<String, Problem>>,
}

/// The engine, as far as it matters for planning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Engine {
    /// No target needs it.
    #[default]
    Unneeded,
    /// A Swarm manager with a leader.
    Ready,
    /// It cannot be worked with now.
    Down(Problem),
}

/// An engine and its Swarm, as `doctor` looks at them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineFacts {
    /// The node's name.
    pub node: String,
    /// Of the engine.
    pub version: String,
    /// Of its API, as it was agreed on.
    pub api_version: String,
    /// The managers by name, and whether each can be reached.
    pub managers: Vec<(String, bool)>,
    /// Whether the key to the raft logs is kept off the disk.
    pub autolock: bool,
    /// When the Swarm's own CA ends.
    pub root_ends: Option<Timestamp>,
    /// What its host's clock showed.
    pub time: Option<Timestamp>,
}

/// A Swarm service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Docker's ID: a service that was removed and made again has another.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The assets that its label `keyturn.asset` names.
    pub labelled: BTreeSet<AssetId>,
    /// The secrets and configs that its spec names.
    pub references: Vec<Reference>,
    /// IDs of the objects that its `PreviousSpec` names.
    pub previous: BTreeSet<String>,
    /// IDs of the objects that its unfinished tasks name.
    pub tasks: BTreeSet<String>,
    /// How many tasks should run; `None` for a global service.
    pub replicas: Option<u64>,
    /// How many tasks run now.
    pub running: u64,
    /// What is said of its last update.
    pub update: Update,
    /// Changes whenever its spec does.
    pub spec_digest: String,
    /// What `plan` warns of: settings with which a rollout cuts connections or hides failures.
    pub habits: Vec<String>,
}

/// A service's `UpdateStatus`, boiled down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// None, completed or rolled back: nothing goes on.
    Quiet,
    /// Running, or paused: with Docker's own word and message.
    Unfinished(String),
}

/// A secret or config that a service's spec names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Secret or config.
    pub kind: ObjectKind,
    /// The file's name or path as the spec has it.
    pub path: String,
    /// The object's name.
    pub name: String,
    /// The object's ID.
    pub id: String,
    /// As in the spec: a number in text.
    pub uid: String,
    /// As in the spec: a number in text.
    pub gid: String,
    /// Permission bits.
    pub mode: u32,
}

/// Where a container sees a reference's file: secrets lie under `/run/secrets`, configs under `/`, unless their path is
/// absolute. The same path is the same mount, however it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mount<'a> {
    base: &'static str,
    path: &'a str,
}

const SECRETS: &str = "/run/secrets/";

impl<'a> Mount<'a> {
    /// Where a secret or config is seen that the service's spec has on `path`.
    pub fn of(kind: ObjectKind, path: &'a str) -> Self {
        let from_root = match (path.strip_prefix('/'), kind) {
            (None, ObjectKind::Secret) => return Self { base: SECRETS, path },
            (absolute, _) => absolute.unwrap_or(path),
        };
        match from_root.strip_prefix(&SECRETS[1..]) {
            Some(path) => Self { base: SECRETS, path },
            None => Self { base: "/", path: from_root },
        }
    }
}

impl fmt::Display for Mount<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.base, self.path)
    }
}

/// The absolute path a reference's file has in a container.
pub fn mount_path(kind: ObjectKind, path: &str) -> String {
    Mount::of(kind, path).to_string()
}

/// A secret or config in the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Secret or config.
    pub kind: ObjectKind,
    /// Unique among its kind, without regard to case.
    pub name: String,
    /// Docker's ID.
    pub id: String,
    /// Its labels, where they are ours.
    pub labels: Option<Labels>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The labels of our objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// `keyturn.instance`
    pub instance: String,
    /// `keyturn.asset`
    pub asset: AssetId,
    /// `keyturn.revision`: the newest in it.
    pub revision: u32,
    /// `keyturn.part`
    pub part: Part,
    /// `keyturn.digest`: keyed, so that it tells nothing of the content.
    pub digest: String,
}

impl World {
    /// The object of that kind and name, without regard to case.
    pub fn object(&self, kind: ObjectKind, name: &str) -> Option<&Object> {
        self.objects.iter().find(|object| object.kind == kind && object.name.eq_ignore_ascii_case(name))
    }

    /// Who still names the object: a spec, a previous spec, or an unfinished task.
    pub fn named_by(&self, id: &str) -> Option<String> {
        self.services.values().find_map(|service| {
            let name = &service.name;
            if service.references.iter().any(|reference| reference.id == id) {
                Some(format!("the spec of service {name}"))
            } else if service.previous.contains(id) {
                Some(format!("the PreviousSpec of service {name}"))
            } else if service.tasks.contains(id) {
                Some(format!("a task of service {name}"))
            } else {
                None
            }
        })
    }
}
