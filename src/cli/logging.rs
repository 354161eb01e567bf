//! Where the log goes: lines for people, JSON for programs, fields for journald.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use super::args::{Cli, LogFormat, Verb};
use super::report::EACH;

/// Each of our fields has it in the journal: `KEYTURN_ASSET`, `KEYTURN_CODE`.
const PREFIX: &str = "KEYTURN";

type Sink = Box<dyn Layer<Registry> + Send + Sync>;

/// Logs what is asked for by `KEYTURN_LOG` (or `RUST_LOG`), else by `-v`, in the form that `--log-format` says.
pub(super) fn start(cli: &Cli) {
    // A daemon's log is all that is heard of it.
    let daemon = matches!(cli.verb, Verb::Daemon);
    let level = match cli.verbose {
        0 if !daemon => "warn",
        0 => "info",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let asked = std::env::var("KEYTURN_LOG").or_else(|_| std::env::var("RUST_LOG"));
    // Who has asked for nothing wants to read notes, not a log.
    let notes = asked.is_err() && cli.verbose == 0 && !daemon;
    let filter = asked.ok().and_then(|asked| EnvFilter::try_new(asked).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new(level));
    let in_fields = match cli.log_format {
        LogFormat::Journald => true,
        LogFormat::Auto => stderr_is_the_journal(),
        LogFormat::Json | LogFormat::Text => false,
    };
    let (sink, trouble) = match cli.log_format {
        LogFormat::Json => (json(), None),
        _ if in_fields => journald(notes),
        _ => (text(notes), None),
    };
    let each = if in_fields { "info" } else { "off" };
    let filter = match format!("{EACH}={each}").parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    };
    let _ = tracing_subscriber::registry().with(sink.with_filter(filter)).try_init();
    if let Some(error) = trouble {
        tracing::warn!("journald does not answer ({error}); the log goes to stderr");
    }
}

fn text(notes: bool) -> Sink {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = lines.with_ansi(std::io::stderr().is_terminal());
    if notes { lines.event_format(Notes).boxed() } else { lines.boxed() }
}

fn json() -> Sink {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
}

/// By journald's own protocol; where it does not answer, lines.
fn journald(notes: bool) -> (Sink, Option<std::io::Error>) {
    match tracing_journald::layer() {
        Ok(fields) => {
            let fields = fields.with_field_prefix(Some(PREFIX.to_owned()));
            (fields.with_syslog_identifier("keyturn".to_owned()).boxed(), None)
        }
        Err(error) => (text(notes), Some(error)),
    }
}

/// Whether systemd has connected stderr with the journal (systemd.exec(5)): then it is told fields instead of lines. A
/// stderr that someone has redirected since is not the one that the variable names.
pub(super) fn stderr_is_the_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else { return false };
    let stderr = nix::sys::stat::fstat(std::io::stderr().as_fd());
    stderr.is_ok_and(|found| named == format!("{}:{}", found.st_dev, found.st_ino))
}

/// One line an event, as a person would write it: no time, no level but in words, no module.
struct Notes;

impl<S, N> FormatEvent<S, N> for Notes
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> std::fmt::Result {
        let failed = *event.metadata().level() == tracing::Level::ERROR;
        writer.write_str(if failed { "error: " } else { "note: " })?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
