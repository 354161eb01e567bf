//! Prints the TLS configuration of NGINX for a certificate's files: the right one for the version at hand.

mod text;
mod version;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::process::Command;

use serde_json::json;

use super::args::{Cli, Format};
use super::fail::{DONE, Failure};
use super::{output, state};
use crate::config::{Certificate, Config, DhParams, Endpoint, SwarmFile, Target, Verify};
use crate::executor::inventory_of;
use crate::model::{AssetId, AssetKind, Material, Part, mount_path};
use crate::pki::{self, pem};
use crate::store::MaterialId;
pub(super) use text::Profile;
use text::{Paths, Wanted};
use version::{Server, USUAL_OPENSSL};

/// Where it is when it is not in `PATH`.
const PROGRAMS: [&str; 3] = ["nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx"];

/// What was asked for.
pub(super) struct Ask<'a> {
    pub(super) certificate: &'a str,
    pub(super) profile: Profile,
    pub(super) version: Option<&'a str>,
    pub(super) openssl: Option<&'a str>,
    pub(super) dhe: bool,
    pub(super) verify_clients: bool,
}

pub(super) fn run(cli: &Cli, ask: &Ask<'_>) -> Result<u8, Failure> {
    let config = state::client_config(cli)?;
    let name = match ask.certificate.contains('/') {
        true => ask.certificate.to_owned(),
        false => format!("certificates/{}", ask.certificate),
    };
    let id = state::asset(&config, &name)?;
    if id.kind != AssetKind::Certificate {
        return Err(Failure::usage(format!("{id} is no certificate")));
    }
    let certificate = config.certificates().get(&id.name).ok_or_else(|| Failure::usage("it is gone"))?;
    let (target, files) = served(certificate).ok_or_else(|| {
        Failure::usage(format!("{id} has no target with `fullchain` and `private-key` (or `combined`)"))
    })?;
    let server = server(ask)?;
    let wanted = Wanted {
        server,
        profile: ask.profile,
        asset: id.to_string(),
        names: names(certificate),
        port: port(target),
        paths: paths(&config, &files, ask)?,
        staple: names_responder(&config, &id).unwrap_or_else(|failure| {
            let why = format!("{:#}", failure.error);
            output::warning(&format!(
                "keyturn: whether the leaf in use names an OCSP responder is not known: {why}"
            ));
            false
        }),
        resolvers: resolvers(),
        rsa: certificate.key_algorithm().name().starts_with("rsa"),
    };
    let snippet = text::snippet(&wanted).map_err(Failure::usage)?;
    match cli.output {
        Format::Table => output::line(&snippet),
        Format::Json => output::json(&json!({
            "asset": id,
            "profile": ask.profile.name(),
            "nginx": server.nginx.to_string(),
            "openssl": server.openssl.to_string(),
            "snippet": snippet,
        })),
    }
    Ok(DONE)
}

/// As it is told, or as the one on this machine says of itself.
fn server(ask: &Ask<'_>) -> Result<Server, Failure> {
    let parsed = |text: &str| text.parse().map_err(Failure::usage);
    let openssl = ask.openssl.map(parsed).transpose()?;
    if let Some(version) = ask.version {
        return Ok(Server { nginx: parsed(version)?, openssl: openssl.unwrap_or(USUAL_OPENSSL) });
    }
    let said = PROGRAMS.iter().find_map(|program| Command::new(program).arg("-V").output().ok());
    let found = said.and_then(|said| version::of_nginx(&String::from_utf8_lossy(&said.stderr)));
    let found = found.ok_or_else(|| {
        Failure::usage("there is no NGINX on this machine to ask: say --version 1.22.1 --openssl 3.0.19")
    })?;
    Ok(Server { openssl: openssl.unwrap_or(found.openssl), ..found })
}

/// Files by their paths, as the server sees them.
type Files = Vec<(Part, String)>;

/// The first target that a server can live on.
fn served(certificate: &Certificate) -> Option<(&Target, Files)> {
    let files = certificate.targets().iter().map(|target| (target, files(target)));
    files.into_iter().find(|(_, files)| {
        let has = |part| files.iter().any(|(other, _)| *other == part);
        has(Part::Combined) || (has(Part::Fullchain) && (has(Part::PrivateKey) || has(Part::PrivateKeyPkcs1)))
    })
}

