//! Waits until a zone's own name servers show a record: a CA asks any of them, and only once.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::ask::{Question, Silence, ask};
use super::lookup::Server;
use super::value::Entry;
use crate::clock::Clock;

/// The first pause between two rounds; each is half as long again as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A server that has been silent this often in a row is taken for dead, if enough others are not.
const SILENT_ROUNDS: usize = 3;

/// What one server has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
enum View {
    /// Nobody has asked it yet.
    Unasked,
    /// All values.
    Shown,
    /// It answers, without these.
    Lacks(BTreeSet<String>),
    /// It does not answer, or not for this zone.
    Silent { rounds: usize, why: String },
    /// It cannot be reached from this machine, ever.
    NoWay(String),
}

/// Waits until every server of `servers` shows all of the entry's values, for at most `limit`.
///
/// A server that does not answer three times in a row is let off if at least half of all that can be reached do
/// answer: zones with a dead secondary are common, and a CA gets on with them. One that cannot be reached from here at all (IPv6 without IPv6) does
/// not count, one that answers without the values is never let off.
///
/// # Errors
///
/// Which server lacks what, when the time is over.
pub(super) async fn wait(
    clock: &dyn Clock,
    entry: &Entry,
    servers: &[Server],
    limit: Duration,
) -> Result<(), String> {
    let name = entry.name()?;
    let start = clock.monotonic();
    let mut pause = FIRST_PAUSE;
    let mut views = vec![View::Unasked; servers.len()];
    loop {
        views = round(&name, &entry.values, servers, views).await;
        if enough(&views) {
            return Ok(());
        }
        if clock.monotonic().saturating_sub(start) + pause > limit {
            return Err(report(entry, servers, &views, limit));
        }
        clock.sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// Asks all that have not shown everything yet, at once.
async fn round(name: &Name, values: &BTreeSet<String>, servers: &[Server], views: Vec<View>) -> Vec<View> {
    let asked = servers.iter().zip(views).map(async |(server, before)| match before {
        View::Shown | View::NoWay(_) => before,
        _ => look(name, values, server.address).await.after(&before),
    });
    join_all(asked).await
}

async fn look(name: &Name, values: &BTreeSet<String>, server: SocketAddr) -> View {
    match ask(server, Question { name, kind: RecordType::TXT, recursive: false }).await {
        Ok(answer) => read(&answer, name, values),
        Err(Silence::NoWay(error)) => View::NoWay(error.to_string()),
        Err(why) => View::silent(why),
    }
}

fn read(answer: &Message, name: &Name, values: &BTreeSet<String>) -> View {
    let code = answer.metadata.response_code;
    if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
        return View::silent(code);
    }
    // A delegation, or somebody else's cache: whatever it says, it is not the zone's own word.
    if !answer.metadata.authoritative {
        return View::silent("it does not serve the zone");
    }
    let shown: BTreeSet<String> = answer
        .answers
        .iter()
        .filter(|record| &record.name == name)
        .filter_map(|record| match &record.data {
            RData::TXT(text) => Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned()),
            _ => None,
        })
        .collect();
    let missing: BTreeSet<String> = values.difference(&shown).cloned().collect();
    if missing.is_empty() { View::Shown } else { View::Lacks(missing) }
}

impl View {
    fn silent(why: impl ToString) -> Self {
        Self::Silent { rounds: 1, why: why.to_string() }
    }

    /// Counts silent rounds on.
    fn after(self, before: &Self) -> Self {
        match (self, before) {
            (Self::Silent { why, .. }, Self::Silent { rounds, .. }) => {
                Self::Silent { rounds: rounds + 1, why }
            }
            (view, _) => view,
        }
    }
}

/// Whether a CA will find what it looks for.
fn enough(views: &[View]) -> bool {
    let shown = views.iter().filter(|view| **view == View::Shown).count();
    let dead =
        views.iter().filter(|v| matches!(v, View::Silent { rounds, .. } if *rounds >= SILENT_ROUNDS)).count();
    let out_of_reach = views.iter().filter(|view| matches!(view, View::NoWay(_))).count();
    shown > 0 && shown >= dead && shown + dead + out_of_reach == views.len()
}

fn report(entry: &Entry, servers: &[Server], views: &[View], limit: Duration) -> String {
    let wanted = entry.values.len();
    let faults = servers.iter().zip(views).filter_map(|(server, view)| match view {
        View::Shown => None,
        View::Unasked => Some(format!("{server} was not asked")),
        View::Lacks(missing) => Some(format!("{server} still lacks {} of {wanted} values", missing.len())),
        View::Silent { why, .. } => Some(format!("{server} does not answer: {why}")),
        View::NoWay(why) => Some(format!("{server} cannot be reached from here: {why}")),
    });
    let faults: Vec<String> = faults.collect();
    format!(
        "the TXT records of {} are not on all name servers of their zone after {} s: {}",
        entry.fqdn,
        limit.as_secs(),
        faults.join("; ")
    )
}
