//! What time it is at a CA, as `doctor` compares it with ours.

use std::path::Path;
use std::sync::Arc;

use http::Request;
use http::header::DATE;
use instant_acme::BodyWrapper;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::http::Line;
use crate::clock::Clock;
use crate::model::{Code, Problem};
use crate::outside::chain;

/// The `Date` (RFC 9110 §6.6.1) of the directory at `server`, whose own TLS is trusted by `ca_file` too. One request, and
/// nothing is signed.
///
/// # Errors
///
/// When it cannot be reached, or does not say.
pub async fn time_at(
    server: &str,
    ca_file: Option<&Path>,
    clock: &Arc<dyn Clock>,
) -> Result<Timestamp, Problem> {
    let fault = |why: String| Problem::new(Code::IssuerUnreachable, format!("{server}: {why}"));
    let roots = ca_file.map(std::fs::read).transpose().map_err(|error| fault(error.to_string()))?;
    let line = Line::new(server, &roots.unwrap_or_default(), Arc::clone(clock));
    let line = line.map_err(|error| fault(error.to_string()))?;
    let request = Request::get(server).body(BodyWrapper::default());
    let request = request.map_err(|error| fault(error.to_string()))?;
    let (parts, _) = line.fetch(request).await.map_err(|error| fault(chain(&error)))?;
    let date = parts.headers.get(DATE).and_then(|date| date.to_str().ok());
    let date = date.ok_or_else(|| fault("its answer has no Date".to_owned()))?;
    let parsed = DateTimeParser::new().parse_timestamp(date);
    parsed.map_err(|error| fault(format!("its Date cannot be read: {error}")))
}
