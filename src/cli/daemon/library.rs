//! What the daemon serves to everyone, made of what it has.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::cli::lists::{self, Named, Signer};
use crate::clock::Clock;
use crate::desired::{Desired, KindSpec};
use crate::executor::{Books, Maker};
use crate::issuer::acme::challenge::http::HttpSolver;
use crate::model::{AssetId, AssetKind, Part, RevisionState};
use crate::planner;
use crate::scheduler::{Household, Picture};
use crate::serve::{Library, Page};

/// A CA's bundle changes in days.
const CA_MAX_AGE: SignedDuration = SignedDuration::from_hours(1);

/// A revocation is known everywhere within this time.
const CRL_MAX_AGE: SignedDuration = SignedDuration::from_mins(10);

/// Renderings that are kept: of few assets, each of few sets of revisions.
const MOST_RENDERED: usize = 256;

/// The pages, rendered when they are first asked for.
pub(super) struct Shelves {
    books: Arc<Books>,
    clock: Arc<dyn Clock>,
    pages: Arc<HttpSolver>,
    wanted: Mutex<Option<Wanted>>,
    picture: Mutex<Option<watch::Receiver<Option<Picture>>>>,
    rendered: Mutex<HashMap<Place, Bytes>>,
    /// Held while it is worked out: whoever asks meanwhile waits for the same.
    known: tokio::sync::Mutex<Option<Known>>,
}

/// What verifiers must know of all JWT keys: by this configuration and this look, in this second.
struct Known {
    desired: Arc<Desired>,
    picture: Picture,
    at: Timestamp,
    revisions: Arc<BTreeMap<AssetId, Vec<u32>>>,
}

/// A part of an asset, made of these revisions; of revocation lists: the edition, the revision that signs, and whether it
/// is its root's.
type Place = (AssetId, Part, Vec<u32>);

/// What of the configuration says what there is.
#[derive(Clone)]
struct Wanted {
    desired: Arc<Desired>,
    maker: Arc<dyn Maker>,
}

impl Shelves {
    pub(super) fn new(books: Arc<Books>, clock: Arc<dyn Clock>, pages: Arc<HttpSolver>) -> Self {
        Self {
            books,
            clock,
            pages,
            wanted: Mutex::default(),
            picture: Mutex::default(),
            rendered: Mutex::default(),
            known: tokio::sync::Mutex::default(),
        }
    }

    /// Serves what this configuration has, from now on.
    pub(super) fn stock(&self, household: &Household) {
        let (desired, maker) = (Arc::clone(&household.desired), Arc::clone(&household.executor.maker));
        *lock(&self.wanted) = Some(Wanted { desired, maker });
    }

    /// Where it is said how things stand.
    pub(super) fn look_at(&self, picture: watch::Receiver<Option<Picture>>) {
        *lock(&self.picture) = Some(picture);
    }

    fn seen(&self) -> Option<Picture> {
        lock(&self.picture).as_ref().and_then(|picture| picture.borrow().clone())
    }

    /// Worked out once a second at most, however many ask: it takes a look over all that there is.
    async fn known(
        &self,
        desired: &Arc<Desired>,
        picture: &Picture,
    ) -> Option<Arc<BTreeMap<AssetId, Vec<u32>>>> {
        let mut kept = self.known.lock().await;
        let at = self.clock.now();
        let is_of_now = |known: &&Known| {
            known.at == at && Arc::ptr_eq(&known.desired, desired) && Arc::ptr_eq(&known.picture, picture)
        };
        if let Some(known) = kept.as_ref().filter(is_of_now) {
            return Some(Arc::clone(&known.revisions));
        }
        let (desired, picture) = (Arc::clone(desired), Arc::clone(picture));
        let work = tokio::task::spawn_blocking(move || {
            let revisions = Arc::new(planner::known(&desired, &picture, at));
            Known { desired, picture, at, revisions }
        });
        let known = work.await.ok()?;
        let revisions = Arc::clone(&known.revisions);
        *kept = Some(known);
        Some(revisions)
    }

