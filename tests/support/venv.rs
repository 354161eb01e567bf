//! Peers that come from PyPI.

use std::path::PathBuf;

/// Where scripts/install-test-deps puts them; the rule is the same there. What goes with nothing else has a folder of its
/// own beside it: `-chat`, `-jwt`.
fn folder(set: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os("KEYTURN_TEST_VENV") {
        Some(named) => PathBuf::from(named),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".cache/keyturn-test-venv"),
    };
    Some(PathBuf::from(format!("{}{set}", folder.display())))
}

/// A program of theirs; nothing where it is not installed.
pub(super) fn program(name: &str) -> Option<PathBuf> {
    program_of("", name)
}

/// A program of one of the sets.
pub(super) fn program_of(set: &str, name: &str) -> Option<PathBuf> {
    let program = folder(set)?.join("bin").join(name);
    program.exists().then_some(program)
}

/// The Python that has JWT libraries.
pub fn jwt_python() -> Option<PathBuf> {
    program_of("-jwt", "python")
}

/// Why a test that needs this program is skipped.
pub(super) fn missing(name: &str) -> Option<String> {
    missing_of("", name)
}

/// The same, of one of the sets.
pub(super) fn missing_of(set: &str, name: &str) -> Option<String> {
    match program_of(set, name) {
        Some(_) => None,
        None => Some(format!("`{name}` of PyPI is not installed (scripts/install-test-deps)")),
    }
}
