//! The command line: the composition root, one file a verb.

mod acme;
mod approvals;
mod args;
mod audit;
mod ca;
mod compose;
mod compromised;
mod config;
mod control;
mod csr;
mod daemon;
mod dhparam;
mod doctor;
mod explain;
mod export;
mod fail;
mod health;
mod import;
mod issuers;
mod later;
mod limits;
mod lists;
mod logging;
mod messages;
mod notices;
mod output;
mod owner;
mod plan;
mod reading;
mod report;
mod revoke;
mod rotate;
mod run;
mod shell;
mod sign;
mod snippet;
mod state;
mod status;
mod wish;
mod workshop;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, NotifyVerb, Verb};
#[doc(hidden)]
pub use compose::House;
use fail::Failure;
use wish::Wish;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap writes help to stdout and faults to stderr, and says which by its exit code.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { fail::USAGE } else { fail::DONE });
        }
    };
    // What is to be readable by others is made so by name; everything else is ours alone.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    logging::start(&cli);
    match dispatch(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.code)
        }
    }
}

fn dispatch(cli: &Cli) -> Result<u8, Failure> {
    match &cli.verb {
        Verb::Daemon => daemon::run(cli),
        Verb::Run { stock } => match (run::run(cli, &Wish::Run {})?, stock) {
            (code, false) => Ok(code),
            (code, true) => run::run(cli, &Wish::Stock {}).map(|filled| code.max(filled)),
        },
        Verb::Plan { at, until } => plan::run(cli, at.as_deref(), until.as_deref()),
        Verb::Status { asset } => status::run(cli, asset.as_deref()),
        Verb::Rotate { assets, all, compromised } => {
            let (assets, all, compromised) = (assets.clone(), *all, *compromised);
            run::run(cli, &Wish::Rotate { assets, all, compromised })
        }
        Verb::Revoke { asset, revision, serial, reason, now, done } => {
            let (asset, serial, reason) = (asset.clone(), serial.clone(), reason.clone());
            let (revision, now, done) = (*revision, *now, *done);
            run::run(cli, &Wish::Revoke(revoke::Wish { asset, revision, serial, reason, now, done }))
        }
        Verb::Csr { asset } => run::run(cli, &Wish::Csr { asset: asset.clone() }),
        Verb::Import { asset, cert, key, chain, password_file, kid, crl } => {
            let files = import::Files {
                certificate: cert.as_deref(),
                key: key.as_deref(),
                chain: chain.as_deref(),
                password: password_file.as_deref(),
                crl: crl.as_deref(),
            };
            run::run(cli, &Wish::Import(import::Wish::read(asset, &files, kid.clone())?))
        }
        Verb::Export { asset, part, revision, password_file } => {
            let password_file = password_file.as_deref();
            export::run(cli, &export::Asked { asset, part, revision: *revision, password_file })
        }
        Verb::Health { ready } => health::run(cli, *ready),
        Verb::Jwks { name } => export::jwks(cli, name),
        Verb::Dhparam { bits, out } => dhparam::run(*bits, out.as_deref()),
        Verb::NginxSnippet { certificate, profile, version, openssl, dhe, verify_clients } => {
            let (version, openssl) = (version.as_deref(), openssl.as_deref());
            let (profile, dhe, verify_clients) = (*profile, *dhe, *verify_clients);
            snippet::run(cli, &snippet::Ask { certificate, profile, version, openssl, dhe, verify_clients })
        }
        Verb::Doctor { offline } => doctor::run(cli, *offline),
        Verb::Ca { verb } => ca::run(cli, verb),
        Verb::Acme { verb } => acme::run(cli, verb),
        Verb::Audit { verify } => audit::run(cli, *verify),
        Verb::Approvals => approvals::run(cli),
        Verb::Approve { id } => run::run(cli, &Wish::Approve { id: *id }),
        Verb::Deny { id } => run::run(cli, &Wish::Deny { id: *id }),
        Verb::Config { verb } => config::run(cli, verb),
        Verb::Explain { code, markdown } => explain::run(cli, code.as_deref(), *markdown),
        Verb::Notify { verb: NotifyVerb::Test { name } } => notices::test(cli, name.as_deref()),
        Verb::Notify { verb: NotifyVerb::Down { unit } } => notices::down(cli, unit),
        Verb::Completions { shell } => shell::completions(*shell),
        Verb::Man { out } => shell::man(out.as_deref()),
        Verb::Later(words) => later::refuse(words, None),
    }
}
