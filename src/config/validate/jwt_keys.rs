//! `[jwt_keys.*]`.

use jiff::SignedDuration;

use super::targets::{About, targets};
use super::window::rotate_every;
use crate::config::duration::duration_text;
use crate::config::jwt_key::JwtKey;
use crate::config::raw::{Item, Table};
use crate::model::{AssetId, AssetKind, JwsAlgorithm, KeyAlgorithm};

pub(super) fn jwt_key(name: &str, item: &Item<'_>) -> Option<JwtKey> {
    item.table(|t| read(name, t))
}

fn read(name: &str, t: &mut Table<'_>) -> Option<JwtKey> {
    let algorithm =
        t.or("algorithm", JwsAlgorithm::Rs256, |item| item.choice(&JwsAlgorithm::ALL, JwsAlgorithm::name));
    let key_algorithm = key_algorithm(t, algorithm);
    let rotate_every = rotate_every(t, SignedDuration::from_hours(24 * 60));
    let publish_before = t.or("publish_before", SignedDuration::from_hours(24), time);
    let jwks_max_age = t.or("jwks_max_age", SignedDuration::from_mins(5), time);
    let max_token_ttl = t.or("max_token_ttl", SignedDuration::from_hours(1), time);
    let skew = t.or("skew", SignedDuration::from_secs(60), |item| item.duration(SignedDuration::ZERO));
    let about = About {
        asset: AssetId::new(AssetKind::JwtKey, name),
        rsa: key_algorithm.is_none_or(|algorithm| algorithm.rsa_bits().is_some()),
        names: Vec::new(),
        authority: false,
        lists: false,
    };
    let targets = targets(t, &about);
    check_cache(t, publish_before, jwks_max_age);
    let key = JwtKey {
        name: name.to_owned(),
        algorithm: algorithm?,
        key_algorithm: key_algorithm?,
        rotate_every: rotate_every?,
        publish_before: publish_before?,
        jwks_max_age: jwks_max_age?,
        max_token_ttl: max_token_ttl?,
        skew: skew?,
        targets: targets?,
    };
    check_overlap(t, &key);
    Some(key)
}

fn time(item: &Item<'_>) -> Option<SignedDuration> {
    item.duration(SignedDuration::from_secs(1))
}

/// The kind of key that goes with the algorithm; only RSA has sizes to choose from.
fn key_algorithm(t: &mut Table<'_>, algorithm: Option<JwsAlgorithm>) -> Option<KeyAlgorithm> {
    let bits = t.item("bits");
    let Some(fixed) = algorithm?.only_key() else {
        return bits.map_or(Some(KeyAlgorithm::Rsa3072), |item| rsa(&item));
    };
    match bits {
        Some(item) => item.fault(format!("is for RSA; a key for {} has one size only", algorithm?.name())),
        None => Some(fixed),
    }
}

fn rsa(item: &Item<'_>) -> Option<KeyAlgorithm> {
    match item.integer(0..=i64::MAX)? {
        2048 => Some(KeyAlgorithm::Rsa2048),
        3072 => Some(KeyAlgorithm::Rsa3072),
        4096 => Some(KeyAlgorithm::Rsa4096),
        bits => item.fault(format!("must be 2048, 3072 or 4096 (it is {bits})")),
    }
}

/// Who has just fetched a JWKS does not look again before its age is over.
fn check_cache(t: &Table<'_>, publish_before: Option<SignedDuration>, jwks_max_age: Option<SignedDuration>) {
    if let (Some(before), Some(age)) = (publish_before, jwks_max_age)
        && before < age
    {
        t.fault::<()>(
            "publish_before",
            format!(
                "must be at least jwks_max_age {} (it is {}), or a verifier's cache may lack the key that signs",
                duration_text(age),
                duration_text(before)
            ),
        );
    }
}

/// A plan that cannot keep its overlap is refused: a key must have been published, and the one before
/// it must have left every cache and token, before the next is due.
fn check_overlap(t: &Table<'_>, key: &JwtKey) {
    let overlap = key.publish_before + key.linger();
    if overlap > key.rotate_every {
        t.fault::<()>(
            "rotate_every",
            format!(
                "must be at least publish_before + max_token_ttl + jwks_max_age + skew, which is {} (it is {})",
                duration_text(overlap),
                duration_text(key.rotate_every)
            ),
        );
    }
}
