//! Tells the log what the daemon does, and those who have asked for it.

use tokio::sync::broadcast;

use super::board::{self, Steps};
use crate::cli::report;
use crate::executor::Reporter;
use crate::model::{AssetId, Problem, Step};

/// A step that has ended, as people are told of it.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) assets: Vec<AssetId>,
    pub(super) line: String,
}

/// One line a step that has ended, and one more in the count.
pub(super) struct Journal {
    pub(super) told: broadcast::Sender<Told>,
    pub(super) steps: Steps,
}

impl Reporter for Journal {
    fn started(&self, step: &Step) {
        let (asset, assets) = report::labels(step);
        tracing::debug!(asset, assets, action = step.action.name(), reason = step.reason, "begin");
    }

    fn finished(&self, step: &Step, problem: Option<&Problem>) {
        board::count(&self.steps, step.action.name(), problem.is_none());
        let ((asset, assets), action) = (report::labels(step), step.action.name());
        // In the journal, the fields are not to be seen at first.
        let _each = report::Each::of(step);
        let what = format!("{action} {}", report::names(step).join(", "));
        match problem {
            Some(problem) => {
                tracing::warn!(asset, assets, action, code = problem.code.name(), "{what} failed: {problem}");
            }
            None if step.action.is_silent() => {
                tracing::debug!(asset, assets, action, "{what}: {}", step.reason);
            }
            None => tracing::info!(asset, assets, action, "{what}: {}", step.reason),
        }
        if let Some(line) = report::ended(step, problem) {
            // Often nobody listens.
            let _ = self.told.send(Told { assets: step.assets.clone(), line });
        }
    }
}
