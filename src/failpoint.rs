//! Crash points and planted faults for tests of the real binary: `KEYTURN_FAILPOINT=name:n:abort` aborts at the
//! n-th time that `name` is passed, `name:n:stop` stops there until SIGCONT, `name:n:panic` panics there, `name:n:fail`
//! has what follows fail there, `name:1:plant` plants the fault of that name. Several are separated by commas.
//!
//! Without the feature `failpoints` all of this is nothing.

/// Passes a point at which a test may have asked for a crash or a stop.
#[cfg(feature = "failpoints")]
#[allow(clippy::panic, reason = "that is what a test has asked for")]
pub fn hit(name: &str) {
    let count = passed(name);
    let is_asked = |action| asked(name, action).any(|asked| asked == count);
    if is_asked("abort") {
        std::process::abort();
    }
    if is_asked("stop") {
        let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP);
    }
    if is_asked("panic") {
        panic!("{name}: a test has asked for it");
    }
}

/// Passes a point at which a test may have asked that what follows fails.
#[cfg(feature = "failpoints")]
pub fn fails(name: &str) -> bool {
    let count = passed(name);
    asked(name, "fail").any(|asked| asked == count)
}

/// How often it was passed, with this time.
#[cfg(feature = "failpoints")]
fn passed(name: &str) -> u64 {
    use std::collections::HashMap;
    use std::sync::{Mutex, PoisonError};
    static PASSED: Mutex<Option<HashMap<String, u64>>> = Mutex::new(None);
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let count = passed.get_or_insert_with(HashMap::new).entry(name.to_owned()).or_insert(0);
    *count += 1;
    *count
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
pub fn fails(_name: &str) -> bool {
    false
}

/// Never.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn is_planted(_name: &str) -> bool {
    false
}
