//! The page of one asset, and that of one problem code.

use maud::{Markup, html};

use super::words::moment;
use super::{Asset, Board, chart, index};
use crate::model::{AssetId, Code, Problem};
use crate::planner::Ahead;
use crate::planner::Span;

/// Of what is to come, so much is shown.
const MOST_COMING: usize = 40;

pub(super) fn body(board: &Board, asset: &Asset) -> Markup {
    html! {
        header.top {
            p.back { a href="/" { "← " (board.instance) } }
            h1 { (asset.id) }
            p.seen { (index::state(asset)) " · looked at " (moment(board.now, board.now)) }
        }
        main {
            @if !asset.problems.is_empty() {
                section aria-labelledby="wrong" {
                    h2 id="wrong" { "What is wrong, and what to do" }
                    ul.cards { @for one in &asset.problems { (problem(None, one)) } }
                }
            }
            section aria-labelledby="now" { h2 id="now" { "What is in use" } (facts(board, asset)) }
            section aria-labelledby="where" { h2 id="where" { "Where it goes" } (targets(board, asset)) }
            section aria-labelledby="year" {
                h2 id="year" { "The coming year" }
                (chart::draw(std::slice::from_ref(asset), board.now, board.until))
                (chart::legend())
                (revisions(board, asset))
            }
            section aria-labelledby="next" {
                h2 id="next" { "What is next, and why" }
                @if asset.coming.is_empty() { p.quiet { "Nothing within the coming year." } }
                @let coming: Vec<&Ahead> = asset.coming.iter().collect();
                ol.coming {
                    @for at_once in coming.chunk_by(|a, b| a.at == b.at).take(MOST_COMING) { li { (steps(at_once, board.now)) } }
                }
            }
        }
        (index::footer())
    }
}

fn facts(board: &Board, asset: &Asset) -> Markup {
    let Some(shown) = &asset.shown else { return html! { p.quiet { "There is no revision yet." } } };
    html! {
        dl.facts {
            div { dt { "Revision" } dd { (shown.number) ", " (shown.state.name()) } }
            @if let Some(at) = shown.served_at { div { dt { "Proven everywhere" } dd { (moment(at, board.now)) } } }
            @if let Some(at) = shown.not_after { div { dt { "Valid until" } dd { (moment(at, board.now)) } } }
            @if let Some(at) = asset.renew_at { div { dt { "Its successor is due" } dd { (moment(at, board.now)) } } }
            @for (name, value) in &shown.identity { div { dt { (name) } dd { code { (value) } } } }
        }
    }
}

fn targets(board: &Board, asset: &Asset) -> Markup {
    html! {
        @if asset.targets.is_empty() {
            p.quiet { "Nowhere: it has no targets, and is only kept and renewed." }
        } @else {
            table {
                thead { tr {
                    th scope="col" { "Place" } th scope="col" { "State" } th scope="col" { "Shown by" } th scope="col" { "When" }
                } }
                tbody { @for target in &asset.targets { tr {
                    th scope="row" { (target.name) " " span.rough { (target.kind) } }
                    td data-label="State" { (target.state) }
                    td data-label="Shown by" { (target.proof.unwrap_or("–")) }
                    td data-label="When" {
                        @match target.verified_at { Some(at) => (moment(at, board.now)), None => "–" }
                    }
                } } }
            }
        }
    }
}

/// What the drawing shows, in words.
fn revisions(board: &Board, asset: &Asset) -> Markup {
    let when = |at: Option<jiff::Timestamp>| match at {
        Some(at) => moment(at, board.now),
        None => html! { "–" },
    };
    let row = |span: &Span| {
        html! { tr {
            th scope="row" { (span.number) }
            td data-label="State" { @match span.state { Some(state) => (state.name()), None => span.quiet { "foreseen" } } }
            td data-label="There from" { (when(Some(span.from))) }
            td data-label="In use from" { (when(span.active)) }
            td data-label="Replaced" { (when(span.replaced)) }
            td data-label="Gone" { (when(span.gone)) }
            td data-label="Ends" { (when(span.not_after)) }
        } }
    };
    html! {
        details {
            summary { "The same as a table" }
            table {
                thead { tr {
                    th scope="col" { "Revision" } th scope="col" { "State" } th scope="col" { "There from" }
                    th scope="col" { "In use from" } th scope="col" { "Replaced" } th scope="col" { "Gone" } th scope="col" { "Ends" }
                } }
                tbody { @for span in &asset.spans { (row(span)) } }
            }
        }
    }
}

/// What is wrong, and what to do about it.
pub(super) fn problem(id: Option<&AssetId>, problem: &Problem) -> Markup {
    html! {
        li.problem {
            p.what {
                @if let Some(id) = id { (index::link(id)) ": " }
                (problem.message)
            }
            p.action { (problem.code.action()) }
            p.code { a href={ "/problems/" (problem.code.name()) } { (problem.code.name()) } }
        }
    }
}

/// What a code means.
pub(super) fn problem_page(code: Code) -> Markup {
    html! {
        header.top { p.back { a href="/" { "← To the overview" } } h1 { (code.name()) } }
        main { section {
            h2 { (code.title()) }
            p { (code.meaning()) }
            h2 { "What to do" }
            p { (code.action()) }
        } }
        (index::footer())
    }
}

/// What happens to one asset at one moment: "issue, rollout, activate in 9 days: ends at …"
pub(super) fn steps(steps: &[&Ahead], now: jiff::Timestamp) -> Markup {
    let mut actions: Vec<&str> = Vec::new();
    let mut services: Vec<&str> = Vec::new();
    for step in steps {
        if !actions.contains(&step.action) {
            actions.push(step.action);
        }
        services.extend(step.services.iter().map(String::as_str));
    }
    html! {
        @if let Some(first) = steps.first() {
            span.action { (actions.join(", ")) }
            " " (moment(first.at, now))
            span.reason {
                (first.reason)
                @if !services.is_empty() { "; restarts " (services.join(", ")) }
            }
        }
    }
}
