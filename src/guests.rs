//! Connections from anybody, and no more of them than can be talked to.
//!
//! Beside the adapters, because two of them listen: the pages, and the answers to ACME's challenges.

use std::collections::VecDeque;
use std::io::Error;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::clock::Clock;

/// After a connection could not be taken.
const PAUSE: Duration = Duration::from_millis(100);

/// Work that ends with whoever has it.
#[derive(Debug)]
pub struct Task(JoinHandle<()>);

impl Task {
    /// Begins it.
    pub fn start(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    /// Returns when all that it had is dropped.
    pub async fn end(&mut self) {
        self.0.abort();
        let _ = (&mut self.0).await;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Who is talked to now.
#[derive(Debug, Default)]
pub struct Guests(VecDeque<Task>);

impl Guests {
    /// Talks to one more. Where there are `most` already, the oldest makes room: whoever asks for something is done in
    /// moments, so that one is somebody who dawdles.
    pub fn admit(&mut self, most: usize, talk: impl Future<Output = ()> + Send + 'static) {
        if self.0.len() >= most {
            self.0.retain(|task| !task.0.is_finished());
        }
        if self.0.len() >= most {
            self.0.pop_front();
        }
        self.0.push_back(Task::start(talk));
    }
}

/// A connection could not be taken: with no file descriptor left, trying again at once would only burn the processor.
pub async fn turned_away(error: &Error, clock: &dyn Clock) {
    tracing::warn!("a connection could not be taken: {error}");
    clock.sleep(PAUSE).await;
}
