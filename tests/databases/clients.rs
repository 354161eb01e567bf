//! Clients: one that stays connected, and one after another that connect anew.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::servers::{Client, Server};
use crate::support::{pause, wait_for};

/// A client that keeps its one connection.
pub(crate) struct Held {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    question: &'static str,
    answer: &'static str,
}

impl Held {
    pub(crate) fn start(mut command: Command, question: &'static str, answer: &'static str) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        Self { child, stdin, lines, question, answer }
    }

    /// The connection answers.
    pub(crate) fn ask(&mut self) {
        self.stdin.write_all(self.question.as_bytes()).unwrap();
        self.stdin.flush().unwrap();
        let limit = Duration::from_secs(20);
        while !self
            .lines
            .recv_timeout(limit)
            .expect("the connection that was held is gone")
            .contains(self.answer)
        {}
        assert!(self.child.try_wait().unwrap().is_none());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// New connections, one after another, each of which must be answered.
pub(crate) struct Stream {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    failed: Arc<Mutex<Vec<String>>>,
    thread: JoinHandle<()>,
}

impl Stream {
    pub(crate) fn start(server: &Server) -> Self {
        Self::of(server.client())
    }

    pub(crate) fn of(client: Client) -> Self {
        let (stop, answered, failed) =
            <(Arc<AtomicBool>, Arc<AtomicUsize>, Arc<Mutex<Vec<String>>>)>::default();
        let thread = std::thread::spawn({
            let (stop, answered, failed) = (Arc::clone(&stop), Arc::clone(&answered), Arc::clone(&failed));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    match client.connect() {
                        Ok(()) => _ = answered.fetch_add(1, Ordering::Relaxed),
                        Err(error) => failed.lock().unwrap().push(error),
                    }
                }
            }
        });
        let stream = Self { stop, answered, failed, thread };
        stream.goes_on();
        stream
    }

    /// Five more come through.
    pub(crate) fn goes_on(&self) {
        let before = self.answered.load(Ordering::Relaxed);
        let more = || self.answered.load(Ordering::Relaxed) >= before + 5;
        assert!(wait_for(Duration::from_secs(60), more), "{:?}", self.failed.lock().unwrap());
        pause(Duration::from_millis(50));
    }

    pub(crate) fn stop(self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        Outcome {
            answered: self.answered.load(Ordering::Relaxed),
            failed: self.failed.lock().unwrap().clone(),
        }
    }
}

/// What became of them.
pub(crate) struct Outcome {
    answered: usize,
    failed: Vec<String>,
}

impl Outcome {
    pub(crate) fn assert_all_answered(&self) {
        println!("{} connections, {} failed", self.answered, self.failed.len());
        assert!(self.failed.is_empty(), "{} answered, failed: {:#?}", self.answered, self.failed);
    }
}
