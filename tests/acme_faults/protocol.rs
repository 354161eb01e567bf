//! What is wrong in how a CA speaks: nonces, pages, addresses, tokens.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;
use keyturn::model::Code;

use super::house::{EDGE, House, Site, hours, minutes};
use super::recovery::{Recovery, words};
use super::table::row;
use super::trap::Trap;
use crate::fake_ca::{Endpoint, Forced, Link, Problem, RetryAfter, Token, Twist, What};

/// A1: the fault never ends, and still there are certificates.
#[tokio::test]
async fn a1_nine_of_ten_nonces_are_refused() {
    let mut house = House::new(Site::default()).await;
    house.issue().await;
    house.fault(|faults| faults.bad_nonce = 90);
    let (mut longest, mut most, mut refused) = (hours(0), 0, 0);
    for _ in 0..10 {
        house.skip_to_renewal().await;
        let due = house.now();
        let well = house.converge().await;
        let books = house.books_since(due);
        longest = longest.max(well.duration_since(due));
        most = most.max(books.clone().of(&EDGE).orders());
        refused += books.bad_nonces();
    }
    assert!(most <= 2 && longest <= hours(3), "{longest}, {most} orders\n{}", house.ca.books());
    assert!(refused > 400, "{refused}");
    row(
        "A1",
        "90 % badNonce",
        &format!(
            "10 renewals, {refused} badNonce: the slowest after {}, at most {most} order each",
            words(longest)
        ),
        "converges; ≤ 1 extra order",
    );
}

/// A2: before the order, and in the middle of it.
#[tokio::test]
async fn a2_every_nonce_is_refused() {
    for in_the_middle in [false, true] {
        let mut house = House::due(Site::default()).await;
        let began = house.now();
        if in_the_middle {
            house.fault(|faults| faults.validating = Duration::from_secs(10));
            house.ca.at(began + SignedDuration::from_secs(5), |faults| faults.bad_nonce = 100);
        } else {
            house.fault(|faults| faults.bad_nonce = 100);
        }
        let recovery = Recovery::from(&mut house, began, hours(6)).await;
        recovery.assert_r(Code::IssuerUnreachable);
        let books = house.books_since(began).between(began, recovery.ended);
        let orders = books.densest(3600, |what| *what == What::Order);
        assert!(orders <= 1, "{books}");
        let asked = books.densest(3600, |what| matches!(what, What::Request { .. }));
        row(
            "A2",
            if in_the_middle { "100 % badNonce after the order" } else { "100 % badNonce" },
            &format!("{orders} orders and {asked} requests in the worst hour; {recovery}"),
            "≤ 1 order an hour; R",
        );
    }
}

/// A4: a CA that says when, and means nothing that a calendar has.
#[tokio::test]
async fn a4_retry_after_beyond_reason() {
    let mut house = House::new(Site::default()).await;
    house.issue().await;
    let day = hours(24);
    for (said, waits) in [
        (RetryAfter::Huge, day),
        (RetryAfter::Date(hours(24 * 365)), day),
        (RetryAfter::Text("18446744073709551616".to_owned()), day),
        (RetryAfter::Negative, minutes(1)),
        (RetryAfter::Past, minutes(1)),
        (RetryAfter::Garbage, minutes(1)),
        (RetryAfter::Text("1e3".to_owned()), minutes(1)),
    ] {
        house.skip_to_renewal().await;
        let began = house.now();
        let limited = Forced::problem(Problem::rate_limited("too many")).retry_after(said.clone());
        let recovery = Recovery::of(&mut house, SignedDuration::ZERO, |faults| {
            faults.forced.insert(Endpoint::NewOrder, limited);
        });
        let recovery = recovery.await;
        recovery.assert_r(Code::IssuerLimited);
        assert_eq!(recovery.allowed, began + waits, "{said:?}");
        assert_eq!(house.books_since(recovery.ended).between(recovery.ended, recovery.allowed).orders(), 0);
    }
    row(
        "A4",
        "Retry-After 99999999999999, in a year, 2^64 / -1, past, no number",
        "waited 24 h / a minute, as after any failure; no panic",
        "clamped to 24 h",
    );
}

