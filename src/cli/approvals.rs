//! What needs another person's word: what is asked for, what it is bound to, and how the requests are shown.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::{Cli, Format};
use super::compose::House;
use super::fail::{Failure, LOCKED, WAITS};
use super::wish::{Answer, Manner, Ticket, Wish};
use super::{export, output, reading, rotate, state};
use crate::audit::Event;
use crate::clock::{Clock, System};
use crate::config::Config;
use crate::executor::{Edit, of_request};
use crate::model::{
    Against, Approval, ApprovalState, Approvals, AssetId, AssetKind, Bound, Guarded, Refusal, Standing, Voter,
};

/// So many names are told of a request for many assets.
const MOST_NAMES: usize = 5;

/// `approvals`.
pub(super) fn run(cli: &Cli) -> Result<u8, Failure> {
    let config = state::client_config(cli)?;
    let answer = match reading::by_daemon(cli, &config, &Wish::Approvals {})? {
        Some(answer) => answer,
        None => {
            let inventory = state::inventory(&config)?;
            list(&inventory.approvals, System::new().now(), Manner { format: cli.output })
        }
    };
    Ok(answer.print())
}

/// What guards this wish, if anything does, as things stand in the records.
pub(super) async fn guard_now(
    config: &Config,
    house: &House,
    wish: &Wish,
) -> Result<Option<Guarded>, Failure> {
    match wish {
        Wish::Import(import) if config.guards().requires(Guarded::CaRotate) => {
            Ok(import.new_root(config, house).await?.map(|_| Guarded::CaRotate))
        }
        wish => guard(config, wish),
    }
}

/// What guards this wish, as far as its words tell.
fn guard(config: &Config, wish: &Wish) -> Result<Option<Guarded>, Failure> {
    let requires = |what| Some(what).filter(|what| config.guards().requires(*what));
    Ok(match wish {
        Wish::Rotate { assets, all, compromised } => {
            let chosen = rotate::chosen(config, assets, *all)?;
            let root = chosen.iter().any(|id| id.kind == AssetKind::Ca);
            let worst = compromised.then(|| requires(Guarded::Compromised)).flatten();
            worst.or_else(|| root.then(|| requires(Guarded::CaRotate)).flatten())
        }
        Wish::NoteExport { .. } => requires(Guarded::ExportPrivateKey),
        Wish::Export { asset, part, .. } => {
            let (_, part) = export::part(config, asset, part)?;
            (!part.is_public()).then(|| requires(Guarded::ExportPrivateKey)).flatten()
        }
        _ => None,
    })
}

/// Without a daemon nobody is there whom another could tell his word.
pub(super) fn must_not_wait(config: &Config, wish: &Wish) -> Result<(), Failure> {
    match guard(config, wish)? {
        Some(guard) => Err(only_by_daemon(config, wish.name(), guard)),
        None if wish.is_about_requests() => Err(no_daemon(config, wish.name(), "is about a request")),
        None => Ok(()),
    }
}

/// It is guarded, and nobody is there whom another could tell his word.
pub(super) fn only_by_daemon(config: &Config, verb: &str, guard: Guarded) -> Failure {
    let why = format!("needs another person's word ([approvals] requires {})", guard.name());
    no_daemon(config, verb, &why)
}

fn no_daemon(config: &Config, verb: &str, why: &str) -> Failure {
    let socket = config.daemon().control_socket().display();
    let error = anyhow::anyhow!(
        "`{verb}` {why}, and only the daemon takes those: none answers on {socket}; start it (`keyturn daemon`)"
    );
    Failure { code: LOCKED, error }
}

