//! Renders what is delivered, and makes the Docker objects that carry it.

use std::collections::BTreeMap;

use super::{Executor, Fatal, Outcome};
use crate::desired::{Desired, KindSpec};
use crate::failpoint;
use crate::model::{
    AssetId, Code, Content, FileContent, Inventory, Labels, Material, NewObject, ObjectRecord, Part, Place,
    Problem, Rollout, Secret,
};
use crate::target::Goods;

impl Executor {
    /// Creates one Docker object: its name is durable before, its ID after.
    pub(super) async fn publish(&self, desired: &Desired, object: &NewObject) -> Outcome {
        let password = object.password.as_deref();
        let rendered = self.render(desired, &object.asset, object.part, &object.revisions, password);
        let bytes = match rendered.await? {
            Ok(bytes) => bytes,
            Err(problem) => return Ok(Err(problem)),
        };
        let limit = object.kind.size_limit();
        if bytes.len() > limit {
            let message =
                format!("{} has {} bytes; a Docker {} holds {limit}", object.name, bytes.len(), object.kind);
            return Ok(Err(Problem::new(Code::ObjectTooLarge, message)));
        }
        self.intend(object).await?;
        failpoint::hit("object-intended");
        let target = match self.target(&Place::Service(String::new())) {
            Ok(target) => target,
            Err(problem) => return Ok(Err(problem)),
        };
        let labels = self.labels(desired, object, &bytes);
        match target.publish(object, &labels, &bytes).await {
            Ok(id) => {
                failpoint::hit("object-created");
                self.made(object, id).await.map(Ok)
            }
            Err(problem) => {
                if problem.code == Code::NameTaken {
                    // The number stays used; the next plan takes the next one.
                    self.books.edit(|edit| edit.remove_object(object.kind, &object.name)).await?;
                }
                Ok(Err(problem))
            }
        }
    }

    async fn intend(&self, object: &NewObject) -> Result<(), Fatal> {
        self.books
            .edit(|edit| {
                let number = object.name.rsplit('.').next().and_then(|number| number.parse::<u32>().ok());
                let numbers = &mut edit.asset(&object.asset).numbers;
                let highest = numbers.entry(object.part.name().to_owned()).or_insert(0);
                *highest = (*highest).max(number.unwrap_or(0));
                let created_at = edit.now;
                edit.put_object(ObjectRecord {
                    kind: object.kind,
                    name: object.name.clone(),
                    asset: object.asset.clone(),
                    part: object.part,
                    revisions: object.revisions.clone(),
                    password: object.password.clone(),
                    id: None,
                    created_at,
                    replaced_at: None,
                });
            })
            .await
    }

    async fn made(&self, object: &NewObject, id: String) -> Result<(), Fatal> {
        let revision = object.revisions.last().copied();
        let details = [("name", object.name.as_str()), ("id", id.as_str())];
        let event = self.audit_event("object-created", &object.asset, revision, &details);
        self.books
            .edit(|edit| {
                if let Some(record) = edit.object(object.kind, &object.name) {
                    record.id = Some(id.clone());
                }
                edit.audit(event);
            })
            .await
    }

    fn labels(&self, desired: &Desired, object: &NewObject, bytes: &Secret) -> Labels {
        Labels {
            instance: desired.instance.clone(),
            asset: object.asset.clone(),
            revision: object.revisions.last().copied().unwrap_or(0),
            part: object.part,
            digest: self.books.digest(bytes),
        }
    }

    /// The bytes of one part of these revisions; `password` is the digest of a PKCS#12 file's.
    pub(super) async fn render(
        &self,
        desired: &Desired,
        asset: &AssetId,
        part: Part,
        revisions: &[u32],
        password: Option<&str>,
    ) -> Result<Result<Secret, Problem>, Fatal> {
        if let (Part::Pkcs12, Some(password), [revision]) = (part, password, revisions) {
            return self.packed(desired, asset, *revision, password).await;
        }
        if part == Part::Crl {
            return Ok(self.lists(desired, asset, revisions).await);
        }
        let sources = self.sources(desired, asset, part, revisions).await;
        let mut materials: Vec<Material> = Vec::new();
        for (id, number) in &sources {
            match self.books.material(id, *number).await? {
                Some(material) => materials.push(material),
                None => {
                    let message = format!("the material of {id} revision {number} is not in the state");
                    return Ok(Err(Problem::new(Code::MaterialBad, message)));
                }
            }
        }
        if failpoint::is_planted("mismatched-key") && part == Part::PrivateKey {
            return Ok(self.maker.key(crate::model::KeyAlgorithm::EcdsaP256).await);
        }
        Ok(self.maker.render(part, &materials))
    }

