//! Creates, adopts and removes secrets and configs.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::models::{ConfigSpec, SecretSpec};
use serde_json::Value;

use super::error::Refusal;
use super::look::{label_map, labels};
use super::{ENGINE_PATIENCE, Swarm};
use crate::model::{Code, Labels, NewObject, ObjectKind, OldObject, Problem, Secret};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(300);

impl Swarm {
    /// Creates the object, or takes the one that an earlier try has left: same name, same labels, same digest. An
    /// engine that is away is waited for.
    pub(super) async fn create_or_adopt(
        &self,
        object: &NewObject,
        labels: &Labels,
        bytes: &Secret,
    ) -> Result<String, Problem> {
        let end = self.clock.monotonic() + ENGINE_PATIENCE;
        loop {
            match self.try_create(object, labels, bytes).await {
                Ok(outcome) => return outcome,
                Err(refusal) if refusal.is_absence() && self.clock.monotonic() < end => {
                    self.clock.sleep(PAUSE).await;
                }
                Err(refusal) => {
                    return Err(refusal.problem(&format!("creating the {} {}", object.kind, object.name)));
                }
            }
        }
    }

    async fn try_create(
        &self,
        object: &NewObject,
        labels: &Labels,
        bytes: &Secret,
    ) -> Result<Result<String, Problem>, Refusal> {
        match self.create(object, labels, bytes).await {
            Ok(id) => Ok(Ok(id)),
            Err(Refusal::Said { status: 409, .. }) => self.adopt(object, labels).await,
            // It may be there nonetheless.
            Err(refusal) if refusal.is_ambiguous() => match self.adopt(object, labels).await {
                Ok(Ok(id)) => Ok(Ok(id)),
                _ => Err(refusal),
            },
            Err(refusal) => Err(refusal),
        }
    }

    async fn create(&self, object: &NewObject, labels: &Labels, bytes: &Secret) -> Result<String, Refusal> {
        let name = Some(object.name.clone());
        let labels = Some(label_map(labels).into_iter().collect());
        let data = Some(STANDARD.encode(bytes.expose()));
        let id = match object.kind {
            ObjectKind::Secret => {
                self.docker
                    .create_secret(SecretSpec { name, labels, data, ..SecretSpec::default() })
                    .await?
                    .id
            }
            ObjectKind::Config => {
                self.docker
                    .create_config(ConfigSpec { name, labels, data, ..ConfigSpec::default() })
                    .await?
                    .id
            }
        };
        Ok(id)
    }

    /// The ID of the object of that name, if it is ours and holds the same bytes.
    async fn adopt(&self, object: &NewObject, ours: &Labels) -> Result<Result<String, Problem>, Refusal> {
        let Some(found) = self.by_name(object.kind, &object.name).await? else {
            return Err(Refusal::Said { status: 404, message: format!("{} is not there", object.name) });
        };
        let theirs = labels(&found["Spec"]["Labels"]);
        let same = theirs.as_ref() == Some(ours);
        match found["ID"].as_str().filter(|_| same) {
            Some(id) => Ok(Ok(id.to_owned())),
            None => {
                let message = format!("the {} {} exists and is not ours", object.kind, object.name);
                Ok(Err(Problem::new(Code::NameTaken, message)))
            }
        }
    }

    async fn by_name(&self, kind: ObjectKind, name: &str) -> Result<Option<Value>, Refusal> {
        let path = format!("/{kind}s");
        let list = self.raw.get(&path).await?;
        let same = |object: &&Value| {
            object["Spec"]["Name"].as_str().is_some_and(|found| found.eq_ignore_ascii_case(name))
        };
        Ok(list.as_array().and_then(|list| list.iter().find(same)).cloned())
    }

    /// Removes one of our objects; by name where its ID was never learnt. One that is gone is done.
    pub(super) async fn remove(&self, old: &OldObject) -> Result<(), Problem> {
        let doing = format!("removing the {} {}", old.kind, old.name);
        let id = match &old.id {
            Some(id) => Some(id.clone()),
            None => self.our_id(old).await.map_err(|refusal| refusal.problem(&doing))?,
        };
        let Some(id) = id else { return Ok(()) };
        let removed = match old.kind {
            ObjectKind::Secret => self.docker.delete_secret(&id).await,
            ObjectKind::Config => self.docker.delete_config(&id).await,
        };
        match removed.map_err(Refusal::from) {
            Ok(()) => Ok(()),
            Err(refusal) if refusal.is_missing() => Ok(()),
            Err(refusal) => Err(refusal.problem(&doing)),
        }
    }

    /// The ID of an object that we meant to make and do not know whether we did.
    async fn our_id(&self, old: &OldObject) -> Result<Option<String>, Refusal> {
        let found = self.by_name(old.kind, &old.name).await?;
        let ours = found.filter(|object| {
            labels(&object["Spec"]["Labels"]).is_some_and(|labels| labels.instance == self.instance)
        });
        Ok(ours.and_then(|object| object["ID"].as_str().map(str::to_owned)))
    }
}
