//! A CA that is away for days. What it says decides whether an order may have been placed, and so counts (FAULTS I5).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use keyturn::clock::{Clock, System};

use super::site::configuration;
use crate::fake_ca::{Ari, Endpoint, FakeCa, Forced, Problem, RetryAfter};
use crate::support::Keyturn;

/// A certificate that lives for thirty days is to be renewed after twenty: then the CA goes away, and the old one is in
/// use for days yet.
const DUE: u32 = 21 * 86_400;
/// When it is tried again, in seconds since: after each pause, in which nothing is tried.
const TRIES: [u32; 5] = [0, 100, 1_000, 8_000, 95_000];
/// A day after the last of them.
const AFTER: u32 = 190_000;

/// A CA and a site with one certificate of it, both so many seconds after the beginning.
struct Stage {
    ca: FakeCa,
    keyturn: Keyturn,
    seconds: Arc<AtomicU32>,
}

impl Stage {
    fn new() -> Self {
        let (clock, seconds) = (System::new(), Arc::new(AtomicU32::new(0)));
        let ahead = Arc::clone(&seconds);
        let now = move || clock.now() + Duration::from_secs(ahead.load(Ordering::SeqCst).into());
        let ca = FakeCa::start_at(now);
        let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let issuer = format!(
            "[issuers.fake]\nkind = \"acme\"\nserver = \"{}\"\nca_file = \"{}\"\n\
             challenge = {{ kind = \"http-01\", listen = \"{listen}\" }}\n",
            ca.directory_url(),
            ca.ca_file().display(),
        );
        let certificate = "[certificates.edge]\nissuers = [\"fake\"]\ndns_names = [\"www.edge.test\"]\n";
        Self { ca, keyturn: Keyturn::alone().config(&configuration(&issuer, certificate)), seconds }
    }

    /// A run so many seconds after the beginning; the revision in use then.
    fn run_at(&mut self, seconds: u32) -> Option<u64> {
        self.seconds.store(seconds, Ordering::SeqCst);
        self.keyturn.set("KEYTURN_CLOCK_OFFSET", Some(&seconds.to_string()));
        let ran = self.keyturn.run(&["run"]);
        println!("{seconds}: {}{}", ran.stdout, ran.stderr);
        let status = self.keyturn.status("edge");
        if status["state"] == "active" { status["revision"].as_u64() } else { None }
    }
}

/// All tries to renew while new-order is answered by `forced`, and one after it; how often it was asked, and which
/// revision is in use in the end.
fn outage(forced: Forced) -> (usize, Option<u64>) {
    let mut stage = Stage::new();
    stage.ca.faults(|faults| {
        faults.lifetime = Some(Duration::from_secs(30 * 86_400));
        faults.ari = Ari::None;
    });
    assert_eq!(stage.run_at(0), Some(1));
    stage.ca.faults(|faults| faults.forced.insert(Endpoint::NewOrder, forced));
    for seconds in TRIES {
        assert_eq!(stage.run_at(DUE + seconds), Some(1));
    }
    let asked = stage.ca.books().requests_to(Endpoint::NewOrder) - 1;
    stage.ca.faults(|faults| faults.forced.clear());
    (asked, stage.run_at(DUE + AFTER))
}

/// Nothing was ordered, so that nothing is used up of what may be ordered in a week.
#[test]
fn a_ca_that_declines_for_a_day_has_placed_no_order() {
    let maintenance = Problem::new(503, "serverInternal", "we are down for maintenance");
    for forced in [
        Forced::empty(503),
        Forced::html(503),
        Forced::problem(maintenance),
        Forced::empty(503).retry_after(RetryAfter::Seconds(60)),
    ] {
        assert_eq!(outage(forced.clone()), (TRIES.len(), Some(2)), "{forced:?}");
    }
}

/// Each may have been an order: after the first and three more nothing is ordered for a week, as long as the old one
/// does.
#[test]
fn a_gateway_that_has_lost_its_ca_may_have_placed_orders() {
    for status in [500, 502, 504] {
        assert_eq!(outage(Forced::html(status)), (4, Some(1)), "{status}");
    }
}

/// C3 and C6 by the CA's own books, without a crash: what it has done, and nobody has heard of.
#[test]
fn a_reply_that_is_lost_costs_one_order_and_no_second_finalization() {
    for (endpoint, orders) in [(Endpoint::NewOrder, 2), (Endpoint::Finalize, 1), (Endpoint::NewAccount, 1)] {
        let mut stage = Stage::new();
        stage.ca.faults(|faults| faults.lose.insert(endpoint, 1));
        assert_eq!(stage.run_at(0), None, "{endpoint:?}");
        assert_eq!(stage.run_at(700), Some(1), "{endpoint:?}");
        let books = stage.ca.books();
        assert_eq!(
            (books.orders(), books.finalizations(), books.certificates()),
            (orders, 1, 1),
            "{endpoint:?}"
        );
        assert_eq!(stage.ca.accounts().len(), 1, "{endpoint:?}");
    }
}
