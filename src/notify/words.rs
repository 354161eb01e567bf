//! What a message says, before a channel gives it its form: headings, lines, and how many of them fit.

use crate::model::{Code, Item, Message, Phase, Severity};

/// With no more items than this each gets its text and what to do; with more it gets a line.
const FEW: usize = 5;

/// The words of one item. All but `mark` may hold foreign text and must be escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// A sign of how urgent it is.
    pub mark: &'static str,
    /// Whose.
    pub who: String,
    /// What, in a few words.
    pub what: String,
    /// The whole story.
    pub text: String,
    /// What to do; empty where that is nothing.
    pub action: &'static str,
}

/// The words of `item`.
pub fn words(item: &Item) -> Words {
    let who = item.asset.as_ref().map_or_else(|| "the site".to_owned(), ToString::to_string);
    let code = item.code.map_or_else(String::new, |code| format!(" ({})", code.name()));
    let title = item.code.map_or(item.event.name(), |code| code.title());
    let since = item.since.map_or_else(String::new, |since| format!(", since {since}"));
    let what = match item.phase {
        Phase::Opened => format!("{title}{code}"),
        Phase::Lasting => format!("still: {title}{code}{since}"),
        Phase::Closed => format!("over: {title}{code}{since}"),
        Phase::Happened => item.text.clone(),
    };
    let text = match item.phase {
        Phase::Opened | Phase::Lasting => item.text.clone(),
        // Whether somebody said yes or no is what there is to tell.
        Phase::Closed if item.code == Some(Code::ApprovalWaits) => item.text.clone(),
        Phase::Closed | Phase::Happened => String::new(),
    };
    let action = match (item.phase, item.code) {
        (Phase::Opened | Phase::Lasting, Some(code)) => code.action(),
        _ => "",
    };
    Words { mark: mark(item), who, what, text, action }
}

/// The words of all items, as much as is told of each: of many no more than a line; of none in a brief message.
pub fn told(message: &Message) -> impl Iterator<Item = Words> {
    let few = message.items.len() <= FEW;
    let lines = move |item: &Item| match words(item) {
        all if few => all,
        all => Words { text: String::new(), action: "", ..all },
    };
    message.items.iter().filter(|_| !message.brief).map(lines)
}

fn mark(item: &Item) -> &'static str {
    match (item.phase, item.severity) {
        (Phase::Closed, _) => "🟢",
        (Phase::Happened, _) => "🔁",
        (_, Severity::Critical) => "🔴",
        (_, Severity::Warning) => "🟠",
        (_, Severity::Info) => "🔵",
    }
}

/// "prod: 2 critical, 1 warning, 3 over"
pub fn heading(message: &Message) -> String {
    let count = |is: &dyn Fn(&&Item) -> bool| message.items.iter().filter(is).count();
    let of = |severity| {
        count(&|item| matches!(item.phase, Phase::Opened | Phase::Lasting) && item.severity == severity)
    };
    let counts = [
        (of(Severity::Critical), "critical"),
        (of(Severity::Warning), "warning"),
        (of(Severity::Info), "to know"),
        (count(&|item| item.phase == Phase::Closed), "over"),
        (count(&|item| item.phase == Phase::Happened), "turned over"),
    ];
    let words: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    format!("{}: {}", message.instance, words.join(", "))
}

/// The mark of the worst of it.
pub fn worst(message: &Message) -> &'static str {
    let rank = |item: &&Item| match item.phase {
        Phase::Opened | Phase::Lasting => 2 + item.severity as u8,
        Phase::Closed => 1,
        Phase::Happened => 0,
    };
    message.items.iter().max_by_key(rank).map_or("", mark)
}

/// What follows the items: how many did not fit, and how many had to give way.
pub fn tail(message: &Message, shown: usize) -> Option<String> {
    let left = message.items.len().saturating_sub(shown);
    let mut words = Vec::new();
    if left > 0 {
        words.push(format!("and {left} more: `keyturn status` has them all"));
    }
    if message.dropped > 0 {
        words.push(format!("{} older messages were dropped, too many waited", message.dropped));
    }
    (!words.is_empty()).then(|| words.join("; "))
}

/// As many of `pieces` as fit into `limit`, with what [`tail`] says of the others. `cost` is what a piece takes of it.
pub fn fitting(
    message: &Message,
    pieces: Vec<String>,
    limit: usize,
    cost: impl Fn(&str) -> usize,
    tail_form: impl Fn(&str) -> String,
) -> Vec<String> {
    // The tail is never longer than the one that counts them all.
    let reserve = tail(message, 0).map_or(0, |text| cost(&tail_form(&text)) + 8);
    let mut left = limit.saturating_sub(reserve);
    let mut kept = Vec::new();
    for piece in pieces {
        let takes = cost(&piece) + 1;
        if takes > left {
            break;
        }
        left -= takes;
        kept.push(piece);
    }
    let shown = kept.len();
    kept.extend(tail(message, shown).map(|text| tail_form(&text)));
    kept
}

/// No more than `most` characters, with a sign that it was more.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}
