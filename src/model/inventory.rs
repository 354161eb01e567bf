//! What we know: the records we keep, and the world as it was last seen.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    AssetId, AssetKind, CrlNote, Facts, Issued, IssuerRecord, LEDGER, MOST_ORDERS, Make, MakeCrl, ObjectKind,
    OrderNote, OrderOutcome, Parcel, Part, Place, Problem, Reference, Revision, RevisionState, Revocation,
    RevocationReason, Signer, SpareId, Tidings, UpperLists, World,
};

/// All facts that a plan is made from.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// What we keep of each asset.
    pub assets: BTreeMap<AssetId, AssetRecord>,
    /// Our Docker objects, by kind and name.
    pub objects: BTreeMap<(ObjectKind, String), ObjectRecord>,
    /// Rollouts that were begun and not ended: there are some only after a crash.
    pub rollouts: BTreeMap<Place, RolloutRecord>,
    /// What ACME CAs have said, by the issuer's name in the configuration.
    pub issuers: BTreeMap<String, IssuerRecord>,
    /// What our own CAs must remember of single certificates, by CA and serial number.
    pub issued: BTreeMap<(AssetId, String), Issued>,
    /// What is kept ready, and since when; not what it is.
    pub stock: BTreeMap<SpareId, Timestamp>,
    /// What people and programs are told.
    pub tidings: Tidings,
    /// The latest time that any record was written at.
    pub last_seen: Option<Timestamp>,
    /// What was observed for this pass.
    pub world: World,
}

/// What we keep of an asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetRecord {
    /// Which asset.
    pub id: AssetId,
    /// Its revisions by number; long retired ones are forgotten.
    #[serde(default)]
    pub revisions: BTreeMap<u32, Revision>,
    /// What each place has been given.
    #[serde(default, with = "by_place")]
    pub deliveries: BTreeMap<Place, Delivery>,
    /// The highest object number that each part has used.
    #[serde(default)]
    pub numbers: BTreeMap<String, u32>,
    /// What the operator has asked for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// How making its next revision goes.
    #[serde(default)]
    pub effort: Effort,
    /// How each of its ACME issuers does, where another can be tried instead.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_issuer: BTreeMap<String, Effort>,
    /// The orders placed for it within [`LEDGER`], oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<OrderNote>,
    /// Of a CA: its revocation lists as they were made last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl: Option<CrlNote>,
    /// Of a CA whose root is elsewhere: the lists of those above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper_lists: Option<UpperLists>,
}

/// JSON objects have text for keys.
mod by_place {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Delivery, Place};

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<Place, Delivery>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(map.iter().map(|(place, delivery)| (place.to_string(), delivery)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Place, Delivery>, D::Error> {
        BTreeMap::<String, Delivery>::deserialize(deserializer)?
            .into_iter()
            .map(|(place, delivery)| Ok((place.parse().map_err(serde::de::Error::custom)?, delivery)))
            .collect()
    }
}

/// A `rotate` that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// When.
    pub at: Timestamp,
    /// By whom: `uid:1000`.
    pub by: String,
    /// The revision to be replaced, and all before it.
    pub after: u32,
    /// Whether the private key is in wrong hands.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compromised: bool,
    /// Of a CA: whether its root is to be replaced as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub new_root: bool,
}

/// What a place has been given of an asset, and how that went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// What was delivered last with success; empty before the first.
    #[serde(default)]
    pub content: Content,
    /// The newest revision in it.
    #[serde(default)]
    pub revision: u32,
    /// Where it stands.
    pub state: DeliveryState,
    /// What has shown it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// Since when all tasks have run with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
    /// Of what spans revisions (of a trust bundle: of its roots): since when each has been there, without a break. A set
    /// that only loses one keeps the others' times.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub known_since: BTreeMap<u32, Timestamp>,
    /// When it was last proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Timestamp>,
    /// The ID of the service it was delivered to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_id: Option<String>,
    /// How the tries go.
    #[serde(default)]
    pub effort: Effort,
    /// What else is wrong here: the service is missing, busy, or someone has changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Problem>,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            content: Content::default(),
            revision: 0,
            state: DeliveryState::Waiting,
            proof: None,
            delivered_at: None,
            known_since: BTreeMap::new(),
            verified_at: None,
            service_id: None,
            effort: Effort::default(),
            note: None,
        }
    }
}

