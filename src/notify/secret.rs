//! Addresses and tokens, from their files, at each use: a new one needs no reload.

use std::path::Path;

use super::SendError;
use crate::model::Secret;

/// Nothing that is kept in such a file is longer, in bytes.
const LONGEST: u64 = 8 * 1024;

/// The first line of a file; its end may be missing.
///
/// # Errors
///
/// When it cannot be read or holds nothing. What it holds is in no error.
pub async fn line(file: &Path) -> Result<Secret, SendError> {
    let name = file.display();
    let about = |why: String| SendError::later(format!("{name}: {why}"));
    let size = tokio::fs::metadata(file).await.map_err(|error| about(error.to_string()))?.len();
    if size > LONGEST {
        return Err(about(format!("is longer than {LONGEST} bytes; is it the right file?")));
    }
    let text = tokio::fs::read_to_string(file).await.map_err(|error| about(error.to_string()))?;
    let line = text.trim();
    if line.is_empty() {
        return Err(about("is empty".to_owned()));
    }
    if line.chars().any(char::is_control) {
        return Err(about("has more than one line, or control characters in it".to_owned()));
    }
    Ok(Secret::new(line.as_bytes().to_vec()))
}
