//! Ten years: plans are carried out as the executor does it, with delays, failures and crashes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::super::bench::{Bench, days, line, service};
use super::acme::Ordered;
use super::checks::{Checks, Tokens, put_back};
use super::orders::Orders;
use super::shape::{Event, SERVICES, Shape};
use crate::model::{
    Action, AssetId, Code, DELIVERY_PAUSES, DeliveryState, Engine, MAKING_PAUSES, Make, Place, Plan, Problem,
    Revision, Rollout, RolloutRecord, Service, Signer, Step, Update, World,
};
use crate::planner::assume;

/// What a test may do to a plan, to see that the checks notice.
pub(super) type Alter = fn(&mut Plan, &Bench);

/// How a rollout goes.
enum Fate {
    Works,
    Fails,
    /// After the change, before its outcome is written down.
    Crash,
    /// In the middle of being undone.
    CrashUndoing,
    /// Of an order with an ACME CA.
    Ordered(Ordered),
}

#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) steps: usize,
    pub(super) passes: usize,
    pub(super) idle: usize,
}

pub(super) struct Run {
    pub(super) bench: Bench,
    pub(super) checks: Checks,
    pub(super) orders: Orders,
    events: VecDeque<(Timestamp, Happening)>,
    /// When what runs side by side has begun: nobody knows then what the others will be told.
    pub(super) began: Timestamp,
    chance: u64,
    pub(super) lead: SignedDuration,
    pub(super) outage: bool,
    pub(super) unproven: bool,
    hidden: Option<World>,
    pub(super) failed: BTreeSet<String>,
    alter: Alter,
    told: Told,
}

#[derive(Debug, Clone)]
enum Happening {
    Begin(Event),
    End(Event),
}

impl Run {
    pub(super) fn new(shape: &Shape, alter: Alter) -> Self {
        let bench = shape.bench();
        let lead = shape.shortest_lead();
        let mut checks = Checks::default();
        for (number, key) in shape.keys.iter().enumerate() {
            let [ttl, max_age, skew] = [key.ttl, key.max_age, key.skew].map(SignedDuration::from_secs);
            let id = format!("jwt_keys/key{number}").parse().unwrap();
            checks.tokens.insert(id, Tokens { ttl, max_age, skew });
        }
        let events = shape.events.iter().flat_map(|(hour, event)| spread(bench.now, *hour, event, lead));
        let mut events: Vec<_> = events.collect();
        events.sort_by_key(|(at, _)| *at);
        Self {
            bench,
            checks,
            orders: Orders::default(),
            events: events.into(),
            began: Timestamp::MIN,
            chance: shape.chance,
            lead,
            outage: false,
            unproven: false,
            hidden: None,
            failed: BTreeSet::new(),
            alter,
            told: Told::default(),
        }
    }

    /// Plays until `end`; what is broken is the error.
    pub(super) fn play(mut self, end: Timestamp) -> Result<Told, String> {
        while self.bench.now < end {
            let wake = self.pass()?;
            let event = self.events.front().map(|(at, _)| *at);
            let next = [wake, event].into_iter().flatten().min().unwrap_or(end).min(end);
            self.bench.now = self.bench.now.max(next);
            self.happen()?;
        }
        self.checks.finish(&self.bench.desired, end)?;
        self.tidy()?;
        Ok(self.told)
    }

    /// One pass of the executor; when to look again.
    fn pass(&mut self) -> Result<Option<Timestamp>, String> {
        let mut tried = BTreeSet::new();
        self.told.passes += 1;
        for round in 0..64 {
            let plan = self.plan()?;
            let steps: Vec<Step> =
                plan.steps.iter().filter(|step| !tried.contains(&line(step))).cloned().collect();
            if steps.is_empty() {
                self.told.idle += usize::from(round == 0);
                let again = (!plan.steps.is_empty()).then_some(self.bench.now + SignedDuration::from_mins(5));
                return Ok([plan.next_wake, again].into_iter().flatten().min());
            }
            self.told.steps += steps.len();
            for rank in steps.chunk_by(|a, b| a.action.name() == b.action.name()) {
                if self.rank(rank, &mut tried)? {
                    return Ok(Some(self.bench.now + SignedDuration::from_secs(5)));
                }
            }
        }
        Err(format!("a pass does not come to rest: {:#?}", self.bench.lines()))
    }