/// A target's state, as `status` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// For its service, or for its turn.
    Waiting,
    /// A rollout was begun.
    Delivering,
    /// All tasks run with it; no handshake has shown it.
    Delivered,
    /// Shown to be what is served.
    Proven,
    /// The last try failed; the old is in place.
    Failed,
    /// A person has asked to leave it alone.
    Held,
}

impl Delivery {
    /// Before `parcel` changes the place, which shows `shown` ([`Parcel::shown_before`]): what is missing there is not
    /// known. A directory that has it by our books, and is written nonetheless, shows something else.
    pub fn forget_unshown(&mut self, parcel: &Parcel, shown: Option<Vec<u32>>) {
        let repaired = parcel.install.is_some() && self.content == parcel.content;
        if let Some(shown) = if repaired { Some(Vec::new()) } else { shown } {
            self.known_since.retain(|number, _| shown.contains(number));
        }
    }

    /// What was delivered is `content`, since `now` or before: each revision that was known all along keeps its time.
    pub fn know(&mut self, content: &Content, now: Timestamp) {
        let spanning: Vec<u32> = content.spanning().flat_map(|file| file.revisions.clone()).collect();
        self.known_since.retain(|number, _| spanning.contains(number));
        for number in spanning {
            self.known_since.entry(number).or_insert(now);
        }
    }
}

impl DeliveryState {
    /// What a proof makes of a delivery. For keys and parameters convergence is all there is to see; a
    /// certificate is proven only when a handshake has shown it.
    pub fn after(proof: Proof, kind: AssetKind) -> Self {
        match (proof, kind) {
            (Proof::Converged, AssetKind::Certificate) => Self::Delivered,
            _ => Self::Proven,
        }
    }

    /// Whether what was to be delivered is there.
    pub fn is_there(self) -> bool {
        matches!(self, Self::Delivered | Self::Proven)
    }

    /// As `status` names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivering => "delivering",
            Self::Delivered => "delivered",
            Self::Proven => "proven",
            Self::Failed => "failed",
            Self::Held => "held",
        }
    }
}

/// What has shown that a place has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// TLS handshakes, all with the new leaf.
    Handshake,
    /// The JWKS at the verifier's URL has the new keys.
    Jwks,
    /// All tasks run with the new objects, and the old tasks are gone.
    Converged,
}

impl Proof {
    /// As `status` names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Jwks => "jwks",
            Self::Converged => "converged",
        }
    }
}

/// Which bytes are in which file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// By the file's name or path.
    pub files: BTreeMap<String, FileContent>,
}

/// The bytes of one file, by what they are made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileContent {
    /// Which rendering.
    pub part: Part,
    /// Of which revisions; for the part `ca`, of which roots.
    pub revisions: Vec<u32>,
    /// Of a PKCS#12 file: the keyed digest of its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// As a Docker secret or config; `None` in a directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ObjectKind>,
    /// Permission bits; `None` leaves what the service has today.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// Owner; a name only in directories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Group; a name only in directories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl Content {
    /// Whether every file that holds one revision holds revision `number`, and there is such a file.
    pub fn uses(&self, number: u32) -> bool {
        let mut single = self.files.values().filter(|file| !file.part.spans_revisions()).peekable();
        single.peek().is_some() && single.all(|file| file.revisions == [number])
    }

    /// The files by which others know keys: an asset has either its own public keys in them, or the roots of its CA.
    pub fn spanning(&self) -> impl Iterator<Item = &FileContent> {
        self.files.values().filter(|file| file.part.spans_revisions() && file.part != Part::Crl)
    }

    /// Whether any file is made of revision `number`.
    pub fn mentions(&self, number: u32) -> bool {
        self.files.values().any(|file| !file.part.is_the_issuers() && file.revisions.contains(&number))
    }
}

/// How something that can fail goes, over restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effort {
    /// Failures in a row.
    #[serde(default)]
    pub failures: u32,
    /// Not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<Timestamp>,
    /// What the last failure was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// What it was tried against; another value is a reason to try at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
    /// When the last try failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Timestamp>,
}

