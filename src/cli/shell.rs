//! Completions and man pages, made from the same definition as the parser.

use std::path::Path;

use clap::CommandFactory;

use super::args::Cli;
use super::fail::{DONE, Failure};
use super::output;

pub(super) fn completions(shell: clap_complete::Shell) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "keyturn", &mut script);
    output::bytes(&script);
    Ok(DONE)
}

pub(super) fn man(out: Option<&Path>) -> Result<u8, Failure> {
    match out {
        Some(dir) => clap_mangen::generate_to(Cli::command(), dir).map_err(Failure::failed)?,
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(Failure::failed)?;
            output::bytes(&page);
        }
    }
    Ok(DONE)
}
