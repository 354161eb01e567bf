//! What is wrong, or odd, with a configuration, and where it says so.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// So many findings are kept and shown; of the rest only their number. A file of a million faults
/// must cost neither memory nor a screen.
const LIMIT: usize = 100;

/// One thing that is wrong or odd, with the place that says so.
///
/// Shown as `keyturn.toml:12:3: certificates.edge.renew_before: must be …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    file: Arc<str>,
    position: Option<(usize, usize)>,
    key: String,
    message: String,
}

impl Finding {
    /// Line and column, both counted from 1, the column in characters; `None`: the whole file.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.position
    }

    /// `place` with something to say.
    pub(super) fn with_message(place: &Self, message: String) -> Self {
        Self { message, ..place.clone() }
    }

    /// The path of the key: `certificates.edge.targets[0].files`; empty for the whole file.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is wrong and what to do, lower-case.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// All that is wrong with a configuration, in the order of the file; one line each when shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    findings: Vec<Finding>,
    more: usize,
}

impl ConfigErrors {
    /// The faults; at most a hundred.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// A fault of the whole file.
    pub(super) fn of_file(file: &Path, message: String) -> Self {
        let file = file.display().to_string().into();
        let finding = Finding { file, position: None, key: String::new(), message };
        Self { findings: vec![finding], more: 0 }
    }

    /// Those of `findings`, where there are any.
    pub(super) fn from_findings(findings: Vec<Finding>) -> Result<(), Self> {
        if findings.is_empty() { Ok(()) } else { Err(Self { findings, more: 0 }) }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{finding}")?;
        }
        if self.more > 0 {
            write!(f, "\n… and {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Where a finding is, before lines and columns are counted.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    /// The path of the key.
    pub(super) key: String,
    /// Bytes from the beginning of the file.
    pub(super) at: usize,
}

/// Collects findings while the configuration is read.
#[derive(Debug, Default)]
pub(super) struct Findings {
    faults: RefCell<Vec<(Spot, String)>>,
    more: Cell<usize>,
    warnings: RefCell<Vec<(Spot, String)>>,
}

impl Findings {
    /// Whether a further fault would only be counted; then its message need not be made.
    pub(super) fn is_full(&self) -> bool {
        self.faults.borrow().len() >= LIMIT
    }

    /// One more fault.
    pub(super) fn fault(&self, spot: Spot, message: String) {
        if self.is_full() {
            self.more.set(self.more.get() + 1);
        } else {
            self.faults.borrow_mut().push((spot, message));
        }
    }

    /// One more oddity, which stops nothing.
    pub(super) fn warning(&self, spot: Spot, message: String) {
        if self.warnings.borrow().len() < LIMIT {
            self.warnings.borrow_mut().push((spot, message));
        }
    }

    /// The warnings, or, where there are any, the faults.
    pub(super) fn finish(self, source: &Source<'_>) -> Result<Vec<Finding>, ConfigErrors> {
        let faults = source.resolve(self.faults.into_inner());
        if faults.is_empty() {
            Ok(source.resolve(self.warnings.into_inner()))
        } else {
            Err(ConfigErrors { findings: faults, more: self.more.get() })
        }
    }
}

/// The text of the configuration, to count lines in.
pub(super) struct Source<'t> {
    file: Arc<str>,
    text: &'t str,
    line_starts: Vec<usize>,
}

impl<'t> Source<'t> {
    pub(super) fn new(file: &Path, text: &'t str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect();
        Self { file: file.display().to_string().into(), text, line_starts }
    }

    /// Line and column of a byte, both from 1.
    fn position(&self, at: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= at).max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or_default();
        // A column is counted in characters; bytes will do where the parser points into one.
        let column = self.text.get(start..at).map_or(at - start, |before| before.chars().count());
        (line, column + 1)
    }

    /// `found` in the order of the file.
    pub(super) fn resolve(&self, mut found: Vec<(Spot, String)>) -> Vec<Finding> {
        found.sort_by(|(left, _), (right, _)| (left.at, &left.key).cmp(&(right.at, &right.key)));
        found.into_iter().map(|(spot, message)| self.finding(spot, message)).collect()
    }

    /// `spot` with its line.
    pub(super) fn finding(&self, spot: Spot, message: String) -> Finding {
        let position = Some(self.position(spot.at));
        Finding { file: Arc::clone(&self.file), position, key: spot.key, message }
    }
}
