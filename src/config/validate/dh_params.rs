//! `[dh_params.*]`.

use jiff::SignedDuration;

use super::targets::{About, targets};
use super::window::rotate_every;
use crate::config::dh_params::{DhParams, DhSource};
use crate::config::raw::{Item, Table};
use crate::model::{AssetId, AssetKind};

pub(super) fn dh_params(name: &str, item: &Item<'_>) -> Option<DhParams> {
    item.table(|t| read(name, t))
}

fn read(name: &str, t: &mut Table<'_>) -> Option<DhParams> {
    let source = t.or("source", DhSource::Generate, |item| item.choice(&DhSource::ALL, DhSource::name));
    let bits = t.or("bits", 2048, |item| bits(item, source));
    let rotate_every = rotation(t, source);
    let about = About {
        asset: AssetId::new(AssetKind::DhParams, name),
        rsa: false,
        names: Vec::new(),
        authority: false,
        lists: false,
    };
    let targets = targets(t, &about);
    Some(DhParams {
        name: name.to_owned(),
        bits: bits?,
        source: source?,
        rotate_every: rotate_every?,
        targets: targets?,
    })
}

fn bits(item: &Item<'_>, source: Option<DhSource>) -> Option<usize> {
    match (item.integer(0..=i64::MAX)?, source) {
        (bits @ (2048 | 3072 | 4096), _) => usize::try_from(bits).ok(),
        (bits @ (6144 | 8192), Some(DhSource::Rfc7919)) => usize::try_from(bits).ok(),
        (bits @ (6144 | 8192), _) => item.fault(format!(
            "a safe prime of {bits} bits takes hours to find; write 2048, 3072 or 4096, or source = \"rfc7919\""
        )),
        (bits, _) if bits < 2048 => item.fault(format!(
            "{bits} bits can be broken (Logjam, CVE-2015-4000), and OpenSSL refuses them; write 2048 or more"
        )),
        (bits, _) => item.fault(format!("must be 2048, 3072 or 4096 (it is {bits})")),
    }
}

/// How often; a group of RFC 7919 has nothing to turn over.
#[allow(clippy::option_option)]
fn rotation(t: &mut Table<'_>, source: Option<DhSource>) -> Option<Option<SignedDuration>> {
    let every = rotate_every(t, SignedDuration::from_hours(24 * 90))?;
    if source? == DhSource::Generate {
        return Some(Some(every));
    }
    if t.has("rotate_every") {
        t.warning(
            "rotate_every",
            "has no effect with source = \"rfc7919\": its groups are the same for ever",
        );
    }
    Some(None)
}