/// A4 again: where the answer itself is good.
#[tokio::test]
async fn a4_retry_after_beyond_reason_on_good_answers() {
    let mut house = House::new(Site::default()).await;
    house.fault(|faults| {
        for endpoint in [Endpoint::Order, Endpoint::NewOrder, Endpoint::Challenge, Endpoint::RenewalInfo] {
            faults.retry_after.insert(endpoint, RetryAfter::Huge);
        }
        faults.processing = Duration::from_secs(30);
    });
    house.issue().await;
    let asked = house.active("edge").await.unwrap().renewal.unwrap().ask_at.unwrap();
    assert_eq!(asked.duration_since(house.now()), hours(24));
}

/// A8: pages of proxies, with every status, in place of every answer.
#[tokio::test]
async fn a8_html_in_place_of_answers() {
    let mut house = House::new(Site::default()).await;
    house.issue().await;
    let endpoints = [
        Endpoint::Directory,
        Endpoint::NewOrder,
        Endpoint::Authorization,
        Endpoint::Challenge,
        Endpoint::Order,
        Endpoint::Finalize,
        Endpoint::Certificate,
    ];
    let mut slowest = SignedDuration::ZERO;
    for endpoint in endpoints {
        for status in [200, 403, 502] {
            house.skip_to_renewal().await;
            let recovery = Recovery::of(&mut house, minutes(2), |faults| {
                faults.reuse = crate::fake_ca::Reuse::Never;
                faults.validating = Duration::from_secs(1);
                faults.forced.insert(endpoint, Forced::html(status));
            });
            let recovery = recovery.await;
            println!("{endpoint:?} {status}: {recovery} {}", recovery.message);
            match (endpoint, status) {
                // It was fetched, and is no certificate: another order brings another.
                (Endpoint::Certificate, 200) => recovery.assert_r_of_spoilt_orders(Code::MaterialBad),
                _ => recovery.assert_r(Code::IssuerUnreachable),
            }
            slowest = slowest.max(recovery.took());
            let message = &recovery.message;
            assert!(!message.contains('<') && message.contains(&house.ca.directory_url()), "{message}");
            let clear = if status == 200 { "KT-" } else { "HTTP " };
            assert!(message.contains(clear), "{endpoint:?} {status}: {message}");
        }
    }
    row(
        "A8",
        "an HTML page with 200, 403, 502 in place of each of 7 answers",
        &format!(
            "the error names the CA, what was asked and the status; no HTML in it; well {} s after the next try",
            slowest.as_secs()
        ),
        "clear error; R",
    );
}

/// A9: an address of the CA's that leads elsewhere is never gone to.
#[tokio::test]
async fn a9_addresses_that_lead_elsewhere() {
    let trap = Trap::set().await;
    let site = Site { issuer: "preferred_chain = \"no such\"".to_owned(), ..Site::default() };
    let mut house = House::new(site).await;
    house.issue().await;
    let links = [
        Link::NewNonce,
        Link::NewOrder,
        Link::Order,
        Link::Authorization,
        Link::Challenge,
        Link::Finalize,
        Link::Certificate,
    ];
    let twists =
        [Twist::To(trap.http()), Twist::LinkLocal, Twist::To("https://[fe80::1]/x".to_owned()), Twist::Http];
    for link in links {
        for twist in &twists {
            house.restart().await;
            house.skip_to_renewal().await;
            let recovery = Recovery::of(&mut house, minutes(2), |faults| {
                faults.reuse = crate::fake_ca::Reuse::Never;
                faults.validating = Duration::from_secs(1);
                faults.links.insert(link, twist.clone());
            });
            let recovery = recovery.await;
            println!("{link:?} {twist:?}: {recovery} {}", recovery.message);
            match link {
                Link::Order => recovery.assert_r_of_spoilt_orders(Code::IssuerUnreachable),
                _ => recovery.assert_r(Code::IssuerUnreachable),
            }
            assert!(recovery.message.contains("refuses to speak to http"), "{}", recovery.message);
        }
    }
    for twist in &twists {
        // These two are not needed for a certificate.
        house.fault(|faults| {
            faults.links = [Link::Alternate, Link::RenewalInfo].map(|link| (link, twist.clone())).into();
        });
        house.restart().await;
        house.skip_to_renewal().await;
        let due = house.now();
        assert!(house.converge().await.duration_since(due) < minutes(1));
    }
    assert_eq!(trap.caught(), 0);
    row(
        "A9",
        "http or link-local in place of each of 9 addresses",
        &format!("refused and said so; 0 connections to {}", trap.places()),
        "refused; R",
    );
}