impl Effort {
    /// One more failure at `now`; the next try after `pauses[failures]`, at most the last.
    pub fn failed(&mut self, problem: Problem, against: Option<String>, pauses: &[i64], now: Timestamp) {
        let pause = pauses.get(self.failures as usize).or(pauses.last()).copied().unwrap_or(60);
        self.failures = self.failures.saturating_add(1);
        self.next_try_at = Some(now + SignedDuration::from_secs(pause));
        self.problem = Some(problem);
        self.against = against;
        self.failed_at = Some(now);
    }

    /// When it was tried last, if `pauses` are those that it waits by.
    pub fn tried_at(&self, pauses: &[i64]) -> Option<Timestamp> {
        if self.failed_at.is_some() {
            return self.failed_at;
        }
        let pause = pauses.get(self.failures.checked_sub(1)? as usize).or(pauses.last()).copied()?;
        Some(self.next_try_at? - SignedDuration::from_secs(pause))
    }

    /// Whether it may be tried at `now`.
    pub fn may_try(&self, now: Timestamp) -> bool {
        self.next_try_at.is_none_or(|at| at <= now)
    }
}

/// So many editions of revocation lists are remembered by their ends.
const MOST_EDITIONS: usize = 32;

/// Pauses in seconds between tries of a delivery: it costs the Swarm a rollout each.
pub const DELIVERY_PAUSES: [i64; 5] = [60, 300, 900, 3600, 6 * 3600];

/// Pauses in seconds between tries to make a revision: a minute, ten, a hundred, then daily.
pub const MAKING_PAUSES: [i64; 4] = [60, 600, 6000, 86_400];

/// Pauses in seconds between tries to have a certificate revoked: it must be done, and a CA that is away comes back.
pub const REVOKING_PAUSES: [i64; 3] = [60, 600, 3600];

/// Pauses in seconds after a fault of our own side, which costs nobody anything: a hook, a listener, a name server.
pub const LOCAL_PAUSES: [i64; 1] = [60];

/// One of our Docker objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRecord {
    /// Secret or config.
    pub kind: ObjectKind,
    /// `cert.edge.fullchain.7`
    pub name: String,
    /// Whose part.
    pub asset: AssetId,
    /// Which rendering.
    pub part: Part,
    /// Of which revisions.
    pub revisions: Vec<u32>,
    /// Of a PKCS#12 file: the keyed digest of its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Docker's ID; `None` while it is only intended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When it was intended.
    pub created_at: Timestamp,
    /// When a rollout last took it out of a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_at: Option<Timestamp>,
}

/// A rollout that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutRecord {
    /// Where.
    pub place: Place,
    /// When it was begun.
    pub started_at: Timestamp,
    /// Docker's ID of the service: one that was made anew since is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_id: Option<String>,
    /// The assets in it.
    pub assets: Vec<AssetId>,
    /// What the service named on our paths before: a path without a reference had none.
    pub before: BTreeMap<String, Option<Reference>>,
    /// Of a directory: the identity of what each asset's link showed before.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub identities: BTreeMap<AssetId, Option<String>>,
    /// What a failure is remembered against, by asset, as it was before anything was changed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub against: BTreeMap<AssetId, String>,
    /// Set when it is being undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoing: Option<Problem>,
}

impl AssetRecord {
    /// Nothing known yet.
    pub fn new(id: AssetId) -> Self {
        Self {
            id,
            revisions: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            numbers: BTreeMap::new(),
            request: None,
            effort: Effort::default(),
            by_issuer: BTreeMap::new(),
            orders: Vec::new(),
            crl: None,
            upper_lists: None,
        }
    }

    /// The newest active revision.
    pub fn active(&self) -> Option<&Revision> {
        self.revisions.values().rev().find(|revision| revision.state == RevisionState::Active)
    }

    /// The revisions that wait to become active, oldest first.
    pub fn coming(&self) -> impl Iterator<Item = &Revision> {
        self.revisions.values().filter(|revision| revision.state.is_coming())
    }

    /// The highest number used.
    pub fn newest_number(&self) -> u32 {
        self.revisions.keys().next_back().copied().unwrap_or(0)
    }

