//! A site in a few words.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::desired::{
    AssetSpec, CaSpec, CertificateSpec, Desired, FileSpec, IssuerRef, KindSpec, Overlap, Places, TargetSpec,
    Turn, Verify, Windows,
};
use crate::model::{
    Action, AssetId, AssetKind, AssetRecord, DELIVERY_PAUSES, Delivery, DeliveryState, Engine, Inventory,
    JwsAlgorithm, KeyAlgorithm, MAKING_PAUSES, ObjectKind, OrderNote, Part, Plan, Problem, Request, Service,
    Signer, Step, Update, Usage,
};
use crate::planner::{Seed, assume, order_note, plan};

/// A moment, from its RFC 3339 text.
pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) const fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

pub(crate) const fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

/// A site and its world.
#[derive(Clone)]
pub(crate) struct Bench {
    pub(crate) desired: Desired,
    pub(crate) inventory: Inventory,
    pub(crate) now: Timestamp,
}

impl Bench {
    /// Nothing yet, on New Year's day of 2026, with a Swarm.
    pub(crate) fn new() -> Self {
        let desired = Desired {
            instance: "test".to_owned(),
            retention: days(7),
            rollout_deadline: SignedDuration::from_mins(10),
            stock: 1,
            windows: Windows::always(),
            acme: BTreeMap::new(),
            listeners: Default::default(),
            assets: BTreeMap::new(),
        };
        let mut inventory = Inventory::default();
        inventory.world.engine = Engine::Ready;
        Self { desired, inventory, now: at("2026-01-01T00:00:00Z") }
    }

    pub(crate) fn with(mut self, spec: AssetSpec) -> Self {
        self.desired.assets.insert(spec.id.clone(), spec);
        self
    }

    pub(crate) fn service(mut self, name: &str) -> Self {
        self.inventory.world.services.insert(name.to_owned(), service(name));
        self
    }

    /// Edge: an NGINX with a certificate of the CA `internal`.
    pub(crate) fn edge() -> Self {
        let files = [("tls.crt", Part::Fullchain), ("tls.key", Part::PrivateKey)];
        Self::new().with(ca()).with(certificate("edge").to(services(&["web"], &files))).service("web")
    }

    pub(crate) fn seed(&self) -> Seed {
        Seed::of(&self.desired.instance)
    }

    pub(crate) fn plan(&self) -> Plan {
        plan(&self.desired, &self.inventory, self.now, self.seed())
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        lines(&self.plan())
    }

    /// All that is due now works at once; what was done is told.
    pub(crate) fn settle(&mut self) -> Vec<String> {
        let mut done = Vec::new();
        for _ in 0..30 {
            let plan = self.plan();
            if plan.steps.is_empty() {
                return done;
            }
            done.extend(lines(&plan));
            for step in &plan.steps {
                assume(&self.desired, &mut self.inventory, step, self.now);
            }
        }
        panic!("it does not come to rest: {done:#?}")
    }

    /// Plays forward, along the planner's own alarm clock.
    pub(crate) fn play(&mut self, until: Timestamp) -> Vec<(Timestamp, String)> {
        let mut done = Vec::new();
        loop {
            let now = self.now;
            done.extend(self.settle().into_iter().map(|line| (now, line)));
            match self.plan().next_wake {
                Some(wake) if wake <= until => self.now = wake,
                _ => break,
            }
        }
        self.now = until;
        done
    }

    pub(crate) fn spec(&mut self, id: &str) -> &mut AssetSpec {
        self.desired.assets.get_mut(&id.parse().unwrap()).unwrap()
    }

    pub(crate) fn record(&mut self, id: &str) -> &mut AssetRecord {
        let id: AssetId = id.parse().unwrap();
        self.inventory.record_mut(&id)
    }

    pub(crate) fn delivery(&mut self, id: &str, place: &str) -> &mut Delivery {
        self.record(id).deliveries.or_default(place.parse().unwrap())
    }

    pub(crate) fn web(&mut self) -> &mut Service {
        self.inventory.world.services.get_mut("web").unwrap()
    }

    /// `keyturn rotate`.
    pub(crate) fn rotate(&mut self, id: &str) {
        let now = self.now;
        let record = self.record(id);
        let after = record.active().map_or(0, |revision| revision.number);
        record.ask(
            Request { at: now, by: "uid:1000".to_owned(), after, compromised: false, new_root: false },
            false,
        );
    }

    /// What the ledger would say of an order placed now.
    pub(crate) fn order_note(&mut self, id: &str, issuer: &str) -> OrderNote {
        let (now, record) = (self.now, self.record(id).clone());
        let spec = self.spec(id);
        let KindSpec::Certificate(certificate) = &spec.kind else { panic!("{id} is no certificate") };
        order_note(certificate, &record, &spec.made_for, (issuer, false), now)
    }

