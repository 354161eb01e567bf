//! What reads our metrics elsewhere: the parser of Prometheus' Python client, and promtool.

use std::path::Path;

use super::command::{Ran, command, fed, must};
use super::{skip, venv};

/// Reads stdin strictly, and prints each sample's name and value.
const PARSE: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        print(sample.name, sorted(sample.labels.items()), sample.value)
";

/// The parser of OpenMetrics.
#[derive(Debug)]
pub struct OpenMetrics;

impl OpenMetrics {
    /// Why it is not here.
    pub fn missing() -> Option<String> {
        venv::missing("python")
    }

    /// The samples in `text`, a line each; fails where the text is not OpenMetrics.
    pub fn samples(text: &str) -> Vec<String> {
        let ran =
            fed(command(venv::program("python").unwrap().to_str().unwrap(), ["-c", PARSE]), text.as_bytes());
        assert!(ran.ok(), "{ran:#?}\n{text}");
        ran.stdout.lines().map(str::to_owned).collect()
    }
}

/// Debian's promtool.
#[derive(Debug)]
pub struct Promtool;

impl Promtool {
    /// Why it is not here.
    pub fn missing() -> Option<String> {
        skip::not_installed(&["promtool"])
    }

    /// Runs it in `folder`; what it prints.
    pub fn run(folder: &Path, args: &[&str]) -> String {
        let mut promtool = command("promtool", args);
        promtool.current_dir(folder);
        must(promtool)
    }

    /// What it says of a scrape.
    pub fn check_metrics(text: &str) -> Ran {
        fed(command("promtool", ["check", "metrics"]), text.as_bytes())
    }
}
