//! What is to be done: a plan says everything, so that carrying it out needs no choice.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    AssetId, Content, KeyAlgorithm, Numbers, ObjectKind, Part, Place, Problem, Proof, Reference, Signer,
};

/// What is due now, and what is waited for.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The moment it was made for.
    pub now: Timestamp,
    /// When to look again, where anything is waited for.
    pub next_wake: Option<Timestamp>,
    /// What is due, in an order that can be followed.
    pub steps: Vec<Step>,
    /// What waits, for whom and until when.
    pub deferred: Vec<Deferred>,
    /// What is wrong already.
    pub problems: Vec<(AssetId, Problem)>,
    /// What would go badly with the services that a rollout touches.
    pub warnings: Vec<String>,
}

/// One thing to be done.
#[derive(Debug, Clone)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// For which assets; the first is the one that it is shown under.
    pub assets: Vec<AssetId>,
    /// What.
    pub action: Action,
    /// Why, for people.
    pub reason: String,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Make a JWT key, DH parameters or a CA.
    Generate(Make),
    /// Make a CA's revocation lists anew.
    List(MakeCrl),
    /// Have a certificate issued.
    Issue(Make),
    /// Create a Docker object.
    Publish(NewObject),
    /// Note that everyone who must know the revision has it.
    Announce(AssetId, u32),
    /// Deliver to one place.
    Rollout(Rollout),
    /// Prove once more what is already there.
    Verify(Rollout),
    /// Note that the revision is in use everywhere.
    Activate(AssetId, u32),
    /// Destroy the revision's private key: nobody needs it.
    Retire(AssetId, u32),
    /// Have the revision's certificate revoked by who issued it.
    Revoke(AssetId, u32),
    /// Update a service with the spec that it has, so that its `PreviousSpec` brings nothing back; nothing restarts.
    Forget(Forget),
    /// Remove one of our Docker objects that nobody names.
    Delete(OldObject),
    /// Ask the revision's CA when to renew it, and whether it still stands; no list shows it.
    Consult(AssetId, u32),
    /// Keep in mind what is wrong with a place, or that it is no longer; bookkeeping that no list shows.
    Note(AssetId, Place, Option<Problem>),
}

impl Action {
    /// As `plan` names it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Generate(_) | Self::List(_) => "generate",
            Self::Issue(_) => "issue",
            Self::Publish(_) | Self::Announce(..) => "publish",
            Self::Rollout(_) | Self::Forget(_) => "rollout",
            Self::Verify(_) | Self::Note(..) | Self::Consult(..) => "verify",
            Self::Activate(..) => "activate",
            Self::Retire(..) => "retire",
            Self::Revoke(..) => "revoke",
            Self::Delete(_) => "delete",
        }
    }

    /// Whether it is bookkeeping that no list shows.
    pub fn is_silent(&self) -> bool {
        matches!(self, Self::Note(..) | Self::Consult(..))
    }

    /// The services that would restart.
    pub fn services(&self) -> Vec<String> {
        match self {
            Self::Rollout(rollout) if !rollout.applied => match &rollout.place {
                Place::Service(name) => vec![name.clone()],
                Place::Dir(_) => Vec::new(),
            },
            _ => Vec::new(),
        }
    }
}

/// A revision to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Make {
    /// Whose.
    pub asset: AssetId,
    /// Its number: a new one, or one that was begun before a crash.
    pub revision: u32,
    /// What of the configuration it is made for.
    pub made_for: String,
    /// The revision whose private key (of a CA: whose root) is used again.
    pub keep_key_of: Option<u32>,
    /// Of a certificate: who signs.
    pub signer: Option<Signer>,
    /// While a root is rolled over, the CA's revision under the old one. A new root is certified by that, and
    /// certificates carry the way to it.
    pub crossed: Option<u32>,
}

/// One edition of a CA's revocation lists to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MakeCrl {
    /// The CA.
    pub asset: AssetId,
    /// The edition: the number of each list in it (RFC 5280 §5.2.3).
    pub edition: u32,
    /// The CA's revisions whose lists are in it.
    pub revisions: Vec<u32>,
    /// From `thisUpdate` to `nextUpdate`.
    pub lifetime: SignedDuration,
    /// From this edition to the next.
    pub every: SignedDuration,
}

/// A Docker object to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewObject {
    /// Secret or config.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// Whose part.
    pub asset: AssetId,
    /// Which rendering.
    pub part: Part,
    /// Of which revisions.
    pub revisions: Numbers,
    /// Of a PKCS#12 file: the keyed digest of its password.
    pub password: Option<String>,
}

/// A Docker object to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldObject {
    /// Secret or config.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// Docker's ID; `None` where it was never made.
    pub id: Option<String>,
    /// Whose part.
    pub asset: AssetId,
}

/// A service that must not be able to go back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forget {
    /// Where.
    pub place: Place,
    /// Docker's ID of the service.
    pub service_id: String,
}

