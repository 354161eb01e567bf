//! A Swarm in memory: references, tasks that are replaced one after another at random moments, and all that ever ran.
//!
//! A change of a service settles when its tasks are replaced is fixed at once, also for the time to come: a Swarm
//! goes on while nobody waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;

use super::fuse::Fuse;
use super::ledger::Ledger;
use super::rng::Rng;
use super::{Bug, seconds};
use crate::clock::{Clock, Virtual};
use crate::model::{
    Code, Engine, Forget, Labels, NewObject, Object, ObjectKind, OldObject, Place, Problem, Reference,
    Rollout, Secret, Service, Update, World, mount_path,
};
use crate::target::{Before, Goods, Target, Watch};

/// A task, for the whole of its life.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) service: String,
    pub(super) from: Timestamp,
    /// The first moment at which it is gone.
    pub(super) to: Option<Timestamp>,
    /// By where they lie in the container.
    pub(super) files: BTreeMap<String, String>,
    objects: BTreeSet<String>,
}

impl Task {
    pub(super) fn lives(&self, at: Timestamp) -> bool {
        self.from <= at && self.is_unfinished(at)
    }

    fn is_unfinished(&self, at: Timestamp) -> bool {
        self.to.is_none_or(|to| at < to)
    }
}

#[derive(Debug, Default, Clone)]
struct Running {
    id: String,
    replicas: u64,
    references: Vec<Reference>,
    previous: BTreeSet<String>,
    /// So many rollouts to come will fail.
    troubles: u32,
    /// The last rollout has failed.
    stuck: bool,
    settled_at: Timestamp,
    updates: u32,
}

#[derive(Default)]
struct State {
    services: BTreeMap<String, Running>,
    objects: Vec<(Object, String)>,
    tasks: Vec<Task>,
    made: u64,
    wrongs: Vec<String>,
}

pub(super) struct Swarm {
    clock: Arc<Virtual>,
    fuse: Arc<Fuse>,
    ledger: Arc<Ledger>,
    rng: Rng,
    longest_delay: u64,
    bug: Option<Bug>,
    state: Mutex<State>,
}

impl Swarm {
    pub(super) fn new(
        clock: Arc<Virtual>,
        fuse: Arc<Fuse>,
        ledger: Arc<Ledger>,
        rng: Rng,
        longest_delay: u64,
        bug: Option<Bug>,
    ) -> Self {
        Self { clock, fuse, ledger, rng, longest_delay, bug, state: Mutex::default() }
    }

    /// A service as its owner has made it, with no file of ours.
    pub(super) fn create(&self, name: &str, replicas: u64) {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap();
        let service = Running { id: format!("id-{name}"), replicas, settled_at: now, ..Running::default() };
        state.services.insert(name.to_owned(), service);
        for _ in 0..replicas {
            state.tasks.push(task(name, now, &[], &BTreeMap::new()));
        }
    }

    /// So many rollouts of the service will fail.
    pub(super) fn trouble(&self, service: &str, times: u32) {
        self.state.lock().unwrap().services.get_mut(service).unwrap().troubles = times;
    }

    /// A person puts another config on a path.
    pub(super) fn tamper(&self, service: &str, path: &str, text: &str) {
        let mut state = self.state.lock().unwrap();
        let (kind, name, id) = (ObjectKind::Config, "by-hand".to_owned(), "object-by-hand".to_owned());
        let object =
            Object { kind, name: name.clone(), id: id.clone(), labels: None, created_at: self.clock.now() };
        state.objects.push((object, text.to_owned()));
        let mut references = state.services[service].references.clone();
        for reference in references.iter_mut().filter(|reference| reference.path == path) {
            (reference.name, reference.id) = (name.clone(), id.clone());
        }
        self.change(&mut state, service, references, false);
    }

    /// How often the service's references were changed.
    pub(super) fn updates(&self, service: &str) -> u32 {
        self.state.lock().unwrap().services[service].updates
    }

    /// Every task that has run or will.
    pub(super) fn history(&self) -> Vec<Task> {
        self.state.lock().unwrap().tasks.clone()
    }

