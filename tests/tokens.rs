//! Tokens on a real Swarm: a signer that never stops, three verifiers by three JWT libraries, two rotations and a key in
//! wrong hands. No token that is valid is ever refused, and none is taken after its key's end.
//!
//! Each of the algorithms has a key of its own in the same services. All times are short and real.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    unreachable_pub
)]

mod support;

#[path = "tokens/cast.rs"]
mod cast;
#[path = "tokens/judge.rs"]
mod judge;
#[path = "tokens/load.rs"]
mod load;
#[path = "tokens/reads.rs"]
mod reads;
#[path = "tokens/thief.rs"]
mod thief;

use std::time::{Duration, Instant};

use cast::{ALGORITHMS, Libraries, asset, site};
use jiff::Timestamp;
use judge::Ends;
use load::Load;
use reads::Reads;
use serde_json::Value;
use support::{engine_or_skip, pause, skip_without, wait_for};
use thief::Thief;

/// A turn that is due comes within a minute; this is for a machine that is busy otherwise.
const PATIENCE: Duration = Duration::from_secs(150);

/// Waits until `done`; meanwhile whoever signs is robbed, and the ends of keys are noted.
fn live(
    limit: Duration,
    thief: &Thief<'_>,
    ends: &mut Ends<'_>,
    mut done: impl FnMut(&Ends<'_>) -> bool,
) -> bool {
    let since = Instant::now();
    while since.elapsed() < limit {
        thief.steal();
        ends.note();
        if done(ends) {
            return true;
        }
        pause(Duration::from_millis(300));
    }
    false
}

#[test]
fn no_token_is_refused_while_it_is_good_and_none_is_taken_after_its_keys_end() {
    skip_without!(Libraries);
    let engine = engine_or_skip!();
    cast::migrate_requests(&engine);
    cast::create_services(&engine);
    let keyturn = site(&engine);
    let daemon = keyturn.spawn(&["daemon"]);
    let all_sign = || Ends::new(&keyturn).active().iter().all(|number| *number > 0);
    assert!(wait_for(PATIENCE, all_sign), "{}", daemon.stderr());
    cast::create_client_of_http(&engine);
    cast::wait_listening(&engine);

    let load = Load::start(&engine);
    let reads = Reads::start(&engine);
    let thief = Thief::start(&engine, &load);
    let mut ends = Ends::new(&keyturn);
    let first = ends.active();
    let since = Instant::now();
    for turn in 1..=2 {
        let turned =
            |ends: &Ends<'_>| ends.active().iter().zip(&first).all(|(now, first)| *now >= first + turn);
        assert!(live(PATIENCE, &thief, &mut ends, turned), "{}", daemon.stderr());
        println!("turn {turn} of all {} keys after {:.0} s", ALGORITHMS.len(), since.elapsed().as_secs_f64());
    }

    // In the middle of a period: what signs has signed for a while, and its standby is known.
    live(cast::HALF, &thief, &mut ends, |_| false);
    let (bad, called_at) = (ends.kid(ALGORITHMS[0]), Timestamp::now());
    let replaced = ends.retired();
    let answer = keyturn.ok(&["rotate", "--compromised", &asset(ALGORITHMS[0])]);
    let took = || Timestamp::now().duration_since(called_at).as_secs_f64();
    println!("rotate --compromised took {:.1} s", took());
    let turned = |ends: &Ends<'_>| ends.kid(ALGORITHMS[0]) != bad;
    assert!(live(PATIENCE, &thief, &mut ends, turned), "{answer}\n{}", daemon.stderr());
    println!("its successor signs {:.1} s after", took());
    // Until what was replaced before is dead, and all have heard of it.
    let ended = |_: &Ends<'_>| reads.all_gone(&replaced, &bad);
    assert!(live(PATIENCE, &thief, &mut ends, ended), "{ends:#?}");
    live(Duration::from_secs(12), &thief, &mut ends, |_| false);
    let (served, stolen, loaded) = (reads.stop(), thief.stop(), load.stop());
    ends.note();
    let audit: Value = serde_json::from_str(&keyturn.ok(&["audit", "-o", "json"])).unwrap();
    daemon.stop();

    loaded.print();
    let judged = judge::Case { ends: &ends, audit: &audit, bad: &bad, called_at };
    let wrongs = judged.wrongs(&loaded, &served, &stolen);
    assert!(wrongs.is_empty(), "{} wrongs:\n{}", wrongs.len(), wrongs.join("\n"));
    assert!(loaded.signed() > 500 && loaded.kids() >= 3 * ALGORITHMS.len(), "too little was tried");
}
