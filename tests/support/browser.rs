//! A real browser (Debian's Chromium), driven by a script of ours through playwright-core.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::command::{Ran, command};
use super::skip;

/// Where scripts/install-test-deps puts what comes from npm; the rule is the same there.
fn folder() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("KEYTURN_TEST_NODE") {
        return Some(named.into());
    }
    Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/keyturn-test-node"))
}

/// The browser.
#[derive(Debug)]
pub struct Browser;

impl Browser {
    /// Why there is none here.
    pub fn missing() -> Option<String> {
        let packages = ["playwright-core", "axe-core"];
        let lacks =
            |name: &&&str| !folder().is_some_and(|folder| folder.join("node_modules").join(name).exists());
        skip::not_installed(&["node", "chromium"]).or_else(|| {
            let package = packages.iter().find(lacks)?;
            Some(format!("`{package}` of npm is not installed (scripts/install-test-deps)"))
        })
    }

    /// Runs `tests/browser/SCRIPT` with `args`.
    pub fn run(script: &str, args: &[&str]) -> Ran {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser").join(script);
        let mut node: Command = command("node", [script.to_str().unwrap()]);
        node.args(args).env("NODE_PATH", folder().unwrap().join("node_modules"));
        let output = node.output().unwrap();
        Ran::new(output.status, &output.stdout, &output.stderr)
    }
}
