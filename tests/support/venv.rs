//! Peers that come from PyPI.

use std::path::PathBuf;

/// Where scripts/install-test-deps puts them; the rule is the same there.
fn folder() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("KEYTURN_TEST_VENV") {
        return Some(named.into());
    }
    Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/keyturn-test-venv"))
}

/// A program of theirs; nothing where it is not installed.
pub(super) fn program(name: &str) -> Option<PathBuf> {
    let program = folder()?.join("bin").join(name);
    program.exists().then_some(program)
}

/// Why a test that needs this program is skipped.
pub(super) fn missing(name: &str) -> Option<String> {
    match program(name) {
        Some(_) => None,
        None => Some(format!("`{name}` of PyPI is not installed (scripts/install-test-deps)")),
    }
}
