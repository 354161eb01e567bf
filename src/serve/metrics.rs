//! How things stand, for machines that watch: OpenMetrics 1.0.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::page::{Asset, Board};

/// What the process has done since it started, and what it takes of the machine.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Steps that have ended, by the action's name and whether it worked.
    pub steps: BTreeMap<(&'static str, bool), u64>,
    /// When the process has started.
    pub started_at: Option<Timestamp>,
    /// How often the records and the world were looked at.
    pub looks: u64,
    /// When the last look began.
    pub last_look_at: Option<Timestamp>,
    /// How long it has taken.
    pub last_look_took: Duration,
    /// Seconds of processor time.
    pub cpu_seconds: f64,
    /// Octets of memory that are resident.
    pub resident_bytes: u64,
    /// File descriptors.
    pub open_fds: u64,
}

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;
type Counters = Family<Labels, Counter<f64, AtomicU64>>;

/// The answer to a scrape.
pub(super) fn answer(board: Option<&Board>, tally: &Tally) -> Response {
    let mut text = String::new();
    if encode(&mut text, &registry(board, tally)).is_err() {
        return unwritten();
    }
    let mut response = Response::new(Body::from(text));
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The answer where there is none.
pub(super) fn unwritten() -> Response {
    let mut failed = Response::new(Body::from("the metrics cannot be written\n"));
    *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    failed
}

fn registry(board: Option<&Board>, tally: &Tally) -> Registry {
    let mut registry = Registry::default();
    process(&mut registry, tally);
    if let Some(board) = board {
        looks(&mut registry, board, tally);
        moments(&mut registry, board);
        states(&mut registry, board);
        channels(&mut registry, board);
    }
    registry
}

fn process(registry: &mut Registry, tally: &Tally) {
    let info: Gauges = Family::default();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    info.get_or_create(&vec![("version", version)]).set(1.0);
    registry.register("keyturn_build", "The version that runs", info);
    let steps: Counters = Family::default();
    for ((action, worked), count) in &tally.steps {
        let outcome = if *worked { "done" } else { "failed" };
        let labels = vec![("action", (*action).to_owned()), ("outcome", outcome.to_owned())];
        steps.get_or_create(&labels).inc_by(*count as f64);
    }
    registry.register("keyturn_steps", "Steps of plans that have ended since the start", steps);
    let cpu: Counter<f64, AtomicU64> = Counter::default();
    cpu.inc_by(tally.cpu_seconds);
    registry.register_with_unit("process_cpu", "Processor time, of user and system", Unit::Seconds, cpu);
    one(registry, "process_resident_memory", "Resident memory", Unit::Bytes, tally.resident_bytes as f64);
    let fds: Gauge<f64, AtomicU64> = Gauge::default();
    fds.set(tally.open_fds as f64);
    registry.register("process_open_fds", "Open file descriptors", fds);
    if let Some(at) = tally.started_at {
        one(registry, "process_start_time", "When the process has started", Unit::Seconds, seconds(at));
    }
}

/// Of the scheduler.
fn looks(registry: &mut Registry, board: &Board, tally: &Tally) {
    let looks: Counter = Counter::default();
    looks.inc_by(tally.looks);
    registry.register("keyturn_looks", "How often the records and the world were looked at", looks);
    if let Some(at) = tally.last_look_at {
        let help = "When the records and the world were looked at last";
        one(registry, "keyturn_last_look_timestamp", help, Unit::Seconds, seconds(at));
        let help = "How long that look has taken, with the plan";
        let took = tally.last_look_took.as_secs_f64();
        one(registry, "keyturn_last_look_duration", help, Unit::Seconds, took);
    }
    if let Some(at) = board.next_look {
        let help = "When they are looked at again, at the latest";
        one(registry, "keyturn_next_look_timestamp", help, Unit::Seconds, seconds(at));
    }
    let stock: [Gauges; 2] = Default::default();
    for level in &board.stock {
        let labels = vec![("kind", level.kind.clone())];
        stock[0].get_or_create(&labels).set(level.ready as f64);
        stock[1].get_or_create(&labels).set(level.wanted as f64);
    }
    let waiting: Gauge<f64, AtomicU64> = Gauge::default();
    waiting.set(board.waiting.len() as f64);
    registry.register("keyturn_approvals_waiting", "Requests that wait for another person's word", waiting);
    let [ready, wanted] = stock;
    registry.register("keyturn_stock_ready", "Keys and parameters that are ready for a turn", ready);
    registry.register("keyturn_stock_wanted", "Keys and parameters that are to be ready", wanted);
}

/// One moment of each asset, where it has it.
type Moment = fn(&Asset) -> Option<Timestamp>;

fn moments(registry: &mut Registry, board: &Board) {
    let all: [(&str, &str, Moment); 6] = [
        ("keyturn_not_before_timestamp", "Validity of what is in use begins", |a| {
            a.shown.as_ref()?.not_before
        }),
        ("keyturn_not_after_timestamp", "Validity of what is in use ends", |a| a.shown.as_ref()?.not_after),
        ("keyturn_renew_at_timestamp", "Its successor is due", |a| a.renew_at),
        ("keyturn_issued_timestamp", "It was issued or generated", |a| a.shown.as_ref()?.issued_at),
        ("keyturn_delivered_timestamp", "It was last delivered everywhere", |a| a.delivered_at),
        ("keyturn_served_timestamp", "It was last proven everywhere", |a| a.shown.as_ref()?.served_at),
    ];
    for (name, help, moment) in all {
        let family: Gauges = Family::default();
        for asset in &board.assets {
            if let Some(at) = moment(asset) {
                family.get_or_create(&of(asset)).set(seconds(at));
            }
        }
        registry.register_with_unit(name, help, Unit::Seconds, family);
    }
}

fn states(registry: &mut Registry, board: &Board) {
    let (revisions, problems, targets): (Gauges, Gauges, Gauges) = Default::default();
    for problem in &board.problems {
        let labels = vec![("asset", String::new()), ("code", problem.code.name().to_owned())];
        problems.get_or_create(&labels).inc();
    }
    for asset in &board.assets {
        if let Some(shown) = &asset.shown {
            let mut labels = of(asset);
            labels.push(("state", shown.state.name().to_owned()));
            revisions.get_or_create(&labels).set(f64::from(shown.number));
        }
        for problem in &asset.problems {
            let mut labels = of(asset);
            labels.push(("code", problem.code.name().to_owned()));
            problems.get_or_create(&labels).inc();
        }
        for target in &asset.targets {
            let mut labels = of(asset);
            labels.extend([("kind", target.kind.to_owned()), ("target", target.name.clone())]);
            targets.get_or_create(&labels).set(f64::from(u8::from(target.state == "proven")));
        }
    }
    registry.register("keyturn_revision", "The revision that is in use, or is coming", revisions);
    registry.register(
        "keyturn_problem",
        "Problems, by their codes; those of no asset have an empty one",
        problems,
    );
    registry.register("keyturn_target_proven", "Whether the target has shown what it should", targets);
}

/// What Keyturn cannot tell the channels themselves.
fn channels(registry: &mut Registry, board: &Board) {
    let (waiting, failing): (Gauges, Gauges) = Default::default();
    let dropped: Counters = Family::default();
    for channel in &board.channels {
        let labels = vec![("channel", channel.name.clone())];
        waiting.get_or_create(&labels).set(channel.waiting as f64);
        failing.get_or_create(&labels).set(f64::from(u8::from(channel.failing)));
        dropped.get_or_create(&labels).inc_by(channel.dropped as f64);
    }
    registry.register("keyturn_notify_waiting", "Items that wait for a channel", waiting);
    registry.register("keyturn_notify_failing", "Whether a channel did not take its last message", failing);
    registry.register("keyturn_notify_dropped", "Items that a channel is never told of", dropped);
}

fn of(asset: &Asset) -> Labels {
    vec![("asset", asset.id.to_string())]
}

fn one(registry: &mut Registry, name: &'static str, help: &'static str, unit: Unit, value: f64) {
    let gauge: Gauge<f64, AtomicU64> = Gauge::default();
    gauge.set(value);
    registry.register_with_unit(name, help, unit, gauge);
}

fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}
