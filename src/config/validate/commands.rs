//! `test`, `reload` and `preflight`: what is run.

use jiff::SignedDuration;
use nix::sys::signal::Signal;
use toml::de::DeValue;

use crate::config::environment::resolved;
use crate::config::raw::{Item, Table, not_one_of};
use crate::config::target::{Command, Reload};
use crate::config::words::quoted;

/// For what runs here: long enough for a reload that lets requests finish.
const TIMEOUT: SignedDuration = SignedDuration::from_secs(30);

/// For what runs as a task: it must be placed and started first.
const PREFLIGHT_TIMEOUT: SignedDuration = SignedDuration::from_secs(120);

/// A command on this machine: `["nginx", "-t"]`, or `{ command = […], timeout = "30s" }`.
pub(super) fn command(item: &Item<'_>) -> Option<Command> {
    let mut command = read(item, TIMEOUT)?;
    if let Some(name) = command.argv.first_mut() {
        *name = program(item, name);
    }
    Some(command)
}

/// A relative path starts at the configuration's folder, as every path there; a bare name is searched in $PATH.
pub(super) fn program(item: &Item<'_>, name: &str) -> String {
    if !name.contains('/') {
        return name.to_owned();
    }
    resolved(item.cx.base, name).to_string_lossy().into_owned()
}

/// A command in a container: its paths are the container's.
pub(super) fn plain_command(item: &Item<'_>) -> Option<Command> {
    read(item, PREFLIGHT_TIMEOUT)
}

fn read(item: &Item<'_>, timeout: SignedDuration) -> Option<Command> {
    match item.value {
        DeValue::Array(_) => Some(Command { argv: argv(item)?, timeout }),
        DeValue::Table(_) => item.table(|t| {
            let argv = t.required("command", "[\"PROGRAM\", \"ARGUMENT\"]", argv);
            let timeout = time(t, timeout);
            Some(Command { argv: argv?, timeout: timeout? })
        }),
        DeValue::String(_) => item.fault("must be a list, as no shell splits it: [\"nginx\", \"-t\"]"),
        _ => item.wrong_type("a list"),
    }
}

pub(super) fn time(t: &mut Table<'_>, default: SignedDuration) -> Option<SignedDuration> {
    t.or("timeout", default, |item| item.duration(SignedDuration::from_secs(1)))
}

pub(super) fn argv(item: &Item<'_>) -> Option<Vec<String>> {
    let argv = item.list(|item| {
        let text = item.text()?;
        if text.contains('\0') { item.fault("has a NUL in it") } else { Some(text.to_owned()) }
    })?;
    match argv.first() {
        Some(program) if !program.trim().is_empty() => Some(argv),
        _ => item.fault("names no program"),
    }
}

/// A command, a signal, or a unit.
pub(super) fn reload(item: &Item<'_>) -> Option<Reload> {
    let DeValue::Table(entries) = item.value else {
        return command(item).map(Reload::Command);
    };
    if entries.contains_key("signal") || entries.contains_key("pid_file") {
        item.table(signalled)
    } else if entries.contains_key("unit") {
        item.table(unit)
    } else if entries.contains_key("command") {
        command(item).map(Reload::Command)
    } else {
        item.fault("write a command [\"nginx\", \"-s\", \"reload\"], { signal = \"HUP\", pid_file = \"…\" } or { unit = \"…\" }")
    }
}

fn signalled(t: &mut Table<'_>) -> Option<Reload> {
    let signal = t.required("signal", "\"HUP\"", signal);
    let pid_file = t.required("pid_file", "\"/run/nginx.pid\"", Item::path);
    Some(Reload::Signal { signal: signal?, pid_file: pid_file? })
}

/// Signals by which programs are asked to reload; any other would stop most of them.
fn signal(item: &Item<'_>) -> Option<Signal> {
    let text = item.text()?;
    match text.strip_prefix("SIG").unwrap_or(text) {
        "HUP" => Some(Signal::SIGHUP),
        "USR1" => Some(Signal::SIGUSR1),
        "USR2" => Some(Signal::SIGUSR2),
        other => item.fault(not_one_of(other, &["HUP", "USR1", "USR2"])),
    }
}

fn unit(t: &mut Table<'_>) -> Option<Reload> {
    let unit = t.required("unit", "\"nginx.service\"", unit_name);
    let timeout = time(t, TIMEOUT);
    let argv = vec!["systemctl".to_owned(), "reload".to_owned(), unit?];
    Some(Reload::Command(Command { argv, timeout: timeout? }))
}

/// A service unit's name (systemd.unit(5)); it becomes an argument, so it must not look like an option.
fn unit_name(item: &Item<'_>) -> Option<String> {
    let name = item.line()?;
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.' | '\\' | '@');
    let good = name.len() <= 255 && !name.starts_with('-') && name.chars().all(inside);
    if good && name.ends_with(".service") && name.len() > ".service".len() {
        return Some(name.to_owned());
    }
    item.fault(format!("{} is not a service unit; write its whole name, such as nginx.service", quoted(name)))
}
