//! The first page.

use jiff::Timestamp;
use maud::{Markup, html};

use super::words::{counted, moment};
use super::{Asset, Board, Waiting, asset, chart};
use crate::model::{AssetId, Code, Problem, RevisionState};
use crate::planner::Ahead;

/// Of what is to come, so much is shown.
const MOST_COMING: usize = 12;

/// So many assets are drawn over the year; `keyturn plan --until` tells of all.
const MOST_LANES: usize = 200;

pub(super) fn body(board: &Board) -> Markup {
    let wrong: Vec<(Option<&AssetId>, &Problem)> = problems(board);
    html! {
        (header(board, wrong.len()))
        main {
            @if !wrong.is_empty() {
                section aria-labelledby="wrong" {
                    h2 id="wrong" { "What is wrong, and what to do" }
                    ul.cards { @for (id, problem) in &wrong { (asset::problem(*id, problem)) } }
                }
            }
            @if !board.waiting.is_empty() {
                section aria-labelledby="waiting" {
                    h2 id="waiting" { "What waits for another person's word" }
                    ul.notes { @for request in &board.waiting { (waiting(request, board.now)) } }
                }
            }
            section aria-labelledby="served" {
                h2 id="served" { "What is served, until when" }
                (table(board))
            }
            section aria-labelledby="next" {
                h2 id="next" { "What is next, and why" }
                (coming(board))
            }
            section aria-labelledby="year" {
                h2 id="year" { "The coming year" }
                @let lanes = &board.assets[..board.assets.len().min(MOST_LANES)];
                @if board.assets.is_empty() {
                    p.quiet { "Nothing is configured yet." }
                } @else {
                    (chart::draw(lanes, board.now, board.until))
                    (chart::legend())
                }
                @if board.assets.len() > MOST_LANES {
                    p.quiet {
                        (board.assets.len() - MOST_LANES) " more are not drawn; " code { "keyturn plan --until 365d" } " has them."
                    }
                }
            }
            @if !(board.notes.is_empty() && board.stock.is_empty()) {
                section aria-labelledby="notes" {
                    h2 id="notes" { "Issuers, and what is kept ready" }
                    ul.notes {
                        @for note in &board.notes { li { (note) } }
                        @for stock in &board.stock {
                            li { (stock.kind) ": " (stock.ready) " of " (stock.wanted) " ready for a turn" }
                        }
                    }
                }
            }
        }
        (footer())
    }
}

fn waiting(request: &Waiting, now: Timestamp) -> Markup {
    html! {
        li {
            "Request " (request.number) ": " code { (request.what) } ", asked by " (request.by) ", until "
            (moment(request.expires_at, now)) ". Somebody else says "
            code { "keyturn approve " (request.number) } " or " code { "keyturn deny " (request.number) } "."
        }
    }
}

/// Before the first look has ended.
pub(super) fn not_yet() -> Markup {
    message("It has not looked at anything yet", "Keyturn has just started. Ask again in a moment.")
}

pub(super) fn no_such(what: &str) -> Markup {
    message(
        "There is nothing here",
        &format!("`{what}` is neither an asset of this Keyturn nor a problem code."),
    )
}

fn message(title: &str, text: &str) -> Markup {
    html! {
        header.top { h1 { a href="/" { "Keyturn" } } }
        main { section { h2 { (title) } p { (text) } p { a href="/" { "To the overview" } } } }
        (footer())
    }
}

fn header(board: &Board, wrong: usize) -> Markup {
    let served = board.assets.iter().filter(|asset| is_well(asset)).count();
    html! {
        header.top {
            h1 { "Keyturn " span.instance { (board.instance) } }
            @if wrong == 0 && !board.waiting.is_empty() {
                p.verdict.bad {
                    a href="#waiting" { (counted(board.waiting.len() as i64, "request")) }
                    " waiting for another person's word; nothing else needs you"
                }
            } @else if wrong == 0 {
                p.verdict.good { "All is well: " (counted(board.assets.len() as i64, "asset")) ", nothing needs you." }
            } @else {
                p.verdict.bad {
                    a href="#wrong" { (counted(wrong as i64, "problem")) }
                    " · " (served) " of " (counted(board.assets.len() as i64, "asset")) " without any"
                }
            }
            p.seen {
                "Looked at " (moment(board.now, board.now))
                @if let Some(at) = board.next_look { "; looks again " (moment(at, board.now)) }
                " · all times are UTC · " a href="/" { "Refresh" }
            }
        }
    }
}

