//! Ten years of random sites: the invariants of FAULTS.md hold at every step, and each of them is shown to catch a
//! planted bug.

mod acme;
mod checks;
mod orders;
mod planted;
mod run;
mod shape;

use proptest::prelude::{ProptestConfig, proptest};
use proptest::test_runner::TestCaseError;

use super::at;
use run::Run;
use shape::shape;

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn ten_years_of_any_site(shape in shape()) {
        let run = Run::new(&shape, |_, _| {});
        let told = run.play(at("2036-01-01T00:00:00Z")).map_err(TestCaseError::fail)?;
        proptest::prop_assert!(told.steps > 0);
    }
}
