//! sled: the state to ask, built from the journal and never believed before it has been compared with it.

use std::cell::Cell;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

use super::journal::header::Header;
use super::live::{Effect, Kept, Live, Place};
use super::{MaterialId, StoreError, posture};

mod quiet;

/// sled keeps so much in memory, as it counts: a material is asked for once in its life. In truth it keeps whatever it has
/// touched since it was opened.
const CACHE: u64 = 256 << 10;
/// When so many octets have gone through it, it is worth opening anew, with nothing in its memory.
const FULL: usize = 1 << 20;
/// Opening 100,000 records takes 125 ms; what takes so long hangs.
const PATIENCE: Duration = Duration::from_secs(20);
/// Closing must leave room for the rest of a stop within ten seconds.
const CLOSING: Duration = Duration::from_secs(4);

/// Why sled cannot be used, for people.
type Fault = String;

/// Up to which step of which journal an index has been brought.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    id: [u8; 16],
    generation: u64,
    /// The last step that the index has.
    pub(super) sequence: u64,
    /// The last number that was ever given to a step; higher where the journal has lost some.
    pub(super) given: u64,
}

impl Stamp {
    /// The stamp of an index that has all of a journal up to step `sequence`.
    pub(super) fn new(header: &Header, sequence: u64, given: u64) -> Self {
        Self { id: header.id, generation: header.generation, sequence, given }
    }

    fn encode(&self) -> Vec<u8> {
        let numbers = [self.generation, self.sequence, self.given].map(u64::to_le_bytes);
        [self.id.as_slice(), numbers.as_flattened()].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let id = bytes.get(..16)?.try_into().ok()?;
        Some(Self { id, generation: number(16)?, sequence: number(24)?, given: number(32)? })
    }

    /// Whether both are of the same state.
    pub(super) fn is_kin(&self, other: &Self) -> bool {
        self.id == other.id
    }

    /// Whether both stand for the same content.
    pub(super) fn is_level(&self, other: &Self) -> bool {
        self.is_kin(other) && self.generation == other.generation && self.sequence == other.sequence
    }
}

/// An open index.
pub(super) struct Index {
    db: sled::Db,
    records: sled::Tree,
    materials: sled::Tree,
    dir: PathBuf,
    /// Whether something is not handed to the kernel yet.
    dirty: bool,
    /// How many octets have gone through it since it was opened.
    touched: Cell<usize>,
}

const STAMP: &str = "stamp";

fn said(error: sled::Error) -> Fault {
    error.to_string()
}

/// A stored value: its step, then the same sealed bytes as in the journal.
fn stored(place: &Place, sealed: &[u8]) -> Vec<u8> {
    [place.sequence.to_le_bytes().as_slice(), sealed].concat()
}

impl Index {
    /// Opens what is in `dir`, or begins an empty one. sled can panic or hang on what an abrupt stop
    /// has left, so it opens on a thread of its own.
    pub(super) fn open(dir: &Path) -> Result<Self, Fault> {
        let path = dir.to_owned();
        let (sender, receiver) = mpsc::sync_channel(1);
        let opening = move || {
            let opened = quiet::catch(|| Self::open_here(path));
            let _ = sender.send(opened.and_then(|opened| opened));
        };
        let spawned = std::thread::Builder::new().name("keyturn-db-open".to_owned()).spawn(opening);
        spawned.map_err(|error| error.to_string())?;
        match receiver.recv_timeout(PATIENCE) {
            Ok(opened) => opened,
            Err(_) => Err("it does not open in time".to_owned()),
        }
    }

    fn open_here(dir: PathBuf) -> Result<Self, Fault> {
        let config = sled::Config::new().path(&dir).cache_capacity(CACHE).flush_every_ms(None);
        let db = config.open().map_err(said)?;
        // sled makes its files under the umask.
        posture::close_tree(&dir).map_err(|error| error.to_string())?;
        let records = db.open_tree("records").map_err(said)?;
        let materials = db.open_tree("materials").map_err(said)?;
        Ok(Self { db, records, materials, dir, dirty: false, touched: Cell::new(0) })
    }

    /// Throws away what is in `dir` and builds it from what is alive in the journal.
    pub(super) fn build(dir: &Path, live: &Live, journal: &File, stamp: Stamp) -> Result<Self, StoreError> {
        let failed = StoreError::io("rebuild", dir);
        remove(dir)?;
        posture::make_dir(dir)?;
        let built = Self::open(dir).and_then(|mut index| {
            index.fill(live, journal, stamp)?;
            index.flush().map(|()| index)
        });
        built.map_err(|fault| failed(std::io::Error::other(fault)))
    }

    fn fill(&mut self, live: &Live, journal: &File, stamp: Stamp) -> Result<(), Fault> {
        let read = |place: &Place| place.read(journal).map_err(|error| error.to_string());
        self.dirty = true;
        quiet::catch(|| {
            for (key, Kept { place, .. }) in &live.records {
                self.records.insert(key, stored(place, &read(place)?)).map_err(said)?;
            }
            for (id, place) in &live.materials {
                self.materials.insert(id.key(), stored(place, &read(place)?)).map_err(said)?;
            }
            self.db.insert(STAMP, stamp.encode()).map(drop).map_err(said)
        })?
    }

