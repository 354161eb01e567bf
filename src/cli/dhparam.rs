//! Searches for Diffie-Hellman parameters, without any state.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;

use super::fail::{DONE, Failure};
use super::output;
use super::report::Lines;
use crate::clock::Entropy;
use crate::keys::dh;

pub(super) fn run(bits: usize, out: Option<&Path>) -> Result<u8, Failure> {
    if !dh::SIZES.contains(&bits) {
        let (least, most) = (dh::SIZES.start(), dh::SIZES.end());
        return Err(Failure::usage(format!("--bits {bits}: must be a number from {least} to {most}")));
    }
    let lines = Lines::new(false);
    let bar = lines.search(bits);
    let show = |progress: dh::Progress| bar.show(progress.tested, progress.expected);
    let params = dh::generate(bits, 0, &Entropy::system(), &dh::Cancel::new(), &show);
    bar.end();
    let pem = params.map_err(Failure::failed)?.to_pem();
    match out {
        None => output::bytes(pem.as_bytes()),
        Some(file) => write(file, &pem)
            .with_context(|| format!("could not write {}", file.display()))
            .map_err(Failure::failed)?,
    }
    Ok(DONE)
}

/// Whole or not at all: a web server may read the file at any time.
fn write(file: &Path, pem: &str) -> std::io::Result<()> {
    let mut new = file.as_os_str().to_owned();
    new.push(".new");
    let mut fresh = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&new)?;
    let written = fresh.write_all(pem.as_bytes()).and_then(|()| fresh.sync_all());
    let done = written.and_then(|()| std::fs::rename(&new, file));
    if done.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    done
}
