//! I18: a condition has one open alert, at most one message a window, one close; and the outbox is bounded.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{
    Condition, Conditions, PATIENCE, WINDOW, conditions, happened, judge, mark, settle, shown, untold,
};
use crate::model::{
    AssetId, AssetKind, AssetRecord, Bound, Code, Event, Guarded, Hook, Inventory, Item, Listener, Listeners,
    MOST_NOTES, Moment, Phase, Problem, Revision, RevisionState, Severity, Subject, Tidings, Topic, Validity,
    Voter,
};

fn asset(name: &str) -> AssetId {
    AssetId::new(AssetKind::Certificate, name)
}

fn listeners() -> Listeners {
    let all = Listener { events: Event::ALL.into(), least: Severity::Info, shown: false };
    Listeners { channels: BTreeMap::from([("ops".to_owned(), all)]), hooks: Vec::new() }
}

fn subject(name: &str, code: Code) -> Subject {
    Subject { asset: Some(asset(name)), topic: Topic::of(code), name: String::new() }
}

fn one(name: &str, code: Code) -> Conditions {
    let problem = Problem::new(code, "words");
    [(subject(name, code), Condition { problem, stage: Severity::of(code) as u8 })].into()
}

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// What was told since the last call, and takes it out of the outbox as a channel would.
fn taken(tidings: &mut Tidings) -> Vec<Item> {
    let items = tidings.notes.values().map(|note| note.item.clone()).collect();
    tidings.notes.clear();
    items
}

#[test]
fn a_beginning_and_an_end_are_told_once() {
    let (mut tidings, who) = (Tidings::default(), listeners());
    let broken = one("edge", Code::RolloutFailed);
    let minute = |n: i64| start() + SignedDuration::from_mins(n);
    for n in 0..10 {
        judge(&mut tidings, &who, &broken, minute(n));
    }
    let told = taken(&mut tidings);
    assert_eq!(told.iter().map(|item| item.phase).collect::<Vec<_>>(), [Phase::Opened]);
    for n in 10..20 {
        judge(&mut tidings, &who, &Conditions::new(), minute(n));
    }
    let told = taken(&mut tidings);
    assert_eq!(
        told.iter().map(|item| (item.event, item.phase)).collect::<Vec<_>>(),
        [(Event::Recovery, Phase::Closed)]
    );
    // It comes back within the window: silence, until that has passed.
    for n in 20..60 {
        judge(&mut tidings, &who, &broken, minute(n));
    }
    assert_eq!(taken(&mut tidings), []);
    judge(&mut tidings, &who, &broken, minute(60));
    assert_eq!(taken(&mut tidings).len(), 1);
}

#[test]
fn what_is_only_good_to_know_must_last() {
    let (mut tidings, who) = (Tidings::default(), listeners());
    let busy = one("edge", Code::ServiceBusy);
    judge(&mut tidings, &who, &busy, start());
    judge(&mut tidings, &who, &Conditions::new(), start() + SignedDuration::from_mins(5));
    assert!(taken(&mut tidings).is_empty() && tidings.alerts.is_empty(), "{tidings:?}");
    judge(&mut tidings, &who, &busy, start());
    judge(&mut tidings, &who, &busy, start() + PATIENCE);
    assert_eq!(taken(&mut tidings).len(), 1);
}

#[test]
fn a_fault_with_another_face_is_the_same_and_a_worse_one_is_told_again() {
    let (mut tidings, who) = (Tidings::default(), listeners());
    judge(&mut tidings, &who, &one("edge", Code::PreflightFailed), start());
    judge(&mut tidings, &who, &one("edge", Code::RolloutFailed), start() + WINDOW);
    assert_eq!(taken(&mut tidings).len(), 1, "no worse");
    judge(&mut tidings, &who, &one("edge", Code::PutBackFailed), start() + WINDOW);
    let told = taken(&mut tidings);
    assert_eq!((told.len(), told[0].phase, told[0].severity), (1, Phase::Lasting, Severity::Critical));
    assert_eq!(tidings.alerts.len(), 1);
}

/// Whoever tells alerts apart by their urgency sees one at any time.
#[test]
fn what_becomes_more_urgent_has_ended_as_what_it_was() {
    let (mut tidings, who) = (Tidings::default(), listeners());
    let listener = Listener { shown: true, ..who.channels["ops"].clone() };
    let mut look = |code: Option<Code>, minute: i64| {
        let now = start() + SignedDuration::from_mins(minute);
        let found = code.map_or_else(Conditions::new, |code| one("edge", code));
        judge(&mut tidings, &who, &found, now);
        let shown = shown(&tidings, &listener, now).into_iter();
        shown.map(|alert| (Severity::of(alert.problem.code), alert.closed_at.is_none())).collect::<Vec<_>>()
    };
    use Severity::{Critical, Warning};
    assert_eq!(look(Some(Code::RolloutFailed), 0), [(Warning, true)]);
    assert_eq!(look(Some(Code::PutBackFailed), 5), [(Critical, true), (Warning, false)]);
    assert_eq!(look(Some(Code::RolloutFailed), 7), [(Warning, true), (Critical, false)]);
    assert_eq!(look(Some(Code::FileFailed), 8), [(Warning, true), (Critical, false)], "no more, no less");
    assert_eq!(look(None, 9), [(Warning, false), (Critical, false)]);
    assert_eq!(look(None, 200), []);
}