    /// What was asked of it that must never be.
    pub(super) fn wrongs(&self) -> Vec<String> {
        self.state.lock().unwrap().wrongs.clone()
    }

    /// What each path of each service shows: bytes, not names.
    pub(super) fn shown(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let state = self.state.lock().unwrap();
        let contents = contents(&state);
        let of = |service: &Running| files(&service.references, &contents);
        state.services.iter().map(|(name, service)| (name.clone(), of(service))).collect()
    }

    /// What the objects hold, sorted.
    pub(super) fn contents(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        listed(state.objects.iter())
    }

    /// The same, without what only a `PreviousSpec` names. What nobody names at all is in it.
    pub(super) fn contents_of_use(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let services = || state.services.values();
        let shown = |id: &String| services().any(|one| one.references.iter().any(|have| have.id == *id));
        let previous = |id: &String| services().any(|one| one.previous.contains(id));
        listed(state.objects.iter().filter(|(object, _)| shown(&object.id) || !previous(&object.id)))
    }

    fn delay(&self) -> jiff::SignedDuration {
        seconds(i64::try_from(self.rng.upto(self.longest_delay)).unwrap())
    }

    /// Tasks are replaced from now on: all of them, or (`stuck`) some.
    fn replace_tasks(&self, state: &mut State, name: &str) {
        let now = self.clock.now();
        let contents = contents(state);
        let service = state.services.get_mut(name).unwrap();
        let (replicas, stuck) = (service.replicas, service.stuck);
        let new = task(name, now, &service.references, &contents);
        state.tasks.retain(|task| task.service != name || task.from <= now);
        let mut old: Vec<&mut Task> =
            state.tasks.iter_mut().filter(|task| task.service == name && task.lives(now)).collect();
        let taken = if stuck { self.rng.upto(replicas.saturating_sub(1)) } else { replicas };
        let mut started = Vec::new();
        let mut settled_at = now;
        for slot in 0..replicas.max(old.len() as u64) {
            let task = old.get_mut(usize::try_from(slot).unwrap());
            if stuck && slot >= taken {
                task.into_iter().for_each(|task| task.to = None);
                continue;
            }
            // Start-first or stop-first, by chance.
            let (begin, end) = (now + self.delay(), now + self.delay());
            settled_at = settled_at.max(begin).max(end);
            task.into_iter().for_each(|task| task.to = Some(end));
            if slot < replicas {
                started.push(Task { from: begin, ..new.clone() });
            }
        }
        state.tasks.extend(started);
        state.services.get_mut(name).unwrap().settled_at = settled_at;
    }

    fn change(&self, state: &mut State, name: &str, references: Vec<Reference>, fails: bool) {
        let service = state.services.get_mut(name).unwrap();
        service.previous = service.references.iter().map(|reference| reference.id.clone()).collect();
        service.references = references;
        service.stuck = fails;
        service.updates += 1;
        let signs = service.references.iter().any(|reference| reference.path == "jwt.key");
        if signs || self.bug != Some(Bug::ReplacesNothing) {
            self.replace_tasks(state, name);
        }
    }

    async fn wait_until_settled(&self, name: &str) {
        let at = self.state.lock().unwrap().services.get(name).map(|service| service.settled_at);
        while let Some(left) = at.and_then(|at| at.duration_since(self.clock.now()).try_into().ok())
            && left > std::time::Duration::ZERO
        {
            self.clock.sleep(left).await;
        }
    }

    fn apply_now(&self, rollout: &Rollout, goods: &Goods) -> Result<(), Problem> {
        let name = rollout.place.name();
        let mut state = self.state.lock().unwrap();
        let state = &mut *state;
        let Some(service) = state.services.get_mut(&name) else {
            return Err(Problem::new(Code::ServiceMissing, name));
        };
        let mut references = service.references.clone();
        for swap in rollout.parcels.iter().flat_map(|parcel| &parcel.swaps) {
            references.retain(|have| have.path != swap.path);
            references.push(Reference {
                kind: swap.kind,
                path: swap.path.clone(),
                name: swap.object.clone(),
                id: goods.ids[&(swap.kind, swap.object.clone())].clone(),
                uid: "0".to_owned(),
                gid: "0".to_owned(),
                mode: 0o444,
            });
        }
        if references == service.references {
            return Ok(());
        }
        let fails = service.troubles > 0;
        service.troubles = service.troubles.saturating_sub(1);
        self.change(state, &name, references, fails);
        Ok(())
    }

