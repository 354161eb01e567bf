//! `ca sign`: a certificate for a request from outside, as far as a role of the CA allows it.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::args::Format;
use super::compose::House;
use super::fail::{FAILED, Failure, REFUSED};
use super::wish::{Answer, By, Manner};
use super::{ca, owner, workshop};
use crate::audit::Event;
use crate::clock::Entropy;
use crate::config::{Config, InternalCa, SigningRole, not_one_of, parse_duration};
use crate::issuer::Request;
use crate::model::{AssetId, AssetKind, AssetRecord, Issued, Made, Revision, RevisionState, Secret};
use crate::pki::{self, Names, SigningRequest};

/// No request is longer, in octets.
const LONGEST: u64 = 32 * 1024;

/// What was typed, with what the file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    /// The issuer; the only internal one may be left out.
    pub(super) ca: Option<String>,
    /// The role; the CA's only one may be left out.
    pub(super) role: Option<String>,
    /// Shorter than the role's.
    pub(super) duration: Option<String>,
    /// PEM.
    pub(super) request: String,
}

/// A wish that could be granted, as far as the configuration tells.
struct Checked<'c> {
    ca: &'c InternalCa,
    role: &'c SigningRole,
    duration: SignedDuration,
    request: SigningRequest,
}

/// The request in a file.
pub(super) fn read(file: &Path) -> Result<String, Failure> {
    let text = std::fs::read(file).and_then(|bytes| {
        let too_long = || std::io::Error::other(format!("it has more than {LONGEST} octets"));
        (bytes.len() as u64 <= LONGEST).then_some(bytes).ok_or_else(too_long)
    });
    let text = text.map_err(|error| Failure::usage(format!("{} cannot be read: {error}", file.display())))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

impl Wish {
    pub(super) fn check(&self, config: &Config) -> Result<(), Failure> {
        self.checked(config).map(drop)
    }

    /// Whether the role names this user, who may then use it, whoever may operate.
    pub(super) fn is_for(&self, config: &Config, uid: u32, gids: &[u32]) -> bool {
        self.ca_and_role(config).is_ok_and(|(_, role)| role.is_for(uid, gids))
    }

    fn ca_and_role<'c>(&self, config: &'c Config) -> Result<(&'c InternalCa, &'c SigningRole), Failure> {
        let name = self.ca.as_deref().map(|name| name.strip_prefix("ca/").unwrap_or(name));
        let cas = config.internal_cas();
        let ca = match name {
            Some(name) => ca::authority(config, name).map(|id| &cas[&id.name])?,
            None => only(cas.values(), "internal CA", "--ca NAME")?,
        };
        let roles = ca.sign().iter();
        let role = match &self.role {
            Some(wanted) => ca.sign().iter().find(|role| role.name() == wanted).ok_or_else(|| {
                let names: Vec<&str> = ca.sign().iter().map(SigningRole::name).collect();
                Failure::usage(format!(
                    "issuers.{} has no such role: {}",
                    ca.name(),
                    not_one_of(wanted, &names)
                ))
            })?,
            None => only(roles, &format!("role in issuers.{}.sign", ca.name()), "--role NAME")?,
        };
        Ok((ca, role))
    }

    fn checked<'c>(&self, config: &'c Config) -> Result<Checked<'c>, Failure> {
        let (ca, role) = self.ca_and_role(config)?;
        let duration = match &self.duration {
            None => role.duration(),
            Some(text) => parse_duration(text)
                .ok()
                .filter(|asked| *asked > SignedDuration::ZERO && *asked <= role.duration())
                .ok_or_else(|| {
                    Failure::usage(format!("--duration {text}: the role {} allows less", role.name()))
                })?,
        };
        let request = pki::signing_request(&self.request).map_err(Failure::usage)?;
        allowed(role, &request.names).map_err(|why| Failure {
            code: REFUSED,
            error: anyhow::anyhow!("the role {} of issuers.{}: {why}", role.name(), ca.name()),
        })?;
        Ok(Checked { ca, role, duration, request })
    }

    /// Signs, notes what was signed, and only then shows it.
    pub(super) async fn grant(
        &self,
        config: &Config,
        house: &House,
        by: &By,
        manner: Manner,
    ) -> Result<Answer, Failure> {
        let checked = self.checked(config)?;
        may_use(checked.role, by)?;
        let by = by.actor.as_str();
        let id = AssetId::new(AssetKind::Ca, checked.ca.name());
        let books = &house.executor.books;
        let inventory = books.inventory().await;
        let not_made =
            || Failure::usage(format!("{id} is not made yet: `keyturn ca init {}` makes it", id.name));
        let record = inventory.assets.get(&id).ok_or_else(not_made)?;
        let signer = record.active().ok_or_else(not_made)?;
        trusted(&id, signer)?;
        let mut authority = books.material(&id, signer.number).await?.ok_or_else(not_made)?;
        if !old_root_lives(record, signer) {
            authority.cross = None;
        }
        let names = &checked.request.names;
        let request = Request {
            asset: id.clone(),
            common_name: names.common_name.clone(),
            dns_names: names.dns.clone(),
            ip_addresses: names.ip.clone(),
            usages: checked.role.usages().to_vec(),
            duration: checked.duration,
            private_key: Secret::new(Vec::new()),
            authority: Some(authority),
            replaces: None,
            now: books.now(),
        };
        let authorities = workshop::authorities(config, &Entropy::system());
        let made = authorities[&id]
            .sign_public(&request, checked.request.key.clone())
            .map_err(|error| Failure { code: FAILED, error: anyhow::anyhow!(error) })?;
        workshop::check_path(&request, &made.material)
            .map_err(|why| Failure::failed(anyhow::anyhow!("{id} cannot sign this request: {why}")))?;
        let issued = issued(&id, signer, names, &made, (request.now, by))?;
        let serial = issued.serial.clone();
        books.edit(|edit| note(edit, &id, signer, checked.role, issued, by)).await?;
        crate::failpoint::hit("csr-signed");
        Ok(answer(&made, &serial, manner))
    }
}