    /// A step of the plan, by how its line begins.
    pub(crate) fn step(&self, begins: &str) -> Step {
        let plan = self.plan();
        let found = plan.steps.iter().find(|step| line(step).starts_with(begins)).cloned();
        found.unwrap_or_else(|| panic!("no {begins} in {:#?}", lines(&plan)))
    }

    /// The rollout or issuing that begins so fails, as the executor would write it down.
    pub(crate) fn fail(&mut self, begins: &str, problem: Problem) {
        let now = self.now;
        match self.step(begins).action {
            Action::Rollout(rollout) | Action::Verify(rollout) => {
                let apart = rollout.parcels.len() > 1;
                for parcel in &rollout.parcels {
                    let record = self.record(&parcel.asset.to_string());
                    let delivery = record.deliveries.or_default(rollout.place.clone());
                    delivery.state = DeliveryState::Failed;
                    let against = Some(parcel.against.clone());
                    delivery.effort.failed(problem.clone(), against, &DELIVERY_PAUSES, now);
                    if apart {
                        delivery.effort.next_try_at = Some(now);
                    }
                }
            }
            Action::Issue(make) | Action::Generate(make) => {
                let record = self.record(&make.asset.to_string());
                record.effort.failed(problem, Some(make.made_for), &MAKING_PAUSES, now);
            }
            other => panic!("{other:?} does not fail"),
        }
    }

    /// What waits, as `asset: reason`.
    pub(crate) fn waits(&self) -> Vec<String> {
        self.plan().deferred.iter().map(|one| format!("{}: {}", one.asset, one.reason)).collect()
    }

    #[track_caller]
    pub(crate) fn assert_waits(&self, words: &str) {
        let waits = self.waits();
        assert!(waits.iter().any(|line| line.contains(words)), "`{words}` is not in {waits:#?}");
    }

    #[track_caller]
    pub(crate) fn assert_idle(&self) {
        assert_eq!(self.lines(), Vec::<String>::new());
    }
}

/// One line a step.
pub(crate) fn lines(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(line).collect()
}

pub(crate) fn line(step: &Step) -> String {
    match &step.action {
        Action::Generate(make) => format!("generate {} {}", make.asset, make.revision),
        Action::Issue(make) => {
            let by = make.signer.as_ref().map(|signer| match signer {
                Signer::Internal(id, number) => format!(" by {id} {number}"),
                Signer::Acme { name, replaces: None } => format!(" by {name}"),
                Signer::Acme { name, replaces: Some(number) } => format!(" by {name} for {number}"),
            });
            format!("issue {} {}{}", make.asset, make.revision, by.unwrap_or_default())
        }
        Action::List(make) => format!("list {} {}", make.asset, make.edition),
        Action::Publish(object) => format!("publish {} {} {:?}", object.kind, object.name, object.revisions),
        Action::Announce(id, number) => format!("announce {id} {number}"),
        Action::Rollout(rollout) | Action::Verify(rollout) => {
            let assets: Vec<String> = step.assets.iter().map(ToString::to_string).collect();
            let undo = if rollout.undo.is_some() { "undo " } else { "" };
            format!("{} {undo}{} {}", step.action.name(), rollout.place, assets.join("+"))
        }
        Action::Activate(id, number) => format!("activate {id} {number}"),
        Action::Retire(id, number) => format!("retire {id} {number}"),
        Action::Revoke(id, number) => format!("revoke {id} {number}"),
        Action::Consult(id, number) => format!("consult {id} {number}"),
        Action::Forget(forget) => format!("forget {}", forget.place),
        Action::Delete(old) => format!("delete {}", old.name),
        Action::Note(id, place, problem) => {
            format!("note {id} {place} {}", problem.as_ref().map_or("gone", |problem| problem.code.name()))
        }
    }
}

/// A quiet service with two tasks.
pub(crate) fn service(name: &str) -> Service {
    Service {
        id: format!("service-{name}-1"),
        name: name.to_owned(),
        labelled: BTreeSet::new(),
        references: Vec::new(),
        previous: BTreeSet::new(),
        tasks: BTreeSet::new(),
        replicas: Some(2),
        running: 2,
        update: Update::Quiet,
        spec_digest: "spec".to_owned(),
        habits: Vec::new(),
    }
}

fn spec(kind: AssetKind, name: &str, of: KindSpec, overlap: Overlap) -> AssetSpec {
    let made_for = format!("{} v1", kind.noun());
    AssetSpec { id: AssetId::new(kind, name), made_for, kind: of, overlap, targets: Vec::new() }
}

fn plain(turn: Turn) -> Overlap {
    let none = SignedDuration::ZERO;
    Overlap {
        turn,
        publish_before: none,
        max_age: none,
        linger: none,
        told: false,
        standby: false,
        rides: none,
    }
}