    fn delete_now(&self, old: &OldObject) -> Result<(), Problem> {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap();
        let state = &mut *state;
        let Some(at) = state.objects.iter().position(|(object, _)| object.name == old.name) else {
            return Ok(());
        };
        let id = state.objects.remove(at).0.id;
        let used = |service: &Running| {
            service.previous.contains(&id) || service.references.iter().any(|reference| reference.id == id)
        };
        let runs = |task: &Task| task.objects.contains(&id) && task.is_unfinished(now);
        if state.services.values().any(used) || state.tasks.iter().any(runs) {
            state.wrongs.push(format!("I6: {} was deleted, and someone names it", old.name));
        }
        Ok(())
    }

    /// I9: whatever is done here was written down before.
    fn must_be_intended(&self, what: &str, intended: bool) {
        if !intended {
            self.state.lock().unwrap().wrongs.push(format!("I9: {what} without a durable intent"));
        }
    }
}

fn listed<'o>(objects: impl Iterator<Item = &'o (Object, String)>) -> Vec<String> {
    let mut all: Vec<String> = objects.map(|(object, bytes)| format!("{} {bytes}", object.kind)).collect();
    all.sort();
    all
}

fn task(name: &str, from: Timestamp, references: &[Reference], contents: &BTreeMap<String, String>) -> Task {
    let objects = references.iter().map(|reference| reference.id.clone()).collect();
    Task { service: name.to_owned(), from, to: None, files: files(references, contents), objects }
}

fn contents(state: &State) -> BTreeMap<String, String> {
    state.objects.iter().map(|(object, bytes)| (object.id.clone(), bytes.clone())).collect()
}

fn files(references: &[Reference], contents: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let file = |reference: &Reference| {
        let bytes = contents.get(&reference.id).cloned();
        (mount_path(reference.kind, &reference.path), bytes.unwrap_or_else(|| "gone".to_owned()))
    };
    references.iter().map(file).collect()
}

fn lost() -> Problem {
    Problem::new(Code::EngineFailed, "the reply was lost")
}

#[async_trait]
impl Target for Swarm {
    async fn observe(&self, _watch: &Watch, world: &mut World) {
        let now = self.clock.now();
        let blind = self.bug == Some(Bug::SeesOnlySpecs);
        let state = self.state.lock().unwrap();
        world.engine = Engine::Ready;
        world.objects = state.objects.iter().map(|(object, _)| object.clone()).collect();
        for (name, service) in &state.services {
            let tasks = || state.tasks.iter().filter(|task| task.service == *name);
            let unfinished = tasks().filter(|task| task.is_unfinished(now) && !blind);
            let busy = service.stuck || now < service.settled_at;
            world.services.insert(
                name.clone(),
                Service {
                    id: service.id.clone(),
                    name: name.clone(),
                    labelled: BTreeSet::new(),
                    references: service.references.clone(),
                    previous: if blind { BTreeSet::new() } else { service.previous.clone() },
                    tasks: unfinished.flat_map(|task| task.objects.clone()).collect(),
                    replicas: Some(service.replicas),
                    running: tasks().filter(|task| task.lives(now)).count() as u64,
                    update: if busy { Update::Unfinished("updating".to_owned()) } else { Update::Quiet },
                    spec_digest: format!("{:?}", service.references),
                    habits: Vec::new(),
                },
            );
        }
    }