    /// How far it says it is.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        let bytes = quiet::catch(|| self.db.get(STAMP)).ok()?.ok()??;
        Stamp::decode(&bytes)
    }

    /// Compares every value with the journal's, which has been authenticated; says what differs.
    pub(super) fn compare(&self, live: &Live, journal: &File) -> Result<(), Fault> {
        let records = live.records.iter().map(|(key, kept)| (key.clone(), kept.place));
        let materials = live.materials.iter().map(|(id, place)| (id.key(), *place));
        self.touch(usize::try_from(live.bytes).unwrap_or(usize::MAX));
        quiet::catch(|| {
            compare_tree(&self.records, records, journal)?;
            compare_tree(&self.materials, materials, journal)
        })?
    }

    /// Takes in steps that are in the journal; `sealed` gives the bytes of a place in them.
    pub(super) fn apply<'a>(
        &mut self,
        effects: &[Effect],
        sealed: impl Fn(&Place) -> &'a [u8],
        stamp: Stamp,
    ) -> Result<(), Fault> {
        self.dirty = true;
        self.touch(effects.iter().filter_map(Effect::place).map(|place| place.len).sum());
        quiet::catch(|| {
            for effect in effects {
                self.apply_one(effect, &sealed).map_err(said)?;
            }
            self.db.insert(STAMP, stamp.encode()).map(drop).map_err(said)
        })?
    }

    fn apply_one<'a>(&self, effect: &Effect, sealed: impl Fn(&Place) -> &'a [u8]) -> sled::Result<()> {
        match effect {
            Effect::Put { key, place, .. } => {
                self.records.insert(key, stored(place, sealed(place))).map(drop)
            }
            Effect::Delete { key } => self.records.remove(key).map(drop),
            Effect::Keep { id, place } => {
                self.materials.insert(id.key(), stored(place, sealed(place))).map(drop)
            }
            Effect::Destroy { id } => self.materials.remove(id.key()).map(drop),
            Effect::Audited(_) | Effect::Position(_) => Ok(()),
        }
    }

    /// The sealed bytes of a material that step `place.sequence` wrote; a fault where it has others.
    pub(super) fn material(&self, id: &MaterialId, place: &Place) -> Result<Vec<u8>, Fault> {
        self.touch(place.len);
        let found = quiet::catch(|| self.materials.get(id.key()))?.map_err(said)?;
        let value = found.ok_or_else(|| format!("it lacks {id}"))?;
        let sealed = value.strip_prefix(place.sequence.to_le_bytes().as_slice());
        sealed.map(<[u8]>::to_vec).ok_or_else(|| format!("it has another {id}"))
    }

    fn touch(&self, octets: usize) {
        self.touched.set(self.touched.get().saturating_add(octets));
    }

    /// Whether it holds so much in memory that it is worth opening anew.
    pub(super) fn is_full(&self) -> bool {
        self.touched.get() >= FULL
    }

    /// Closes it and opens it again, which is all that makes sled let go of what it has touched. What it says must then be
    /// what it said before.
    pub(super) fn reopen(self, stamp: &Stamp) -> Result<Self, Fault> {
        let dir = self.dir.clone();
        self.close();
        let index = Self::open(&dir)?;
        match index.stamp() {
            Some(found) if found.is_level(stamp) => Ok(index),
            _ => {
                index.close();
                Err("it came back otherwise than it was closed".to_owned())
            }
        }
    }

    /// Whether something waits to be flushed.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Hands everything to the kernel: it then survives this process, though not a power cut.
    pub(super) fn flush(&mut self) -> Result<(), Fault> {
        self.dirty = false;
        quiet::catch(|| self.db.flush())?.map_err(said)?;
        posture::close_tree(&self.dir).map_err(|error| error.to_string())
    }

    /// Closes it. sled flushes once more when it is dropped, and must not hang us there.
    pub(super) fn close(self) {
        let (sender, receiver) = mpsc::sync_channel(1);
        let dir = self.dir.clone();
        let closing = move || {
            let file = File::open(self.dir.join("db"));
            let _ = quiet::catch(|| drop(self));
            // Threads of sled's own can hold its file a moment longer; whoever opens it next would
            // find it locked. When they have let go, all is written.
            let _ = file.map(|file| Flock::lock(file, FlockArg::LockExclusive).map(drop));
            let _ = sender.send(());
        };
        if std::thread::Builder::new().name("keyturn-db-close".to_owned()).spawn(closing).is_ok() {
            let _ = receiver.recv_timeout(CLOSING);
        }
        let _ = posture::close_tree(&dir);
    }
}

fn compare_tree(
    tree: &sled::Tree,
    wanted: impl Iterator<Item = (String, Place)>,
    journal: &File,
) -> Result<(), Fault> {
    let mut count = 0;
    for (key, place) in wanted {
        let sealed = place.read(journal).map_err(|error| error.to_string())?;
        match tree.get(&key).map_err(said)? {
            Some(value) if *value == stored(&place, &sealed) => count += 1,
            Some(_) => return Err(format!("its value of {key} is another")),
            None => return Err(format!("it lacks {key}")),
        }
    }
    match tree.len() {
        len if len == count => Ok(()),
        len => Err(format!("it has {len} values where the journal has {count}")),
    }
}

/// Removes the folder with all that is in it.
fn remove(dir: &Path) -> Result<(), StoreError> {
    match std::fs::symlink_metadata(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::io("look at", dir)(error)),
        Ok(_) => std::fs::remove_dir_all(dir).map_err(StoreError::io("remove", dir)),
    }
}
