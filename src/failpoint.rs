//! Crash points and planted faults for tests of the real binary: `KEYTURN_FAILPOINT=name:n:abort` aborts at the
//! n-th time that `name` is passed, `name:n:stop` stops there until SIGCONT, `name:1:plant` plants the fault of that
//! name. Several are separated by commas.
//!
//! Without the feature `failpoints` all of this is nothing.

/// Passes a point at which a test may have asked for a crash or a stop.
#[cfg(feature = "failpoints")]
pub fn hit(name: &str) {
    use std::collections::HashMap;
    use std::sync::{Mutex, PoisonError};
    static PASSED: Mutex<Option<HashMap<String, u64>>> = Mutex::new(None);
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let count = passed.get_or_insert_with(HashMap::new).entry(name.to_owned()).or_insert(0);
    *count += 1;
    if asked(name, "abort").any(|asked| asked == *count) {
        std::process::abort();
    }
    if asked(name, "stop").any(|asked| asked == *count) {
        let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP);
    }
}

/// Whether a test has asked for the fault `name`.
#[cfg(feature = "failpoints")]
pub fn is_planted(name: &str) -> bool {
    asked(name, "plant").next().is_some()
}

/// The numbers that are asked for with this name and action.
#[cfg(feature = "failpoints")]
fn asked(name: &str, action: &str) -> impl Iterator<Item = u64> {
    let text = std::env::var("KEYTURN_FAILPOINT").unwrap_or_default();
    let number = |one: &str| {
        let mut parts = one.split(':');
        let same = parts.next() == Some(name);
        let number = parts.next().and_then(|number| number.parse().ok());
        number.filter(|_| same && parts.next() == Some(action))
    };
    text.split(',').filter_map(number).collect::<Vec<u64>>().into_iter()
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