    async fn publish(&self, object: &NewObject, labels: &Labels, bytes: &Secret) -> Result<String, Problem> {
        let key = format!("object/{}/{}", object.kind, object.name);
        self.must_be_intended(&format!("{} was made", object.name), self.ledger.has(&key));
        let publish = || {
            let mut state = self.state.lock().unwrap();
            if let Some((there, _)) = state.objects.iter().find(|(there, _)| there.name == object.name) {
                let same = there.labels.as_ref() == Some(labels);
                return if same {
                    Ok(there.id.clone())
                } else {
                    Err(Problem::new(Code::NameTaken, &object.name))
                };
            }
            if object.kind == ObjectKind::Config && bytes.expose_str().contains("private") {
                state.wrongs.push(format!("I15: {} is a config", object.name));
            }
            state.made += 1;
            let id = format!("object-{}", state.made);
            let new = Object {
                kind: object.kind,
                name: object.name.clone(),
                id: id.clone(),
                labels: Some(labels.clone()),
                created_at: self.clock.now(),
            };
            state.objects.push((new, bytes.expose_str().to_owned()));
            Ok(id)
        };
        self.fuse.through(lost, publish).await
    }

    async fn preflight(&self, _rollout: &Rollout, _goods: &Goods) -> Result<(), Problem> {
        Ok(())
    }

    async fn apply(&self, rollout: &Rollout, goods: &Goods) -> Result<(), Problem> {
        let what = format!("{} was changed", rollout.place);
        self.must_be_intended(&what, self.ledger.has(&format!("rollout/{}", rollout.place)));
        self.fuse.through(lost, || self.apply_now(rollout, goods)).await
    }

    async fn settle(&self, rollout: &Rollout, _goods: &Goods) -> Result<(), Problem> {
        if self.bug != Some(Bug::SettlesEarly) {
            self.wait_until_settled(&rollout.place.name()).await;
        }
        let stuck =
            self.state.lock().unwrap().services.get(&rollout.place.name()).is_some_and(|one| one.stuck);
        let outcome = || match stuck {
            true => Err(Problem::new(Code::RolloutFailed, "its tasks do not start")),
            false => Ok(()),
        };
        self.fuse.through(lost, outcome).await
    }

    async fn put_back(&self, place: &Place, before: &Before, _rollout: &Rollout) -> Result<(), Problem> {
        let what = format!("{place} was put back");
        self.must_be_intended(&what, self.ledger.has(&format!("rollout/{place}")));
        let name = place.name();
        let put_back = || {
            let mut state = self.state.lock().unwrap();
            let Some(service) = state.services.get(&name) else { return Ok(()) };
            let mut references = service.references.clone();
            references.retain(|have| !before.references.contains_key(&have.path));
            references.extend(before.references.values().flatten().cloned());
            self.change(&mut state, &name, references, false);
            let service = state.services.get_mut(&name).unwrap();
            service.previous = service.references.iter().map(|reference| reference.id.clone()).collect();
            Ok(())
        };
        self.fuse.through(lost, put_back).await?;
        self.wait_until_settled(&name).await;
        Ok(())
    }

    async fn finish(&self, _rollout: &Rollout) -> Result<(), Problem> {
        Ok(())
    }

    async fn forget(&self, forget: &Forget) -> Result<(), Problem> {
        let intended = self.ledger.events().iter().any(|event| event.action == "forgetting");
        self.must_be_intended(&format!("{} forgot", forget.place), intended);
        let forgets = || {
            let mut state = self.state.lock().unwrap();
            let Some(service) = state.services.get_mut(&forget.place.name()) else { return Ok(()) };
            service.previous = service.references.iter().map(|reference| reference.id.clone()).collect();
            Ok(())
        };
        self.fuse.through(lost, forgets).await
    }

    async fn delete(&self, old: &OldObject) -> Result<(), Problem> {
        let named = |event: &crate::audit::Event| event.detail.get("name") == Some(&old.name);
        let intended = self.ledger.events().iter().any(|event| event.action == "deleting" && named(event));
        self.must_be_intended(&format!("{} was deleted", old.name), intended);
        self.fuse.through(lost, || self.delete_now(old)).await
    }
}
