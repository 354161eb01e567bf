//! Opening a state: what is refused, what is mended, and what is said about it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::Writer;
use crate::clock::Entropy;
use crate::store::index::{Index, Stamp};
use crate::store::journal::append::Appender;
use crate::store::journal::header::Header;
use crate::store::journal::replay::{self, Replay};
use crate::store::journal::{self, compact};
use crate::store::lock::Lock;
use crate::store::trail::{self, Trail};
use crate::store::{Notice, NoticeKind, OpenOptions, StoreError, posture};

impl Writer {
    /// Opens the state, or makes it.
    ///
    /// Until the journal has been read and found good, nothing is written: a wrong key, a newer schema
    /// and a damaged file leave every byte as it is.
    pub(in crate::store) fn open(
        options: OpenOptions,
        entropy: Entropy,
        now: Timestamp,
    ) -> Result<(Self, Vec<Notice>), StoreError> {
        let OpenOptions { dir, key } = options;
        // Without a slash at its end, with which the system follows a symlink unasked.
        let dir: PathBuf = dir.components().collect();
        prepare(&dir)?;
        let lock = Lock::take(&dir)?;
        // A symlink that leads nowhere is there too, and is refused below.
        if std::fs::symlink_metadata(journal::path(&dir)).is_err() {
            create(&dir, &key, &entropy, now)?;
        }
        let mut log = Appender::open(&journal::path(&dir))?;
        let mut state = replay::read(log.file(), log.path(), &key)?;
        check_rest(&dir)?;
        lock.sign();
        posture::remove_file(&journal::new_path(&dir))?;
        let mut notices: Vec<_> = cut_torn(&mut log, &state)?.into_iter().collect();
        let found = open_index(&dir.join("db"), &state, &log);
        notices.extend(found.notices);
        let (trail, seen) = Trail::open(&dir, &state.live)?;
        notices.extend(seen);
        state.live.forget_all_but_places();
        let writer = Self {
            dir,
            key,
            entropy,
            state,
            sequence: found.given,
            log,
            trail,
            index: found.index,
            failed: None,
            postponed: 0,
            _lock: lock,
        };
        Ok((writer, notices))
    }
}

/// The folders, as they must be.
fn prepare(dir: &Path) -> Result<(), StoreError> {
    posture::make_dir(dir)?;
    posture::check_owner(dir)?;
    posture::make_dir(&journal::dir(dir))
}

/// What is opened later must be as it should be before anything is written.
fn check_rest(dir: &Path) -> Result<(), StoreError> {
    let db = dir.join("db");
    if std::fs::symlink_metadata(&db).is_ok() {
        posture::check_dir(&db)?;
    }
    let log = trail::path(dir);
    if std::fs::symlink_metadata(&log).is_ok() {
        posture::open_file(&log, std::fs::OpenOptions::new().read(true))?;
    }
    Ok(())
}

/// Makes the first journal; not where something says that there was one.
fn create(
    dir: &Path,
    key: &crate::store::StateKey,
    entropy: &Entropy,
    now: Timestamp,
) -> Result<(), StoreError> {
    for left in [dir.join("db"), trail::path(dir)] {
        if std::fs::symlink_metadata(&left).is_ok() {
            return Err(StoreError::JournalGone { journal: journal::path(dir), left });
        }
    }
    let mut id = [0; 16];
    entropy.fill(&mut id)?;
    let header = Header { id, generation: 0, sequence: 0, created_at: now };
    compact::create(dir, &header, key, entropy)
}

/// Cuts off, durably, what a crash has left of a step that was never acknowledged.
fn cut_torn(log: &mut Appender, state: &Replay) -> Result<Option<Notice>, StoreError> {
    if state.torn == 0 {
        return Ok(None);
    }
    log.cut(state.end)?;
    let text = format!(
        "{} ended within a step: {} bytes after step {} were cut off at byte {}",
        log.path().display(),
        state.torn,
        state.sequence,
        state.end
    );
    Ok(Some(Notice::new(NoticeKind::TornTail, text)))
}

/// What opening `db/` has come to.
struct Found {
    index: Option<Index>,
    /// The last number that was ever given to a step.
    given: u64,
    notices: Vec<Notice>,
}

/// sled, as the journal says it must be: as it was found, or built anew.
fn open_index(db: &Path, state: &Replay, log: &Appender) -> Found {
    let (stamp, why) = match try_index(db, state, log) {
        Ok((index, given)) => {
            return Found { index: Some(index), given, notices: Vec::new() };
        }
        Err(unfit) => unfit,
    };
    let ours = Stamp::new(&state.header, state.sequence, state.sequence);
    let kin = stamp.filter(|stamp| stamp.is_kin(&ours));
    // Numbers that were given out are not given out again (I11).
    let given = kin.map_or(state.sequence, |stamp| stamp.given.max(state.sequence));
    let stamp = Stamp::new(&state.header, state.sequence, given);
    let built = Index::build(db, &state.live, log.file(), stamp);
    let behind = kin.filter(|stamp| stamp.sequence > state.sequence);
    let mut notices: Vec<_> = behind.map(|stamp| behind_notice(db, state, log, &stamp)).into_iter().collect();
    notices.extend(why.map(|why| rebuilt_notice(db, &why, built.as_ref().err())));
    Found { index: built.ok(), given, notices }
}

/// `db/` where it is as the journal says; else how far it came, and what is wrong with it (nothing,
/// where it is missing because nothing was ever written).
fn try_index(
    db: &Path,
    state: &Replay,
    log: &Appender,
) -> Result<(Index, u64), (Option<Stamp>, Option<String>)> {
    if std::fs::symlink_metadata(db).is_err() {
        let fresh = state.header.generation == 0 && state.sequence == 0;
        return Err((None, (!fresh).then(|| "it was missing".to_owned())));
    }
    let index = Index::open(db).map_err(|fault| (None, Some(fault)))?;
    let Some(stamp) = index.stamp() else {
        index.close();
        return Err((None, Some("it was not whole".to_owned())));
    };
    let ours = Stamp::new(&state.header, state.sequence, state.sequence);
    let compared = match stamp.is_level(&ours) {
        true => index.compare(&state.live, log.file()),
        false => Err(format!("it stood at step {}, the journal at step {}", stamp.sequence, state.sequence)),
    };
    match compared {
        Ok(()) => Ok((index, stamp.given.max(state.sequence))),
        Err(why) => {
            index.close();
            Err((Some(stamp), Some(why)))
        }
    }
}

fn behind_notice(db: &Path, state: &Replay, log: &Appender, stamp: &Stamp) -> Notice {
    let text = format!(
        "{} ends at step {}, and {} has step {}: steps that were acknowledged are gone",
        log.path().display(),
        state.sequence,
        db.display(),
        stamp.sequence
    );
    Notice::new(NoticeKind::JournalBehind, text)
}

fn rebuilt_notice(db: &Path, why: &str, failed: Option<&StoreError>) -> Notice {
    let db = db.display();
    let Some(error) = failed else {
        let text = format!("{db} was built anew from the journal: {why}");
        return Notice::new(NoticeKind::IndexRebuilt, text);
    };
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let text = format!("{db}: {why}; {error}{cause}; the journal answers in its place");
    Notice::new(NoticeKind::IndexUnusable, text)
}
