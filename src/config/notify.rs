//! `[notify.*]` and `[[hooks]]`: who is told what happens.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;

use super::target::Command;
use crate::model::{Event, Moment, Severity};

/// `[notify.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    pub(super) name: String,
    pub(super) kind: ChannelKind,
    pub(super) events: BTreeSet<Event>,
    pub(super) least: Severity,
    pub(super) heartbeat: Option<SignedDuration>,
    pub(super) allow_private: bool,
    pub(super) ca_file: Option<PathBuf>,
}

/// What a channel is, and what is needed to reach it. Addresses that are secrets, and tokens, are files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelKind {
    /// An incoming webhook of Slack.
    Slack {
        /// Holds its address.
        url_file: PathBuf,
    },
    /// An incoming webhook of Mattermost.
    Mattermost {
        /// Holds its address.
        url_file: PathBuf,
    },
    /// A webhook of a Discord channel.
    Discord {
        /// Holds its address.
        url_file: PathBuf,
    },
    /// A workflow of Teams that posts an Adaptive Card.
    Teams {
        /// Holds its address.
        url_file: PathBuf,
    },
    /// A bot of Telegram.
    Telegram {
        /// Of the Bot API.
        server: String,
        /// Holds the bot's token.
        token_file: PathBuf,
        /// `-1001234567890` or `@name`.
        chat: String,
    },
    /// A room on a Matrix homeserver.
    Matrix {
        /// Its address.
        homeserver: String,
        /// Holds the access token.
        token_file: PathBuf,
        /// `!id:server`
        room: String,
    },
    /// Prometheus' Alertmanager, API v2.
    Alertmanager {
        /// Where it is.
        url: String,
        /// Holds a bearer token, where it wants one.
        token_file: Option<PathBuf>,
    },
    /// Anything that takes JSON by POST.
    Webhook {
        /// Holds its address.
        url_file: PathBuf,
        /// Holds the key that messages are signed with.
        secret_file: Option<PathBuf>,
    },
    /// Mail, by SMTP.
    Email(Email),
}

/// How mail is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// The server's name; its certificate must be for it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is encrypted.
    pub tls: MailTls,
    /// Who logs in, and the file with the password.
    pub login: Option<(String, PathBuf)>,
    /// What it is told that we are called; the machine's name or address without one.
    pub hello: Option<String>,
    /// The sender.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
}

/// How mail is encrypted on its way to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// After STARTTLS, which the server must offer.
    Starttls,
    /// From the first byte.
    Implicit,
    /// Not at all: only to a server of one's own network.
    None,
}

impl ChannelKind {
    /// As `kind` names it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Slack { .. } => "slack",
            Self::Mattermost { .. } => "mattermost",
            Self::Discord { .. } => "discord",
            Self::Teams { .. } => "teams",
            Self::Telegram { .. } => "telegram",
            Self::Matrix { .. } => "matrix",
            Self::Alertmanager { .. } => "alertmanager",
            Self::Webhook { .. } => "webhook",
            Self::Email(_) => "email",
        }
    }
}

impl Channel {
    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is.
    pub fn kind(&self) -> &ChannelKind {
        &self.kind
    }

    /// What it is told of.
    pub fn events(&self) -> &BTreeSet<Event> {
        &self.events
    }

    /// Only what is at least so urgent.
    pub fn least(&self) -> Severity {
        self.least
    }

    /// How often it is told that Keyturn lives; only of a webhook and an Alertmanager.
    pub fn heartbeat(&self) -> Option<SignedDuration> {
        self.heartbeat
    }

    /// Whether it may be at an address of a private network, or on this machine.
    pub fn allow_private(&self) -> bool {
        self.allow_private
    }

    /// Roots that are trusted beside the machine's; PEM.
    pub fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }
}

/// One of `[[hooks]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    pub(super) moment: Moment,
    pub(super) assets: Vec<String>,
    pub(super) command: Command,
}

impl Hook {
    /// On what it is run.
    pub fn moment(&self) -> Moment {
        self.moment
    }

    /// For which assets: globs; none means all.
    pub fn assets(&self) -> &[String] {
        &self.assets
    }

    /// What is run, and how long it may take.
    pub fn command(&self) -> &Command {
        &self.command
    }
}