    /// An edition of a CA's revocation lists, as it was made.
    async fn lists(&self, desired: &Desired, asset: &AssetId, editions: &[u32]) -> Result<Secret, Problem> {
        let ca = authority_of(desired, asset);
        let edition = editions.last().copied().unwrap_or(0);
        let kept = match &ca {
            Some(ca) => self.books.kept(&super::crl_key(ca, edition)).await,
            None => None,
        };
        kept.ok_or_else(|| {
            let message = format!("edition {edition} of {asset}'s revocation lists is not in the state");
            Problem::new(Code::MaterialBad, message)
        })
    }

    /// The revisions whose material a part is made of. A trust bundle names roots, by the CA revision that made
    /// each: any revision under that root has it.
    async fn sources(
        &self,
        desired: &Desired,
        asset: &AssetId,
        part: Part,
        revisions: &[u32],
    ) -> Vec<(AssetId, u32)> {
        match authority_of(desired, asset).filter(|_| part == Part::Ca) {
            None => revisions.iter().map(|number| (asset.clone(), *number)).collect(),
            Some(authority) => {
                self.books.look(|inventory| under_roots(inventory, &authority, revisions)).await
            }
        }
    }

    /// All that a rollout needs at hand: object IDs for a service, bytes for a directory.
    pub(super) async fn goods(
        &self,
        desired: &Desired,
        rollout: &Rollout,
    ) -> Result<Result<Goods, Problem>, Fatal> {
        if matches!(rollout.place, Place::Service(_)) {
            return Ok(self.books.look(|inventory| ids_of(inventory, rollout)).await);
        }
        let mut goods = Goods::default();
        for parcel in &rollout.parcels {
            match self.files_of(desired, &parcel.asset, &parcel.content).await? {
                Ok(files) => goods.files.extend(files),
                Err(problem) => return Ok(Err(problem)),
            }
        }
        Ok(Ok(goods))
    }

    async fn files_of(
        &self,
        desired: &Desired,
        asset: &AssetId,
        content: &Content,
    ) -> Result<Result<BTreeMap<(AssetId, String), Secret>, Problem>, Fatal> {
        let mut files = BTreeMap::new();
        for (path, file) in &content.files {
            let password = file.password.as_deref();
            match self.render(desired, asset, file.part, &file.revisions, password).await? {
                Ok(bytes) => files.insert((asset.clone(), path.clone()), bytes),
                Err(problem) => return Ok(Err(problem)),
            };
        }
        Ok(Ok(files))
    }
}

/// Whose roots and revocation lists go with an asset.
fn authority_of(desired: &Desired, asset: &AssetId) -> Option<AssetId> {
    match &desired.assets.get(asset)?.kind {
        KindSpec::Certificate(certificate) => certificate.authority().cloned(),
        KindSpec::Ca(_) => Some(asset.clone()),
        _ => None,
    }
}

/// The IDs of the objects that the rollout's content is made of: those to be swapped in must all be there.
fn ids_of(inventory: &Inventory, rollout: &Rollout) -> Result<Goods, Problem> {
    let mut goods = Goods::default();
    for parcel in &rollout.parcels {
        for (path, file) in &parcel.content.files {
            let chosen = parcel.swaps.iter().find(|swap| swap.path == *path).map(|swap| &swap.object);
            let own = inventory.objects.values().filter(|record| record.asset == parcel.asset);
            // A record whose object the engine has lost stays for a while beside the one that was made in its place.
            let record = own
                .filter(|record| shows(file, record) && chosen.is_none_or(|name| *name == record.name))
                .max_by_key(|record| number(&record.name));
            if let Some((record, id)) = record.and_then(|record| Some((record, record.id.clone()?))) {
                goods.ids.insert((record.kind, record.name.clone()), id);
            }
        }
    }
    let mut swaps = rollout.parcels.iter().flat_map(|parcel| &parcel.swaps);
    match swaps.find(|swap| !goods.ids.contains_key(&(swap.kind, swap.object.clone()))) {
        None => Ok(goods),
        Some(swap) => {
            let message = format!("the {} {} could not be made", swap.kind, swap.object);
            Err(Problem::new(Code::EngineFailed, message))
        }
    }
}

/// The running number in an object's name.
fn number(name: &str) -> u32 {
    name.rsplit('.').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Whether the object holds the bytes of this file.
pub(super) fn shows(file: &FileContent, record: &ObjectRecord) -> bool {
    file.kind == Some(record.kind)
        && file.part == record.part
        && file.revisions == record.revisions
        && file.password == record.password
}

fn under_roots(inventory: &Inventory, authority: &AssetId, roots: &[u32]) -> Vec<(AssetId, u32)> {
    let Some(record) = inventory.assets.get(authority) else { return Vec::new() };
    let newest_under = |root: &u32| {
        let live = |state: crate::model::RevisionState| !state.is_over();
        record.revisions.values().rev().find(|r| r.root == Some(*root) && live(r.state)).map(|r| r.number)
    };
    roots.iter().filter_map(newest_under).map(|number| (authority.clone(), number)).collect()
}
