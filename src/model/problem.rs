//! What is wrong, under a stable code.
/// Stub
#[derive(Debug)] pub struct Code;
/// Stub
#[derive(Debug)] pub struct Problem;
