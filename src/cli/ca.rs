//! The internal CAs: made beforehand, and shown.

use serde_json::{Value, json};

use super::args::{CaVerb, Cli, Format};
use super::fail::{DONE, Failure};
use super::wish::Wish;
use super::{later, output, run, state};
use crate::clock::{Clock, System};
use crate::config::Config;
use crate::model::{AssetId, AssetKind, Facts, Material, Revision};
use crate::pki;
use crate::store::MaterialId;

pub(super) fn run(cli: &Cli, verb: &CaVerb) -> Result<u8, Failure> {
    match verb {
        CaVerb::Init { name } => run::run(cli, &Wish::CaInit { name: name.clone() }),
        CaVerb::Show { name } => show(cli, name),
        CaVerb::Rotate { name } => rotate(cli, name),
        CaVerb::Crl { name } => crl(cli, name),
        CaVerb::Later(words) => later::refuse(words, Some("ca")),
    }
}

/// The internal CA of that name.
pub(super) fn authority(config: &Config, name: &str) -> Result<AssetId, Failure> {
    let bare = name.strip_prefix("ca/").unwrap_or(name);
    state::asset(config, &AssetId::new(AssetKind::Ca, bare).to_string())
}

/// `ca rotate NAME` is `rotate ca/NAME`.
fn rotate(cli: &Cli, name: &str) -> Result<u8, Failure> {
    let bare = name.strip_prefix("ca/").unwrap_or(name);
    let asset = AssetId::new(AssetKind::Ca, bare).to_string();
    run::run(cli, &Wish::Rotate { assets: vec![asset], all: false, compromised: false })
}

/// The last edition of the revocation lists, PEM.
fn crl(cli: &Cli, name: &str) -> Result<u8, Failure> {
    let config = state::config(cli)?;
    let id = authority(&config, name)?;
    let nothing =
        || Failure::usage(format!("{id} has no revocation lists: give it `crl`, then `keyturn run`"));
    let snapshot = state::snapshot(&config)?.ok_or_else(nothing)?;
    let records = snapshot.records();
    let inventory = crate::executor::inventory_of(&records)?;
    let edition = inventory.assets.get(&id).and_then(|record| record.crl.as_ref()).ok_or_else(nothing)?;
    let lists = records.get(&crate::executor::crl_record(&id, edition.edition)).ok_or_else(nothing)?;
    output::bytes(lists);
    Ok(DONE)
}

fn show(cli: &Cli, name: &str) -> Result<u8, Failure> {
    let config = state::config(cli)?;
    let id = authority(&config, name)?;
    let nothing = || Failure::usage(format!("{id} is not made yet: `keyturn ca init {}` makes it", id.name));
    let snapshot = state::snapshot(&config)?.ok_or_else(nothing)?;
    let inventory = crate::executor::inventory_of(&snapshot.records())?;
    let record = inventory.assets.get(&id).ok_or_else(nothing)?;
    let mut shown = Vec::new();
    for revision in record.revisions.values().filter(|revision| !revision.state.is_over()) {
        let Some(bytes) = snapshot.material(&MaterialId::new(id.clone(), revision.number))? else { continue };
        let material: Material = serde_json::from_slice(bytes.expose())
            .map_err(|_| Failure::failed(anyhow::anyhow!("the material of {id} cannot be read")))?;
        shown.push((revision.clone(), material));
    }
    match cli.output {
        Format::Json => output::json(&as_json(&id, &shown)?),
        Format::Table => print(&shown)?,
    }
    Ok(DONE)
}

/// The certificates of one revision: the root, then the intermediate.
fn certificates(material: &Material) -> Vec<(&'static str, &String)> {
    let roots = material.anchors.iter().map(|root| ("root", root));
    roots.chain(material.certificate.iter().map(|issuing| ("intermediate", issuing))).collect()
}

fn facts(pem: &str) -> Result<Facts, Failure> {
    pki::facts(pem).map_err(Failure::failed)
}

fn common_name(pem: &str) -> Option<String> {
    pki::names(pem).ok().and_then(|names| names.common_name)
}

fn as_json(id: &AssetId, shown: &[(Revision, Material)]) -> Result<Value, Failure> {
    let mut list = Vec::new();
    for (revision, material) in shown {
        for (role, pem) in certificates(material) {
            let facts = facts(pem)?;
            list.push(json!({
                "revision": revision.number,
                "state": revision.state,
                "role": role,
                "common_name": common_name(pem),
                "serial": facts.serial,
                "fingerprint_sha256": facts.fingerprint_sha256,
                "not_before": facts.validity.map(|validity| validity.not_before),
                "not_after": facts.validity.map(|validity| validity.not_after),
                "pem": pem,
            }));
        }
    }
    Ok(json!({ "asset": id, "certificates": list }))
}

fn print(shown: &[(Revision, Material)]) -> Result<(), Failure> {
    let now = System::new().now();
    let mut table = output::table(&["REV", "STATE", "ROLE", "COMMON NAME", "VALID UNTIL", "SHA-256"]);
    for (revision, material) in shown {
        for (role, pem) in certificates(material) {
            let facts = facts(pem)?;
            table.add_row([
                revision.number.to_string(),
                revision.state.to_string(),
                role.to_owned(),
                common_name(pem).unwrap_or_default(),
                output::moment(facts.validity.map(|validity| validity.not_after), now),
                facts.fingerprint_sha256.unwrap_or_default(),
            ]);
        }
    }
    output::line(&table.to_string());
    Ok(())
}