/// Days before its end at which a root that nobody can renew is told of.
#[test]
fn what_cannot_be_renewed_is_told_at_30_14_7_3_and_1_days() {
    let (mut tidings, who) = (Tidings::default(), listeners());
    let id = AssetId::new(AssetKind::Ca, "internal");
    let end = start() + SignedDuration::from_hours(24 * 60);
    let mut record = AssetRecord::new(id.clone());
    let mut revision = Revision::pending(1, "", "", start());
    revision.state = RevisionState::Active;
    revision.validity = Some(Validity { not_before: start(), not_after: end });
    record.begin(revision);
    let mut inventory = Inventory::default();
    *inventory.record_mut(&id) = record;
    let problems = [(id, Problem::new(Code::AuthorityEnding, "the root ends"))];
    let mut days = Vec::new();
    for hour in 0..24 * 60 {
        let now = start() + SignedDuration::from_hours(hour);
        let found = conditions(&inventory, &problems, now);
        judge(&mut tidings, &who, &found, now);
        for item in taken(&mut tidings) {
            // Beside these it is told once a day like all that lasts.
            let left = end.duration_since(now).as_hours();
            if left % 24 == 0 && [30, 14, 7, 3, 1].contains(&(left / 24)) {
                days.push((left / 24, item.phase == Phase::Opened));
            }
        }
    }
    assert_eq!(days, [(30, true), (14, false), (7, false), (3, false), (1, false)]);
}

#[test]
fn an_engine_that_is_away_is_one_alert_whatever_number_of_assets_it_is_for() {
    let mut inventory = Inventory::default();
    let down = Problem::new(Code::EngineUnreachable, "nothing answers");
    inventory.world.engine = crate::model::Engine::Down(down.clone());
    let problems: Vec<_> = (0..500).map(|n| (asset(&format!("a{n}")), down.clone())).collect();
    let found = conditions(&inventory, &problems, start());
    assert_eq!(found.len(), 1);
}

#[test]
fn a_request_is_told_when_it_waits_and_what_has_become_of_it() {
    let (mut tidings, who) = (Tidings::default(), listeners());
    let mut inventory = Inventory::default();
    let bound = Bound {
        guard: Guarded::Compromised,
        verb: "rotate --compromised".to_owned(),
        what: "rotate --compromised certificates/edge".to_owned(),
        wish: String::new(),
        assets: BTreeMap::new(),
        config: String::new(),
    };
    let end = start() + SignedDuration::from_hours(24);
    let (number, _) = inventory.approvals.ask(bound.clone(), 1000, start(), end).unwrap();
    let look = |tidings: &mut Tidings, inventory: &Inventory| {
        settle(tidings, &who, &inventory.approvals, start());
        judge(tidings, &who, &conditions(inventory, &[], start()), start());
        taken(tidings)
    };
    let told = look(&mut tidings, &inventory);
    assert_eq!((told.len(), told[0].event, told[0].phase), (1, Event::Approval, Phase::Opened));
    assert!(told[0].text.contains("request 1 of uid:1000") && told[0].text.contains("certificates/edge"));
    assert_eq!(look(&mut tidings, &inventory), []);
    let voter = Voter { uid: 1001, may_approve: true };
    inventory.approvals.deny(number, voter, start()).unwrap();
    let told = look(&mut tidings, &inventory);
    assert_eq!((told.len(), told[0].event, told[0].phase), (1, Event::Recovery, Phase::Closed));
    assert!(told[0].text.contains("denied by uid:1001"), "{:?}", told[0]);
    // One that is decided on before anybody has looked is told nonetheless, once.
    let again = Bound { what: "rotate --compromised certificates/other".to_owned(), ..bound };
    let (number, _) = inventory.approvals.ask(again, 1000, start(), end).unwrap();
    inventory.approvals.deny(number, voter, start()).unwrap();
    let told = look(&mut tidings, &inventory);
    assert_eq!(told.iter().map(|item| item.phase).collect::<Vec<_>>(), [Phase::Opened, Phase::Closed]);
    assert!(told[0].text.contains("certificates/other"), "{:?}", told[0]);
    assert!(told[1].text.contains("certificates/other): denied by uid:1001"), "{:?}", told[1]);
    assert_eq!(look(&mut tidings, &inventory), []);
}