    fn plan(&mut self) -> Result<Plan, String> {
        let mut plan = self.bench.plan();
        (self.alter)(&mut plan, &self.bench);
        if self.roll(16) == 0 {
            let mut again = self.bench.plan();
            (self.alter)(&mut again, &self.bench);
            if format!("{plan:?}") != format!("{again:?}") {
                return Err("two plans of one world differ".to_owned());
            }
        }
        match plan.next_wake {
            Some(wake) if wake <= self.bench.now => Err(format!("the alarm rings in the past: {wake}")),
            _ => Ok(plan),
        }
    }

    /// The steps of one rank run side by side; `true` if the process crashed.
    fn rank(&mut self, steps: &[Step], tried: &mut BTreeSet<String>) -> Result<bool, String> {
        let start = self.bench.now;
        self.began = start;
        let mut endings = Vec::new();
        for step in steps {
            let (fate, lasts) = self.fate(step);
            if let Action::Rollout(rollout) = &step.action
                && rollout.undo.is_none()
            {
                self.checks.begins(rollout, start);
            }
            endings.push((start + lasts, fate, step));
        }
        endings.sort_by_key(|(at, _, _)| *at);
        let mut crashed = false;
        for (at, fate, step) in endings {
            self.bench.now = at;
            crashed |= matches!(fate, Fate::Crash | Fate::CrashUndoing);
            crashed |= matches!(fate, Fate::Ordered(Ordered::CrashLost | Ordered::CrashKept));
            if !self.end(step, &fate)? {
                tried.insert(line(step));
            }
        }
        Ok(crashed)
    }

    fn fate(&mut self, step: &Step) -> (Fate, SignedDuration) {
        let longest = (self.lead.as_secs() / 64).min(2 * 3600);
        let secs = |run: &mut Self, most: i64| SignedDuration::from_secs(run.roll(most.max(2) as u64) as i64);
        match &step.action {
            Action::Rollout(rollout) if rollout.undo.is_none() => {
                let lasts = secs(self, longest);
                let luck = self.roll(40);
                let unlucky = luck < 4 && self.failed.insert(line(step));
                if !unlucky {
                    self.failed.remove(&line(step));
                    return (Fate::Works, lasts);
                }
                (
                    match luck {
                        0 => Fate::Crash,
                        1 => Fate::CrashUndoing,
                        _ => Fate::Fails,
                    },
                    lasts,
                )
            }
            Action::Issue(Make { signer: Some(Signer::Acme { .. }), .. }) => {
                (Fate::Ordered(self.luck_of(step)), secs(self, longest.min(60)))
            }
            Action::Issue(_) if self.outage => (Fate::Fails, SignedDuration::from_secs(1)),
            Action::Generate(_) => (Fate::Works, secs(self, longest.min(600))),
            Action::Issue(_) => (Fate::Works, secs(self, longest.min(60))),
            _ => (Fate::Works, SignedDuration::ZERO),
        }
    }

