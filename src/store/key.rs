//! The state key: what opens a state. It is never part of a backup.

use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::seal::{self, KEY_LEN, KeyBytes};
use super::{StoreError, journal, posture};
use crate::clock::Entropy;
use crate::model::Secret;

/// The name of the key's file where the configuration names none.
const FILE: &str = "state.key";
/// No key's file is longer; reading stops there.
const MAX_FILE: u64 = 1024;

/// 32 bytes that everything in a state is sealed under.
#[derive(Clone)]
pub struct StateKey(KeyBytes);

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[state key]")
    }
}

/// Where a key's file comes from, which decides what its mode may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySource {
    /// A file of the operator's: nobody else may read it.
    File,
    /// From `$CREDENTIALS_DIRECTORY`: systemd guards the folder, and sets modes of its own.
    Credential,
}

fn bad(path: &Path, why: impl Into<String>) -> StoreError {
    StoreError::Key { path: path.to_owned(), why: why.into() }
}

impl StateKey {
    /// A fresh one.
    ///
    /// # Errors
    ///
    /// When there is no randomness.
    pub fn generate(entropy: &Entropy) -> Result<Self, StoreError> {
        Ok(Self(seal::draw_key(entropy)?))
    }

    /// From base64 of 32 bytes (RFC 4648 §4); space around it does not matter.
    pub fn from_base64(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
        let mut key = Zeroizing::new([0; KEY_LEN]);
        if bytes.len() != KEY_LEN {
            return None;
        }
        key.copy_from_slice(&bytes);
        Some(Self(key))
    }

    /// As it stands in its file, without the newline.
    pub fn to_base64(&self) -> Secret {
        Secret::new(STANDARD.encode(self.0.as_slice()))
    }

    /// Reads a key's file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is open to others, or does not hold base64 of 32 bytes.
    pub fn load(path: &Path, source: KeySource) -> Result<Self, StoreError> {
        let mut file = File::open(path).map_err(|error| bad(path, error.to_string()))?;
        let meta = file.metadata().map_err(|error| bad(path, error.to_string()))?;
        if !meta.is_file() {
            return Err(bad(path, "is not a plain file"));
        }
        let mode = meta.mode() & 0o7777;
        if source == KeySource::File && mode & 0o077 != 0 {
            return Err(bad(path, format!("is open to others (mode {mode:04o}): chmod 0600")));
        }
        let mut text = Zeroizing::new(String::new());
        let read = Read::by_ref(&mut file).take(MAX_FILE).read_to_string(&mut text);
        read.map_err(|error| bad(path, error.to_string()))?;
        Self::from_base64(&text).ok_or_else(|| {
            bad(path, "does not hold 32 bytes in base64: make one with `openssl rand -base64 32`")
        })
    }

    /// The key that is kept beside the state in `dir`, and whether it was made just now.
    ///
    /// # Errors
    ///
    /// When it cannot be read or made, or when it is gone and the state it opens is not: a new key
    /// would not help.
    pub fn load_or_create(dir: &Path, entropy: &Entropy) -> Result<(Self, bool), StoreError> {
        posture::make_dir(dir)?;
        let path = dir.join(FILE);
        if std::fs::symlink_metadata(&path).is_err() {
            if journal::path(dir).exists() {
                return Err(bad(&path, "is gone, and only it opens this state: put it back"));
            }
            if let Some(key) = Self::create(dir, &path, entropy)? {
                return Ok((key, true));
            }
        }
        Self::load(&path, KeySource::File).map(|key| (key, false))
    }

    /// Makes the file in one step, so that nobody sees half a key; nothing where another was first.
    fn create(dir: &Path, path: &Path, entropy: &Entropy) -> Result<Option<Self>, StoreError> {
        let key = Self::generate(entropy)?;
        let new = dir.join(format!("{FILE}.{}.new", std::process::id()));
        posture::remove_file(&new)?;
        let mut file = posture::create_file(&new)?;
        let text = Zeroizing::new([key.to_base64().expose(), b"\n"].concat());
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(StoreError::io("write", &new))?;
        let linked = std::fs::hard_link(&new, path);
        posture::remove_file(&new)?;
        match linked {
            Ok(()) => posture::sync_dir(dir).map(|()| Some(key)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(StoreError::io("create", path)(error)),
        }
    }

    pub(super) fn bytes(&self) -> &KeyBytes {
        &self.0
    }
}
