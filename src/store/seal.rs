//! Sealing: AES-256-GCM under a data key of the journal's generation, itself wrapped by the state key.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use zeroize::Zeroizing;

use super::StoreError;
use crate::clock::Entropy;
use crate::model::Secret;

/// What sealing adds: the nonce before and the tag after.
pub(super) const OVERHEAD: usize = NONCE_LEN + MAX_TAG_LEN;
/// Bytes of a key.
pub(super) const KEY_LEN: usize = 32;
/// Bytes of a frame's tag.
pub(super) const TAG_LEN: usize = 32;
/// Bytes of a wrapped data key.
pub(super) const WRAPPED_LEN: usize = KEY_LEN + OVERHEAD;

/// A frame's place in the chain: each tag covers the one before.
pub(super) type Tag = [u8; TAG_LEN];

/// A key's bytes, wiped when dropped.
pub(super) type KeyBytes = Zeroizing<[u8; KEY_LEN]>;

/// Draws a fresh key.
pub(super) fn draw_key(entropy: &Entropy) -> Result<KeyBytes, StoreError> {
    let mut bytes = Zeroizing::new([0; KEY_LEN]);
    entropy.fill(bytes.as_mut_slice())?;
    Ok(bytes)
}

/// Seals and opens the records of one generation of the journal, and chains its frames.
pub(super) struct Sealer {
    aead: LessSafeKey,
    chain: hmac::Key,
}

impl Sealer {
    /// From a data key. The chain's key is drawn from it, so that no key has two uses.
    pub(super) fn new(data_key: &KeyBytes) -> Option<Self> {
        let derive = hmac::Key::new(hmac::HMAC_SHA256, data_key.as_slice());
        let chain = hmac::sign(&derive, b"keyturn journal chain");
        Some(Self { aead: aead(data_key)?, chain: hmac::Key::new(hmac::HMAC_SHA256, chain.as_ref()) })
    }

    /// Nonce, ciphertext and tag; `aad` must be given again to open it.
    pub(super) fn seal(&self, plain: &[u8], aad: &[u8], entropy: &Entropy) -> Result<Vec<u8>, StoreError> {
        seal(&self.aead, plain, aad, entropy)
    }

    /// The plaintext, or nothing where a byte or the `aad` is another.
    pub(super) fn open(&self, sealed: &[u8], aad: &[u8]) -> Option<Secret> {
        open(&self.aead, sealed, aad)
    }

    /// The tag of a frame that follows the one with tag `before`.
    pub(super) fn chain(&self, before: &Tag, frame: &[u8]) -> Tag {
        let mut context = hmac::Context::with_key(&self.chain);
        context.update(before);
        context.update(frame);
        let mut tag = [0; TAG_LEN];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }
}

fn aead(key: &KeyBytes) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key.as_slice()).ok().map(LessSafeKey::new)
}

/// Nonces are random: 2^32 records a data key are far away, as each compaction draws a new one.
fn seal(key: &LessSafeKey, plain: &[u8], aad: &[u8], entropy: &Entropy) -> Result<Vec<u8>, StoreError> {
    let mut nonce = [0; NONCE_LEN];
    entropy.fill(&mut nonce)?;
    // Of its final size at once: growing it would leave plaintext behind in freed memory.
    let mut out = Vec::with_capacity(plain.len() + OVERHEAD);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(plain);
    let body = out.get_mut(NONCE_LEN..).unwrap_or_default();
    let tag =
        key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), body).map_err(
            |_| StoreError::TooBig { what: "a record".to_owned(), size: plain.len(), limit: usize::MAX },
        )?;
    out.extend_from_slice(tag.as_ref());
    Ok(out)
}

fn open(key: &LessSafeKey, sealed: &[u8], aad: &[u8]) -> Option<Secret> {
    let (nonce, body) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut buffer = Zeroizing::new(body.to_vec());
    let plain = key.open_in_place(nonce, Aad::from(aad), &mut buffer).ok()?;
    Some(Secret::new(&*plain))
}

/// The data key, sealed by the state key and bound to the header it stands in.
pub(super) fn wrap(
    state_key: &KeyBytes,
    data_key: &KeyBytes,
    header: &[u8],
    entropy: &Entropy,
) -> Result<Vec<u8>, StoreError> {
    let key = aead(state_key).ok_or(StoreError::Closed)?;
    seal(&key, data_key.as_slice(), header, entropy)
}

/// The data key again; nothing where the state key or the header is another.
pub(super) fn unwrap(state_key: &KeyBytes, wrapped: &[u8], header: &[u8]) -> Option<KeyBytes> {
    let plain = open(&aead(state_key)?, wrapped, header)?;
    let mut bytes = Zeroizing::new([0; KEY_LEN]);
    bytes.copy_from_slice(plain.expose().get(..KEY_LEN)?);
    Some(bytes)
}