    /// What is written down; whether it worked.
    fn end(&mut self, step: &Step, fate: &Fate) -> Result<bool, String> {
        let now = self.bench.now;
        match (&step.action, fate) {
            (Action::Issue(make), Fate::Ordered(ordered)) => return self.order(step, make, *ordered),
            (Action::Consult(id, number), _) => {
                self.advise(id, *number);
                return Ok(true);
            }
            (Action::Issue(make) | Action::Generate(make), Fate::Fails) => {
                let record = self.bench.record(&make.asset.to_string());
                record.begin(Revision::pending(make.revision, &step.reason, &make.made_for, now));
                record.effort.failed(problem(), Some(make.made_for.clone()), &MAKING_PAUSES, now);
                return Ok(false);
            }
            (Action::Rollout(rollout), Fate::Fails) => {
                self.failed_rollout(rollout, now);
                self.checks.ends(&rollout.place, &rollout.assets(), &self.bench.inventory, now)?;
                return Ok(false);
            }
            (Action::Rollout(rollout), Fate::Crash | Fate::CrashUndoing) => {
                self.crash(rollout, step, matches!(fate, Fate::CrashUndoing));
                return Ok(false);
            }
            (Action::Rollout(rollout), Fate::Works) if rollout.undo.is_some() => {
                if let Some(record) = self.bench.inventory.rollouts.remove(&rollout.place) {
                    put_back(&mut self.bench.inventory, &record);
                    self.note_failures(&rollout.place, &record.assets, &record.against, now);
                    self.checks.ends(&rollout.place, &record.assets, &self.bench.inventory, now)?;
                }
                return Ok(true);
            }
            (Action::Delete(old), _) => {
                self.checks.deleted(old, &self.bench.desired, &self.bench.inventory, now)?;
            }
            (Action::Retire(id, number), _) => {
                self.checks.retired(id, *number, &self.bench.inventory, now)?;
            }
            _ => {}
        }
        assume(&self.bench.desired, &mut self.bench.inventory, step, now);
        match &step.action {
            Action::Issue(make) => self.checks.ordered(make, &self.bench.inventory, now)?,
            Action::Rollout(rollout) => {
                self.checks.ends(&rollout.place, &rollout.assets(), &self.bench.inventory, now)?;
            }
            _ => {}
        }
        Ok(true)
    }

    fn failed_rollout(&mut self, rollout: &Rollout, now: Timestamp) {
        if let Some(record) = self.bench.inventory.rollouts.remove(&rollout.place) {
            put_back(&mut self.bench.inventory, &record);
        }
        self.note_failures(&rollout.place, &rollout.assets(), &against(rollout), now);
    }

    fn note_failures(
        &mut self,
        place: &Place,
        assets: &[AssetId],
        against: &BTreeMap<AssetId, String>,
        now: Timestamp,
    ) {
        for id in assets {
            let delivery = self.bench.delivery(&id.to_string(), &place.to_string());
            delivery.state = DeliveryState::Failed;
            delivery.effort.failed(problem(), against.get(id).cloned(), &DELIVERY_PAUSES, now);
        }
    }

    /// The world has changed, and only the intent is written down.
    fn crash(&mut self, rollout: &Rollout, step: &Step, undoing: bool) {
        let mut after = self.bench.inventory.clone();
        assume(&self.bench.desired, &mut after, step, self.bench.now);
        self.bench.inventory.world = after.world;
        let mut before = rollout.before();
        if let Some(interrupted) = self.bench.inventory.rollouts.get(&rollout.place) {
            before.extend(interrupted.before.clone());
        }
        let record = RolloutRecord {
            place: rollout.place.clone(),
            started_at: self.bench.now,
            assets: rollout.assets(),
            before,
            service_id: rollout.service_id.clone(),
            identities: Default::default(),
            against: against(rollout),
            undoing: undoing.then(problem),
            not_put_back: false,
        };
        self.bench.inventory.rollouts.insert(rollout.place.clone(), record);
        for id in rollout.assets() {
            self.bench.delivery(&id.to_string(), &rollout.place.to_string()).state =
                DeliveryState::Delivering;
        }
    }

    fn happen(&mut self) -> Result<(), String> {
        while self.events.front().is_some_and(|(at, _)| *at <= self.bench.now) {
            let Some((_, happening)) = self.events.pop_front() else { break };
            match happening {
                Happening::Begin(event) => self.begin(&event)?,
                Happening::End(event) => self.finish(&event),
            }
        }
        Ok(())
    }