    /// The revision's key and record are taken.
    pub fn begin(&mut self, revision: Revision) {
        self.revisions.insert(revision.number, revision);
    }

    /// The revision is whole.
    pub fn prepared(&mut self, number: u32, facts: &Facts, signer: Option<&Signer>, now: Timestamp) {
        self.effort = Effort::default();
        self.by_issuer.clear();
        self.change(number, |revision| {
            revision.state = RevisionState::Prepared;
            revision.issued_at = Some(now);
            revision.validity = facts.validity;
            revision.serial.clone_from(&facts.serial);
            revision.fingerprint_sha256.clone_from(&facts.fingerprint_sha256);
            revision.kid.clone_from(&facts.kid);
            revision.issuer = signer.map(|signer| signer.name().to_owned());
            revision.signed_by = match signer {
                Some(Signer::Internal(_, number)) => Some(*number),
                _ => None,
            };
            revision.root_ends = facts.root_ends;
            revision.root_is_elsewhere = facts.root_is_elsewhere;
        });
    }

    /// Of a CA: the revision that the root of `make` is made in, itself where it gets a new one.
    pub fn root_of(&self, make: &Make) -> u32 {
        let kept = make.keep_key_of.and_then(|number| self.revisions.get(&number)?.root);
        kept.unwrap_or(make.revision)
    }

    /// Of a CA: its revocation lists are made, with so many certificates in them.
    pub fn listed(&mut self, make: &MakeCrl, listed: usize, now: Timestamp) {
        for number in &make.revisions {
            self.change(*number, |revision| {
                revision.crl_since.get_or_insert(make.edition);
            });
        }
        let mut before = std::mem::take(&mut self.crl).map_or_else(BTreeMap::new, |last| {
            let mut before = last.before;
            before.insert(last.edition, last.next_update);
            before
        });
        before.retain(|_, end| *end > now);
        while before.len() > MOST_EDITIONS {
            before.pop_first();
        }
        self.crl = Some(CrlNote {
            upper: self.upper_lists.as_ref().map(|lists| lists.taken_at),
            before,
            edition: make.edition,
            this_update: now,
            next_update: now + make.lifetime,
            revisions: make.revisions.clone(),
            listed,
        });
    }

    /// An order is about to be placed, and the one before it is given up where it was open; what is too old to count is
    /// forgotten.
    pub fn ordering(&mut self, note: OrderNote) {
        self.ordered(OrderOutcome::Failed, &[]);
        self.orders.retain(|order| note.at.duration_since(order.at) < LEDGER);
        self.orders.drain(..self.orders.len().saturating_sub(MOST_ORDERS - 1));
        self.orders.push(note);
    }

    /// The order that is open has come to `outcome`; nothing is open where it was none of an ACME CA.
    pub fn ordered(&mut self, outcome: OrderOutcome, failed_names: &[String]) {
        if let Some(order) = self.orders.iter_mut().rev().find(|order| order.outcome == OrderOutcome::Open) {
            order.outcome = outcome;
            order.failed_names = failed_names.to_vec();
        }
    }

    /// The CA's answer to the open order is kept, or forgotten.
    pub fn order_kept(&mut self, issuer: &str, kept: bool) {
        let open = |order: &&mut OrderNote| order.outcome == OrderOutcome::Open && order.issuer == issuer;
        if let Some(order) = self.orders.last_mut().filter(open) {
            order.kept = kept;
        }
    }

    /// A try has failed: an order that is kept is gone on with, every other has come to nothing.
    pub fn order_failed(&mut self, failed_names: &[String]) {
        match self.orders.last_mut().filter(|order| order.outcome == OrderOutcome::Open && order.kept) {
            Some(order) => order.failed_names = failed_names.to_vec(),
            None => self.ordered(OrderOutcome::Failed, failed_names),
        }
    }

    /// The open order that the next try with `issuer` goes on with.
    pub fn open_order(&self, issuer: &str, set: &str) -> Option<&OrderNote> {
        let last = self.orders.last()?;
        let goes_on = last.outcome == OrderOutcome::Open && last.kept;
        (goes_on && last.issuer == issuer && last.set == set).then_some(last)
    }

