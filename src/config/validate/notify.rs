//! `[notify.*]`: who is told what happens.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use hyper::Uri;
use jiff::SignedDuration;

use super::names::{host_name, plain_name};
use crate::config::notify::{Channel, ChannelKind, Email, MailTls};
use crate::config::raw::{Item, Table, not_one_of};
use crate::config::words::quoted;
use crate::model::{Event, Severity};

/// All kinds.
const KINDS: [&str; 9] =
    ["slack", "mattermost", "discord", "teams", "telegram", "matrix", "alertmanager", "webhook", "email"];

/// A beat more often than this is load, not life.
const FASTEST_BEAT: SignedDuration = SignedDuration::from_secs(10);

pub(super) fn channels(t: &mut Table<'_>) -> BTreeMap<String, Option<Channel>> {
    let entries = t.item("notify").and_then(|item| item.entries()).unwrap_or_default();
    entries.into_iter().map(|(name, item)| (name.to_owned(), channel(name, &item))).collect()
}

fn channel(name: &str, item: &Item<'_>) -> Option<Channel> {
    if plain_name(name).is_none() || name.len() > 63 {
        item.fault::<()>(format!(
            "{} is not a name; write up to 63 of a-z and 0-9, with - and _ between them",
            quoted(name)
        ));
    }
    item.table(|t| {
        let kind = t.required("kind", "\"slack\"", |item| known_kind(item));
        let Some(kind) = kind else {
            t.ignore_rest();
            return None;
        };
        let events = t.or("events", Event::ALL.to_vec(), |item| {
            item.distinct(|item| item.choice(&Event::ALL, Event::name))
        });
        let least = t.or("least", Severity::Info, |item| item.choice(&Severity::ALL, Severity::name));
        let heartbeat = t.optional("heartbeat", |item| heartbeat(item, kind));
        let allow_private = t.or("allow_private", false, Item::boolean);
        let ca_file = t.optional("ca_file", Item::secret_file);
        let allowed = allow_private == Some(true);
        let kind = read_kind(t, kind, allowed);
        Some(Channel {
            name: name.to_owned(),
            kind: kind?,
            events: events?.into_iter().collect::<BTreeSet<_>>(),
            least: least?,
            heartbeat: heartbeat?,
            allow_private: allow_private?,
            ca_file: ca_file?,
        })
    })
}

fn known_kind<'a>(item: &Item<'a>) -> Option<&'a str> {
    let kind = item.text()?;
    if KINDS.contains(&kind) { Some(kind) } else { item.fault(not_one_of(kind, &KINDS)) }
}

/// People are not pinged every ten minutes.
fn heartbeat(item: &Item<'_>, kind: &str) -> Option<SignedDuration> {
    if !matches!(kind, "webhook" | "alertmanager") {
        return item.fault("is for who notices silence: kind = \"webhook\" or \"alertmanager\"");
    }
    item.duration(FASTEST_BEAT)
}

fn read_kind(t: &mut Table<'_>, kind: &str, allow_private: bool) -> Option<ChannelKind> {
    let url_file = |t: &mut Table<'_>| {
        // Taken for a secret whatever stands there, so that it is repeated in no message.
        t.misplaced(&["url"], "is never written here, whoever has it can post: write url_file = \"FILE\"");
        t.required("url_file", "\"credential:NAME\"", Item::secret_file)
    };
    let token_file = |t: &mut Table<'_>| {
        t.misplaced(&["token"], "is never written here: write token_file = \"FILE\"");
        t.required("token_file", "\"credential:NAME\"", Item::secret_file)
    };
    let url = |t: &mut Table<'_>, key: &'static str, example: &str| {
        t.required(key, example, |item| url(item, allow_private))
    };
    match kind {
        "slack" => Some(ChannelKind::Slack { url_file: url_file(t)? }),
        "mattermost" => Some(ChannelKind::Mattermost { url_file: url_file(t)? }),
        "discord" => Some(ChannelKind::Discord { url_file: url_file(t)? }),
        "teams" => Some(ChannelKind::Teams { url_file: url_file(t)? }),
        "telegram" => {
            let token_file = token_file(t);
            let chat = t.required("chat", "\"-1001234567890\"", chat);
            let server =
                t.or("server", "https://api.telegram.org".to_owned(), |item| url_text(item, allow_private));
            Some(ChannelKind::Telegram { server: server?, token_file: token_file?, chat: chat? })
        }
        "matrix" => {
            let homeserver = url(t, "homeserver", "\"https://matrix.example.org\"");
            let token_file = token_file(t);
            let room = t.required("room", "\"!id:example.org\"", room);
            Some(ChannelKind::Matrix { homeserver: homeserver?, token_file: token_file?, room: room? })
        }
        "alertmanager" => {
            let url = url(t, "url", "\"http://127.0.0.1:9093\"");
            let token_file = t.optional("token_file", Item::secret_file);
            Some(ChannelKind::Alertmanager { url: url?, token_file: token_file? })
        }
        "webhook" => {
            let url_file = url_file(t);
            t.misplaced(&["secret"], "is never written here: write secret_file = \"FILE\"");
            let secret_file = t.optional("secret_file", Item::secret_file);
            Some(ChannelKind::Webhook { url_file: url_file?, secret_file: secret_file? })
        }
        _ => email(t, allow_private).map(ChannelKind::Email),
    }
}

fn url_text(item: &Item<'_>, allow_private: bool) -> Option<String> {
    url(item, allow_private)
}

