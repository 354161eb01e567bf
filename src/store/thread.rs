//! The store's handle, and the one thread behind it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::oneshot;

use super::writer::Writer;
use super::{Change, MaterialId, Notice, StateKey, StateStore, StoreError};
use crate::clock::Entropy;
use crate::model::Secret;

/// So many changes that wait together are made durable with one sync.
const GROUP: usize = 64;
/// When nobody has asked for anything for so long, what can wait is done.
const IDLE: Duration = Duration::from_millis(150);
/// The same for audit.log's sync, which hardly can.
const SOON: Duration = Duration::from_millis(20);

/// What a state is opened with.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// The state's folder; it is made, 0700, where it is missing (the folder above it must be there).
    pub dir: PathBuf,
    /// What opens it.
    pub key: StateKey,
}

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

enum Request {
    Commit(Change, Answer<u64>),
    Records(Answer<BTreeMap<String, Vec<u8>>>),
    Material(MaterialId, Answer<Option<Secret>>),
    Compact(Answer<()>),
    Rekey(StateKey, Answer<()>),
}

/// The state, open for writing. Dropping it finishes what was asked for, and closes it.
#[derive(Debug)]
pub struct Store {
    requests: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Store {
    /// Opens the state in `options.dir`, or makes it (then `now` is its time of birth), and says what
    /// it has found and mended. It blocks: milliseconds as a rule, more where `db/` is built anew.
    ///
    /// # Errors
    ///
    /// `Locked` at once when another process writes; `Posture`, `WrongKey`, `Newer`, `Damaged` and
    /// `JournalGone` with every byte left as it was.
    pub fn open(
        options: OpenOptions,
        entropy: &Entropy,
        now: Timestamp,
    ) -> Result<(Self, Vec<Notice>), StoreError> {
        let (requests, receiver) = mpsc::channel();
        let (opened, outcome) = mpsc::sync_channel(1);
        let (entropy, dir) = (entropy.clone(), options.dir.clone());
        let work = move || match Writer::open(options, entropy, now) {
            Ok((writer, notices)) => {
                let _ = opened.send(Ok(notices));
                run(writer, &receiver);
            }
            Err(error) => {
                let _ = opened.send(Err(error));
            }
        };
        let thread = std::thread::Builder::new().name("keyturn-store".to_owned()).spawn(work);
        let thread = thread.map_err(StoreError::io("start a thread for", &dir))?;
        let store = Self { requests: Some(requests), thread: Some(thread) };
        let notices = outcome.recv().map_err(|_| StoreError::Closed)??;
        Ok((store, notices))
    }

    /// Rewrites the journal with what is alive, and `db/` with it: what was deleted or destroyed is
    /// then in neither. It also happens by itself: soon after a material was destroyed, and when the
    /// journal has grown out of proportion.
    ///
    /// # Errors
    ///
    /// As a commit; after `NoSpace` the old files are as they were.
    pub async fn compact(&self) -> Result<(), StoreError> {
        self.ask(Request::Compact).await
    }

    /// Puts the state under another state key. The old one opens nothing of it any more.
    ///
    /// # Errors
    ///
    /// As [`Store::compact`].
    pub async fn rekey(&self, key: StateKey) -> Result<(), StoreError> {
        self.ask(|answer| Request::Rekey(key, answer)).await
    }

    async fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or(StoreError::Closed)?;
        requests.send(request(answer)).map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // The thread ends when nobody can ask any more.
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[async_trait]
impl StateStore for Store {
    async fn commit(&self, change: Change) -> Result<u64, StoreError> {
        self.ask(|answer| Request::Commit(change, answer)).await
    }

    async fn records(&self) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        self.ask(Request::Records).await
    }

    async fn material(&self, id: &MaterialId) -> Result<Option<Secret>, StoreError> {
        let id = id.clone();
        self.ask(|answer| Request::Material(id, answer)).await
    }
}

/// Serves until the last asker is gone.
fn run(mut writer: Writer, requests: &Receiver<Request>) {
    let mut next = None;
    while let Some(request) = next.take().or_else(|| wait(&mut writer, requests)) {
        match request {
            Request::Commit(change, answer) => {
                next = commit(&mut writer, requests, (change, answer));
                writer.keep_short();
            }
            Request::Records(answer) => reply(answer, writer.records()),
            Request::Material(id, answer) => reply(answer, writer.material(&id)),
            Request::Compact(answer) => reply(answer, writer.compact()),
            Request::Rekey(key, answer) => reply(answer, writer.rekey(key)),
        }
    }
    writer.close();
}

/// Nobody waits for an answer to a question that was dropped.
fn reply<T>(answer: Answer<T>, value: Result<T, StoreError>) {
    let _ = answer.send(value);
}

/// The next request; the chores are done when none comes.
fn wait(writer: &mut Writer, requests: &Receiver<Request>) -> Option<Request> {
    if writer.is_behind() {
        match requests.recv_timeout(SOON) {
            Ok(request) => return Some(request),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => drop(writer.sync_trail()),
        }
    }
    if writer.has_chores() {
        match requests.recv_timeout(IDLE) {
            Ok(request) => return Some(request),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {
                writer.do_chores();
                writer.lighten();
            }
        }
    }
    requests.recv().ok()
}

/// Commits `first` and whatever commits wait behind it; gives back the first other request.
fn commit(
    writer: &mut Writer,
    requests: &Receiver<Request>,
    first: (Change, Answer<u64>),
) -> Option<Request> {
    let (mut changes, mut answers) = (vec![first.0], vec![first.1]);
    let mut other = None;
    while changes.len() < GROUP && other.is_none() {
        match requests.try_recv() {
            Ok(Request::Commit(change, answer)) => {
                changes.push(change);
                answers.push(answer);
            }
            Ok(request) => other = Some(request),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
        }
    }
    for (answer, outcome) in answers.into_iter().zip(writer.commit(changes)) {
        reply(answer, outcome);
    }
    other
}