fn files(target: &Target) -> Files {
    match target {
        Target::Swarm(swarm) => {
            let path = |file: &SwarmFile| (file.part(), mount_path(file.object(), file.path()));
            swarm.files().iter().map(path).collect()
        }
        Target::File(dir) => {
            let path = |name: &str| dir.dir().join(name).display().to_string();
            dir.files().iter().map(|file| (file.part(), path(file.name()))).collect()
        }
    }
}

fn paths(config: &Config, files: &Files, ask: &Ask<'_>) -> Result<Paths, Failure> {
    let of = |part| files.iter().find(|(other, _)| *other == part).map(|(_, path)| path.clone());
    let combined = of(Part::Combined);
    let key = of(Part::PrivateKey).or_else(|| of(Part::PrivateKeyPkcs1));
    let clients = match ask.verify_clients {
        true => Some(of(Part::Ca).ok_or_else(|| {
            Failure::usage(
                "--verify-clients needs the part `ca` among the target's files: the roots of the clients",
            )
        })?),
        false => None,
    };
    Ok(Paths {
        certificate: of(Part::Fullchain).or_else(|| combined.clone()).unwrap_or_default(),
        private_key: key.or(combined).unwrap_or_default(),
        trusted: of(Part::Ca).or_else(|| of(Part::Chain)),
        crl: clients.as_ref().and_then(|_| of(Part::Crl)),
        clients,
        dhparam: if ask.dhe { Some(dhparam(config, files)?) } else { None },
    })
}

/// The parameters that go to where the certificate goes.
fn dhparam(config: &Config, beside: &Files) -> Result<String, Failure> {
    let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    let here: Vec<Option<String>> = beside.iter().map(|(_, path)| folder(path)).collect();
    let all = config.dh_params().values().flat_map(DhParams::targets).flat_map(files);
    let parameters = |(part, path): (Part, String)| (part == Part::Dhparam).then_some(path);
    let mut paths: Vec<String> = all.filter_map(parameters).collect();
    paths.sort_by_key(|path| !here.contains(&folder(path)));
    paths.into_iter().next().ok_or_else(|| {
        Failure::usage("--dhe needs a dh_params asset with a target for the same server (docs/nginx.md)")
    })
}

fn names(certificate: &Certificate) -> Vec<String> {
    let dns = certificate.dns_names().iter().cloned();
    let all: Vec<String> = dns.chain(certificate.ip_addresses().iter().map(IpAddr::to_string)).collect();
    if all.is_empty() { vec!["_".to_owned()] } else { all }
}

/// The one that handshakes go to; else that of HTTPS.
fn port(target: &Target) -> u16 {
    let verify = match target {
        Target::Swarm(swarm) => swarm.verify(),
        Target::File(dir) => dir.verify(),
    };
    match verify {
        Some(Verify::Handshake { connect, .. }) => connect.first().map_or(443, Endpoint::port),
        _ => 443,
    }
}

/// Whether the leaf in use names one; before there is a leaf, nothing is stapled.
fn names_responder(config: &Config, id: &AssetId) -> Result<bool, Failure> {
    let Some(snapshot) = state::snapshot(config)? else { return Ok(false) };
    let inventory = inventory_of(&snapshot.records())?;
    let number = inventory.assets.get(id).and_then(|record| record.active()).map(|active| active.number);
    let Some(number) = number else { return Ok(false) };
    let Some(bytes) = snapshot.material(&MaterialId::new(id.clone(), number))? else { return Ok(false) };
    let material: Option<Material> = serde_json::from_slice(bytes.expose()).ok();
    let leaf = material.and_then(|material| material.certificate);
    let der = leaf.and_then(|leaf| pem::decode(pem::CERTIFICATE, &leaf).ok());
    Ok(der.and_then(|der| pki::ocsp(&der).ok()).is_some_and(|ocsp| ocsp.responder.is_some()))
}

/// The machine's own; NGINX wants IPv6 in brackets.
fn resolvers() -> Vec<String> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let named = |line: &str| {
        let address: IpAddr = line.strip_prefix("nameserver")?.trim().parse().ok()?;
        Some(if address.is_ipv6() { format!("[{address}]") } else { address.to_string() })
    };
    text.lines().filter_map(named).collect()
}
