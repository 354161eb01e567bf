//! Each fault, and that it does what it says.

use std::time::Duration;

use http_body_util::BodyExt;
use instant_acme::NewOrder;
use jiff::{SignedDuration, Timestamp};
use keyturn::clock::Clock;
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::client::{Hand, Https, account, csr, encode, identifiers, issue, parts, problem, prove, wanted};
use super::{start, verify};
use crate::fake_ca::{
    Answer, Ari, Body, Chain, Dates, Endpoint, FakeCa, Forced, Link, Names, Problem, RetryAfter, Reuse,
    Token, Twist, What,
};

#[tokio::test]
async fn nonces_are_refused_as_often_as_told() {
    let (ca, _) = start().await;
    let hand = Hand::enrolled(&ca).await;
    ca.faults(|faults| faults.bad_nonce = 90);
    let mut refused = 0;
    for _ in 0..200 {
        let seen = hand.order(&["a.test"]).await;
        refused += usize::from(seen.problem() == "badNonce");
    }
    assert!((170..=190).contains(&refused), "{refused}");
    assert_eq!((ca.books().bad_nonces(), ca.books().failures(), ca.orders()), (refused, 0, 200 - refused));
    ca.faults(|faults| faults.bad_nonce = 100);
    assert_eq!(problem(&account(&ca).await.err().unwrap()), "badNonce");
    ca.heal();
    ca.faults(|faults| faults.no_nonce = true);
    assert_eq!(hand.nonce().await, "");
}

#[tokio::test]
async fn forced_answers_and_retry_after() {
    let (ca, clock) = start().await;
    let hand = Hand::enrolled(&ca).await;
    let force = |forced: Forced| ca.faults(|faults| faults.forced.insert(Endpoint::NewOrder, forced));
    let limited = || Forced::problem(Problem::rate_limited("too many orders"));
    let date = |value: &str| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).unwrap();
    let hour = SignedDuration::from_hours(1);

    for (given, sent) in [
        (RetryAfter::Seconds(3600), "3600"),
        (RetryAfter::Huge, "99999999999999"),
        (RetryAfter::Negative, "-1"),
        (RetryAfter::Garbage, "when it suits us"),
        (RetryAfter::Text("1e3".to_owned()), "1e3"),
    ] {
        force(limited().retry_after(given));
        let seen = hand.order(&["a.test"]).await;
        assert_eq!((seen.status, seen.header("retry-after")), (429, sent));
        assert_eq!(
            (seen.problem().as_str(), &seen.json()["detail"]),
            ("rateLimited", &json!("too many orders"))
        );
    }
    for (given, from_now) in [(RetryAfter::Date(hour), hour), (RetryAfter::Past, -hour)] {
        force(limited().retry_after(given));
        let seen = hand.order(&["a.test"]).await;
        assert!(seen.header("retry-after").ends_with(" GMT"), "{seen:?}");
        assert_eq!(date(seen.header("retry-after")), clock.now() + from_now);
    }
    assert_eq!(ca.books().of(&["a.test"]).failures(), 7);
    assert_eq!(ca.orders(), 0);

    force(Forced::empty(503).times(2));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(hand.order(&["a.test"]).await.status);
    }
    assert_eq!(statuses, [503, 503, 201]);
    force(Forced::answer(Answer::Redirect(307, "https://169.254.169.254/".to_owned())));
    assert_eq!(hand.order(&["a.test"]).await.header("location"), "https://169.254.169.254/");
    force(Forced::html(502));
    let seen = hand.order(&["a.test"]).await;
    assert_eq!((seen.status, seen.header("content-type")), (502, "text/html"));
    assert!(seen.body.starts_with(b"<html>"));

    ca.heal();
    ca.faults(|faults| faults.everywhere = Some(Forced::problem(Problem::internal())));
    assert_eq!(hand.https.get(&ca.directory_url()).await.unwrap().status, 500);
    ca.heal();
    ca.faults(|faults| faults.retry_after.insert(Endpoint::Order, RetryAfter::Seconds(3)));
    let order = hand.order(&["a.test"]).await;
    let seen = hand.post(order.header("location"), &Value::Null).await;
    assert_eq!((seen.status, seen.header("retry-after")), (200, "3"));
}

