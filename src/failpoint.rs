//! Crash points and planted faults for tests of the real binary: `KEYTURN_FAILPOINT=name:n:abort` aborts at the
//! n-th time that `name` is passed, `name:1:plant` plants the fault of that name.
//!
//! Without the feature `failpoints` all of this is nothing.

/// Passes a point at which a test may have asked for a crash.
#[cfg(feature = "failpoints")]
pub fn hit(name: &str) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let Some((wanted, count, action)) = asked() else { return };
    if wanted == name && action == "abort" && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == count {
        std::process::abort();
    }
}

/// Whether a test has asked for the fault `name`.
#[cfg(feature = "failpoints")]
pub fn is_planted(name: &str) -> bool {
    asked().is_some_and(|(wanted, _, action)| wanted == name && action == "plant")
}

#[cfg(feature = "failpoints")]
fn asked() -> Option<(String, u64, String)> {
    let text = std::env::var("KEYTURN_FAILPOINT").ok()?;
    let mut parts = text.split(':').map(str::to_owned);
    Some((parts.next()?, parts.next()?.parse().ok()?, parts.next()?))
}

/// Nothing.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn hit(_name: &str) {}

/// Never.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn is_planted(_name: &str) -> bool {
    false
}
