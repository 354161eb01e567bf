//! For the machine's own people: whether it lives, whether it does its work, and how things stand.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;

use super::hosts::Hosts;
use super::page::{self, Facts};

/// How the daemon is.
pub trait Health: Send + Sync {
    /// Why it does not live, if it does not: its loop hangs.
    fn hangs(&self) -> Option<String>;
    /// Why it does not do its work, if it does not: it has not looked yet, or cannot.
    fn waits_for(&self) -> Option<String>;
}

/// The routes of `listen`; what is for people is served under their `hosts`.
pub fn private(health: Arc<dyn Health>, facts: Arc<dyn Facts>, hosts: Hosts) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(health)
        .merge(page::routes(facts, hosts))
}

async fn healthz(State(health): State<Arc<dyn Health>>) -> (StatusCode, String) {
    said(health.hangs())
}

async fn readyz(State(health): State<Arc<dyn Health>>) -> (StatusCode, String) {
    said(health.hangs().or_else(|| health.waits_for()))
}

fn said(trouble: Option<String>) -> (StatusCode, String) {
    match trouble {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why + "\n"),
    }
}