    async fn rendered(&self, id: &AssetId, part: Part, numbers: Vec<u32>) -> Option<Bytes> {
        let place = (id.clone(), part, numbers);
        if let Some(bytes) = lock(&self.rendered).get(&place) {
            return Some(bytes.clone());
        }
        let mut materials = Vec::new();
        for number in &place.2 {
            materials.push(self.books.material(id, *number).await.ok()??);
        }
        let maker = lock(&self.wanted).as_ref().map(|wanted| Arc::clone(&wanted.maker))?;
        let bytes = Bytes::copy_from_slice(maker.render(part, &materials).ok()?.expose());
        self.keep(place, &bytes);
        Some(bytes)
    }

    fn keep(&self, place: Place, bytes: &Bytes) {
        let mut rendered = lock(&self.rendered);
        if rendered.len() >= MOST_RENDERED {
            rendered.clear();
        }
        rendered.insert(place, bytes.clone());
    }
}

#[async_trait]
impl Library for Shelves {
    /// Asked at every read, not when a pass has last run: a key's end is its end.
    async fn jwks(&self, name: &str) -> Option<Page> {
        let id = AssetId::new(AssetKind::JwtKey, name);
        let desired = lock(&self.wanted).as_ref().map(|wanted| Arc::clone(&wanted.desired))?;
        let spec = desired.assets.get(&id).filter(|spec| matches!(spec.kind, KindSpec::JwtKey { .. }))?;
        let picture = self.seen()?;
        let known = self.known(&desired, &picture).await?;
        let known = known.get(&id).filter(|known| !known.is_empty())?;
        let bytes = self.rendered(&id, Part::Jwks, known.clone()).await?;
        Some(Page { bytes, max_age: spec.overlap.max_age })
    }

    async fn ca(&self, name: &str) -> Option<Page> {
        let id = AssetId::new(AssetKind::Ca, name);
        let picture = self.seen()?;
        let record = picture.assets.get(&id)?;
        let known = record
            .revisions
            .values()
            .filter(|revision| !revision.state.is_over() && revision.state != RevisionState::Pending);
        let numbers: Vec<u32> = known.map(|revision| revision.number).collect();
        if numbers.is_empty() {
            return None;
        }
        let bytes = self.rendered(&id, Part::Ca, numbers).await?;
        Some(Page { bytes, max_age: CA_MAX_AGE })
    }

    async fn crl(&self, name: &str) -> Option<Page> {
        let Named { ca, signer } = lists::named(name)?;
        let picture = self.seen()?;
        let record = picture.assets.get(&ca)?;
        let note = record.crl.as_ref()?;
        let mut revisions = record.revisions.values().filter(|revision| !revision.state.is_over());
        let revision = match signer {
            Signer::Active => record.active()?,
            Signer::Intermediate(number) => revisions.find(|revision| revision.number == number)?,
            Signer::Root(root) => revisions.find(|revision| revision.root == Some(root))?,
        };
        let is_root = u32::from(matches!(signer, Signer::Root(_)));
        let place = (ca.clone(), Part::Crl, vec![note.edition, revision.number, is_root]);
        // A list that is about to end is not kept until after its end.
        let max_age = note.next_update.duration_since(self.clock.now()).min(CRL_MAX_AGE);
        if let Some(bytes) = lock(&self.rendered).get(&place).cloned() {
            return Some(Page { bytes, max_age });
        }
        let material = self.books.material(&ca, revision.number).await.ok()??;
        let lists = self.books.revocation_lists(&ca, note.edition).await?;
        let bytes = Bytes::from(lists::of(lists.expose_str(), signer, &material)?);
        self.keep(place, &bytes);
        Some(Page { bytes, max_age })
    }

    fn challenge(&self, token: &str) -> Option<Bytes> {
        self.pages.answer(token)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
