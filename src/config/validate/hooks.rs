//! `[[hooks]]`: what is run when something happens to an asset.

use jiff::SignedDuration;

use super::commands::program;
use crate::config::duration::duration_text;
use crate::config::notify::Hook;
use crate::config::raw::{Item, Table};
use crate::config::target::Command;
use crate::config::words::quoted;
use crate::model::{AssetKind, Moment, matches};

/// For a hook: long enough for a call over the network.
const TIMEOUT: SignedDuration = SignedDuration::from_secs(30);

/// What a hook may take at most.
const LONGEST: SignedDuration = SignedDuration::from_mins(10);

pub(super) fn hooks(t: &mut Table<'_>, assets: &[String]) -> Option<Vec<Hook>> {
    t.or("hooks", Vec::new(), |item| item.list(|item| item.table(|t| hook(t, assets))))
}

fn hook(t: &mut Table<'_>, assets: &[String]) -> Option<Hook> {
    let moment = t.required("event", "\"activated\"", |item| item.choice(&Moment::ALL, Moment::name));
    let globs = t.or("assets", Vec::new(), |item| item.distinct(|item| glob(item, assets)));
    let argv = t.required("command", "[\"hooks/NAME\"]", argv);
    let timeout = t.or("timeout", TIMEOUT, timeout);
    Some(Hook { moment: moment?, assets: globs?, command: Command { argv: argv?, timeout: timeout? } })
}

/// The runs of one command follow each other: one that never ended would keep all others waiting.
fn timeout(item: &Item<'_>) -> Option<SignedDuration> {
    let found = item.duration(SignedDuration::from_secs(1))?;
    if found > LONGEST {
        return item.fault(format!(
            "must be at most {}: let the hook hand longer work to something else, and end",
            duration_text(LONGEST)
        ));
    }
    Some(found)
}

fn argv(item: &Item<'_>) -> Option<Vec<String>> {
    let mut argv = super::commands::argv(item)?;
    if let Some(name) = argv.first_mut() {
        *name = program(item, name);
    }
    Some(argv)
}

/// `certificates/*`; what matches nothing is most likely misspelt.
fn glob(item: &Item<'_>, assets: &[String]) -> Option<String> {
    let text = item.line()?;
    let kinds = [AssetKind::Certificate, AssetKind::JwtKey, AssetKind::DhParams, AssetKind::Ca];
    let plausible = text.starts_with(['*', '?'])
        || text.split_once('/').is_some_and(|(kind, _)| {
            kind.contains(['*', '?']) || kinds.iter().any(|one| one.section() == kind)
        });
    if !plausible {
        return item.fault(format!(
            "{} is no pattern of assets; write certificates/NAME, certificates/*, jwt_keys/*, dh_params/*, ca/* or *",
            quoted(text)
        ));
    }
    if !assets.iter().any(|name| matches(text, name)) {
        item.warning(format!("{} matches no asset of this configuration", quoted(text)));
    }
    Some(text.to_owned())
}