/// The wish with everything settled that its words leave open, and the assets that it is for.
pub(super) async fn pinned(
    config: &Config,
    house: &House,
    wish: &Wish,
) -> Result<(Wish, BTreeSet<AssetId>), Failure> {
    match wish {
        Wish::Rotate { assets, all, compromised } => {
            let chosen = rotate::chosen(config, assets, *all)?;
            let assets = chosen.iter().map(ToString::to_string).collect();
            Ok((Wish::Rotate { assets, all: false, compromised: *compromised }, chosen))
        }
        Wish::Export { asset, part, revision } => {
            let (id, part) = export::part(config, asset, part)?;
            let numbers = export::chosen(config, house, (&id, part), *revision).await?;
            let missing = || Failure::usage(format!("{id} has nothing to export yet"));
            let revision = Some(numbers.last().copied().ok_or_else(missing)?);
            let pinned = Wish::Export { asset: id.to_string(), part: part.to_string(), revision };
            Ok((pinned, [id].into()))
        }
        Wish::Import(import) => {
            let id = import.checked(config)?;
            let missing = || Failure::usage(format!("{id}: its root is known by now; ask again"));
            let fingerprint_sha256 = import.new_root(config, house).await?.ok_or_else(missing)?;
            Ok((Wish::NewRoot { asset: id.to_string(), fingerprint_sha256 }, [id].into()))
        }
        Wish::NoteExport { .. } => {
            let message = "this daemon hands private parts out itself ([approvals]): its configuration is \
                           another than yours, or not yet reloaded";
            Err(Failure { code: super::fail::REFUSED, error: anyhow::anyhow!(message) })
        }
        other => Ok((other.clone(), BTreeSet::new())),
    }
}

/// What a request for it would be bound to, as things stand in `edit`.
pub(super) fn bound(
    edit: &Edit<'_>,
    config: &Config,
    (wish, assets): (&Wish, &BTreeSet<AssetId>),
    guard: Guarded,
) -> Result<Bound, serde_json::Error> {
    Ok(Bound {
        guard,
        verb: wish.name().to_owned(),
        what: what(wish, assets),
        wish: serde_json::to_string(wish)?,
        assets: assets.iter().map(|id| (id.clone(), edit.standing(id))).collect(),
        config: config.digest().to_owned(),
    })
}

/// As a person would type it.
fn what(wish: &Wish, assets: &BTreeSet<AssetId>) -> String {
    let mut names: Vec<String> = assets.iter().take(MOST_NAMES).map(ToString::to_string).collect();
    if assets.len() > names.len() {
        names.push(format!("and {} more", assets.len() - names.len()));
    }
    let names = names.join(" ");
    match wish {
        Wish::Export { part, revision, .. } => {
            let number = revision.map_or_else(String::new, |number| format!(" --revision {number}"));
            format!("export {names} --part {part}{number}")
        }
        Wish::NewRoot { fingerprint_sha256, .. } => {
            format!("import {names} with a new root, SHA-256 {fingerprint_sha256}")
        }
        wish => format!("{} {names}", wish.name()),
    }
}

/// Somebody says yes, or no; what is found to be over is marked, and is in the history.
pub(super) fn decide(
    edit: &mut Edit<'_>,
    (number, yes): (u64, bool),
    voter: Voter,
    config: &str,
) -> Result<(), Refusal> {
    let actor = format!("uid:{}", voter.uid);
    let decided = held(edit, number, config, |all, against| match yes {
        true => all.approve(number, voter, against),
        false => all.deny(number, voter, against.now),
    });
    if decided.is_ok() {
        note(edit, number, if yes { "approved" } else { "denied" }, &actor);
    }
    decided
}

/// A request is used up: nobody can do it again.
pub(super) fn redeem(edit: &mut Edit<'_>, ticket: &Ticket) -> Result<(), Refusal> {
    let number = ticket.number;
    held(edit, number, &ticket.config, |all, against| all.redeem(number, against))?;
    note(edit, number, "approval-done", "daemon");
    Ok(())
}

