//! The status page: what is served until when, what is next and why, what is wrong and what to do. It needs no script and
//! nothing from elsewhere.

mod asset;
mod chart;
mod index;
mod shell;
mod words;

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::{Path, State};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use jiff::Timestamp;

use super::hosts::{Hosts, only_ours};
use super::metrics::{self, Tally};
use crate::model::{AssetId, Code, Problem, RevisionState};
use crate::planner::{Ahead, Span};

/// All that the page tells.
#[derive(Debug, Clone)]
pub struct Board {
    /// Which Keyturn.
    pub instance: String,
    /// When it was looked last.
    pub now: Timestamp,
    /// Until when the timeline goes.
    pub until: Timestamp,
    /// When it looks again, at the latest.
    pub next_look: Option<Timestamp>,
    /// What is wrong with no asset: the state, the configuration, channels, requests.
    pub problems: Vec<Problem>,
    /// The assets, what is wrong first.
    pub assets: Vec<Asset>,
    /// What stands in the way with issuers; a line each.
    pub notes: Vec<String>,
    /// What is kept ready for a turn.
    pub stock: Vec<Stock>,
    /// What waits for another person's word.
    pub waiting: Vec<Waiting>,
    /// Where messages go, and how that goes.
    pub channels: Vec<Channel>,
}

/// How telling one channel goes.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Its name in the configuration.
    pub name: String,
    /// So many items wait for it.
    pub waiting: usize,
    /// Whether it did not take the last message.
    pub failing: bool,
    /// So many items had to give way since there is this channel.
    pub dropped: u64,
}

/// A request that waits for another person's word.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Its number.
    pub number: u64,
    /// As a person would type it.
    pub what: String,
    /// `uid:1000`
    pub by: String,
    /// It is nothing any more from then on.
    pub expires_at: Timestamp,
}

/// Keys or parameters of one kind that are kept ready.
#[derive(Debug, Clone)]
pub struct Stock {
    /// `rsa-3072`
    pub kind: String,
    /// How many there are.
    pub ready: usize,
    /// How many there are to be.
    pub wanted: usize,
}

/// What the page tells of an asset.
#[derive(Debug, Clone)]
pub struct Asset {
    /// Its name.
    pub id: AssetId,
    /// The revision that is in use, or else the one that is coming.
    pub shown: Option<Shown>,
    /// When its successor is due.
    pub renew_at: Option<Timestamp>,
    /// Since when all targets have it, where they do.
    pub delivered_at: Option<Timestamp>,
    /// Where it goes, and how that stands.
    pub targets: Vec<Target>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Its revisions over time.
    pub spans: Vec<Span>,
    /// What is to come.
    pub coming: Vec<Ahead>,
}

/// One revision's facts.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Its number.
    pub number: u32,
    /// Where it is in its life.
    pub state: RevisionState,
    /// When it was whole.
    pub issued_at: Option<Timestamp>,
    /// When every target had its proof, where they have.
    pub served_at: Option<Timestamp>,
    /// The first second of its validity.
    pub not_before: Option<Timestamp>,
    /// The last second of its validity.
    pub not_after: Option<Timestamp>,
    /// Names and values that identify it: serial, fingerprint, kid, issuer.
    pub identity: Vec<(&'static str, String)>,
}

/// One place.
#[derive(Debug, Clone)]
pub struct Target {
    /// `swarm` or `file`.
    pub kind: &'static str,
    /// Of the service or the directory.
    pub name: String,
    /// How the delivery stands.
    pub state: &'static str,
    /// What has shown it.
    pub proof: Option<&'static str>,
    /// When.
    pub verified_at: Option<Timestamp>,
}

/// Where the page's facts come from.
#[async_trait]
pub trait Facts: Send + Sync {
    /// How things stand, with what is foreseen; `None` before the first look.
    async fn board(&self) -> Option<Arc<Board>>;
    /// How things stand, without anything foreseen.
    async fn standing(&self) -> Option<Arc<Board>>;
    /// What the process has done.
    fn tally(&self) -> Tally;
}

/// The routes of the page. Machines ask for metrics under whatever name they know us by.
pub(super) fn routes(facts: Arc<dyn Facts>, hosts: Hosts) -> Router {
    let for_people = Router::new()
        .route("/", get(index))
        .route("/assets/{kind}/{name}", get(asset))
        .route("/problems/{code}", get(problem))
        .route_layer(from_fn_with_state(hosts, only_ours));
    for_people
        .route("/metrics", get(metrics))
        .route("/style.css", get(async || shell::file("text/css; charset=utf-8", shell::STYLE)))
        .route("/favicon.svg", get(async || shell::file("image/svg+xml", shell::ICON)))
        .with_state(facts)
}

type Seen = State<Arc<dyn Facts>>;

/// A few lines for each asset: of many it takes a while, which nobody else is to wait for.
async fn metrics(State(facts): Seen) -> Response {
    let (board, tally) = (facts.standing().await, facts.tally());
    let answer = tokio::task::spawn_blocking(move || metrics::answer(board.as_deref(), &tally));
    answer.await.unwrap_or_else(|_| metrics::unwritten())
}

async fn index(State(facts): Seen) -> Response {
    match facts.board().await {
        Some(board) => shell::page(StatusCode::OK, &board.instance, index::body(&board)),
        None => shell::page(StatusCode::SERVICE_UNAVAILABLE, "Keyturn", index::not_yet()),
    }
}

async fn asset(State(facts): Seen, Path((kind, name)): Path<(String, String)>) -> Response {
    let Some(board) = facts.board().await else {
        return shell::page(StatusCode::SERVICE_UNAVAILABLE, "Keyturn", index::not_yet());
    };
    let wanted = format!("{kind}/{name}");
    match board.assets.iter().find(|asset| asset.id.to_string() == wanted) {
        Some(found) => shell::page(StatusCode::OK, &wanted, asset::body(&board, found)),
        None => shell::page(StatusCode::NOT_FOUND, "not there", index::no_such(&wanted)),
    }
}

async fn problem(Path(name): Path<String>) -> Response {
    match Code::from_name(&name) {
        Some(code) => shell::page(StatusCode::OK, code.name(), asset::problem_page(code)),
        None => shell::page(StatusCode::NOT_FOUND, "not there", index::no_such(&name)),
    }
}

#[cfg(test)]
mod tests;
