//! How names and values are quoted in messages, and "did you mean".

/// So many characters of what someone typed are repeated in a message.
const SHOWN: usize = 64;

/// So many names are compared with a misspelt one: comparing takes its time, and files can be long.
const COMPARED: usize = 1000;

/// `text` in backticks, without control characters and not at any length: a message must not be
/// able to draw on the terminal that shows it.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// A key as TOML would write it: bare where it can be.
pub(super) fn key(text: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !text.is_empty() && text.len() <= SHOWN && text.chars().all(bare) {
        return text.to_owned();
    }
    format!("\"{}\"", quoted(text).trim_matches('`'))
}

/// `path` followed by `name`.
pub(super) fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { key(name) } else { format!("{path}.{}", key(name)) }
}

/// The one of `names` that `word` was probably meant to be: a typing error or two away.
pub(super) fn closest<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    if word.len() > SHOWN {
        return None;
    }
    let word = word.to_lowercase();
    names
        .into_iter()
        .take(COMPARED)
        .map(|name| (strsim::damerau_levenshtein(&word, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// What to do about an unknown `word`: the likely one of `names`, or all of them.
pub(super) fn advice(word: &str, names: &[&str]) -> String {
    match closest(word, names.iter().copied()) {
        Some(name) => format!("did you mean {}?", quoted(name)),
        None if names.is_empty() => "there is none to choose from".to_owned(),
        None => format!("known: {}", listed(names)),
    }
}

/// `a, b, c`, and not without end.
fn listed(names: &[&str]) -> String {
    let mut shown: Vec<&str> = names.iter().copied().take(20).collect();
    if names.len() > shown.len() {
        shown.push("…");
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::{advice, closest, key, quoted};

    #[test]
    fn typing_errors_are_forgiven_and_other_words_are_not() {
        let names = ["renew_before", "duration", "issuers", "dir"];
        assert_eq!(closest("renew_befor", names), Some("renew_before"));
        assert_eq!(closest("Duration", names), Some("duration"));
        assert_eq!(closest("isuers", names), Some("issuers"));
        assert_eq!(closest("dri", names), Some("dir"));
        assert_eq!(closest("colour", names), None);
        assert_eq!(advice("colour", &names), "known: renew_before, duration, issuers, dir");
    }

    #[test]
    fn what_was_typed_cannot_draw_on_a_terminal() {
        assert_eq!(quoted("a\u{1b}[31m\n"), "`a\\u{1b}[31m\\n`");
        assert_eq!(quoted(&"x".repeat(1000)).chars().count(), 67);
        assert_eq!(key("tls.crt"), "\"tls.crt\"");
        assert_eq!(key("edge"), "edge");
    }
}
