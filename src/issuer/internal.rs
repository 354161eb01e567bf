//! The internal CA. (stub)
