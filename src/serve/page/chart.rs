//! The coming year as a drawing: a lane an asset, a bar a revision, so that the overlaps are seen.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use maud::{Markup, html};

use super::Asset;
use crate::planner::Span;

/// What lies behind us is drawn for so long.
const PAST: SignedDuration = SignedDuration::from_hours(30 * 24);

const WIDTH: f64 = 1000.0;
const NAME: f64 = 190.0;
const TOP: f64 = 26.0;
const ROW: f64 = 13.0;
const BAR: f64 = 10.0;
const GAP: f64 = 12.0;

/// From moments to places.
struct Scale {
    start: Timestamp,
    span: f64,
}

impl Scale {
    fn new(now: Timestamp, until: Timestamp) -> Self {
        let start = now.checked_sub(PAST).unwrap_or(Timestamp::MIN);
        Self { start, span: until.duration_since(start).as_secs().max(1) as f64 }
    }

    /// Where a moment is, inside the drawing.
    fn x(&self, at: Timestamp) -> f64 {
        let share = at.duration_since(self.start).as_secs() as f64 / self.span;
        NAME + share.clamp(0.0, 1.0) * (WIDTH - NAME)
    }
}

/// The lanes of `assets`.
pub(super) fn draw(assets: &[Asset], now: Timestamp, until: Timestamp) -> Markup {
    let scale = Scale::new(now, until);
    let lanes: Vec<(&Asset, Vec<Vec<&Span>>)> =
        assets.iter().map(|asset| (asset, rows(&asset.spans, &scale, until))).collect();
    let height = TOP + lanes.iter().map(|(_, rows)| lane_height(rows.len())).sum::<f64>();
    let mut y = TOP;
    let label = format!("Revisions of {} assets over the coming year, with their overlaps", assets.len());
    html! {
        div.chart tabindex="0" role="region" aria-label="The coming year, to be scrolled sideways" {
            svg viewBox={ "0 0 " (WIDTH) " " (rounded(height)) } role="group" aria-label=(label) {
                (months(&scale, now, until, height))
                @for (asset, rows) in &lanes {
                    (lane(asset, rows, &scale, y, until))
                    @let _ = { y += lane_height(rows.len()); };
                }
                @let x = rounded(scale.x(now));
                line.now x1=(x) x2=(x) y1="16" y2=(rounded(height)) {}
                text.now x=(x) y="11" text-anchor="middle" { "now" }
            }
        }
    }
}

/// What the bars mean.
pub(super) fn legend() -> Markup {
    html! {
        ul.legend {
            li { span.key.ahead {} "known beforehand" }
            li { span.key.use {} "in use" }
            li { span.key.after {} "replaced, still needed" }
            li { span.key.foreseen {} "foreseen" }
        }
    }
}

fn lane_height(rows: usize) -> f64 {
    rows.max(1) as f64 * ROW + GAP
}

/// What overlaps lies one below the other.
fn rows<'a>(spans: &'a [Span], scale: &Scale, until: Timestamp) -> Vec<Vec<&'a Span>> {
    let mut rows: Vec<Vec<&Span>> = Vec::new();
    for span in spans.iter().filter(|span| end(span, until) > scale.start && span.from < until) {
        let free = rows.iter_mut().find(|row| row.last().is_none_or(|last| end(last, until) <= span.from));
        match free {
            Some(row) => row.push(span),
            None => rows.push(vec![span]),
        }
    }
    rows
}

/// Until when there is something of it.
fn end(span: &Span, until: Timestamp) -> Timestamp {
    span.gone.or(span.not_after).unwrap_or(until).min(until)
}

fn lane(asset: &Asset, rows: &[Vec<&Span>], scale: &Scale, y: f64, until: Timestamp) -> Markup {
    let name = asset.id.to_string();
    html! {
        a href={ "/assets/" (name) } {
            text.lane x="0" y=(rounded(y + BAR)) { title { (name) } (shortened(&name)) }
        }
        @for (index, row) in rows.iter().enumerate() {
            @for span in row { (bar(span, scale, y + index as f64 * ROW, until)) }
        }
    }
}

/// Three parts: known, in use, still needed.
fn bar(span: &Span, scale: &Scale, y: f64, until: Timestamp) -> Markup {
    let end = end(span, until);
    let active = span.active.unwrap_or(end).min(end);
    let replaced = span.replaced.unwrap_or(end).min(end).max(active);
    let parts = [("ahead", span.from, active), ("use", active, replaced), ("after", replaced, end)];
    let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    let mut text = format!("revision {}: there from {}", span.number, day(span.from));
    for (what, at) in [("in use from", span.active), ("replaced", span.replaced), ("gone", span.gone)] {
        if let Some(at) = at {
            text.push_str(&format!(", {what} {}", day(at)));
        }
    }
    html! {
        g class={ "bar" @if span.foreseen { " foreseen" } } {
            title { (text) }
            @for (part, from, to) in parts {
                @if to > from && to > scale.start {
                    @let (x, w) = (scale.x(from), scale.x(to) - scale.x(from));
                    rect class=(part) x=(rounded(x)) y=(rounded(y)) width=(rounded(w.max(0.8))) height=(BAR) rx="1.5" {}
                }
            }
        }
    }
}

/// A line and a name for the first of each month.
fn months(scale: &Scale, now: Timestamp, until: Timestamp, height: f64) -> Markup {
    let mut firsts = Vec::new();
    let date = scale.start.to_zoned(TimeZone::UTC).date();
    let mut month = date.first_of_month();
    while let Ok(at) = month.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()) {
        if at >= until {
            break;
        }
        if at > scale.start {
            firsts.push((at, month.strftime(if month.month() == 1 { "%Y" } else { "%b" }).to_string()));
        }
        let Ok(next) = month.checked_add(1.month()) else { break };
        month = next;
    }
    // "now" stands there.
    let close = |at: Timestamp| at.duration_since(now).as_hours().abs() < 9 * 24;
    html! {
        @for (at, name) in firsts {
            @let x = rounded(scale.x(at));
            line.month x1=(x) x2=(x) y1="16" y2=(rounded(height)) {}
            @if !close(at) { text.month x=(x) y="11" text-anchor="middle" { (name) } }
        }
    }
}

/// Names of lanes are cut where the drawing begins; the whole is in the title.
fn shortened(name: &str) -> String {
    const MOST: usize = 30;
    match name.char_indices().nth(MOST) {
        None => name.to_owned(),
        Some((at, _)) => format!("{}…", &name[..at]),
    }
}

fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