/// One update of one place, for all assets that are due there.
#[derive(Debug, Clone)]
pub struct Rollout {
    /// Where.
    pub place: Place,
    /// Docker's ID of the service.
    pub service_id: Option<String>,
    /// One an asset.
    pub parcels: Vec<Parcel>,
    /// Commands that must succeed in a one-off task first.
    pub preflight: Vec<Vec<String>>,
    /// What still runs then has failed.
    pub deadline: SignedDuration,
    /// The place has it already, from before a crash: only waiting and proving are left.
    pub applied: bool,
    /// An undoing that a crash has interrupted: nothing else is done.
    pub undo: Option<Problem>,
}

/// What one asset brings to a rollout.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// Whose.
    pub asset: AssetId,
    /// The newest revision in it.
    pub revision: u32,
    /// What the place has afterwards.
    pub content: Content,
    /// The references to be changed (services only).
    pub swaps: Vec<Swap>,
    /// How the files are put in place (directories only).
    pub install: Option<Install>,
    /// What will show that it worked.
    pub proof: ProofAsk,
    /// What a failure is remembered against.
    pub against: String,
}

impl Parcel {
    /// The revisions that a service really shows before its set is swapped, and not only by our books: what a person
    /// has put there instead has been fetched, and is cached. `None` where no set is swapped; `revisions_of` knows our
    /// own objects.
    pub fn shown_before(
        &self,
        mut revisions_of: impl FnMut(&Reference) -> Option<Numbers>,
    ) -> Option<Numbers> {
        let spans = |swap: &&Swap| {
            self.content
                .files
                .get(&swap.path)
                .is_some_and(|file| file.part.spans_revisions() && file.part != Part::Crl)
        };
        let mut shown = self
            .swaps
            .iter()
            .filter(spans)
            .map(|swap| swap.before.as_ref().and_then(&mut revisions_of).unwrap_or_default());
        let first = shown.next()?;
        Some(shown.fold(first, |all, one| all.into_iter().filter(|number| one.contains(number)).collect()))
    }
}

/// One reference to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swap {
    /// Secret or config.
    pub kind: ObjectKind,
    /// The file's name or path.
    pub path: String,
    /// The object that it shall show.
    pub object: String,
    /// What the spec has on this path today.
    pub before: Option<Reference>,
    /// Permission bits, where the target sets them.
    pub mode: Option<u32>,
    /// Owner, where the target sets it.
    pub uid: Option<String>,
    /// Group, where the target sets it.
    pub gid: Option<String>,
}

/// How files are put in place on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// The directory.
    pub dir: PathBuf,
    /// The identity of the content: the hidden folder's name is made of it.
    pub identity: String,
    /// The identity of what was there before, to be put back when the test fails.
    pub previous: Option<String>,
    /// Run before the reload, with the new files in place.
    pub test: Option<Vec<String>>,
    /// What makes the reader take them up.
    pub reload: Option<Reload>,
    /// How long `test` and `reload` may take.
    pub timeout: Duration,
}

/// What makes a program take up new files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reload {
    /// A command, without a shell.
    Command(Vec<String>),
    /// A signal to the process whose PID is in a file.
    Signal {
        /// `HUP`, `USR1`, …
        signal: String,
        /// The file with the PID.
        pid_file: PathBuf,
    },
}

/// What shall show that a delivery worked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofAsk {
    /// All tasks run with the new objects; nothing looks from outside.
    Converged,
    /// TLS handshakes.
    Handshake {
        /// `host:port` each.
        connect: Vec<String>,
        /// SNI.
        server_name: Option<String>,
        /// How many, over all of `connect`.
        count: usize,
        /// The leaf that all must show.
        fingerprint_sha256: String,
        /// The key type to offer.
        key_algorithm: KeyAlgorithm,
    },
    /// A JWKS over HTTP.
    Jwks {
        /// Where the verifier shows it.
        url: String,
        /// The keys that must be in it.
        kids: Vec<String>,
    },
}

impl ProofAsk {
    /// The proof that it gives when it succeeds.
    pub fn gives(&self) -> Proof {
        match self {
            Self::Converged => Proof::Converged,
            Self::Handshake { .. } => Proof::Handshake,
            Self::Jwks { .. } => Proof::Jwks,
        }
    }
}

/// Something that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deferred {
    /// Which asset.
    pub asset: AssetId,
    /// Until when, where that is known.
    pub until: Option<Timestamp>,
    /// For what.
    pub reason: String,
}

/// What `before` of a rollout's swaps is, by path.
impl Rollout {
    /// What the spec has on our paths today.
    pub fn before(&self) -> BTreeMap<String, Option<Reference>> {
        self.parcels
            .iter()
            .flat_map(|parcel| &parcel.swaps)
            .map(|swap| (swap.path.clone(), swap.before.clone()))
            .collect()
    }

    /// The assets in it.
    pub fn assets(&self) -> Vec<AssetId> {
        self.parcels.iter().map(|parcel| parcel.asset.clone()).collect()
    }
}