fn held(
    edit: &mut Edit<'_>,
    number: u64,
    config: &str,
    decide: impl FnOnce(&mut Approvals, Against<'_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let known = edit.approvals().get(number);
    let was_over = known.is_none_or(|request| request.state.is_over());
    let ids: Vec<AssetId> =
        known.into_iter().flat_map(|request| request.bound.assets.keys().cloned()).collect();
    let assets: BTreeMap<AssetId, Standing> =
        ids.into_iter().map(|id| (id.clone(), edit.standing(&id))).collect();
    let now = edit.now;
    let decided = decide(edit.approvals(), Against { config, assets: &assets, now });
    if decided.is_err() && !was_over {
        let state = edit.approvals().get(number).map(|request| request.state);
        if let Some(state) = state.filter(|state| state.is_over()) {
            note(edit, number, &format!("approval-{}", state.name()), "daemon");
        }
    }
    decided
}

/// Into the history.
pub(super) fn note(edit: &mut Edit<'_>, number: u64, action: &str, actor: &str) {
    let event = edit.approvals().get(number).map(|request| of_request(request, action, actor));
    event.into_iter().for_each(|event| edit.audit(event));
}

/// A refusal, for the history.
pub(super) fn refused(at: Timestamp, number: Option<u64>, refusal: &Refusal, uid: u32) -> Event {
    let number = number.map(|number| ("request".to_owned(), number.to_string()));
    let why = ("reason".to_owned(), refusal.name().to_owned());
    Event {
        at,
        actor: format!("uid:{uid}"),
        action: "approval-refused".to_owned(),
        asset: None,
        revision: None,
        detail: number.into_iter().chain([why]).collect(),
    }
}

/// What who has asked is told.
pub(super) fn waits(request: &Approval, is_new: bool, manner: Manner) -> Answer {
    if manner.format == Format::Json {
        let told = json!({ "approval": json(request) });
        return Answer { exit: WAITS, ..Answer::done(format!("{told:#}\n")) };
    }
    let (number, until) = (request.number, request.expires_at);
    let text = match request.state {
        ApprovalState::Approved => {
            format!("request {number} is approved, and is being carried out: {}\n", request.bound.what)
        }
        _ => {
            let still = if is_new { "" } else { " still" };
            format!(
                "request {number}{still} waits for another person's word until {until}: {}\n\
                 nothing is done before that; somebody of [roles] approve says `keyturn approve {number}`, or `deny`\n",
                request.bound.what
            )
        }
    };
    Answer { exit: WAITS, ..Answer::done(text) }
}

/// What who has approved something that is fetched is told: it is for who has asked, and for nobody else.
pub(super) fn to_be_fetched(request: &Approval, manner: Manner) -> Answer {
    if manner.format == Format::Json {
        return Answer::done(format!("{:#}\n", json!({ "approval": json(request) })));
    }
    Answer::done(format!(
        "request {} is approved: uid {} gets it done by the same command once more, once, until {}\n",
        request.number, request.by, request.expires_at
    ))
}

/// What has become of a request.
pub(super) fn told(request: &Approval, manner: Manner) -> Answer {
    Answer::done(match manner.format {
        Format::Json => format!("{:#}\n", json!({ "approval": json(request) })),
        Format::Table => request.outcome() + "\n",
    })
}

/// All requests, those that wait first.
pub(super) fn list(approvals: &Approvals, now: Timestamp, manner: Manner) -> Answer {
    let mut all: Vec<&Approval> = approvals.requests.values().map(AsRef::as_ref).collect();
    all.sort_by_key(|request| (request.state.is_over(), std::cmp::Reverse(request.number)));
    if manner.format == Format::Json {
        let all: Vec<Value> = all.into_iter().map(json).collect();
        return Answer::done(format!("{:#}\n", json!({ "approvals": all })));
    }
    if all.is_empty() {
        return Answer::done("nobody has asked for anything\n".to_owned());
    }
    let mut table = output::table(&["ID", "STATE", "ASKED BY", "WHAT", "UNTIL", "DECIDED BY"]);
    for request in all {
        let until = Some(request.expires_at).filter(|_| !request.state.is_over());
        table.add_row([
            request.number.to_string(),
            request.state.name().to_owned(),
            format!("uid:{}", request.by),
            request.bound.what.clone(),
            output::moment(until, now),
            request.decided_by.map_or_else(|| "-".to_owned(), |uid| format!("uid:{uid}")),
        ]);
    }
    Answer::done(format!("{table}\n"))
}

/// One request, for programs.
pub(super) fn json(request: &Approval) -> Value {
    let uid = |uid: u32| format!("uid:{uid}");
    json!({
        "id": request.number,
        "state": request.state,
        "guard": request.bound.guard,
        "verb": request.bound.verb,
        "what": request.bound.what,
        "assets": request.bound.assets.keys().collect::<Vec<_>>(),
        "by": uid(request.by),
        "at": request.at,
        "expires_at": request.expires_at,
        "decided_by": request.decided_by.map(uid),
        "since": request.since,
    })
}
