//! Reads and changes a service's spec: our references, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use ring::digest;
use serde_json::{Value, json};

use crate::model::{ObjectKind, Reference, Swap, mount_path};

/// Docker's default for a reference that says nothing else.
const DEFAULT_MODE: u32 = 0o444;

/// Where a kind's references stand in a container spec, and how they name their object.
struct Keys {
    list: &'static str,
    id: &'static str,
    name: &'static str,
}

fn keys(kind: ObjectKind) -> Keys {
    match kind {
        ObjectKind::Secret => Keys { list: "Secrets", id: "SecretID", name: "SecretName" },
        ObjectKind::Config => Keys { list: "Configs", id: "ConfigID", name: "ConfigName" },
    }
}

/// The part of a spec that describes its containers.
fn container(spec: &Value) -> &Value {
    &spec["TaskTemplate"]["ContainerSpec"]
}

/// All secrets and configs that a service or task spec names as files.
pub(super) fn references(container: &Value) -> Vec<Reference> {
    [ObjectKind::Secret, ObjectKind::Config]
        .into_iter()
        .flat_map(|kind| {
            let entries = container[keys(kind).list].as_array().map(Vec::as_slice).unwrap_or_default();
            entries.iter().filter_map(move |entry| reference(kind, entry))
        })
        .collect()
}

/// The references in a service's spec.
pub(super) fn service_references(spec: &Value) -> Vec<Reference> {
    references(container(spec))
}

/// The IDs of all objects that a service's spec or a task's names, files or not.
pub(super) fn object_ids(container: &Value) -> BTreeSet<String> {
    [ObjectKind::Secret, ObjectKind::Config]
        .into_iter()
        .flat_map(|kind| {
            let keys = keys(kind);
            let entries = container[keys.list].as_array().map(Vec::as_slice).unwrap_or_default();
            entries.iter().filter_map(move |entry| entry[keys.id].as_str().map(str::to_owned))
        })
        .collect()
}

/// The same of a whole service spec.
pub(super) fn service_object_ids(spec: &Value) -> BTreeSet<String> {
    object_ids(container(spec))
}

fn reference(kind: ObjectKind, entry: &Value) -> Option<Reference> {
    let keys = keys(kind);
    let file = entry.get("File").filter(|file| file.is_object())?;
    Some(Reference {
        kind,
        path: file["Name"].as_str()?.to_owned(),
        name: entry[keys.name].as_str()?.to_owned(),
        id: entry[keys.id].as_str()?.to_owned(),
        uid: file["UID"].as_str().unwrap_or("0").to_owned(),
        gid: file["GID"].as_str().unwrap_or("0").to_owned(),
        mode: file["Mode"].as_u64().and_then(|mode| u32::try_from(mode).ok()).unwrap_or(DEFAULT_MODE),
    })
}

/// Points one path at another object. Place, file name, and what the target does not set stay as they are.
pub(super) fn swap(spec: &mut Value, swap: &Swap, id: &str) {
    let mount = mount_path(swap.kind, &swap.path);
    if let Some(other) = swap.before.as_ref().filter(|before| before.kind != swap.kind) {
        remove(spec, other.kind, &mount);
    }
    let keys = keys(swap.kind);
    let entry = match position(spec, swap.kind, &mount) {
        Some(index) => &mut list(spec, swap.kind)[index],
        None => {
            let list = list(spec, swap.kind);
            list.push(json!({ "File": { "Name": swap.path, "UID": "0", "GID": "0", "Mode": DEFAULT_MODE } }));
            let last = list.len() - 1;
            &mut list[last]
        }
    };
    entry[keys.id] = json!(id);
    entry[keys.name] = json!(swap.object);
    let file = &mut entry["File"];
    swap.mode.iter().for_each(|mode| file["Mode"] = json!(mode));
    swap.uid.iter().for_each(|uid| file["UID"] = json!(uid));
    swap.gid.iter().for_each(|gid| file["GID"] = json!(gid));
}

/// Puts back what was on a path: the very reference, or none.
pub(super) fn put_back(spec: &mut Value, path: &str, before: Option<&Reference>) {
    let Some(before) = before else {
        for kind in [ObjectKind::Secret, ObjectKind::Config] {
            remove(spec, kind, &mount_path(kind, path));
        }
        return;
    };
    let mount = mount_path(before.kind, &before.path);
    let other = match before.kind {
        ObjectKind::Secret => ObjectKind::Config,
        ObjectKind::Config => ObjectKind::Secret,
    };
    remove(spec, other, &mount);
    let keys = keys(before.kind);
    let file = json!({ "Name": before.path, "UID": before.uid, "GID": before.gid, "Mode": before.mode });
    let entry = json!({ "File": file, keys.id: before.id, keys.name: before.name });
    match position(spec, before.kind, &mount) {
        Some(index) => list(spec, before.kind)[index] = entry,
        None => list(spec, before.kind).push(entry),
    }
}