#[tokio::test]
async fn what_is_planned_comes_in_the_tests_own_time() {
    let (ca, clock) = start().await;
    let hand = Hand::enrolled(&ca).await;
    let hours = |hours| clock.now() + SignedDuration::from_hours(hours);
    ca.at(hours(8), |faults| *faults = crate::fake_ca::Faults::default());
    ca.at(hours(2), |faults| faults.everywhere = Some(Forced::empty(503)));
    let mut statuses = Vec::new();
    for _ in 0..10 {
        statuses.push(hand.https.get(&ca.directory_url()).await.unwrap().status);
        clock.advance(Duration::from_secs(3600));
    }
    assert_eq!(statuses, [200, 200, 503, 503, 503, 503, 503, 503, 200, 200]);
}

#[tokio::test]
async fn every_kind_of_problem() {
    let (ca, _) = start().await;
    let hand = Hand::enrolled(&ca).await;
    for problem in [
        Problem::paused("a.test"),
        Problem::caa("a.test"),
        Problem::user_action_required(),
        Problem::external_account_required(),
        Problem::bad_csr("no"),
        Problem::order_not_ready(),
        Problem::already_replaced(),
        Problem::no_account(),
    ] {
        ca.faults(|faults| faults.forced.insert(Endpoint::NewOrder, Forced::problem(problem.clone())));
        let seen = hand.order(&["a.test"]).await;
        assert_eq!((seen.status, seen.problem()), (problem.status, problem.kind.clone()));
        assert_eq!(seen.json()["detail"], problem.detail.as_str());
    }
}

#[tokio::test]
async fn bodies_that_are_not_as_they_should_be() {
    let (ca, _) = start().await;
    let https = Https::to(&ca);
    let url = ca.directory_url();
    let send = |body: Body| ca.faults(|faults| faults.body.insert(Endpoint::Directory, body));

    let whole = https.get(&url).await.unwrap().body;
    send(Body::Drip(Duration::from_millis(1)));
    let begun = std::time::Instant::now();
    assert_eq!(https.get(&url).await.unwrap().body, whole);
    assert!(begun.elapsed() > Duration::from_millis(whole.len() as u64));

    send(Body::Deep(50_000));
    let deep = https.get(&url).await.unwrap().body;
    assert!(deep.starts_with(b"{\"x\":[[[") && deep.len() > 100_000);
    send(Body::Half);
    assert!(https.get(&url).await.is_err());
    send(Body::Text("null".to_owned()));
    assert_eq!(https.get(&url).await.unwrap().body, b"null");
    send(Body::Stall);
    assert!(tokio::time::timeout(Duration::from_millis(200), https.get(&url)).await.is_err());

    send(Body::Blanks(1 << 30));
    let request = http::Request::builder().uri(&url).body(String::new()).unwrap();
    let response = https.send(request).await.unwrap();
    assert!(response.headers().get("content-length").is_none());
    let (mut body, mut length) = (response.into_body(), 0_u64);
    while let Some(frame) = body.frame().await {
        length += frame.unwrap().into_data().unwrap().len() as u64;
    }
    assert_eq!(length, 1 << 30);
}

