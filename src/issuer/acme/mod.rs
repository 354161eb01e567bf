//! ACME (RFC 8555): certificates from a CA that looks whether we control the names.

pub mod challenge;