/// The address of a server that is no secret. Plain http only where it stays in a network of one's own.
fn url(item: &Item<'_>, allow_private: bool) -> Option<String> {
    let text = item.line()?;
    let uri = text.parse::<Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("https" | "http")));
    let Some(authority) = uri.as_ref().and_then(Uri::authority).filter(|_| !text.contains(['#', '?'])) else {
        return item.fault(format!("{} is not an address, such as https://chat.example.org", quoted(text)));
    };
    if authority.as_str().contains('@') {
        return item.fault("has a user in it; secrets are never values here");
    }
    if text.starts_with("http://") && !allow_private {
        return item.fault(
            "is not https; plain http is only for a server of your own network: allow_private = true",
        );
    }
    if is_private_literal(authority.host()) && !allow_private {
        return item.fault("is an address of a private network; write allow_private = true if it is yours");
    }
    Some(text.trim_end_matches('/').to_owned())
}

/// What can be seen without asking anyone; names are looked at whenever they are spoken to.
fn is_private_literal(host: &str) -> bool {
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        Err(_) => host == "localhost",
    }
}

fn chat(item: &Item<'_>) -> Option<String> {
    let text = item.line()?;
    let named = text
        .strip_prefix('@')
        .is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
    if named || text.parse::<i64>().is_ok() {
        return Some(text.to_owned());
    }
    item.fault(format!(
        "{} is no chat; write its number in quotes, \"-1001234567890\", or \"@name\"",
        quoted(text)
    ))
}

fn room(item: &Item<'_>) -> Option<String> {
    let text = item.line()?;
    if text.starts_with('!') && text.len() > 1 && text.len() <= 255 && !text.contains([' ', '/']) {
        return Some(text.to_owned());
    }
    item.fault(format!(
        "{} is no room ID; it begins with `!` (Room settings, Advanced), an alias with `#` will not do",
        quoted(text)
    ))
}

fn email(t: &mut Table<'_>, allow_private: bool) -> Option<Email> {
    let host = t.required("host", "\"smtp.example.org\"", |item| mail_host(item, allow_private));
    let tls = t.or("tls", MailTls::Starttls, |item| {
        item.choice(&[MailTls::Starttls, MailTls::Implicit, MailTls::None], tls_name)
    });
    let port = t.optional("port", |item| item.integer(1..=65_535));
    let from = t.required("from", "\"keyturn@example.org\"", address);
    let to = t.required("to", "[\"ops@example.org\"]", |item| item.distinct(address));
    let hello = t.optional("hello", whole_name);
    t.misplaced(&["password"], "is never written here: write password_file = \"FILE\"");
    let user = t.optional("user", |item| item.line().map(str::to_owned));
    let password = t.optional("password_file", Item::secret_file);
    let (tls, user, password) = (tls?, user?, password?);
    if to.as_ref().is_some_and(Vec::is_empty) {
        t.fault::<()>("to", "is empty; name a recipient");
    }
    if tls == MailTls::None && !allow_private {
        t.fault::<()>("tls", "\"none\" is only for a server of your own network: allow_private = true");
    }
    if tls == MailTls::None && user.is_some() {
        t.fault::<()>("user", "would send its password in the clear; with tls = \"none\" nobody logs in");
    }
    let login = match (user, password) {
        (Some(user), Some(file)) => Some((user, file)),
        (None, None) => None,
        (Some(_), None) => return t.fault("password_file", "is missing beside user"),
        (None, Some(_)) => return t.fault("user", "is missing beside password_file"),
    };
    let usual = match tls {
        MailTls::Starttls => 587,
        MailTls::Implicit => 465,
        MailTls::None => 25,
    };
    let port = port?.map_or(Some(usual), |port| u16::try_from(port).ok());
    Some(Email { host: host?, port: port?, tls, login, hello: hello?, from: from?, to: to? })
}

fn mail_host(item: &Item<'_>, allow_private: bool) -> Option<String> {
    let text = item.line()?;
    if is_private_literal(text) && !allow_private {
        return item.fault("is an address of a private network; write allow_private = true if it is yours");
    }
    if text.parse::<IpAddr>().is_ok() || text == "localhost" {
        return Some(text.to_owned());
    }
    host_name(item)
}

/// Servers refuse half a name (RFC 5321 §4.1.1.1).
fn whole_name(item: &Item<'_>) -> Option<String> {
    let name = host_name(item)?;
    if !name.contains('.') {
        return item
            .fault(format!("{} is no whole name; write one such as keyturn.example.org", quoted(&name)));
    }
    Some(name)
}

fn tls_name(tls: MailTls) -> &'static str {
    match tls {
        MailTls::Starttls => "starttls",
        MailTls::Implicit => "implicit",
        MailTls::None => "none",
    }
}

/// `name@host`, without anything that a mail's header could take for its own.
fn address(item: &Item<'_>) -> Option<String> {
    let text = item.line()?;
    let parts = text.rsplit_once('@').filter(|(name, host)| {
        let plain = |c: char| {
            c.is_ascii_graphic() && !matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | ':' | '"' | '\\')
        };
        !name.is_empty()
            && !host.is_empty()
            && text.len() <= 254
            && text.chars().all(plain)
            && !name.contains('@')
    });
    match parts {
        Some(_) => Some(text.to_owned()),
        None => item.fault(format!("{} is no mail address, such as ops@example.org", quoted(text))),
    }
}
