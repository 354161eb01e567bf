//! Prints parts of assets: public ones without a lock, private ones on the record.

use std::path::Path;

use super::args::Cli;
use super::compose::House;
use super::fail::{DONE, Failure};
use super::wish::Wish;
use super::{output, state};
use crate::audit::Event;
use crate::clock::{Clock, Entropy, System};
use crate::config::{self, Config};
use crate::desired::Desired;
use crate::keys::{encodings, pkcs12};
use crate::model::{
    AssetId, AssetKind, AssetRecord, Inventory, Material, Part, Revision, RevisionState, Secret,
};
use crate::planner;
use crate::store::{MaterialId, Snapshot};

/// What was typed.
pub(super) struct Asked<'a> {
    pub(super) asset: &'a str,
    pub(super) part: &'a str,
    pub(super) revision: Option<u32>,
    pub(super) password_file: Option<&'a Path>,
}

pub(super) fn run(cli: &Cli, asked: &Asked<'_>) -> Result<u8, Failure> {
    let config = state::config(cli)?;
    let id = state::asset(&config, asked.asset)?;
    let part = part_of(&id, asked.part)?;
    let (revision, password) = (asked.revision, password(part, asked.password_file)?);
    if part.is_public() {
        return print(&config, &id, part, revision, None);
    }
    super::owner::must_be_allowed(config.daemon().state_dir())?;
    // Which key goes out is settled first, so that the record names it, and what cannot be had leaves no record.
    let number = the_one(&config, &id, part, revision)?;
    let wish = Wish::NoteExport { asset: id.to_string(), part: part.to_string(), revision: number };
    let answer = super::run::granted(cli, &config, &wish)?;
    if answer.exit != DONE {
        return Ok(answer.print());
    }
    print(&config, &id, part, Some(number), password.as_ref())
}

/// The password that is to open a PKCS#12 file; the one of a target is another matter.
fn password(part: Part, file: Option<&Path>) -> Result<Option<Secret>, Failure> {
    match (part, file) {
        (Part::Pkcs12, Some(file)) => config::password(file).map(Some).map_err(Failure::usage),
        (Part::Pkcs12, None) => Err(Failure::usage(
            "a PKCS#12 file has a password: name the file that it is in by --password-file",
        )),
        (_, Some(_)) => {
            Err(Failure::usage(format!("`{part}` has no password: --password-file goes with pkcs12")))
        }
        (_, None) => Ok(None),
    }
}

/// The revision that a part of one revision would be made of.
fn the_one(config: &Config, id: &AssetId, part: Part, asked: Option<u32>) -> Result<u32, Failure> {
    let nothing = || Failure::usage(format!("{id} has nothing to export yet: `keyturn run` makes it"));
    let inventory = state::inventory(config)?;
    let record = inventory.assets.get(id).ok_or_else(nothing)?;
    let numbers = revisions(config, &inventory, record, part, asked)?;
    numbers.last().copied().ok_or_else(nothing)
}

/// `jwks NAME` is `export jwt_keys/NAME --part jwks`.
pub(super) fn jwks(cli: &Cli, name: &str) -> Result<u8, Failure> {
    let config = state::config(cli)?;
    let text = if name.contains('/') { name.to_owned() } else { format!("jwt_keys/{name}") };
    let id = state::asset(&config, &text)?;
    print(&config, &id, part_of(&id, "jwks")?, None, None)
}

fn part_of(id: &AssetId, name: &str) -> Result<Part, Failure> {
    let of_kind = |part: &Part| part.is_of(id.kind);
    match Part::from_name(name).filter(of_kind) {
        Some(Part::Crl) => {
            Err(Failure::usage("revocation lists are a CA's: `keyturn ca crl NAME` prints them"))
        }
        Some(part) => Ok(part),
        None => {
            let parts = Part::ALL.iter().filter(|part| of_kind(part) && **part != Part::Crl);
            let parts: Vec<&str> = parts.map(|part| part.name()).collect();
            Err(Failure::usage(format!("{id} has no part `{name}`: it has {}", parts.join(", "))))
        }
    }
}

/// A part that is not for everyone.
pub(super) fn private_part(config: &Config, asset: &str, part: &str) -> Result<(AssetId, Part), Failure> {
    let id = state::asset(config, asset)?;
    let part = part_of(&id, part)?;
    if part.is_public() {
        return Err(Failure::usage(format!("`{part}` is public: nothing is noted of it")));
    }
    Ok((id, part))
}