/// Whether each path has what it had before.
pub(super) fn is_as_before(spec: &Value, before: &BTreeMap<String, Option<Reference>>) -> bool {
    let have = service_references(spec);
    before.iter().all(|(path, before)| match before {
        Some(before) => have.contains(before),
        None => !have.iter().any(|have| mount_path(have.kind, &have.path) == mount_path(have.kind, path)),
    })
}

fn position(spec: &Value, kind: ObjectKind, mount: &str) -> Option<usize> {
    let entries = container(spec)[keys(kind).list].as_array()?;
    entries
        .iter()
        .position(|entry| entry["File"]["Name"].as_str().is_some_and(|path| mount_path(kind, path) == mount))
}

fn remove(spec: &mut Value, kind: ObjectKind, mount: &str) {
    if let Some(index) = position(spec, kind, mount) {
        list(spec, kind).remove(index);
    }
}

/// The list of references, made where there is none.
fn list(spec: &mut Value, kind: ObjectKind) -> &mut Vec<Value> {
    let slot = &mut spec["TaskTemplate"]["ContainerSpec"][keys(kind).list];
    if !slot.is_array() {
        *slot = json!([]);
    }
    match slot {
        Value::Array(list) => list,
        _ => unreachable!("it was just made an array"),
    }
}

/// Changes whenever a person changes the spec: the order of references, which our own putting back may alter,
/// does not count.
pub(super) fn digest_of(spec: &Value) -> String {
    let mut spec = spec.clone();
    for kind in [ObjectKind::Secret, ObjectKind::Config] {
        list(&mut spec, kind).sort_by_key(Value::to_string);
    }
    let digest = digest::digest(&digest::SHA256, spec.to_string().as_bytes());
    crate::pki::hex(&digest.as_ref()[..8])
}

/// How many tasks should run: `None` for a global service.
pub(super) fn replicas(spec: &Value) -> Option<u64> {
    match &spec["Mode"] {
        mode if mode.get("Global").is_some() => None,
        mode => Some(mode["Replicated"]["Replicas"].as_u64().unwrap_or(1)),
    }
}

/// Whether the service runs to an end: nothing is delivered to jobs by rollouts.
pub(super) fn is_job(spec: &Value) -> bool {
    spec["Mode"].get("ReplicatedJob").is_some() || spec["Mode"].get("GlobalJob").is_some()
}

/// How long the Swarm watches a new task for failure.
pub(super) fn monitor(spec: &Value) -> std::time::Duration {
    let nanos = spec["UpdateConfig"]["Monitor"].as_u64().filter(|nanos| *nanos > 0);
    nanos.map_or(std::time::Duration::from_secs(5), std::time::Duration::from_nanos)
}

/// Settings with which a rollout cuts connections or hides failures.
pub(super) fn habits(name: &str, spec: &Value) -> Vec<String> {
    let update = &spec["UpdateConfig"];
    let stop_first = update["Order"].as_str() != Some("start-first");
    let mut habits = Vec::new();
    if stop_first && replicas(spec) == Some(1) {
        habits.push(format!("service {name} has one replica and stop-first: a rollout interrupts it; use --update-order start-first or two replicas"));
    }
    let hasty = update["Order"].as_str() == Some("start-first") && update["Delay"].as_u64().unwrap_or(0) == 0;
    if hasty && replicas(spec).is_none_or(|replicas| replicas > 1) {
        habits.push(format!("service {name} updates with start-first and no delay: tasks that crash at once count as running for a moment, and a bad update can stop every old one; use --update-delay 2s"));
    }
    if container(spec)["StopSignal"].as_str().is_none() {
        habits.push(format!("service {name} sets no stop signal: unless its image does, SIGTERM cuts NGINX's open connections; use --stop-signal SIGQUIT"));
    }
    if update["FailureAction"].as_str() == Some("continue") {
        habits.push(format!("service {name} has update failure action `continue`: the Swarm calls a failed update completed; use pause or rollback"));
    }
    habits
}

/// A one-off job that is like the service but for traffic: no aliases, labels, ports or health check.
pub(super) fn preflight_job(
    name: &str,
    labels: Value,
    spec: &Value,
    command: &[String],
    node: Option<&str>,
) -> Value {
    let mut template = spec["TaskTemplate"].clone();
    let container = &mut template["ContainerSpec"];
    container["Command"] = json!(command.iter().take(1).collect::<Vec<_>>());
    container["Args"] = json!(command.iter().skip(1).collect::<Vec<_>>());
    container["Healthcheck"] = json!({ "Test": ["NONE"] });
    if let Some(container) = container.as_object_mut() {
        // Proxies find their backends by labels and host names.
        container.remove("Labels");
        container.remove("Hostname");
    }
    template["RestartPolicy"] = json!({ "Condition": "none", "MaxAttempts": 0 });
    // A service made before API 1.44 has its networks beside the template.
    let networks = template.get("Networks").or(spec.get("Networks")).and_then(Value::as_array).cloned();
    template["Networks"] = json!(without_aliases(networks.unwrap_or_default()));
    template["Placement"] = placement(&template["Placement"], node);
    if let Some(template) = template.as_object_mut() {
        template.remove("ForceUpdate");
    }
    json!({
        "Name": name,
        "Labels": labels,
        "TaskTemplate": template,
        "Mode": { "ReplicatedJob": { "MaxConcurrent": 1, "TotalCompletions": 1 } },
    })
}

