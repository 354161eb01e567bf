//! `challenge` with `kind = "dns-01"`: who writes the record, and who is asked whether it is there.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use hyper::Uri;
use jiff::SignedDuration;

use super::commands::{program, time};
use crate::config::acme::{Dns01, DnsPublisher};
use crate::config::dns_providers::{DnsProviderSpec, Form, Key, Need, dns_provider, dns_provider_names};
use crate::config::raw::{Item, Table, not_one_of};
use crate::config::target::Command;
use crate::config::words::quoted;

/// For a hook: providers may be slow, and some hooks wait until the record is there.
const HOOK_TIMEOUT: SignedDuration = SignedDuration::from_mins(5);

/// For the record to be there: secondaries are told, or ask, within minutes.
const PROPAGATION: SignedDuration = SignedDuration::from_mins(5);

pub(super) fn dns01(t: &mut Table<'_>) -> Option<Dns01> {
    let resolvers = t.or("resolvers", Vec::new(), resolvers_of);
    let name_servers = t.or("name_servers", Vec::new(), resolvers_of);
    let propagation = t.or("propagation", PROPAGATION, |item| item.duration(SignedDuration::ZERO));
    t.misplaced(&["listen", "webroot"], "belongs to kind = \"http-01\"");
    let publisher = publisher(t);
    Some(Dns01 {
        publisher: publisher?,
        resolvers: resolvers?,
        propagation: propagation?,
        name_servers: name_servers?,
    })
}

fn publisher(t: &mut Table<'_>) -> Option<DnsPublisher> {
    match (t.item("hook"), t.item("provider")) {
        (Some(_), Some(provider)) => {
            t.ignore_rest();
            provider.fault("stands beside hook; one of them writes the record")
        }
        (Some(hook), None) => {
            let command = hook_program(&hook);
            let timeout = time(t, HOOK_TIMEOUT);
            Some(DnsPublisher::Hook(Command { argv: vec![command?], timeout: timeout? }))
        }
        (None, Some(item)) => provider(t, &item),
        (None, None) => {
            t.ignore_rest();
            t.fault(
                "provider",
                "is missing; write provider = \"cloudflare\", or hook = \"/path/of/a/program\"",
            )
        }
    }
}

/// A program, without arguments of its own: it gets `present|cleanup FQDN VALUE`.
fn hook_program(item: &Item<'_>) -> Option<String> {
    item.line().map(|name| program(item, name))
}

fn provider(t: &mut Table<'_>, item: &Item<'_>) -> Option<DnsPublisher> {
    let name = item.text();
    let Some(spec) = name.and_then(dns_provider) else {
        // Which keys are right depends on the provider.
        t.ignore_rest();
        return item.fault(not_one_of(name?, &dns_provider_names()));
    };
    t.misplaced(&["timeout"], "belongs to a hook");
    let settings = settings(t, spec);
    let secrets = secrets(t, spec);
    Some(DnsPublisher::Provider { name: spec.name.to_owned(), settings: settings?, secrets: secrets? })
}

/// All are read, also after a fault.
fn settings(t: &mut Table<'_>, spec: &DnsProviderSpec) -> Option<BTreeMap<String, String>> {
    let keys = spec.keys.iter().filter(|key| key.form != Form::Secret);
    let read = |key: &Key| match t.item(key.name) {
        Some(item) => setting(&item, key).map(|text| Some((key.name.to_owned(), text))),
        None => absent(t, spec, key),
    };
    whole(keys.map(read).collect())
}

fn setting(item: &Item<'_>, key: &Key) -> Option<String> {
    match key.form {
        Form::Text | Form::Secret => item.line().map(str::to_owned),
        Form::OneOf(words) => {
            let text = item.line()?;
            if words.contains(&text) { Some(text.to_owned()) } else { item.fault(not_one_of(text, words)) }
        }
        Form::Number => item.integer(0..=u32::MAX.into()).map(|number| number.to_string()),
        Form::Flag => item.boolean().map(|flag| flag.to_string()),
        Form::Url => url(item),
    }
}

/// The address of an interface. What goes there has a secret in it, so that it should be https.
fn url(item: &Item<'_>) -> Option<String> {
    let text = item.line()?;
    let uri = text.parse::<Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("https" | "http")));
    let Some(authority) = uri.as_ref().and_then(Uri::authority).filter(|_| !text.contains(['#', '?'])) else {
        return item.fault(format!("{} is not an address, such as https://dns.example.org", quoted(text)));
    };
    if authority.as_str().contains('@') {
        return item.fault("has a user in it; secrets are never values here");
    }
    let host = authority.host();
    let here =
        host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    if text.starts_with("http://") && !here {
        item.warning("is not https, so that whoever is between can read the secret that is sent there");
    }
    Some(text.trim_end_matches('/').to_owned())
}

fn secrets(t: &mut Table<'_>, spec: &DnsProviderSpec) -> Option<BTreeMap<String, PathBuf>> {
    let keys = spec.keys.iter().filter(|key| key.form == Form::Secret);
    let read = |key: &Key| {
        let written = key.written();
        // Taken for a secret whatever stands there, so that it is repeated in no message.
        if let Some(value) = t.item(key.name) {
            return value.fault(format!(
                "is a secret; write it into a file, and the file's name here: {written} = \"credential:NAME\" or a path"
            ));
        }
        match t.item(written) {
            Some(item) => item.secret_file().map(|path| Some((key.name.to_owned(), path))),
            None => absent(t, spec, key),
        }
    };
    whole(keys.map(read).collect())
}

/// Those that are there, where none is faulty.
fn whole<T>(all: Vec<Option<Option<(String, T)>>>) -> Option<BTreeMap<String, T>> {
    let all: Vec<Option<(String, T)>> = all.into_iter().collect::<Option<_>>()?;
    Some(all.into_iter().flatten().collect())
}

/// A key that is not there; the outer `None` where it should be.
#[allow(clippy::option_option)]
fn absent<T>(t: &Table<'_>, spec: &DnsProviderSpec, key: &Key) -> Option<Option<T>> {
    let instead = match key.need {
        Need::Optional => return Some(None),
        Need::Unless(other) if t.has(other) => return Some(None),
        Need::Unless(other) => format!(" (or write {other})"),
        Need::Required => String::new(),
    };
    let (written, takes) = (key.written(), taken(spec));
    t.fault(&written, format!("is missing: {}{instead}; {} takes {takes}", key.what, spec.name))
}

/// All keys of a provider, those that may be left out in brackets.
fn taken(spec: &DnsProviderSpec) -> String {
    let shown = |key: &Key| match key.need {
        Need::Optional => format!("[{}]", key.written()),
        _ => key.written(),
    };
    spec.keys.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn resolvers_of(item: &Item<'_>) -> Option<Vec<SocketAddr>> {
    let resolvers = item.distinct(resolver)?;
    if resolvers.is_empty() {
        return item.fault("is empty; leave it out to ask the machine's own resolvers");
    }
    Some(resolvers)
}

/// An address; port 53 where it has none.
fn resolver(item: &Item<'_>) -> Option<SocketAddr> {
    let text = item.line()?;
    let whole = text.parse::<SocketAddr>().ok().filter(|address| address.port() != 0);
    whole.or_else(|| text.parse::<IpAddr>().ok().map(|ip| SocketAddr::from((ip, 53)))).or_else(|| {
        item.fault(format!("{} is not an address; write IP or IP:PORT, such as 127.0.0.1:53", quoted(text)))
    })
}