/// Who takes a private key out is on the record before the key is out.
pub(super) async fn note(
    config: &Config,
    house: &House,
    asset: &str,
    part: &str,
    revision: u32,
    by: &str,
) -> Result<(), Failure> {
    let (id, part) = private_part(config, asset, part)?;
    let event = Event {
        at: house.executor.clock.now(),
        actor: by.to_owned(),
        action: "exported".to_owned(),
        asset: Some(id),
        revision: Some(revision),
        detail: [("part".to_owned(), part.to_string())].into(),
    };
    house.executor.books.edit(|edit| edit.audit(event)).await?;
    Ok(())
}

fn print(
    config: &Config,
    id: &AssetId,
    part: Part,
    revision: Option<u32>,
    password: Option<&Secret>,
) -> Result<u8, Failure> {
    let nothing = || Failure::usage(format!("{id} has nothing to export yet: `keyturn run` makes it"));
    let snapshot = state::snapshot(config)?.ok_or_else(nothing)?;
    let inventory = crate::executor::inventory_of(&snapshot.records())?;
    let record = inventory.assets.get(id).ok_or_else(nothing)?;
    let numbers = revisions(config, &inventory, record, part, revision)?;
    let mut materials = Vec::new();
    for number in numbers {
        materials.extend(material(&snapshot, id, number)?);
    }
    let Some(last) = materials.last() else { return Err(nothing()) };
    if let Some(password) = password {
        let packed = pkcs12::pack(last, &id.name, password, &Entropy::system()).map_err(Failure::failed)?;
        output::bytes(packed.expose());
        return Ok(DONE);
    }
    output::bytes(rendered(part, &materials)?.expose());
    Ok(DONE)
}

fn rendered(part: Part, materials: &[Material]) -> Result<Secret, Failure> {
    let sources: Vec<encodings::Source<'_>> = materials.iter().map(|material| (None, material)).collect();
    encodings::render(part, &sources).map_err(Failure::failed)
}

/// The revisions that a part is made of: those that verifiers must know now, the one asked for, or the one in use. A
/// key's end is asked of the clock at each reading: it does not wait for a pass.
fn revisions(
    config: &Config,
    inventory: &Inventory,
    record: &AssetRecord,
    part: Part,
    asked: Option<u32>,
) -> Result<Vec<u32>, Failure> {
    let is_set = part.spans_revisions() && record.id.kind == AssetKind::JwtKey;
    let known = || planner::known(&Desired::of(config), inventory, &record.id, System::new().now());
    if let Some(number) = asked {
        if is_set && record.revisions.contains_key(&number) && !known().contains(&number) {
            let why =
                "no verifier may know it: nothing that it has signed is valid, or it was never announced";
            return Err(Failure::usage(format!("{} revision {number}: {why}", record.id)));
        }
        let there = record.revisions.get(&number).filter(|revision| revision.state != RevisionState::Pending);
        let missing = || Failure::usage(format!("{} has no revision {number} to export", record.id));
        return match there {
            Some(Revision { state: state @ (RevisionState::Retired | RevisionState::Failed), .. }) => {
                let why = "its material is destroyed, and nothing of it can be exported";
                Err(Failure::usage(format!("{} revision {number} is {state}: {why}", record.id)))
            }
            there => there.map(|revision| vec![revision.number]).ok_or_else(missing),
        };
    }
    if is_set {
        return Ok(known());
    }
    let usable = record.coming().filter(|revision| revision.state != RevisionState::Pending).last();
    let chosen = record.active().or(usable);
    Ok(chosen.map(|revision| revision.number).into_iter().collect())
}

fn material(snapshot: &Snapshot, id: &AssetId, revision: u32) -> Result<Option<Material>, Failure> {
    let Some(bytes) = snapshot.material(&MaterialId::new(id.clone(), revision))? else { return Ok(None) };
    let read = serde_json::from_slice(bytes.expose());
    // serde_json's own words could quote a key.
    read.map(Some).map_err(|_| {
        Failure::failed(anyhow::anyhow!("the material of {id} revision {revision} cannot be read"))
    })
}