    /// Whether another order for the names of `set` would be one that nobody has planned: the last one has come to
    /// nothing, nobody has issued since, and the operator has not asked for another.
    pub fn is_retry(&self, set: &str) -> bool {
        let Some(last) = self.orders.iter().rev().find(|order| order.set == set) else { return false };
        let asked = self.request.as_ref().is_some_and(|request| request.at >= last.at);
        let issued =
            self.revisions.values().any(|revision| revision.issued_at.is_some_and(|at| at >= last.at));
        last.outcome != OrderOutcome::Issued && !issued && !asked
    }

    /// Whether `issuer` has issued for the same wish before.
    pub fn has_had(&self, issuer: &str, made_for: &str) -> bool {
        let had = |revision: &&Revision| revision.issuer.as_deref() == Some(issuer);
        self.revisions.values().filter(had).any(|revision| revision.made_for == made_for)
    }

    /// The operator wants it turned over: what has failed before is tried at once. A key that is in wrong hands is never
    /// used again, and what certifies it is revoked; with `key_stays` it is that of retiring revisions as well.
    pub fn ask(&mut self, request: Request, key_stays: bool) {
        self.effort = Effort::default();
        self.by_issuer.clear();
        for delivery in self.deliveries.values_mut() {
            delivery.effort = Effort::default();
        }
        for revocation in self.revisions.values_mut().filter_map(|revision| revision.to_revoke.as_mut()) {
            revocation.effort = Effort::default();
        }
        if request.compromised && self.id.kind != AssetKind::DhParams {
            self.compromise(&request, key_stays);
        }
        self.request = Some(request);
    }

    fn compromise(&mut self, request: &Request, key_stays: bool) {
        for revision in self.revisions.values_mut().filter(|revision| revision.number <= request.after) {
            let lives = revision.state.is_coming() || revision.state == RevisionState::Active;
            if !(lives || key_stays && revision.state == RevisionState::Retiring) {
                continue;
            }
            revision.compromised = true;
            if revision.issuer.is_some() {
                revision.to_revoke = Some(Revocation {
                    at: request.at,
                    by: request.by.clone(),
                    reason: RevocationReason::KeyCompromise,
                    after_successor: true,
                    effort: Effort::default(),
                });
            }
        }
    }

    /// Everyone who must know the revision beforehand has been shown to have it.
    pub fn published(&mut self, number: u32, now: Timestamp) {
        self.change(number, |revision| {
            revision.state = RevisionState::Published;
            revision.published_at = Some(now);
        });
    }

    /// The revision is in use everywhere; those that were active before it are not any more.
    pub fn activated(&mut self, number: u32, now: Timestamp) {
        for revision in self.revisions.values_mut() {
            if revision.number == number {
                revision.state = RevisionState::Active;
                revision.active_at = Some(now);
            } else if revision.number < number && !revision.state.is_over() {
                // An older one that never became active goes the same way: it may have been in use in part.
                revision.state = RevisionState::Retiring;
                revision.replaced_at.get_or_insert(now);
            }
        }
    }

    /// The revision's certificate is withdrawn. One that is in use stays what it is until its successor is there: it is
    /// all that there is.
    pub fn revoked(&mut self, number: u32, now: Timestamp) {
        self.change(number, |revision| revision.revoked_at = Some(now));
        if self.revisions.get(&number).is_some_and(|revision| revision.state != RevisionState::Active) {
            self.ended(number, RevisionState::Revoked, now);
        }
    }

    /// The revision has come to its end in `state`.
    pub fn ended(&mut self, number: u32, state: RevisionState, now: Timestamp) {
        self.change(number, |revision| {
            revision.state = state;
            revision.ended_at = Some(now);
        });
        self.forget_old();
    }

    /// Keeps the list short: of what is over, the last ten.
    fn forget_old(&mut self) {
        let over: Vec<u32> =
            self.revisions.values().filter(|r| r.state.is_over()).map(|r| r.number).collect();
        for number in over.iter().take(over.len().saturating_sub(10)) {
            self.revisions.remove(number);
        }
    }

    fn change(&mut self, number: u32, change: impl FnOnce(&mut Revision)) {
        if let Some(revision) = self.revisions.get_mut(&number) {
            change(revision);
        }
    }
}