fn without_aliases(mut networks: Vec<Value>) -> Vec<Value> {
    for network in networks.iter_mut().filter_map(Value::as_object_mut) {
        network.remove("Aliases");
    }
    networks
}

/// The service's own placement, on a node that runs it already: image and mounts are there.
fn placement(own: &Value, node: Option<&str>) -> Value {
    let mut constraints = own["Constraints"].as_array().cloned().unwrap_or_default();
    constraints.extend(node.map(|node| json!(format!("node.id=={node}"))));
    let mut placement = json!({ "Constraints": constraints });
    if let Some(platforms) = own.get("Platforms") {
        placement["Platforms"] = platforms.clone();
    }
    placement
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Value {
        json!({
            "Name": "web", "Labels": { "team": "edge" },
            "TaskTemplate": { "ContainerSpec": {
                "Image": "sha256:1", "Env": ["A=1"], "Isolation": "default", "UnknownToUs": { "x": [1, 2.5] },
                "Secrets": [
                    { "File": { "Name": "other", "UID": "0", "GID": "0", "Mode": 292 }, "SecretID": "s0", "SecretName": "other" },
                    { "File": { "Name": "tls.crt", "UID": "33", "GID": "33", "Mode": 256 }, "SecretID": "s1", "SecretName": "mine" },
                ] } },
            "Mode": { "Replicated": { "Replicas": 2 } },
        })
    }

    fn swap_of(kind: ObjectKind, path: &str, before: Option<Reference>) -> Swap {
        Swap { kind, path: path.into(), object: "new.1".into(), before, mode: None, uid: None, gid: None }
    }

    #[test]
    fn a_swap_changes_the_reference_and_nothing_else() {
        let mut spec = service();
        let before = service_references(&spec).remove(1);
        swap(&mut spec, &swap_of(ObjectKind::Secret, "/run/secrets/tls.crt", Some(before.clone())), "s9");
        let mut expected = service();
        expected["TaskTemplate"]["ContainerSpec"]["Secrets"][1]["SecretID"] = json!("s9");
        expected["TaskTemplate"]["ContainerSpec"]["Secrets"][1]["SecretName"] = json!("new.1");
        assert_eq!(spec, expected);
        put_back(&mut spec, "/run/secrets/tls.crt", Some(&before));
        assert_eq!(spec, service());
    }

    #[test]
    fn what_was_not_there_is_added_and_taken_away_again() {
        let mut spec = service();
        swap(&mut spec, &swap_of(ObjectKind::Config, "/etc/jwks.json", None), "c1");
        assert_eq!(service_references(&spec).len(), 3);
        let before = BTreeMap::from([("/etc/jwks.json".to_owned(), None)]);
        assert!(!is_as_before(&spec, &before));
        put_back(&mut spec, "/etc/jwks.json", None);
        assert!(is_as_before(&spec, &before));
        assert_eq!(digest_of(&spec), digest_of(&service()));
    }

    #[test]
    fn a_foreign_config_on_our_path_makes_way_and_comes_back() {
        let mut spec = service();
        let foreign = json!({ "File": { "Name": "/run/secrets/tls.key", "UID": "0", "GID": "0", "Mode": 292 }, "ConfigID": "c1", "ConfigName": "old" });
        list(&mut spec, ObjectKind::Config).push(foreign);
        let original = spec.clone();
        let before = service_references(&spec).pop();
        swap(&mut spec, &swap_of(ObjectKind::Secret, "tls.key", before.clone()), "s9");
        assert!(service_references(&spec).iter().all(|reference| reference.name != "old"));
        put_back(&mut spec, "tls.key", before.as_ref());
        assert_eq!(digest_of(&spec), digest_of(&original));
    }

    #[test]
    fn a_preflight_job_gets_no_traffic() {
        let mut spec = service();
        spec["TaskTemplate"]["Networks"] = json!([{ "Target": "n1", "Aliases": ["web"] }]);
        spec["TaskTemplate"]["ContainerSpec"]["Labels"] = json!({ "traefik.enable": "true" });
        spec["EndpointSpec"] = json!({ "Ports": [{ "PublishedPort": 443 }] });
        let job = preflight_job("p", json!({}), &spec, &["nginx".into(), "-t".into()], Some("node1"));
        assert!(job.get("EndpointSpec").is_none());
        assert_eq!(job["TaskTemplate"]["Networks"], json!([{ "Target": "n1" }]));
        let container = &job["TaskTemplate"]["ContainerSpec"];
        assert!(container.get("Labels").is_none());
        assert_eq!(container["Command"], json!(["nginx"]));
        assert_eq!(container["Args"], json!(["-t"]));
        assert_eq!(job["TaskTemplate"]["Placement"]["Constraints"], json!(["node.id==node1"]));
    }
}
