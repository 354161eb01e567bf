//! Looks at the whole Swarm: services, their tasks, and all secrets and configs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde_json::Value;

use super::{Swarm, spec, tasks};
use crate::model::{AssetId, Code, Labels, Object, ObjectKind, Part, Problem, Service, Update, World};

impl Swarm {
    /// Writes all that there is into `world`.
    pub(super) async fn look(&self, world: &mut World) -> Result<(), Problem> {
        self.must_be_manager().await?;
        let doing = "listing the Swarm's services";
        let services =
            self.raw.get("/services?status=true").await.map_err(|refusal| refusal.problem(doing))?;
        let doing = "listing the Swarm's tasks";
        let tasks = self.raw.get("/tasks").await.map_err(|refusal| refusal.problem(doing))?;
        let tasks = by_service(&tasks);
        for service in services.as_array().map(Vec::as_slice).unwrap_or_default() {
            if let Some(service) = seen(service, &tasks) {
                world.services.insert(service.name.clone(), service);
            }
        }
        world.objects = self.all_objects().await?;
        Ok(())
    }

    /// `/info` answers on every engine and says best what is the matter with it.
    pub(super) async fn must_be_manager(&self) -> Result<Value, Problem> {
        let info = self.raw.get("/info").await.map_err(|refusal| refusal.problem("asking the engine"))?;
        let swarm = &info["Swarm"];
        let node = info["Name"].as_str().unwrap_or("this engine").to_owned();
        let not_manager = |what: &str| Err(Problem::new(Code::EngineNotManager, format!("{node} {what}")));
        match swarm["LocalNodeState"].as_str() {
            Some("active") if swarm["ControlAvailable"].as_bool() == Some(true) => Ok(info),
            Some("active") => not_manager("is a worker of its Swarm, not a manager"),
            Some("locked") => not_manager("is locked: `docker swarm unlock` it"),
            Some("inactive") | None => not_manager("is in no Swarm"),
            Some(state) => not_manager(&format!("is {state} in its Swarm")),
        }
    }

    async fn all_objects(&self) -> Result<Vec<Object>, Problem> {
        let mut objects = Vec::new();
        for (kind, path) in [(ObjectKind::Secret, "/secrets"), (ObjectKind::Config, "/configs")] {
            let doing = format!("listing the Swarm's {kind}s");
            let list = self.raw.get(path).await.map_err(|refusal| refusal.problem(&doing))?;
            let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
            objects.extend(list.iter().filter_map(|object| seen_object(kind, object)));
        }
        Ok(objects)
    }
}

fn by_service(tasks: &Value) -> HashMap<&str, Vec<&Value>> {
    let mut map: HashMap<&str, Vec<&Value>> = HashMap::new();
    for task in tasks.as_array().map(Vec::as_slice).unwrap_or_default() {
        if let Some(service) = task["ServiceID"].as_str() {
            map.entry(service).or_default().push(task);
        }
    }
    map
}

fn seen(service: &Value, tasks: &HashMap<&str, Vec<&Value>>) -> Option<Service> {
    let id = service["ID"].as_str()?.to_owned();
    let spec = &service["Spec"];
    let name = spec["Name"].as_str()?.to_owned();
    let tasks = tasks.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
    let unfinished = tasks.iter().filter(|task| !tasks::is_over(task));
    Some(Service {
        labelled: labelled(spec),
        references: spec::service_references(spec),
        previous: spec::service_object_ids(&service["PreviousSpec"]),
        tasks: unfinished.flat_map(|task| spec::object_ids(&task["Spec"]["ContainerSpec"])).collect(),
        replicas: spec::replicas(spec),
        running: tasks.iter().filter(|task| tasks::is_running(task)).count() as u64,
        update: update(service),
        spec_digest: spec::digest_of(spec),
        habits: if spec::is_job(spec) { Vec::new() } else { spec::habits(&name, spec) },
        id,
        name,
    })
}

/// The label `keyturn.asset` names one asset or several, with commas or blanks between them.
fn labelled(spec: &Value) -> BTreeSet<AssetId> {
    let label = spec["Labels"]["keyturn.asset"].as_str().unwrap_or_default();
    label.split([',', ' ']).filter_map(|name| name.trim().parse().ok()).collect()
}

fn update(service: &Value) -> Update {
    let status = &service["UpdateStatus"];
    match status["State"].as_str() {
        None | Some("" | "completed" | "rollback_completed") => Update::Quiet,
        Some(state) => {
            let message = status["Message"].as_str().unwrap_or_default();
            Update::Unfinished(format!("{state} ({message})"))
        }
    }
}

fn seen_object(kind: ObjectKind, object: &Value) -> Option<Object> {
    let created = object["CreatedAt"].as_str().and_then(|at| at.parse().ok());
    Some(Object {
        kind,
        name: object["Spec"]["Name"].as_str()?.to_owned(),
        id: object["ID"].as_str()?.to_owned(),
        labels: labels(&object["Spec"]["Labels"]),
        created_at: created.unwrap_or(Timestamp::UNIX_EPOCH),
    })
}

/// Our labels, if all of them are there and can be read.
pub(super) fn labels(labels: &Value) -> Option<Labels> {
    let label = |name: &str| labels[format!("keyturn.{name}")].as_str();
    Some(Labels {
        instance: label("instance")?.to_owned(),
        asset: label("asset")?.parse().ok()?,
        revision: label("revision")?.parse().ok()?,
        part: Part::from_name(label("part")?)?,
        digest: label("digest")?.to_owned(),
    })
}

/// The same, as they are written.
pub(super) fn label_map(labels: &Labels) -> BTreeMap<String, String> {
    let pairs = [
        ("instance", labels.instance.clone()),
        ("asset", labels.asset.to_string()),
        ("revision", labels.revision.to_string()),
        ("part", labels.part.to_string()),
        ("digest", labels.digest.clone()),
    ];
    pairs.into_iter().map(|(name, value)| (format!("keyturn.{name}"), value)).collect()
}