    fn begin(&mut self, event: &Event) -> Result<(), String> {
        let now = self.bench.now;
        match event {
            Event::Rotate(index) => {
                let id = self.pick(index);
                self.checks.asked(&id, now);
                self.orders.excused(&id, now);
                // Who asks for the CA asks for what it signs.
                self.bench.rotate(&id.to_string());
            }
            Event::Rewish(index) => {
                let id = self.pick(index);
                self.checks.asked(&id, now);
                self.orders.excused(&id, now);
                self.bench.spec(&id.to_string()).made_for = format!("wish of {now}");
            }
            Event::Recreate(number) => {
                let name = SERVICES[*number];
                self.checks.gone(&Place::Service(name.to_owned()), now)?;
                self.on_service(*number, |old| {
                    let id = format!("{}'", old.id);
                    *old = Service { id, labelled: old.labelled.clone(), ..service(name) };
                });
            }
            Event::Scale(number, _) => scale(self, *number, 0),
            Event::Busy(number, _) => {
                self.on_service(*number, |it| it.update = Update::Unfinished("updating".to_owned()));
            }
            Event::Outage(_) => self.outage = true,
            Event::Unproven(_) => self.unproven = true,
            Event::EngineDown(_) => self.hide(),
        }
        Ok(())
    }

    fn finish(&mut self, event: &Event) {
        match event {
            Event::Scale(number, _) => scale(self, *number, 2),
            Event::Busy(number, _) => self.on_service(*number, |it| it.update = Update::Quiet),
            Event::Outage(_) => self.outage = false,
            Event::Unproven(_) => self.unproven = false,
            Event::EngineDown(_) => {
                if let Some(World { engine, services, objects, .. }) = self.hidden.take() {
                    let world = &mut self.bench.inventory.world;
                    (world.engine, world.services, world.objects) = (engine, services, objects);
                }
            }
            _ => {}
        }
    }

    fn on_service(&mut self, number: usize, change: impl FnOnce(&mut Service)) {
        let world = self.hidden.as_mut().unwrap_or(&mut self.bench.inventory.world);
        change(world.services.get_mut(SERVICES[number]).unwrap());
    }

    fn hide(&mut self) {
        if self.hidden.is_none() {
            let world = &mut self.bench.inventory.world;
            self.hidden = Some(world.clone());
            world.engine = Engine::Down(problem());
            world.services.clear();
            world.objects.clear();
        }
    }

    fn pick(&self, index: &proptest::sample::Index) -> AssetId {
        let all: Vec<&AssetId> = self.bench.desired.assets.keys().collect();
        all[index.index(all.len())].clone()
    }

    /// Nothing is left behind, and no alarm rings for nothing.
    fn tidy(&self) -> Result<(), String> {
        let Bench { desired, inventory, .. } = &self.bench;
        let most = 40 * desired.assets.len();
        let objects = inventory.objects.len();
        let lives = inventory.assets.values().flat_map(|record| record.revisions.values());
        let lives = lives.filter(|revision| !revision.state.is_over()).count();
        if objects > most || lives > most {
            return Err(format!("{objects} objects and {lives} revisions are left"));
        }
        let Told { idle, steps, .. } = self.told;
        if idle > steps + 200 {
            Err(format!("{idle} alarms rang for nothing, beside {steps} steps"))
        } else {
            Ok(())
        }
    }

    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// What a failure is remembered against.
fn against(rollout: &Rollout) -> BTreeMap<AssetId, String> {
    rollout.parcels.iter().map(|parcel| (parcel.asset.clone(), parcel.against.clone())).collect()
}

fn scale(run: &mut Run, number: usize, tasks: u64) {
    run.on_service(number, |service| {
        service.replicas = Some(tasks);
        service.running = tasks;
    });
}

pub(super) fn problem() -> Problem {
    Problem::new(Code::RolloutFailed, "bad luck")
}

/// When an event begins and ends: outages are shorter than what renewals have in hand.
fn spread(start: Timestamp, hour: i64, event: &Event, lead: SignedDuration) -> Vec<(Timestamp, Happening)> {
    let begin = start + SignedDuration::from_hours(hour) + SignedDuration::from_mins(17);
    let lasts = match event {
        Event::Scale(_, share) | Event::Busy(_, share) => days(10).as_secs() * share / 100,
        Event::Outage(share) | Event::Unproven(share) => lead.as_secs() / 4 * share / 100,
        Event::EngineDown(share) => lead.as_secs() / 8 * share / 100,
        _ => 0,
    };
    let end = begin + SignedDuration::from_secs(lasts);
    vec![(begin, Happening::Begin(event.clone())), (end, Happening::End(event.clone()))]
}
