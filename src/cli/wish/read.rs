//! What readers ask the daemon for. Nothing is changed, and what takes a processor's time is worked out beside the threads that
//! all else runs on.

use std::sync::Arc;

use super::{Answer, Manner, Wish};
use crate::cli::compose::House;
use crate::cli::fail::Failure;
use crate::cli::{approvals, audit, plan, status};
use crate::config::Config;

impl Wish {
    /// Whether it asks for nothing but how things stand.
    pub(in crate::cli) fn only_reads(&self) -> bool {
        matches!(self, Self::Status { .. } | Self::Plan { .. } | Self::Audit { .. } | Self::Approvals {})
    }

    /// What there is to tell, worked out for as long as it is `wanted`.
    pub(in crate::cli) async fn read(
        &self,
        config: &Arc<Config>,
        house: &House,
        manner: Manner,
        wanted: impl Fn() -> bool + Send + 'static,
    ) -> Result<Answer, Failure> {
        let (config, now) = (Arc::clone(config), house.executor.clock.now());
        match self {
            Self::Status { asset } => {
                let (inventory, asset) = (house.executor.books.inventory().await, asset.clone());
                aside(move || status::answer(&config, &inventory, now, asset.as_deref(), manner)).await
            }
            Self::Plan { at, until } => {
                let span = plan::Span::of(at.as_deref(), until.as_deref())?;
                let inventory = house.executor.observe(&house.desired).await;
                let desired = Arc::clone(&house.desired);
                aside(move || Ok(span.answer(&desired, &inventory, now, manner, wanted))).await
            }
            Self::Audit { verify } => audit::answer_of_daemon(&config, *verify, manner).await,
            Self::Approvals {} => {
                let inventory = house.executor.books.inventory().await;
                Ok(approvals::list(&inventory.approvals, now, manner))
            }
            _ => Err(Failure::usage(format!("`{}` is more than a question", self.name()))),
        }
    }
}

/// Of many assets it can take minutes.
async fn aside(work: impl FnOnce() -> Result<Answer, Failure> + Send + 'static) -> Result<Answer, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(Failure::failed)?
}
