//! What a small record says, or as much of it as one has to know.

use ring::digest;

use super::Place;

/// A record's value, with where it stands.
pub(in crate::store) struct Kept {
    value: Value,
    /// Where it stands in the journal.
    pub(in crate::store) place: Place,
}

/// Who writes has thousands of records that nobody asks for again once they are read: then only their digests are kept, so
/// that a put of what is there already is known for that.
enum Value {
    Whole(Vec<u8>),
    Digest([u8; 32]),
}

fn sha256(value: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, value).as_ref());
    bytes
}

impl Kept {
    /// All of it.
    pub(super) fn whole(value: Vec<u8>, place: Place) -> Self {
        Self { value: Value::Whole(value), place }
    }

    /// The value, where it is kept.
    pub(in crate::store) fn value(&self) -> Option<&[u8]> {
        match &self.value {
            Value::Whole(value) => Some(value),
            Value::Digest(_) => None,
        }
    }

    /// Keeps no more than the digest.
    pub(super) fn forget(&mut self) {
        self.value = Value::Digest(self.digest());
    }

    fn digest(&self) -> [u8; 32] {
        match &self.value {
            Value::Whole(value) => sha256(value),
            Value::Digest(digest) => *digest,
        }
    }

    /// Whether this is what it says.
    pub(in crate::store) fn is(&self, value: &[u8]) -> bool {
        match &self.value {
            Value::Whole(own) => own == value,
            Value::Digest(digest) => *digest == sha256(value),
        }
    }

    /// Whether both say the same, wherever they stand.
    pub(in crate::store) fn says_what(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}
