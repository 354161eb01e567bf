//! Keys, parameters, and the encodings they are delivered in.
//!
//! A [`PrivateKey`] knows its kind and lives in memory that is wiped. [`jwk`] makes the public halves of
//! JWT keys into JWK Sets, [`dh`] finds safe primes, [`encodings`] renders the parts of an asset.

pub mod dh;
mod ec;
pub mod encodings;
pub mod jwk;
pub mod pkcs12;
mod private_key;
mod rsa;
mod safe_prime;

pub use private_key::{KeyError, PrivateKey};