/// The CA `internal`: twenty years, its intermediate one.
pub(crate) fn ca() -> AssetSpec {
    let of = KindSpec::Ca(CaSpec {
        common_name: "Test CA".to_owned(),
        root_lifetime: days(20 * 365),
        intermediate_lifetime: days(365),
        permitted_dns: Vec::new(),
        root_in_state: true,
        root_offline: false,
        crl: None,
    });
    let overlap =
        Overlap { publish_before: days(7), told: true, ..plain(Turn::ShareLeft { of: 1, parts: 3 }) };
    spec(AssetKind::Ca, "internal", of, overlap)
}

/// A certificate of 90 days, renewed at a third.
pub(crate) fn certificate(name: &str) -> AssetSpec {
    let of = KindSpec::Certificate(CertificateSpec {
        issuers: vec![IssuerRef::Internal(AssetId::new(AssetKind::Ca, "internal"))],
        common_name: None,
        dns_names: vec![format!("{name}.example.org")],
        ip_addresses: Vec::new(),
        usages: vec![Usage::ServerAuth],
        algorithm: KeyAlgorithm::EcdsaP256,
        keep_key: false,
        duration: days(90),
    });
    spec(AssetKind::Certificate, name, of, plain(Turn::ShareLeft { of: 1, parts: 3 }))
}

/// The same of ACME CAs: the first that may be asked.
pub(crate) fn acme_certificate(name: &str, issuers: &[&str]) -> AssetSpec {
    let mut spec = certificate(name);
    if let KindSpec::Certificate(certificate) = &mut spec.kind {
        certificate.issuers = issuers.iter().map(|name| IssuerRef::Acme((*name).to_owned())).collect();
    }
    spec
}

/// A JWT key of 60 days, published a day before, with tokens of an hour.
pub(crate) fn jwt(name: &str) -> AssetSpec {
    let of = KindSpec::JwtKey { jws: JwsAlgorithm::Rs256, algorithm: KeyAlgorithm::Rsa3072 };
    let overlap = Overlap {
        turn: Turn::Every(days(60)),
        publish_before: hours(24),
        max_age: SignedDuration::from_mins(5),
        linger: SignedDuration::from_secs(3600 + 300 + 60),
        told: true,
        standby: true,
        rides: SignedDuration::ZERO,
    };
    spec(AssetKind::JwtKey, name, of, overlap)
}

/// DH parameters of 90 days that ride for 30.
pub(crate) fn dh(name: &str) -> AssetSpec {
    let of = KindSpec::DhParams { bits: 2048, rfc7919: false };
    let overlap = Overlap { rides: days(30), ..plain(Turn::Every(days(90))) };
    spec(AssetKind::DhParams, name, of, overlap).to(services(&["web"], &[("dhparam.pem", Part::Dhparam)]))
}

/// Files under `/run/secrets` are secrets, others configs.
pub(crate) fn services(names: &[&str], files: &[(&str, Part)]) -> TargetSpec {
    let kind = |path: &str| if path.starts_with('/') { ObjectKind::Config } else { ObjectKind::Secret };
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let file =
        |(path, part): &(&str, Part)| ((*path).to_owned(), FileSpec::new(*part, Some(kind(path)), None));
    TargetSpec {
        places: Places::Services { names: Some(names), preflight: None },
        files: files.iter().map(file).collect(),
        mode: None,
        owner: None,
        group: None,
        verify: None,
    }
}

/// The same by label.
pub(crate) fn labelled(files: &[(&str, Part)]) -> TargetSpec {
    let places = Places::Services { names: None, preflight: None };
    TargetSpec { places, ..services(&[], files) }
}

pub(crate) fn dir(path: &str, files: &[(&str, Part)]) -> TargetSpec {
    let dir = PathBuf::from(path);
    let places = Places::Dir { dir, test: None, reload: None, timeout: Duration::from_secs(30) };
    let mut target = TargetSpec { places, ..services(&[], files) };
    target.files.values_mut().for_each(|file| file.kind = None);
    target
}

/// Chaining for specs.
pub(crate) trait Wish {
    fn to(self, target: TargetSpec) -> Self;
    fn overlap(self, change: impl FnOnce(&mut Overlap)) -> Self;
}

impl Wish for AssetSpec {
    fn to(mut self, target: TargetSpec) -> Self {
        self.targets.push(target);
        self
    }

    fn overlap(mut self, change: impl FnOnce(&mut Overlap)) -> Self {
        change(&mut self.overlap);
        self
    }
}

/// A handshake with something on this machine.
pub(crate) fn handshake(mut target: TargetSpec) -> TargetSpec {
    target.verify = Some(Verify::Connect { connect: vec!["127.0.0.1:8443".to_owned()], server_name: None });
    target
}
