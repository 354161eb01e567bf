//! Tells people how it goes, on stderr: lines and bars.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tracing::span::EnteredSpan;

use crate::executor::Reporter;
use crate::model::{Action, AssetId, Problem, Step};

/// Lines on stderr, with bars below them where it is a terminal.
pub(super) struct Lines {
    bars: MultiProgress,
    running: Mutex<HashMap<String, ProgressBar>>,
    quiet: bool,
}

impl Lines {
    pub(super) fn new(quiet: bool) -> Self {
        Self { bars: MultiProgress::new(), running: Mutex::new(HashMap::new()), quiet }
    }

    /// A bar for a search that nobody can say the end of.
    pub(super) fn search(&self, bits: usize) -> SearchBar {
        if self.quiet || self.bars.is_hidden() {
            return SearchBar { bar: ProgressBar::hidden(), bits };
        }
        let bar = self.bars.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {wide_msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        SearchBar { bar, bits }
    }

    #[allow(clippy::print_stderr)]
    fn line(&self, text: &str) {
        if !self.quiet {
            self.bars.suspend(|| eprintln!("{text}"));
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<String, ProgressBar>> {
        self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// How far a search for a safe prime is.
pub(super) struct SearchBar {
    bar: ProgressBar,
    bits: usize,
}

impl SearchBar {
    /// No share of the whole: the search has no memory, and at any time as much is still to come as at its start.
    pub(super) fn show(&self, tested: u64, expected: u64) {
        let mean = self.bar.elapsed().as_secs_f64() / tested.max(1) as f64 * expected as f64;
        self.bar.set_message(still_to_come(self.bits, tested, mean));
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// `mean` seconds are distributed exponentially: half of all searches take ln 2 of them, 19 of 20 at most ln 20.
fn still_to_come(bits: usize, tested: u64, mean: f64) -> String {
    let (half, most) = (mean * std::f64::consts::LN_2, mean * 20f64.ln());
    format!(
        "safe prime of {bits} bits: {tested} tested; from any moment on, half of all searches end within {half:.1} s, 19 of 20 within {most:.1} s"
    )
}

impl Reporter for Lines {
    fn started(&self, step: &Step) {
        let (asset, assets) = labels(step);
        tracing::info!(asset, assets, action = step.action.name(), reason = step.reason, "begin");
        // A bar has a thread that turns it.
        if step.action.is_silent() || self.bars.is_hidden() {
            return;
        }
        let bar = self.bars.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(title(step));
        bar.enable_steady_tick(Duration::from_millis(200));
        self.running().insert(title(step), bar);
    }

    fn finished(&self, step: &Step, problem: Option<&Problem>) {
        if let Some(bar) = self.running().remove(&title(step)) {
            bar.finish_and_clear();
        }
        if let Some(line) = ended(step, problem) {
            self.line(&line);
        }
    }
}

/// What is said of a step that has ended.
pub(super) fn ended(step: &Step, problem: Option<&Problem>) -> Option<String> {
    match (problem, &step.action) {
        (None, Action::Note(..)) => None,
        (None, _) => Some(format!("  {}: {}", title(step), step.reason)),
        (Some(problem), _) => Some(format!("  {}: FAILED: {problem}", title(step))),
    }
}

/// The assets that a step is for.
pub(super) fn names(step: &Step) -> Vec<String> {
    step.assets.iter().map(ToString::to_string).collect()
}

/// The same for logs: what is about one asset can be found by its name alone.
pub(super) fn labels(step: &Step) -> (Option<String>, Option<String>) {
    match step.assets.as_slice() {
        [one] => (Some(one.to_string()), None),
        _ => (None, Some(names(step).join(" "))),
    }
}

/// Each of several assets, as journald has it: it takes many values of a field, and takes them from spans (an event has one).
/// For all other logs these are switched off.
pub(super) struct Each(Vec<EnteredSpan>);

/// What those spans are switched off by.
pub(super) const EACH: &str = "keyturn::each";

/// More assets of one step are not told apart.
const MOST_EACH: usize = 64;

impl Each {
    /// What is logged while it lives is about each of the step's assets.
    pub(super) fn of(step: &Step) -> Self {
        let several = if step.assets.len() > 1 { step.assets.as_slice() } else { &[] };
        let span =
            |id: &AssetId| tracing::info_span!(target: EACH, "asset", asset = id.to_string()).entered();
        Self(several.iter().take(MOST_EACH).map(span).collect())
    }
}

impl Drop for Each {
    fn drop(&mut self) {
        // The last one entered is left first.
        while self.0.pop().is_some() {}
    }
}

/// "rollout web_nginx (certificates/edge, dh_params/edge)"
fn title(step: &Step) -> String {
    format!("{:<8} {} ({})", step.action.name(), what(step), names(step).join(", "))
}

/// The revision, the object or the place that a step is about.
fn what(step: &Step) -> String {
    match &step.action {
        Action::Generate(make) | Action::Issue(make) => format!("revision {}", make.revision),
        Action::List(make) => format!("revocation lists {}", make.edition),
        Action::Publish(object) => object.name.clone(),
        Action::Rollout(rollout) | Action::Verify(rollout) => rollout.place.name(),
        Action::Forget(forget) => forget.place.name(),
        Action::Delete(old) => old.name.clone(),
        Action::Announce(_, number)
        | Action::Activate(_, number)
        | Action::Retire(_, number)
        | Action::Revoke(_, number)
        | Action::Consult(_, number) => {
            format!("revision {number}")
        }
        Action::Note(_, place, _) => place.name(),
    }
}