#[test]
fn what_happened_is_told_once_and_hooks_get_their_errands() {
    let mut who = listeners();
    who.hooks.push(Hook {
        moment: Moment::Activated,
        assets: vec!["certificates/e*".to_owned()],
        command: vec!["purge".to_owned()],
        timeout: std::time::Duration::from_secs(30),
    });
    let (mut tidings, mut record) = (Tidings::default(), AssetRecord::new(asset("edge")));
    let mut revision = Revision::pending(1, "", "", start());
    revision.issued_at = Some(start());
    record.begin(revision);
    record.activated(1, start() + SignedDuration::from_secs(5));
    let news = untold(&record);
    assert_eq!(news.iter().map(|one| one.moment).collect::<Vec<_>>(), [Moment::Prepared, Moment::Activated]);
    mark(&mut record);
    assert_eq!(untold(&record), []);
    for one in &news {
        happened(&mut tidings, &who, one);
    }
    assert_eq!((tidings.errands.len(), taken(&mut tidings).len()), (1, 1));
    // A hook that the configuration no longer has is owed nothing.
    judge(&mut tidings, &listeners(), &Conditions::new(), start());
    assert!(tidings.errands.is_empty());
}

#[test]
fn the_oldest_mere_information_gives_way() {
    let (mut tidings, who) = (Tidings::default(), listeners());
    for n in 0..MOST_NOTES {
        let asset = asset(&format!("a{n}"));
        let one = super::Happened {
            moment: Moment::Activated,
            asset,
            revision: 1,
            at: start(),
            text: "in use".to_owned(),
        };
        happened(&mut tidings, &who, &one);
    }
    let broken: Conditions = (0..50).flat_map(|n| one(&format!("b{n}"), Code::RolloutFailed)).collect();
    judge(&mut tidings, &who, &broken, start());
    assert_eq!((tidings.notes.len(), tidings.posts["ops"].dropped), (MOST_NOTES, 50));
    let kept = tidings.notes.values().filter(|note| note.item.event == Event::Failure).count();
    assert_eq!(kept, 50, "what is urgent stays");
}

/// One step: seconds that pass, and for each of four subjects what is wrong with it.
fn steps() -> impl Strategy<Value = Vec<(i64, Vec<Option<usize>>)>> {
    let codes = prop::option::weighted(0.6, 0..4_usize);
    prop::collection::vec((1..7200_i64, prop::collection::vec(codes, 4)), 1..120)
}

/// All of one topic, from mild to grave.
const CODES: [Code; 4] = [Code::FileFailed, Code::RolloutFailed, Code::PutBackFailed, Code::ReloadFailed];

proptest! {
    #[test]
    fn one_open_alert_one_message_a_window_one_close(steps in steps()) {
        let (mut tidings, who) = (Tidings::default(), listeners());
        let mut now = start();
        let mut told: BTreeMap<String, Vec<(Timestamp, Phase)>> = BTreeMap::new();
        let tell = |tidings: &mut Tidings, told: &mut BTreeMap<String, Vec<(Timestamp, Phase)>>, now| {
            for item in taken(tidings) {
                told.entry(item.asset.unwrap().name).or_default().push((now, item.phase));
            }
        };
        for (pause, wrong) in steps {
            now += SignedDuration::from_secs(pause);
            let found: Conditions = wrong
                .iter()
                .enumerate()
                .filter_map(|(n, code)| Some(one(&format!("a{n}"), CODES[(*code)?])))
                .flatten()
                .collect();
            judge(&mut tidings, &who, &found, now);
            // The same again at the same moment says and changes nothing.
            let before = tidings.clone();
            judge(&mut tidings, &who, &found, now);
            prop_assert_eq!(&before, &tidings);
            tell(&mut tidings, &mut told, now);
            prop_assert!(tidings.open().all(|alert| found.contains_key(&alert.subject)));
        }
        now += SignedDuration::from_secs(1);
        judge(&mut tidings, &who, &Conditions::new(), now);
        tell(&mut tidings, &mut told, now);
        prop_assert_eq!(tidings.open().count(), 0);
        for story in told.values() {
            let alarms: Vec<Timestamp> =
                story.iter().filter(|(_, phase)| *phase != Phase::Closed).map(|(at, _)| *at).collect();
            prop_assert!(alarms.windows(2).all(|pair| pair[1].duration_since(pair[0]) >= WINDOW));
            let mut open = false;
            for (_, phase) in story {
                match phase {
                    Phase::Opened => prop_assert!(!std::mem::replace(&mut open, true)),
                    Phase::Lasting => prop_assert!(open),
                    Phase::Closed => prop_assert!(std::mem::replace(&mut open, false)),
                    Phase::Happened => prop_assert!(false),
                }
            }
            prop_assert!(!open, "each beginning that was told has its end");
        }
        // What was told is forgotten in the end.
        judge(&mut tidings, &who, &Conditions::new(), now + WINDOW + WINDOW);
        prop_assert!(tidings.alerts.is_empty());
    }

    #[test]
    fn the_outbox_is_bounded(counts in prop::collection::vec(1..700_usize, 1..6)) {
        let (mut tidings, who) = (Tidings::default(), listeners());
        for (round, count) in counts.into_iter().enumerate() {
            let broken: Conditions = (0..count).flat_map(|n| one(&format!("r{round}-{n}"), Code::RolloutFailed)).collect();
            judge(&mut tidings, &who, &broken, start() + SignedDuration::from_hours(round as i64));
            prop_assert!(tidings.notes.len() <= MOST_NOTES);
        }
    }
}
