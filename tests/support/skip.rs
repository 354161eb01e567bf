//! A test that cannot run here says so by name; `scripts/test` counts and lists it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Why no engine can be started here, if it cannot.
pub fn missing() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("an own Docker engine needs root".to_owned());
    }
    let tools = ["dockerd", "docker", "nginx", "busybox", "unshare", "nsenter", "ip", "tar", "ldd"];
    if let Some(reason) = not_installed(&tools) {
        return Some(reason);
    }
    let status = Command::new("unshare")
        .args(["--net", "--mount", "--uts", "--pid", "--fork", "true"])
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => None,
        _ => Some("namespaces are not permitted here".to_owned()),
    }
}

/// The first of `tools` that is not here, as a reason to skip.
pub(super) fn not_installed(tools: &[&str]) -> Option<String> {
    let tool = tools.iter().find(|tool| !is_installed(tool))?;
    Some(format!("`{tool}` is not installed (scripts/install-test-deps)"))
}

fn is_installed(tool: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    let sbin = ["/usr/sbin", "/sbin", "/usr/local/sbin"];
    path.split(':').chain(sbin).any(|folder| Path::new(folder).join(tool).exists())
}

/// Says that the test `name` was skipped, and why: on stdout, and in the file that `scripts/test`
/// names, because both runners swallow the output of a test that passes.
pub fn skipped(name: &str, reason: &str) {
    println!("SKIPPED {name}: {reason}");
    let Ok(list) = std::env::var("KEYTURN_TEST_SKIPS") else {
        return;
    };
    let mut list = OpenOptions::new().create(true).append(true).open(list).unwrap();
    writeln!(list, "{name}: {reason}").unwrap();
}

/// An engine for this test; where none can be started, ends the test as a named skip.
macro_rules! engine_or_skip {
    () => {{
        fn here() {}
        let name = std::any::type_name_of_val(&here).trim_end_matches("::here");
        match $crate::support::missing() {
            None => $crate::support::Engine::start(),
            Some(reason) => return $crate::support::skipped(name, &reason),
        }
    }};
}
pub(crate) use engine_or_skip;

/// Ends the test as a named skip where one of these peers (`Pebble`, `Bind`, …) cannot be started.
macro_rules! skip_without {
    ($($peer:ty),+) => {{
        fn here() {}
        let name = std::any::type_name_of_val(&here).trim_end_matches("::here");
        let reasons = [$(<$peer>::missing()),+];
        if let Some(reason) = reasons.into_iter().flatten().next() {
            return $crate::support::skipped(name, &reason);
        }
    }};
}
pub(crate) use skip_without;
