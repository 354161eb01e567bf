//! What recursive name servers know: where a CNAME leads, which zone a name is in, who serves the zone.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;

use super::ask::{Question, ask};
use super::value::{absolute, plain};

/// How many CNAMEs may follow one another. Name servers themselves give up after some sixteen.
const LONGEST_CHAIN: usize = 8;

/// Where name servers listen.
const PORT: u16 = 53;

/// Recursive name servers.
#[derive(Debug, Clone)]
pub(super) struct Recursive(Vec<SocketAddr>);

impl Recursive {
    /// Those of the configuration, else the machine's as they are now.
    ///
    /// # Errors
    ///
    /// When the machine has none.
    pub(super) fn new(configured: &[SocketAddr]) -> Result<Self, String> {
        if !configured.is_empty() {
            return Ok(Self(configured.to_vec()));
        }
        let (system, _) = read_system_conf().map_err(|error| {
            format!("this machine names no name servers to ask (/etc/resolv.conf: {error}); set `resolvers` of the challenge")
        })?;
        let port = |server: &hickory_resolver::config::NameServerConfig| {
            server.connections.first().map_or(PORT, |connection| connection.port)
        };
        Ok(Self(system.name_servers().iter().map(|server| (server.ip, port(server)).into()).collect()))
    }

    /// The first answer of any of them. That there is no such name is an answer.
    async fn query(&self, name: &Name, kind: RecordType) -> Result<Message, String> {
        let mut failures = Vec::new();
        for server in &self.0 {
            match ask(*server, Question { name, kind, recursive: true }).await {
                Ok(answer) => match answer.metadata.response_code {
                    ResponseCode::NoError | ResponseCode::NXDomain => return Ok(answer),
                    code => failures.push(format!("{server}: {code}")),
                },
                Err(why) => failures.push(format!("{server}: {why}")),
            }
        }
        Err(format!("could not look up {kind} of {}: {}", plain(name), failures.join("; ")))
    }

    /// Where the CNAMEs that begin at `fqdn` end: the name itself, where it has none.
    ///
    /// # Errors
    ///
    /// When a name server fails, or the chain has no end.
    pub(super) async fn end_of_chain(&self, fqdn: &str) -> Result<String, String> {
        let mut name = absolute(fqdn)?;
        let mut seen = BTreeSet::new();
        loop {
            if !seen.insert(plain(&name)) {
                return Err(format!("the CNAMEs of {fqdn} lead in a circle, back to {}", plain(&name)));
            }
            if seen.len() > LONGEST_CHAIN + 1 {
                return Err(format!("more than {LONGEST_CHAIN} CNAMEs follow one another from {fqdn}"));
            }
            match self.cname(&name).await? {
                Some(next) => name = next,
                None => return Ok(plain(&name)),
            }
        }
    }

    async fn cname(&self, name: &Name) -> Result<Option<Name>, String> {
        let answer = self.query(name, RecordType::CNAME).await?;
        let mut own = answer.answers.iter().filter(|record| &record.name == name);
        Ok(own.find_map(|record| match &record.data {
            RData::CNAME(target) => Some(target.0.clone()),
            _ => None,
        }))
    }

    /// The zone that `fqdn` is in: the closest name above it, or itself, that has an SOA record. Counting labels would
    /// be guessing.
    ///
    /// # Errors
    ///
    /// When a name server fails, or no zone but the root is above it.
    pub(super) async fn zone_of(&self, fqdn: &str) -> Result<String, String> {
        let name = absolute(fqdn)?;
        let mut above = name.clone();
        while !above.is_root() {
            let answer = self.query(&above, RecordType::SOA).await?;
            if let Some(zone) = apex(&answer, &above) {
                return zone_not_root(&zone, fqdn);
            }
            above = above.base_name();
        }
        Err(format!("no zone was found that {fqdn} is in"))
    }

    /// The name servers of a zone, with all their addresses.
    ///
    /// # Errors
    ///
    /// When a name server fails, or there is none.
    pub(super) async fn servers_of(&self, zone: &str) -> Result<Vec<Server>, String> {
        let answer = self.query(&absolute(zone)?, RecordType::NS).await?;
        let mut servers = Vec::new();
        for record in &answer.answers {
            if let RData::NS(server) = &record.data {
                self.addresses_of(&server.0, &mut servers).await;
            }
        }
        if servers.is_empty() {
            return Err(format!("no address of any name server of {zone} was found"));
        }
        Ok(servers)
    }

    /// A name that has no addresses, or cannot be looked up, is left out: others serve the zone as well.
    async fn addresses_of(&self, server: &Name, servers: &mut Vec<Server>) {
        for kind in [RecordType::A, RecordType::AAAA] {
            let Ok(answer) = self.query(server, kind).await else { continue };
            for record in &answer.answers {
                let ip: IpAddr = match &record.data {
                    RData::A(ip) => ip.0.into(),
                    RData::AAAA(ip) => ip.0.into(),
                    _ => continue,
                };
                servers.push(Server { name: plain(server), address: (ip, PORT).into() });
            }
        }
    }
}

/// One address of a name server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    /// As the zone names it; the address, where the configuration names it.
    pub(super) name: String,
    pub(super) address: SocketAddr,
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.name.is_empty() { self.address.fmt(f) } else { write!(f, "{} ({})", self.name, self.address) }
    }
}

/// The zone that an answer to a question for SOA names: in the answer, or, where the name has none, in the authority
/// section (RFC 2308 §2). An SOA from behind a CNAME is another zone's.
fn apex(answer: &Message, asked: &Name) -> Option<Name> {
    let is_soa = |record: &&hickory_resolver::proto::rr::Record| record.record_type() == RecordType::SOA;
    let own = answer.answers.iter().filter(is_soa).find(|record| &record.name == asked);
    let above = answer.authorities.iter().filter(is_soa).find(|record| record.name.zone_of(asked));
    let aliased = answer.answers.iter().any(|record| record.record_type() == RecordType::CNAME);
    own.or(above.filter(|_| !aliased)).map(|record| record.name.clone())
}

fn zone_not_root(zone: &Name, fqdn: &str) -> Result<String, String> {
    if zone.is_root() {
        return Err(format!("{fqdn} is in no zone but the root: is the name right?"));
    }
    Ok(plain(zone))
}
