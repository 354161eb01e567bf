//! Calls into file systems that may never come back: a stale NFS or FUSE mount keeps whoever asks for as long as it likes.
//!
//! Beside the adapters, because two kinds of files are looked at at every look. The calls are made on a thread that can be left
//! behind, one after the other, and what hangs is not asked again before its call has come back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A local disk answers within milliseconds, a server of files within tenths of a second.
const PATIENCE: Duration = Duration::from_secs(2);

/// When so many calls were left behind in one go, the others are not made in it: the look must end before the watchdog bites.
const MOST_LEFT: usize = 8;

/// File systems whose answers come from somewhere else, as mountinfo names them: when one path hangs, so do the others.
const REMOTE: [&str; 12] =
    ["nfs", "fuse", "cifs", "smb", "9p", "ceph", "afs", "autofs", "lustre", "beegfs", "gfs", "virtiofs"];

/// What hangs, and the mount that it is on where all of that hangs too. The threads are left behind by the process, so the
/// process remembers them.
static HANGING: Mutex<BTreeMap<PathBuf, Option<PathBuf>>> = Mutex::new(BTreeMap::new());

/// What `ask` says of each of `items`, each of which lies at a `path`; `None` where it does not answer.
pub async fn each<I, A>(
    items: Vec<I>,
    path: fn(&I) -> &Path,
    ask: impl Fn(&I) -> A + Send + Sync + 'static,
) -> Vec<(I, Option<A>)>
where
    I: Clone + Send + Sync + 'static,
    A: Send + 'static,
{
    let (all, ask) = (Arc::new(items), Arc::new(ask));
    let (mut answers, mut left) = (Vec::new(), 0);
    while answers.len() < all.len() && left < MOST_LEFT {
        let round = Round { all: Arc::clone(&all), first: answers.len(), path, kept: Arc::default() };
        answers.extend(round.answers(Arc::clone(&ask)).await);
        left += 1;
    }
    answers.resize_with(all.len(), || None);
    let items = Arc::try_unwrap(all).unwrap_or_else(|shared| shared.to_vec());
    items.into_iter().zip(answers).collect()
}

/// The same of one path.
pub async fn one<A: Send + 'static>(
    path: PathBuf,
    ask: impl Fn(&Path) -> A + Send + Sync + 'static,
) -> Option<A> {
    let mut answers = each(vec![path], PathBuf::as_path, move |path: &PathBuf| ask(path)).await;
    answers.pop().and_then(|(_, answer)| answer)
}

/// What is said of a path that does not answer.
pub fn silence(path: &Path) -> String {
    format!("{} does not answer: the file system that it is on hangs", path.display())
}

/// One thread's way through the items.
struct Round<I, A> {
    all: Arc<Vec<I>>,
    first: usize,
    path: fn(&I) -> &Path,
    kept: Arc<Mutex<Kept<A>>>,
}

struct Kept<A> {
    answers: Vec<Option<A>>,
    /// Nobody waits any longer for the call that is being made.
    is_left: bool,
}

impl<A> Default for Kept<A> {
    fn default() -> Self {
        Self { answers: Vec::new(), is_left: false }
    }
}

impl<I: Send + Sync + 'static, A: Send + 'static> Round<I, A> {
    /// The answers up to the end, or up to the first that has not come.
    async fn answers(self, ask: Arc<impl Fn(&I) -> A + Send + Sync + 'static>) -> Vec<Option<A>> {
        let (all, first, path, kept) = (Arc::clone(&self.all), self.first, self.path, Arc::clone(&self.kept));
        let mut work = tokio::task::spawn_blocking(move || {
            for item in &all[first..] {
                let answer = (!hangs(path(item))).then(|| ask(item));
                let mut kept = lock(&kept);
                if kept.is_left {
                    lock(&HANGING).remove(path(item));
                    return;
                }
                kept.answers.push(answer);
            }
        });
        let mut seen = 0;
        while tokio::time::timeout(PATIENCE, &mut work).await.is_err() {
            let mut kept = lock(&self.kept);
            if kept.answers.len() == seen {
                kept.is_left = true;
                self.leave(seen);
                break;
            }
            seen = kept.answers.len();
        }
        let mut answers = std::mem::take(&mut lock(&self.kept).answers);
        if self.first + answers.len() < self.all.len() {
            // It hangs, or has panicked.
            answers.push(None);
        }
        answers
    }

    fn leave(&self, at: usize) {
        let path = (self.path)(&self.all[self.first + at]);
        let mount = remote_mount(path);
        tracing::warn!("{}", silence(path));
        lock(&HANGING).insert(path.to_owned(), mount);
    }
}

/// Whether a call about it, or about something on the same mount, has not come back.
fn hangs(path: &Path) -> bool {
    let hanging = lock(&HANGING);
    let on_it = |mount: &Option<PathBuf>| mount.as_ref().is_some_and(|mount| path.starts_with(mount));
    hanging.contains_key(path) || hanging.values().any(on_it)
}

/// The mount that `path` is on, where that is one that hangs as a whole (proc_pid_mountinfo(5)). Nothing of it is touched.
fn remote_mount(path: &Path) -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let of_line = |line: &str| {
        let (mount, source) = line.split_once(" - ")?;
        Some((PathBuf::from(mount.split(' ').nth(4)?), source.split(' ').next()?.to_owned()))
    };
    let around = mounts.lines().filter_map(of_line).filter(|(mount, _)| path.starts_with(mount));
    // The last of those that lie over each other is the one that is seen.
    let (mount, kind) = around.max_by_key(|(mount, _)| mount.as_os_str().len())?;
    REMOTE.iter().any(|remote| kind.starts_with(remote)).then_some(mount)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