pub(super) fn footer() -> Markup {
    html! {
        footer {
            p {
                "Keyturn " (env!("CARGO_PKG_VERSION")) " · " a href="/metrics" { "metrics" } " · "
                a href="/healthz" { "healthz" } " · " a href="/readyz" { "readyz" }
                " · nothing secret is on this page, and nothing can be changed here"
            }
        }
    }
}

fn is_well(asset: &Asset) -> bool {
    asset.problems.is_empty()
}

/// One entry a problem, also where several assets have it in the same words. What is wrong with the whole site is first;
/// requests have a list of their own.
fn problems(board: &Board) -> Vec<(Option<&AssetId>, &Problem)> {
    let of_site = board.problems.iter().filter(|problem| problem.code != Code::ApprovalWaits);
    let of_assets = board
        .assets
        .iter()
        .flat_map(|asset| asset.problems.iter().map(move |problem| (Some(&asset.id), problem)));
    of_site.map(|problem| (None, problem)).chain(of_assets).collect()
}

fn table(board: &Board) -> Markup {
    html! {
        table.assets {
            thead { tr {
                th scope="col" { "Asset" }
                th scope="col" { "Revision" }
                th scope="col" { "State" }
                th scope="col" { "Valid until" }
                th scope="col" { "Next turn" }
                th scope="col" { "Where" }
            } }
            tbody { @for asset in &board.assets { (row(asset, board.now)) } }
        }
        @if board.assets.is_empty() { p.quiet { "Nothing is configured yet." } }
    }
}

fn row(asset: &Asset, now: Timestamp) -> Markup {
    let shown = asset.shown.as_ref();
    let or_none = |at: Option<Timestamp>| match at {
        Some(at) => moment(at, now),
        None => html! { span.quiet { "–" } },
    };
    html! {
        tr.bad[!is_well(asset)] {
            th scope="row" { (link(&asset.id)) }
            td data-label="Revision" { @match shown { Some(shown) => (shown.number), None => "–" } }
            td data-label="State" { (state(asset)) }
            td data-label="Valid until" { (or_none(shown.and_then(|shown| shown.not_after))) }
            td data-label="Next turn" { (or_none(asset.renew_at)) }
            td data-label="Where" { (places(asset)) }
        }
    }
}

/// The one word for how it stands.
pub(super) fn state(asset: &Asset) -> Markup {
    let (kind, word) = match &asset.shown {
        None => ("waiting", "none yet"),
        Some(shown) if shown.state == RevisionState::Active && shown.served_at.is_some() => {
            ("good", "served")
        }
        Some(shown) if shown.state == RevisionState::Active => ("good", "active"),
        Some(shown) => ("waiting", shown.state.name()),
    };
    html! {
        span class={ "state " (kind) } { (word) }
        @if !is_well(asset) { " " span class="state bad" { (counted(asset.problems.len() as i64, "problem")) } }
    }
}

fn places(asset: &Asset) -> Markup {
    html! {
        @if asset.targets.is_empty() { span.quiet { "–" } }
        @for (index, target) in asset.targets.iter().take(3).enumerate() {
            @if index > 0 { br; }
            (target.name) " " span.rough {
                (target.state) @if let Some(proof) = target.proof { " by " (proof) }
            }
        }
        @if asset.targets.len() > 3 { br; span.quiet { "and " (asset.targets.len() - 3) " more" } }
    }
}

pub(super) fn link(id: &AssetId) -> Markup {
    html! { a href={ "/assets/" (id) } { (id) } }
}

/// The first of what all assets have before them, together what happens together.
fn coming(board: &Board) -> Markup {
    let mut all: Vec<(&AssetId, &Ahead)> = board
        .assets
        .iter()
        .flat_map(|asset| asset.coming.iter().map(move |step| (&asset.id, step)))
        .collect();
    // Stable: at one moment an asset's steps stay in their order.
    all.sort_by_key(|(id, step)| (step.at, *id));
    let groups = all.chunk_by(|a, b| (a.0, a.1.at) == (b.0, b.1.at)).take(MOST_COMING);
    html! {
        @if all.is_empty() { p.quiet { "Nothing within the coming year." } }
        ol.coming { @for group in groups {
            @let steps: Vec<&Ahead> = group.iter().map(|(_, step)| *step).collect();
            li { @if let Some((id, _)) = group.first() { (link(id)) " " } (asset::steps(&steps, board.now)) }
        } }
    }
}