#[tokio::test]
async fn addresses_that_lead_elsewhere() {
    let (ca, _) = start().await;
    let hand = Hand::enrolled(&ca).await;
    let twist = |link, twist| ca.faults(|faults| faults.links.insert(link, twist));
    twist(Link::NewOrder, Twist::Http);
    twist(Link::NewNonce, Twist::LinkLocal);
    let directory = hand.https.get(&ca.directory_url()).await.unwrap().json();
    assert!(directory["newOrder"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert!(directory["newNonce"].as_str().unwrap().starts_with("https://169.254.169.254/"));

    for link in [Link::Order, Link::Authorization, Link::Finalize, Link::Challenge, Link::Account] {
        twist(link, Twist::To(format!("https://10.0.0.1/{link:?}")));
    }
    let order = hand.order(&["a.test"]).await;
    assert_eq!(order.header("location"), "https://10.0.0.1/Order");
    assert_eq!(order.json()["authorizations"][0], "https://10.0.0.1/Authorization");
    assert_eq!(order.json()["finalize"], "https://10.0.0.1/Finalize");
    let base = ca.directory_url().replace("/directory", "");
    let proof = hand.look(&format!("{base}/authorization/0").into()).await;
    assert_eq!(proof["challenges"][0]["url"], "https://10.0.0.1/Challenge");
}

/// What a CA with this fault issues for a.test and b.test.
async fn issued_with(
    change: impl FnOnce(&mut crate::fake_ca::Faults),
) -> (FakeCa, Timestamp, Vec<u8>, String) {
    let (ca, clock) = start().await;
    ca.faults(change);
    let client = account(&ca).await.unwrap();
    let (key, pem) = issue(&client, &["a.test", "b.test"]).await.unwrap();
    (ca, clock.now(), key.public_key_raw().to_vec(), pem)
}

#[tokio::test]
async fn a_certificate_for_another_key() {
    let (_ca, _, key, pem) = issued_with(|faults| faults.wrong_key = true).await;
    let chain = parts(&pem);
    let (_, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
    assert_ne!(leaf.public_key().subject_public_key.data.as_ref(), key);
}

#[tokio::test]
async fn a_certificate_of_other_names() {
    for (fault, wanted) in [
        (Names::Without("b.test".to_owned()), vec!["a.test"]),
        (Names::With("evil.test".to_owned()), vec!["a.test", "b.test", "evil.test"]),
        (Names::Only(vec!["c.test".to_owned()]), vec!["c.test"]),
    ] {
        let (_ca, _, _, pem) = issued_with(|faults| faults.names = fault).await;
        let chain = parts(&pem);
        let (_, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
        let san = leaf.subject_alternative_name().unwrap().unwrap();
        let names: Vec<&str> = san
            .value
            .general_names
            .iter()
            .map(|name| match name {
                GeneralName::DNSName(name) => *name,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(names, wanted);
    }
}

#[tokio::test]
async fn a_certificate_of_wrong_dates() {
    let exact = ["1999-01-01T00:00:00Z", "1999-01-02T00:00:00Z"].map(|at| at.parse::<Timestamp>().unwrap());
    for fault in [Dates::Expired, Dates::Future, Dates::OneSecond, Dates::Exact(exact[0], exact[1])] {
        let (_ca, now, _, pem) = issued_with(|faults| faults.dates = fault).await;
        let chain = parts(&pem);
        let (_, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
        let (from, until) = (leaf.validity().not_before.timestamp(), leaf.validity().not_after.timestamp());
        let now = now.as_second();
        match fault {
            Dates::Expired => assert!(from < until && until < now),
            Dates::Future => assert!(now < from && from < until),
            Dates::OneSecond => assert_eq!((from, until), (now, now + 1)),
            _ => assert_eq!((from, until), (exact[0].as_second(), exact[1].as_second())),
        }
    }
}

#[tokio::test]
async fn chains_that_do_not_hold() {
    for (fault, count) in
        [(Chain::NoIntermediate, 1), (Chain::WrongIntermediate, 2), (Chain::Swapped, 2), (Chain::Stranger, 2)]
    {
        let (ca, now, _, pem) = issued_with(|faults| faults.chain = fault).await;
        let chain = parts(&pem);
        assert_eq!(chain.len(), count, "{fault:?}");
        assert!(verify(&chain, &ca.root_pem(), "a.test", now).is_err(), "{fault:?}");
    }
    for (fault, body) in [(Chain::Garbage, "your certificate is being printed\n"), (Chain::Empty, "")] {
        let (_ca, _, _, pem) = issued_with(|faults| faults.chain = fault).await;
        assert_eq!(pem, body);
    }
    let (ca, now, _, pem) = issued_with(|faults| faults.chain = Chain::WithRoot).await;
    assert_eq!(parts(&pem).len(), 3);
    verify(&parts(&pem), &ca.root_pem(), "a.test", now).unwrap();
}

#[tokio::test]
async fn an_issuer_that_ends_first() {
    let (ca, now, _, pem) = issued_with(|faults| faults.chain = Chain::IssuerEndsFirst).await;
    let chain = parts(&pem);
    verify(&chain, &ca.root_pem(), "a.test", now).unwrap();
    let ends = |der: &[u8]| X509Certificate::from_der(der).unwrap().1.validity().not_after.timestamp();
    assert_eq!(ends(&chain[0]) - ends(&chain[1]), 24 * 3600);
    let late = now + SignedDuration::from_hours(24 * 90 - 12);
    assert!(verify(&chain, &ca.root_pem(), "a.test", late).is_err());
}

#[tokio::test]
async fn processing_ends_in_the_tests_own_time() {
    let (ca, clock) = start().await;
    ca.faults(|faults| faults.processing = Duration::from_secs(86_400));
    let client = account(&ca).await.unwrap();
    let identifiers = identifiers(&["a.test"]);
    let mut order = client.new_order(&NewOrder::new(&identifiers)).await.unwrap();
    prove(&mut order).await.unwrap();
    order.finalize_csr(&csr(&["a.test"]).1).await.unwrap();
    for _ in 0..23 {
        clock.advance(Duration::from_secs(3600));
        assert!(order.certificate().await.unwrap().is_none());
    }
    clock.advance(Duration::from_secs(3600));
    assert!(order.certificate().await.unwrap().is_some());
    let books = ca.books();
    assert_eq!((books.orders(), books.finalizations(), books.certificates()), (1, 1, 1));
    assert_eq!(books.between(clock.now() - SignedDuration::from_hours(1), clock.now()).certificates(), 0);

    let mut order = client.new_order(&NewOrder::new(&identifiers)).await.unwrap();
    prove(&mut order).await.unwrap();
    clock.advance(Duration::from_secs(8 * 86_400));
    let late = order.finalize_csr(&csr(&["a.test"]).1).await.err().unwrap();
    assert_eq!(problem(&late), "orderNotReady");
}

#[tokio::test]
async fn orders_and_proofs_that_fail() {
    let (ca, clock) = start().await;
    let client = account(&ca).await.unwrap();
    ca.faults(|faults| faults.unproven.insert("b.test".to_owned(), Problem::caa("b.test")));
    let failed = issue(&client, &["a.test", "b.test"]).await.err().unwrap();
    assert_eq!(problem(&failed), "caa");
    let books = ca.books();
    assert_eq!(books.clone().of(&["b.test"]).failures(), 1);
    assert_eq!(books.of(&["a.test", "b.test"]).failures(), 1, "the order");

    ca.heal();
    ca.faults(|faults| faults.fails = Some(Problem::internal()));
    let failed = issue(&client, &["c.test"]).await.err().unwrap();
    assert_eq!(problem(&failed), "serverInternal");
    assert_eq!(
        (ca.books().certificates(), ca.books().densest(3600, |what| *what == What::FailedOrder)),
        (0, 2)
    );

    ca.heal();
    ca.faults(|faults| faults.validating = Duration::from_secs(60));
    let hand = Hand::enrolled(&ca).await;
    let order = hand.order(&["d.test"]).await.json();
    let proof = hand.look(&order["authorizations"][0]).await;
    hand.post(proof["challenges"][0]["url"].as_str().unwrap(), &json!({})).await;
    assert_eq!(hand.look(&order["authorizations"][0]).await["status"], "pending");
    clock.advance(Duration::from_secs(60));
    assert_eq!(hand.look(&order["authorizations"][0]).await["status"], "valid");
    ca.invalidate_orders(&Problem::internal());
    assert_eq!(hand.post(order["finalize"].as_str().unwrap(), &json!({})).await.problem(), "orderNotReady");
}

#[tokio::test]
async fn names_are_refused_one_by_one() {
    let (ca, _) = start().await;
    let hand = Hand::enrolled(&ca).await;
    ca.faults(|faults| faults.refuse.insert("bad.test".to_owned(), Problem::rejected("bad.test")));
    let seen = hand.order(&["good.test", "bad.test"]).await;
    assert_eq!((seen.status, seen.problem().as_str()), (400, "rejectedIdentifier"));
    let about = &seen.json()["subproblems"];
    assert_eq!(about.as_array().unwrap().len(), 1);
    assert_eq!(about[0]["identifier"], json!({ "type": "dns", "value": "bad.test" }));
    assert_eq!(about[0]["type"], "urn:ietf:params:acme:error:rejectedIdentifier");
    assert!(hand.order(&["bad.test"]).await.json().get("subproblems").is_none());
    assert_eq!(hand.order(&["good.test"]).await.status, 201);
    ca.faults(|faults| faults.refuse.insert("*".to_owned(), Problem::paused("good.test")));
    let seen = hand.order(&["good.test"]).await;
    assert_eq!((seen.status, seen.problem().as_str()), (429, "rateLimited"));
    assert!(seen.json()["detail"].as_str().unwrap().contains("temporarily prevented"));
}

#[tokio::test]
async fn the_server_is_another_or_gone() {
    let (ca, _) = start().await;
    let https = Https::to(&ca);
    ca.faults(|faults| faults.untrusted = true);
    let error = https.get(&ca.directory_url()).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    ca.heal();
    ca.faults(|faults| faults.down = true);
    assert!(https.get(&ca.directory_url()).await.is_err());
    ca.heal();
    https.get(&ca.directory_url()).await.unwrap();
    ca.faults(|faults| faults.hang.insert(Endpoint::Directory));
    let url = ca.directory_url();
    assert!(tokio::time::timeout(Duration::from_millis(200), https.get(&url)).await.is_err());
    drop(ca);
    assert!(https.get(&url).await.is_err());
}

#[tokio::test]
async fn accounts_that_are_gone() {
    let (ca, _) = start().await;
    let client = account(&ca).await.unwrap();
    ca.deactivate_accounts();
    assert_eq!(problem(&issue(&client, &["a.test"]).await.err().unwrap()), "unauthorized");
    ca.forget_accounts();
    assert_eq!(problem(&issue(&client, &["a.test"]).await.err().unwrap()), "accountDoesNotExist");
    ca.restore_accounts();
    issue(&client, &["a.test"]).await.unwrap();
}

#[tokio::test]
async fn tokens_that_are_none() {
    let (ca, _) = start().await;
    let hand = Hand::enrolled(&ca).await;
    for (token, seems) in [
        (Token::Climbing, "../../"),
        (Token::Newline, "\nserver"),
        (Token::Shell, "$(touch"),
        (Token::Short, "abc"),
        (Token::Long, "aaaa"),
        (Token::Text("\u{0}x".to_owned()), "\u{0}x"),
    ] {
        ca.faults(|faults| faults.token = token.clone());
        let order = hand.order(&["a.test"]).await.json();
        let proof = hand.look(&order["authorizations"][0]).await;
        let got = proof["challenges"][0]["token"].as_str().unwrap();
        assert!(got.contains(seems), "{token:?}");
        assert_eq!((token == Token::Long, token == Token::Short), (got.len() == 500_000, got.len() == 3));
    }
}

#[tokio::test]
async fn renewal_information() {
    let (ca, clock) = start().await;
    let client = account(&ca).await.unwrap();
    issue(&client, &["a.test"]).await.unwrap();
    let issued = ca.certificates()[0].issued.clone();
    let https = Https::to(&ca);
    let directory = https.get(&ca.directory_url()).await.unwrap().json();
    let url = format!("{}/{}", directory["renewalInfo"].as_str().unwrap(), issued.ari_id);
    let window = |seen: &Value| {
        let at = |field: &str| seen["suggestedWindow"][field].as_str().unwrap().parse::<Timestamp>().unwrap();
        (at("start"), at("end"))
    };

    let seen = https.get(&url).await.unwrap();
    assert_eq!(seen.header("retry-after"), "21600");
    let (start, end) = window(&seen.json());
    assert!(issued.not_before < start && start < end && end < issued.not_after);
    for fault in [Ari::Past, Ari::Year3000, Ari::Backwards, Ari::NoWidth] {
        ca.faults(|faults| faults.ari = fault);
        let (start, end) = window(&https.get(&url).await.unwrap().json());
        assert!(match fault {
            Ari::Past => start < end && end < clock.now(),
            Ari::Year3000 => start.to_string().starts_with("3000-"),
            Ari::Backwards => end < start,
            _ => start == end,
        });
    }
    ca.heal();
    assert_eq!(ca.revoke_all(), 1);
    let seen = https.get(&url).await.unwrap().json();
    assert!(window(&seen).1 < clock.now() && seen["explanationURL"].is_string());
    assert_eq!(https.get(&(url.clone() + "A")).await.unwrap().status, 404);

    ca.faults(|faults| faults.retry_after.clear());
    assert_eq!(https.get(&url).await.unwrap().header("retry-after"), "");
    ca.faults(|faults| faults.forced.insert(Endpoint::RenewalInfo, Forced::empty(500)));
    assert_eq!(https.get(&url).await.unwrap().status, 500);
    ca.faults(|faults| faults.ari = Ari::None);
    assert!(https.get(&ca.directory_url()).await.unwrap().json().get("renewalInfo").is_none());
}

#[tokio::test]
async fn replies_that_get_lost() {
    let (ca, _) = start().await;
    let hand = Hand::enrolled(&ca).await;
    ca.faults(|faults| faults.lose.insert(Endpoint::NewOrder, 1));
    assert!(hand.try_post("newOrder", &wanted(&["a.test"])).await.is_err());
    assert_eq!(ca.orders(), 1, "it was made all the same");
    assert_eq!(hand.order(&["a.test"]).await.status, 201);

    ca.faults(|faults| faults.lose.insert(Endpoint::Finalize, u32::MAX));
    ca.faults(|faults| faults.reuse = Reuse::Already);
    let order = hand.order(&["b.test"]).await;
    let payload = json!({ "csr": encode(&csr(&["b.test"]).1) });
    assert!(hand.try_post(order.json()["finalize"].as_str().unwrap(), &payload).await.is_err());
    let found = hand.look(&order.header("location").into()).await;
    assert_eq!((&found["status"], ca.books().finalizations()), (&json!("valid"), 1));
    let lost = |what: &What| matches!(what, What::Request { lost: true, .. });
    assert_eq!(ca.books().densest(1, lost), 2);
}

#[tokio::test]
async fn proofs_are_used_again_or_not() {
    for (reuse, triggers) in [(Reuse::Valid, 1), (Reuse::Never, 2), (Reuse::Already, 0)] {
        let (ca, _) = start().await;
        ca.faults(|faults| faults.reuse = reuse);
        let client = account(&ca).await.unwrap();
        for _ in 0..2 {
            issue(&client, &["a.test"]).await.unwrap();
        }
        assert_eq!(ca.books().triggers(), triggers, "{reuse:?}");
    }
    let (ca, clock) = start().await;
    let client = account(&ca).await.unwrap();
    issue(&client, &["a.test"]).await.unwrap();
    clock.advance(Duration::from_secs(31 * 86_400));
    issue(&client, &["a.test"]).await.unwrap();
    assert_eq!(ca.books().triggers(), 2, "a proof does not last for ever");
}

/// A test that blocks on a child process is answered too, and on the machine's time.
#[test]
fn answers_while_the_test_blocks() {
    let ca = FakeCa::start_real();
    let curl = std::process::Command::new("curl")
        .args(["-fsS", "-m", "5", "--cacert"])
        .arg(ca.ca_file())
        .arg(ca.directory_url())
        .output()
        .unwrap();
    assert!(curl.status.success(), "{}", String::from_utf8_lossy(&curl.stderr));
    let directory: Value = serde_json::from_slice(&curl.stdout).unwrap();
    assert!(directory["newOrder"].as_str().unwrap().ends_with("/new-order"));
    let (seen, now) = (ca.books().entries[0].at, Timestamp::now());
    assert!(now.duration_since(seen).as_secs() < 5);
}