/// Whoever trusts what a CA in wrong hands signs now would have to be told so again.
fn trusted(id: &AssetId, signer: &Revision) -> Result<(), Failure> {
    let revoked = signer.renewal.as_ref().is_some_and(|renewal| renewal.revoked_since.is_some());
    let why = match (signer.compromised, revoked) {
        (true, _) => "its key was called compromised",
        (_, true) => "its issuer has revoked it",
        _ => return Ok(()),
    };
    let number = signer.number;
    Err(Failure::failed(anyhow::anyhow!(
        "{id} signs nothing by revision {number}, since {why}: the request waits for its successor (`keyturn status {id}`)"
    )))
}

/// The only one of them, where there is only one.
fn only<'c, T>(mut all: impl Iterator<Item = &'c T>, what: &str, option: &str) -> Result<&'c T, Failure> {
    match (all.next(), all.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Failure::usage(format!("there is no {what}, so nothing can be signed"))),
        (Some(_), Some(_)) => {
            Err(Failure::usage(format!("there is more than one {what}: name it by {option}")))
        }
    }
}

/// Every name that is asked for must be one that the role has.
fn allowed(role: &SigningRole, names: &Names) -> Result<(), String> {
    if let Some(name) = names.dns.iter().find(|name| !role.has_dns(name)) {
        return Err(format!("it does not sign for the name {}", name.escape_debug()));
    }
    if let Some(address) = names.ip.iter().find(|address| !role.has_address(**address)) {
        return Err(format!("it does not sign for the address {address}"));
    }
    if let Some(name) = names.common_name.iter().find(|name| !role.has_common_name(name)) {
        return Err(format!("it does not sign for the common name {}", name.escape_debug()));
    }
    if names.others > 0 {
        return Err(
            "it signs for DNS names and addresses, and the request has names of other kinds".to_owned()
        );
    }
    Ok(())
}

/// A role that names its users is for those alone; for root it cannot be kept from.
fn may_use(role: &SigningRole, by: &By) -> Result<(), Failure> {
    let uid: Option<u32> = by.actor.strip_prefix("uid:").and_then(|uid| uid.parse().ok());
    let groups = |uid| [&by.groups[..], &owner::groups_of(uid)[..]].concat();
    let named = uid.is_some_and(|uid| uid == 0 || role.is_for(uid, &groups(uid)));
    if !role.is_for_some() || named {
        return Ok(());
    }
    let error = anyhow::anyhow!(
        "{} may not have anything signed by the role {}: its `by` names who may",
        by.actor,
        role.name()
    );
    Err(Failure { code: REFUSED, error })
}

/// Whether somebody may know only the root before this one.
fn old_root_lives(record: &AssetRecord, signer: &Revision) -> bool {
    let lives = |revision: &&Revision| {
        revision.state == RevisionState::Retiring && revision.root.is_some() && revision.root != signer.root
    };
    record.revisions.values().any(|revision| lives(&revision))
}

fn issued(
    ca: &AssetId,
    signer: &Revision,
    names: &Names,
    made: &Made,
    (at, by): (Timestamp, &str),
) -> Result<Issued, Failure> {
    let unread = || Failure::failed(anyhow::anyhow!("what was signed cannot be read"));
    let addresses = names.ip.iter().map(ToString::to_string);
    let mut all: Vec<String> = names.common_name.iter().cloned().collect();
    all.extend(names.dns.iter().cloned().chain(addresses));
    all.dedup();
    Ok(Issued {
        ca: ca.clone(),
        serial: made.facts.serial.clone().ok_or_else(unread)?,
        signed_by: signer.number,
        not_after: made.facts.validity.ok_or_else(unread)?.not_after,
        subject: all.join(" "),
        asked: Some((at, by.to_owned())),
        revoked: None,
        listed: false,
    })
}

fn note(
    edit: &mut crate::executor::Edit<'_>,
    ca: &AssetId,
    signer: &Revision,
    role: &SigningRole,
    issued: Issued,
    by: &str,
) {
    let detail = [
        ("role", role.name().to_owned()),
        ("serial", issued.serial.clone()),
        ("names", issued.subject.clone()),
        ("not_after", issued.not_after.to_string()),
    ];
    edit.audit(Event {
        at: edit.now,
        actor: by.to_owned(),
        action: "csr-signed".to_owned(),
        asset: Some(ca.clone()),
        revision: Some(signer.number),
        detail: detail.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    });
    edit.put_issued(issued);
}

/// The certificate and what stands above it, as a server shows it.
fn answer(made: &Made, serial: &str, manner: Manner) -> Answer {
    let certificate = made.material.certificate.clone().unwrap_or_default();
    let fullchain = certificate.clone() + &made.material.chain.concat();
    if manner.format == Format::Json {
        let not_after = made.facts.validity.map(|validity| validity.not_after);
        let json = json!({
            "serial": serial, "not_after": not_after, "certificate": certificate, "fullchain": fullchain,
        });
        return Answer::done(format!("{json:#}\n"));
    }
    Answer::done(fullchain)
}
