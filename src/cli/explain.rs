//! What a problem code means, and what to do.

use serde_json::json;

use super::args::{Cli, Format};
use super::fail::{DONE, Failure};
use super::output;
use crate::model::Code;

pub(super) fn run(cli: &Cli, code: Option<&str>, markdown: bool) -> Result<u8, Failure> {
    if markdown {
        output::bytes(page().as_bytes());
        return Ok(DONE);
    }
    let codes: Vec<Code> = match code {
        None => Code::ALL.to_vec(),
        Some(name) => vec![Code::from_name(name).ok_or_else(|| unknown(name))?],
    };
    match (cli.output, code) {
        (Format::Json, _) => output::json(&json!({ "problems": codes.iter().map(|code| json!({
            "code": code, "title": code.title(), "meaning": code.meaning(), "action": code.action(),
        })).collect::<Vec<_>>() })),
        (Format::Table, None) => {
            let mut table = output::table(&["CODE", "WHAT"]);
            codes.iter().for_each(|code| {
                table.add_row([code.name(), code.title()]);
            });
            output::line(&table.to_string());
        }
        (Format::Table, Some(_)) => {
            for code in codes {
                output::line(&format!("{code}: {}\n\n{}\n\n{}", code.title(), code.meaning(), code.action()));
            }
        }
    }
    Ok(DONE)
}

fn unknown(name: &str) -> Failure {
    let near = Code::ALL.iter().min_by_key(|code| strsim::damerau_levenshtein(name, code.name()));
    let near = near.map_or_else(String::new, |code| format!("; did you mean {code}?"));
    Failure::usage(format!("there is no problem `{name}`{near}"))
}

/// `docs/problems.md`, made from the one table.
pub(super) fn page() -> String {
    let mut page = String::from(
        "# Problems\n\nEvery problem that Keyturn tells of has one of these codes, in `status` and in what `run` \
         prints. The codes do\nnot change their meaning. `keyturn explain CODE` prints the same. (This page is made from \
         the table in\n`src/model/problem.rs`.)\n",
    );
    for code in Code::ALL {
        page.push_str(&format!(
            "\n## {code}\n\n{}.\n\n{}\n\n**What to do.** {}\n",
            capitalised(code.title()),
            code.meaning(),
            code.action()
        ));
    }
    page
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_in_docs_is_this_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/problems.md");
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(page, super::page(), "write it anew: keyturn explain --markdown > docs/problems.md");
    }
}
