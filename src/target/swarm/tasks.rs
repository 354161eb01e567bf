//! What tasks say of themselves.

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;
use serde_json::Value;

use super::Swarm;
use super::error::Refusal;

/// How much of a failed task's log is read.
const LAST_LINES: &str = "20";

/// Whether the task will not run again: its objects are of no use to it any more.
pub(super) fn is_over(task: &Value) -> bool {
    matches!(
        task["Status"]["State"].as_str(),
        Some("complete" | "shutdown" | "failed" | "rejected" | "remove" | "orphaned")
    )
}

/// Whether it runs, and should.
pub(super) fn is_running(task: &Value) -> bool {
    is_wanted(task) && task["Status"]["State"].as_str() == Some("running")
}

/// Whether the Swarm wants it to run.
pub(super) fn is_wanted(task: &Value) -> bool {
    matches!(task["DesiredState"].as_str(), Some("running" | "ready"))
}

/// Whether it came to a bad end.
pub(super) fn has_failed(task: &Value) -> bool {
    matches!(task["Status"]["State"].as_str(), Some("failed" | "rejected"))
}

impl Swarm {
    /// All tasks of a service.
    pub(super) async fn tasks_of(&self, service: &str) -> Result<Vec<Value>, Refusal> {
        let filter = serde_json::json!({ "service": [service] }).to_string();
        let tasks = self.raw.get(&format!("/tasks?filters={}", encoded(&filter))).await?;
        Ok(tasks.as_array().cloned().unwrap_or_default())
    }

    /// Which task failed, why, and what it said last.
    pub(super) async fn story(&self, service: &str, task: &Value) -> String {
        let id = task["ID"].as_str().unwrap_or("?");
        let slot = task["Slot"].as_u64().map_or_else(|| "?".to_owned(), |slot| slot.to_string());
        let state = task["Status"]["State"].as_str().unwrap_or("?");
        let error = task["Status"]["Err"]
            .as_str()
            .or(task["Status"]["Message"].as_str())
            .unwrap_or("no reason given");
        let said = self.last_words(id).await;
        let said = said.map_or_else(String::new, |said| format!("; it said: {said}"));
        format!("task {service}.{slot} ({}) is {state}: {error}{said}", id.get(..12).unwrap_or(id))
    }

    /// The lines of a task's log that say most: NGINX's `[emerg]` and the like, or else the last one.
    async fn last_words(&self, task: &str) -> Option<String> {
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail(LAST_LINES).build();
        let logs = self.docker.task_logs(task, Some(options)).take(200);
        let reading = logs.filter_map(|line| std::future::ready(line.ok())).collect::<Vec<LogOutput>>();
        let lines = tokio::time::timeout(super::CALL_TIMEOUT, reading).await.ok()?;
        // Stream 3 is not the task's: there the engine says why it cannot read the log.
        let own = lines.iter().map(AsRef::as_ref).filter(|line: &&[u8]| line.first() != Some(&3));
        let text: String = own.map(String::from_utf8_lossy).collect();
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let telling =
            |line: &&&str| ["[emerg]", "[alert]", "[crit]", "rror"].iter().any(|word| line.contains(word));
        lines.iter().find(telling).or(lines.last()).map(|line| line.chars().take(500).collect())
    }
}

/// Percent-encoding for a query value.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
