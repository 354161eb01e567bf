//! Prints parts of assets: public ones without a lock, private ones on the record.

use std::path::Path;

use super::args::Cli;
use super::compose::House;
use super::fail::{DONE, Failure};
use super::wish::{Answer, By, Wish};
use super::{output, reading, state};
use crate::audit::Event;
use crate::clock::{Clock, Entropy, System};
use crate::config::{self, Config};
use crate::desired::Desired;
use crate::keys::{encodings, pkcs12};
use crate::model::{
    AssetId, AssetKind, AssetRecord, Guarded, Inventory, Material, Part, Revision, RevisionState, Secret,
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
    let config = state::client_config(cli)?;
    let id = state::asset(&config, asked.asset)?;
    let part = part_of(&id, asked.part)?;
    let (revision, password) = (asked.revision, password(part, asked.password_file)?);
    let wish = Wish::Export { asset: id.to_string(), part: part.to_string(), revision };
    if part.is_public() {
        return match reading::by_daemon(cli, &config, &wish)? {
            Some(answer) => Ok(answer.print()),
            None => print(&config, &id, part, revision, None),
        };
    }
    if config.guards().requires(Guarded::ExportPrivateKey) {
        refuse_packed(part)?;
        // Whoever could read the state's key could read this one, too; the daemon is asked all the same.
        return super::run::run(cli, &wish);
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
    let nothing = || nothing(id);
    let inventory = state::inventory(config)?;
    let record = inventory.assets.get(id).ok_or_else(nothing)?;
    let numbers = revisions(config, &inventory, record, part, asked)?;
    numbers.last().copied().ok_or_else(nothing)
}

/// `jwks NAME` is `export jwt_keys/NAME --part jwks`.
pub(super) fn jwks(cli: &Cli, name: &str) -> Result<u8, Failure> {
    let config = state::client_config(cli)?;
    let text = if name.contains('/') { name.to_owned() } else { format!("jwt_keys/{name}") };
    let id = state::asset(&config, &text)?;
    let part = part_of(&id, "jwks")?;
    let wish = Wish::Export { asset: id.to_string(), part: part.to_string(), revision: None };
    match reading::by_daemon(cli, &config, &wish)? {
        Some(answer) => Ok(answer.print()),
        None => print(&config, &id, part, None, None),
    }
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

/// A password would have to go through the request that others approve.
fn refuse_packed(part: Part) -> Result<(), Failure> {
    if part != Part::Pkcs12 {
        return Ok(());
    }
    Err(Failure::usage(
        "where `export-private-key` needs an approval no PKCS#12 file is made: export `combined`, and `openssl pkcs12 -export` \
         makes one of it",
    ))
}

/// A part of an asset.
pub(super) fn part(config: &Config, asset: &str, part: &str) -> Result<(AssetId, Part), Failure> {
    let id = state::asset(config, asset)?;
    let part = part_of(&id, part)?;
    Ok((id, part))
}

/// A part that is not for everyone.
pub(super) fn private_part(config: &Config, asset: &str, name: &str) -> Result<(AssetId, Part), Failure> {
    let (id, part) = part(config, asset, name)?;
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

/// Of which revisions the daemon makes it: those that a request for it is bound to.
pub(super) async fn chosen(
    config: &Config,
    house: &House,
    (id, part): (&AssetId, Part),
    asked: Option<u32>,
) -> Result<Vec<u32>, Failure> {
    let inventory = house.executor.books.inventory().await;
    let record = inventory.assets.get(id).ok_or_else(|| nothing(id))?;
    revisions(config, &inventory, record, part, asked)
}

/// Gives it out: what is private on the record, and with its request used up, before it is out.
pub(super) async fn give(
    config: &Config,
    house: &House,
    asset: &str,
    part_name: &str,
    asked: Option<u32>,
    by: &By,
) -> Result<Answer, Failure> {
    let (id, part) = part(config, asset, part_name)?;
    refuse_packed(part)?;
    let (books, maker) = (&house.executor.books, &house.executor.maker);
    let numbers = chosen(config, house, (&id, part), asked).await?;
    let mut materials = Vec::new();
    for number in &numbers {
        materials.extend(books.material(&id, *number).await?);
    }
    if materials.is_empty() {
        return Err(nothing(&id));
    }
    let bytes = maker.render(part, &materials).map_err(Failure::failed)?;
    if !part.is_public() {
        let mut redeemed = Ok(());
        let edit = |edit: &mut crate::executor::Edit<'_>| {
            redeemed = by.redeem(edit);
            if redeemed.is_ok() {
                let request = by.ticket.as_ref().map(|one| ("request".to_owned(), one.number.to_string()));
                let detail = [("part".to_owned(), part.to_string())].into_iter().chain(request).collect();
                let (at, actor, action) = (edit.now, by.actor.clone(), "exported".to_owned());
                let revision = numbers.last().copied();
                edit.audit(Event { at, actor, action, asset: Some(id.clone()), revision, detail });
            }
        };
        books.edit(edit).await?;
        redeemed?;
        crate::failpoint::hit("exported");
    }
    Ok(Answer { secret: Some(bytes), ..Answer::done(String::new()) })
}

fn nothing(id: &AssetId) -> Failure {
    Failure::usage(format!("{id} has nothing to export yet: `keyturn run` makes it"))
}

fn print(
    config: &Config,
    id: &AssetId,
    part: Part,
    revision: Option<u32>,
    password: Option<&Secret>,
) -> Result<u8, Failure> {
    let nothing = || nothing(id);
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
    output::bytes(encodings::render(part, &materials).map_err(Failure::failed)?.expose());
    Ok(DONE)
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
    let known = || {
        let mut of_all = planner::known(&Desired::of(config), inventory, System::new().now());
        of_all.remove(&record.id).unwrap_or_default()
    };
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
