//! What the status page and the metrics tell, made of what was seen last.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::Current;
use super::usage;
use crate::cli::limits;
use crate::cli::status::{Report, Row};
use crate::clock::Clock;
use crate::config::Config;
use crate::desired::Desired;
use crate::model::{AssetId, AssetKind, DeliveryState, Place, Proof, Revision, Tidings};
use crate::planner::{self, Lane, Seed};
use crate::scheduler::{Looks, Picture};
use crate::serve::{Asset, Board, Channel, Facts, Shown, Stock, Tally, Target, Waiting};

/// How far the timeline looks.
const AHEAD: SignedDuration = SignedDuration::from_hours(365 * 24);

/// What is foreseen does not change from moment to moment: it is worked out no more often than this.
const FORESEEN_FOR: Duration = Duration::from_secs(10);

/// How things stand at a look is worked out no more often than this.
const STANDS_FOR: Duration = Duration::from_secs(1);

/// Steps that have ended, by the action's name and whether it worked.
pub(super) type Steps = Arc<Mutex<BTreeMap<(&'static str, bool), u64>>>;

/// The page's facts.
pub(super) struct Boards {
    current: Arc<Current>,
    picture: watch::Receiver<Option<Picture>>,
    looks: watch::Receiver<Looks>,
    clock: Arc<dyn Clock>,
    steps: Steps,
    started_at: Timestamp,
    foreseen: Kept,
    standing: Kept,
}

/// The last one made. It is held while one is made: whoever asks meanwhile waits for the same.
type Kept = tokio::sync::Mutex<Option<Made>>;

struct Made {
    at: Duration,
    of: Picture,
    board: Arc<Board>,
}

impl Boards {
    pub(super) fn new(
        current: Arc<Current>,
        picture: watch::Receiver<Option<Picture>>,
        looks: watch::Receiver<Looks>,
        clock: Arc<dyn Clock>,
        steps: Steps,
    ) -> Self {
        let started_at = clock.now();
        let (foreseen, standing) = (Kept::default(), Kept::default());
        Self { current, picture, looks, clock, steps, started_at, foreseen, standing }
    }

    fn seen(&self) -> Option<Picture> {
        self.picture.borrow().clone()
    }

    /// The board that is kept, where it is `fresh`: of the picture of now, or not, and so old. Else a new one.
    async fn made(
        &self,
        kept: &Kept,
        fresh: impl Fn(bool, Duration) -> bool,
        foreseen: bool,
    ) -> Option<Arc<Board>> {
        let mut last = kept.lock().await;
        let picture = self.seen()?;
        let at = self.clock.monotonic();
        let fresh = |made: &&Made| fresh(Arc::ptr_eq(&made.of, &picture), at.saturating_sub(made.at));
        if let Some(made) = last.as_ref().filter(fresh) {
            return Some(Arc::clone(&made.board));
        }
        let (config, _) = self.current.get();
        let (now, next_look, seen) = (self.clock.now(), self.looks.borrow().next_at, Arc::clone(&picture));
        let work = tokio::task::spawn_blocking(move || board(&config, &seen, now, next_look, foreseen));
        let board = Arc::new(work.await.ok()?);
        *last = Some(Made { at, of: picture, board: Arc::clone(&board) });
        Some(board)
    }
}

#[async_trait]
impl Facts for Boards {
    async fn board(&self) -> Option<Arc<Board>> {
        self.made(&self.foreseen, |same, age| same || age < FORESEEN_FOR, true).await
    }

    async fn standing(&self) -> Option<Arc<Board>> {
        self.made(&self.standing, |same, age| same && age < STANDS_FOR, false).await
    }

    fn tally(&self) -> Tally {
        let steps = lock(&self.steps).clone();
        let looks = *self.looks.borrow();
        Tally {
            steps,
            started_at: Some(self.started_at),
            looks: looks.count,
            last_look_at: looks.last_at,
            last_look_took: looks.took,
            ..usage::now()
        }
    }
}

/// Counts a step that has ended.
pub(super) fn count(steps: &Steps, action: &'static str, worked: bool) {
    *lock(steps).entry((action, worked)).or_default() += 1;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn board(
    config: &Config,
    picture: &Picture,
    now: Timestamp,
    next_look: Option<Timestamp>,
    foreseen: bool,
) -> Board {
    let desired = Desired::of(config);
    let seed = Seed::of(&desired.instance);
    let until = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
    let problems = planner::health(&desired, picture, now, seed);
    let report = Report::of(config, picture, &problems, now);
    let lanes = if foreseen { planner::timeline(&desired, picture, now, until, seed) } else { Vec::new() };
    let mut lanes: BTreeMap<AssetId, Lane> =
        lanes.into_iter().map(|lane| (lane.asset.clone(), lane)).collect();
    Board {
        instance: desired.instance.clone(),
        now,
        until,
        next_look,
        notes: report.issuers.iter().flat_map(|issuer| limits::lines(issuer, now)).collect(),
        stock: report
            .stock
            .iter()
            .map(|level| Stock { kind: level.ware.to_string(), ready: level.ready, wanted: level.wanted })
            .collect(),
        waiting: report
            .waiting
            .iter()
            .map(|request| Waiting {
                number: request.number,
                what: request.bound.what.clone(),
                by: format!("uid:{}", request.by),
                expires_at: request.expires_at,
            })
            .collect(),
        problems: report.problems,
        channels: config.channels().keys().map(|name| channel(name, &picture.tidings)).collect(),
        assets: report
            .assets
            .into_iter()
            .map(|row| {
                let lane = lanes.remove(&row.id);
                asset(row, lane)
            })
            .collect(),
    }
}

fn channel(name: &str, tidings: &Tidings) -> Channel {
    let post = tidings.posts.get(name);
    Channel {
        name: name.to_owned(),
        waiting: tidings.waiting(name).count(),
        failing: post.is_some_and(|post| post.failures > 0),
        dropped: post.map_or(0, |post| post.dropped_ever),
    }
}

fn asset(row: Row, lane: Option<Lane>) -> Asset {
    let (spans, coming) = lane.map_or_else(Default::default, |lane| (lane.spans, lane.coming));
    Asset {
        shown: row.shown.as_ref().map(|revision| shown(row.id.kind, revision, row.served_at)),
        renew_at: row.renew_at,
        delivered_at: row.delivered_at,
        targets: row.targets.iter().map(target).collect(),
        problems: row.problems,
        id: row.id,
        spans,
        coming,
    }
}

fn shown(kind: AssetKind, revision: &Revision, served_at: Option<Timestamp>) -> Shown {
    let issuer = if kind == AssetKind::Certificate { "Issuer" } else { "Made by" };
    let identity = [
        (issuer, &revision.issuer),
        ("Serial number", &revision.serial),
        ("SHA-256 fingerprint", &revision.fingerprint_sha256),
        ("Key ID", &revision.kid),
    ];
    Shown {
        number: revision.number,
        state: revision.state,
        issued_at: revision.issued_at,
        served_at,
        not_before: revision.validity.map(|validity| validity.not_before),
        not_after: revision.validity.map(|validity| validity.not_after),
        identity: identity.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect(),
    }
}

fn target((place, delivery): &(Place, crate::model::Delivery)) -> Target {
    let proven = delivery.state == DeliveryState::Proven;
    Target {
        kind: place.kind(),
        name: place.name(),
        state: delivery.state.name(),
        proof: delivery.proof.filter(|_| proven).map(Proof::name),
        verified_at: delivery.verified_at,
    }
}
