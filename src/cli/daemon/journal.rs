//! Tells the log what the daemon does.

use crate::executor::Reporter;
use crate::model::{Problem, Step};

/// One line a step that has ended.
pub(super) struct Journal;

impl Reporter for Journal {
    fn started(&self, step: &Step) {
        tracing::debug!(assets = ?names(step), action = step.action.name(), reason = step.reason, "begin");
    }

    fn finished(&self, step: &Step, problem: Option<&Problem>) {
        let (assets, action) = (names(step).join(" "), step.action.name());
        match problem {
            Some(problem) => tracing::warn!(assets, action, code = problem.code.name(), "failed: {problem}"),
            None if step.action.is_silent() => tracing::debug!(assets, action, "done: {}", step.reason),
            None => tracing::info!(assets, action, "done: {}", step.reason),
        }
    }
}

fn names(step: &Step) -> Vec<String> {
    step.assets.iter().map(ToString::to_string).collect()
}
