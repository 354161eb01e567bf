//! Judges a house that runs: what was seen of its state, clock, engine, services and servers.
//!
//! Pure, as the planner is: `cli/doctor` looks, and this says what to think of it. Each check is one finding at least, also
//! where all is well, so that a reader sees what was looked at.

mod host;
mod swarm;
mod tls;

#[cfg(test)]
mod tests;

pub use host::{Clocks, Disk, KeyPlace, StateFacts, StateSeen, clocks, loose, odd, state};
pub use swarm::{engine, habits};
pub use tls::{Expected, Served, served};

use crate::model::Code;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and could be better or safer.
    Warning,
    /// It is broken, or open to others.
    Fault,
}

impl Level {
    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }
}

/// What one check has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was checked: `state`, `clock`, `engine`, `services`, `config`, `tls`.
    pub check: &'static str,
    /// Of what: a path, a node, an endpoint.
    pub about: String,
    /// How bad it is.
    pub level: Level,
    /// What kind of thing; none where all is well.
    pub code: Option<Code>,
    /// What was seen, with the names of what it was seen of. Never a secret.
    pub message: String,
}

impl Finding {
    /// All is well.
    pub fn ok(check: &'static str, about: impl Into<String>, message: impl Into<String>) -> Self {
        Self { check, about: about.into(), level: Level::Ok, code: None, message: message.into() }
    }

    /// It works, and could be better.
    pub fn warning(
        check: &'static str,
        about: impl Into<String>,
        code: Code,
        message: impl Into<String>,
    ) -> Self {
        Self { level: Level::Warning, code: Some(code), ..Self::ok(check, about, message) }
    }

    /// It is broken.
    pub fn fault(
        check: &'static str,
        about: impl Into<String>,
        code: Code,
        message: impl Into<String>,
    ) -> Self {
        Self { level: Level::Fault, code: Some(code), ..Self::ok(check, about, message) }
    }

    /// Who says so: a standard, a guideline, a manual.
    pub fn source(&self) -> Option<&'static str> {
        source(self.code?)
    }
}

fn source(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::ClockUnsynced => "adjtimex(2), STA_UNSYNC",
        Code::ClockOff => "RFC 7519 §4.1.4 (leeway of a few minutes at most)",
        Code::ManagersFew | Code::ManagerAway => "Docker: Administer and maintain a swarm of Docker Engines",
        Code::SwarmUnlocked => "Docker: Lock your swarm to protect its encryption key",
        Code::SwarmRootEnding => "Docker: Manage swarm security with public key infrastructure",
        Code::ServiceHabit => "Docker: docker service update; NGINX: Controlling nginx",
        Code::TlsOldProtocol => "RFC 7568, RFC 8996, RFC 9325 §3.1.1",
        Code::TlsNoTls13 => "RFC 9325 §3.1.1, Mozilla Server Side TLS 6.0",
        Code::TlsBrokenSuite => "RFC 9325 §4.1, RFC 7465",
        Code::TlsWeakSuite => "RFC 9325 §4.1 and §4.2, Mozilla Server Side TLS 6.0",
        Code::TlsDhSmall => "RFC 9325 §4.1, RFC 7919",
        Code::DhUnused | Code::DhNotOurs => "NGINX: ssl_dhparam; Mozilla Server Side TLS 6.0 (no DHE)",
        Code::TlsTickets => "Mozilla Server Side TLS 6.0, NGINX: ssl_session_ticket_key, RFC 9325 §3.4",
        Code::TlsStaple => "RFC 6066 §8, RFC 7633, NGINX: ssl_stapling",
        Code::TlsHsts => "RFC 6797 §6.1, Mozilla Server Side TLS 6.0",
        Code::TlsChain => "RFC 8446 §4.4.2, RFC 5280 §6",
        _ => return None,
    })
}
