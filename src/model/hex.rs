//! Octets as text.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Lower-case hex without separators.
pub fn hex(bytes: &[u8]) -> String {
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.map(|nibble| char::from(DIGITS[usize::from(nibble)])).collect()
}
