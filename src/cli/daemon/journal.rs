//! Tells the log what the daemon does, and those who have asked for it.

use tokio::sync::broadcast;

use crate::cli::report;
use crate::executor::Reporter;
use crate::model::{AssetId, Problem, Step};

/// A step that has ended, as people are told of it.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) assets: Vec<AssetId>,
    pub(super) line: String,
}

/// One line a step that has ended.
pub(super) struct Journal(pub(super) broadcast::Sender<Told>);

impl Reporter for Journal {
    fn started(&self, step: &Step) {
        tracing::debug!(
            assets = report::names(step).join(" "),
            action = step.action.name(),
            reason = step.reason,
            "begin"
        );
    }

    fn finished(&self, step: &Step, problem: Option<&Problem>) {
        let (assets, action) = (report::names(step).join(" "), step.action.name());
        match problem {
            Some(problem) => tracing::warn!(assets, action, code = problem.code.name(), "failed: {problem}"),
            None if step.action.is_silent() => tracing::debug!(assets, action, "done: {}", step.reason),
            None => tracing::info!(assets, action, "done: {}", step.reason),
        }
        if let Some(line) = report::ended(step, problem) {
            // Often nobody listens.
            let _ = self.0.send(Told { assets: step.assets.clone(), line });
        }
    }
}