/// A9: the account's address is what we are known by from then on.
#[tokio::test]
async fn a9_an_account_elsewhere() {
    let trap = Trap::set().await;
    for twist in [Twist::To(trap.http()), Twist::LinkLocal, Twist::Http] {
        let mut house = House::new(Site::default()).await;
        let recovery = Recovery::of(&mut house, minutes(2), |faults| {
            faults.links.insert(Link::Account, twist);
        });
        let recovery = recovery.await;
        println!("{recovery} {}", recovery.message);
        recovery.assert_r(Code::IssuerUnreachable);
    }
    assert_eq!(trap.caught(), 0);
}

/// A17: whoever it is, it is not our CA.
#[tokio::test]
async fn a17_untrusted_tls() {
    let mut house = House::due(Site::default()).await;
    let recovery = Recovery::of(&mut house, minutes(30), |faults| faults.untrusted = true).await;
    recovery.assert_r(Code::IssuerUnreachable);
    assert!(recovery.message.contains("certificate"), "{}", recovery.message);
    let books = house.books_since(recovery.began).between(recovery.began, recovery.ended);
    assert_eq!(books.requests(), 0, "{books}");
    row("A17", "untrusted directory TLS", &format!("no request; {recovery}"), "refused; R");
}

/// A19: a token that would be a path, a header or a command is never used as one.
#[tokio::test]
async fn a19_tokens_that_are_more() {
    let mut house = House::new(Site::default()).await;
    house.issue().await;
    let tokens = [
        Token::Climbing,
        Token::Newline,
        Token::Shell,
        Token::Short,
        Token::Long,
        Token::Text("a".repeat(15)),
        Token::Text("a".repeat(129)),
        Token::Text("abcdefghijklmnop/../x".to_owned()),
        Token::Text("abcdefghijklmnop\0x".to_owned()),
        Token::Text("abcdefghijklmnopqrst%2e".to_owned()),
    ];
    for token in &tokens {
        house.skip_to_renewal().await;
        let before = tree(house.folder());
        let recovery = Recovery::of(&mut house, minutes(2), |faults| {
            faults.reuse = crate::fake_ca::Reuse::Never;
            faults.token = token.clone();
        });
        let recovery = recovery.await;
        println!("{token:?}: {recovery} {}", recovery.message.chars().take(300).collect::<String>());
        // The long one is more than a reply may be.
        let (code, why) = match token {
            Token::Long => (Code::IssuerUnreachable, "its reply is longer than 1048576 bytes"),
            _ => (Code::IssueFailed, "the challenge's token for edge.test is not one"),
        };
        recovery.assert_r_of_spoilt_orders(code);
        assert!(recovery.message.contains(why), "{}", recovery.message);
        let after = tree(house.folder());
        let new: Vec<&String> = after.difference(&before).filter(|path| !path.contains("/live/")).collect();
        assert!(new.is_empty(), "{new:?}");
    }
    assert!(!Path::new("/tmp/keyturn-was-here").exists());
    row(
        "A19",
        &format!("{} tokens that are none: `../`, a newline, `$()`, too short, too long", tokens.len()),
        "refused; nothing written, nothing run",
        "refused; R",
    );
}

/// All paths in a folder.
fn tree(folder: &Path) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            paths.extend(tree(&path));
        }
        paths.insert(path.display().to_string());
    }
    paths
}
