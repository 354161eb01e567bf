//! What is to be kept ready follows from the configuration.

use jiff::SignedDuration;

use super::bench::Bench;
use crate::desired::KindSpec;
use crate::model::{AssetId, AssetKind, KeyAlgorithm, SpareId, Ware};
use crate::planner::{Restock, restock, stock};

const KEY: Ware = Ware::Key(KeyAlgorithm::Rsa3072);
const DH: Ware = Ware::DhParams(2048);

/// An RSA JWT key, an ECDSA certificate of a CA, and DH parameters.
fn bench() -> Bench {
    let dh = super::bench::dh("edge");
    Bench::edge().with(super::bench::jwt("auth")).with(dh)
}

fn next(bench: &Bench) -> Option<Restock> {
    restock(&bench.desired, &bench.inventory, bench.now)
}

fn spare(ware: Ware, number: u32) -> SpareId {
    SpareId { ware, number }
}

#[test]
fn what_takes_time_is_kept_ready() {
    let mut bench = bench();
    assert_eq!(next(&bench), Some(Restock::Make(spare(KEY, 1))));
    bench.inventory.stock.insert(spare(KEY, 1), bench.now);
    assert_eq!(next(&bench), Some(Restock::Make(spare(DH, 1))));
    bench.inventory.stock.insert(spare(DH, 1), bench.now);
    assert_eq!(next(&bench), None);
    let levels = stock(&bench.desired, &bench.inventory, bench.now);
    let shown: Vec<_> = levels.iter().map(|level| (level.ware, level.wanted, level.ready)).collect();
    assert_eq!(shown, [(KEY, 1, 1), (DH, 1, 1)]);
    bench.desired.stock = 2;
    assert_eq!(next(&bench), Some(Restock::Make(spare(KEY, 2))));
}

#[test]
fn what_is_old_or_wanted_by_nobody_goes_first() {
    let mut bench = bench();
    let (now, old) = (bench.now, bench.now - SignedDuration::from_hours(24 * 90));
    bench.inventory.stock.insert(spare(KEY, 3), old);
    assert_eq!(stock(&bench.desired, &bench.inventory, now)[0].ready, 0);
    assert_eq!(next(&bench), Some(Restock::Discard(spare(KEY, 3))));
    bench.inventory.stock = [(spare(KEY, 1), now), (spare(KEY, 2), now)].into();
    assert!(matches!(next(&bench), Some(Restock::Discard(SpareId { ware: KEY, .. }))), "one too many");
    bench.inventory.stock = [(spare(KEY, 1), now), (spare(DH, 1), now)].into();
    bench.desired.assets.remove(&AssetId::new(AssetKind::JwtKey, "auth"));
    assert_eq!(next(&bench), Some(Restock::Discard(spare(KEY, 1))));
    bench.desired.stock = 0;
    assert!(matches!(next(&bench), Some(Restock::Discard(_))));
    bench.inventory.stock.clear();
    assert_eq!(next(&bench), None);
}

/// A certificate that keeps its key draws none; nor does a group that is the same for ever.
#[test]
fn who_draws_nothing_has_nothing_ready() {
    let mut bench = Bench::edge().with(super::bench::dh("edge"));
    for spec in bench.desired.assets.values_mut() {
        match &mut spec.kind {
            KindSpec::Certificate(certificate) => {
                (certificate.algorithm, certificate.keep_key) = (KeyAlgorithm::Rsa2048, true);
            }
            KindSpec::DhParams { rfc7919, .. } => *rfc7919 = true,
            _ => {}
        }
    }
    assert_eq!(next(&bench), None);
    for spec in bench.desired.assets.values_mut() {
        if let KindSpec::Certificate(certificate) = &mut spec.kind {
            certificate.keep_key = false;
        }
    }
    assert_eq!(next(&bench), Some(Restock::Make(spare(Ware::Key(KeyAlgorithm::Rsa2048), 1))));
}
