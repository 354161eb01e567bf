//! Panics of a library that we expect to panic.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; a panic in it becomes an error, and nothing is printed for it.
pub(super) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    silence();
    let before = EXPECTED.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    EXPECTED.set(before);
    done.map_err(|payload| format!("it panicked: {}", text(&*payload)))
}

/// Our own panics are still printed: only those of threads that are inside `catch` are not.
fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !EXPECTED.try_with(Cell::get).unwrap_or(false) {
                others(info);
            }
        }));
    });
}

fn text(payload: &(dyn Any + Send)) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("without a word")
}
