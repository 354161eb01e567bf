//! By a raw client, so that nothing mends what is asked.

mod webroot;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::listener::Limits;
use super::super::{Proof, Solver, Subject};
use super::{HttpSolver, Way};
use crate::clock::System;

/// A token of the length that CAs use, different for each `n`.
fn proof(n: usize) -> Proof {
    let token = format!("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PC_{n:07}");
    let key_authorization = format!("{token}.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI");
    Proof { subject: Subject::Dns("a.test".to_owned()), token, key_authorization }
}

fn listening(address: &str, limits: Limits) -> HttpSolver {
    HttpSolver::limited(address.parse().unwrap(), Arc::new(System::new()), limits)
}

fn usual() -> HttpSolver {
    listening("127.0.0.1:0", Limits::USUAL)
}

async fn address(solver: &HttpSolver) -> Option<SocketAddr> {
    match &solver.0 {
        Way::Listening(listener) => listener.address().await,
        Way::Served(..) | Way::Webroot(_) => None,
    }
}

/// All that comes until the other side is done.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    rest(&mut connection).await
}

async fn rest(connection: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = connection.read_to_end(&mut answer);
    // A reset after the answer is an end, too.
    let _ = tokio::time::timeout(Duration::from_secs(5), reading).await.expect("it should have ended");
    String::from_utf8(answer).unwrap()
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n")
}

fn path(proof: &Proof) -> String {
    format!("/.well-known/acme-challenge/{}", proof.token)
}

async fn is_shown(address: SocketAddr, proof: &Proof) -> bool {
    let answer = ask(address, &get(&path(proof))).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    head.starts_with("HTTP/1.1 200 ") && body == proof.key_authorization
}

#[tokio::test]
async fn a_proof_is_served_as_the_standard_has_it() {
    let (solver, proof) = (usual(), proof(1));
    solver.present(std::slice::from_ref(&proof)).await.unwrap();
    let address = address(&solver).await.unwrap();
    let answer = ask(address, &get(&path(&proof))).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: application/octet-stream\r\n"), "{answer}");
    assert!(answer.ends_with(&format!("\r\n\r\n{}", proof.key_authorization)), "{answer}");

    let head = ask(address, &format!("HEAD {} HTTP/1.1\r\nHost: a.test\r\n\r\n", path(&proof))).await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(head.contains(&format!("content-length: {}\r\n", proof.key_authorization.len())), "{head}");
}

#[tokio::test]
async fn every_host_is_answered() {
    let (solver, proof) = (usual(), proof(1));
    solver.present(std::slice::from_ref(&proof)).await.unwrap();
    let address = address(&solver).await.unwrap();
    let path = path(&proof);
    for request in [
        format!("GET {path} HTTP/1.1\r\nHost: 192.0.2.7\r\n\r\n"),
        format!("GET {path} HTTP/1.1\r\nHost: [2001:db8::7]:80\r\n\r\n"),
        format!("GET {path} HTTP/1.0\r\n\r\n"),
        format!("GET http://a.test{path} HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ] {
        let answer = ask(address, &request).await;
        assert!(answer.contains(" 200 OK\r\n") && answer.ends_with(&proof.key_authorization), "{answer}");
    }
}

#[tokio::test]
async fn nothing_else_is_served() {
    let (solver, proof) = (usual(), proof(1));
    solver.present(std::slice::from_ref(&proof)).await.unwrap();
    let address = address(&solver).await.unwrap();
    let (path, token) = (path(&proof), &proof.token);
    let targets = [
        "/".to_owned(),
        "/.well-known/acme-challenge/".to_owned(),
        format!("{path}/"),
        format!("{path}?a=b"),
        path.to_ascii_uppercase(),
        path[..path.len() - 1].to_owned(),
        path.replace("evaG", "%65vaG"),
        format!("/.well-known/acme-challenge/../acme-challenge/{token}"),
        "/.well-known/acme-challenge/../../../../etc/passwd".to_owned(),
        "/.well-known/acme-challenge/..%2f..%2fetc%2fpasswd".to_owned(),
        format!("/{token}"),
    ];
    for target in targets {
        let answer = ask(address, &get(&target)).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{target}: {answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{target}: {answer}");
    }
    for request in [
        format!("POST {path} HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n"),
        "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(),
        "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(),
    ] {
        let answer = ask(address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{request}: {answer}");
    }
}

#[tokio::test]
async fn a_connection_is_for_one_request() {
    let (solver, proof) = (usual(), proof(1));
    solver.present(std::slice::from_ref(&proof)).await.unwrap();
    let twice = get(&path(&proof)).repeat(2);
    let answer = ask(address(&solver).await.unwrap(), &twice).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
}

#[tokio::test]
async fn it_listens_from_the_first_proof_to_the_last() {
    let (solver, one, two) = (usual(), proof(1), proof(2));
    assert_eq!(address(&solver).await, None);
    solver.present(std::slice::from_ref(&one)).await.unwrap();
    let at = address(&solver).await.unwrap();
    solver.present(std::slice::from_ref(&two)).await.unwrap();
    assert!(is_shown(at, &one).await && is_shown(at, &two).await);
    solver.clean_up(std::slice::from_ref(&one)).await.unwrap();
    assert!(!is_shown(at, &one).await && is_shown(at, &two).await);
    solver.clean_up(std::slice::from_ref(&one)).await.unwrap();
    assert!(is_shown(at, &two).await, "what is gone is no other's loss");
    solver.clean_up(std::slice::from_ref(&two)).await.unwrap();
    TcpListener::bind(at).await.expect("the port is free when clean_up returns");
}

#[tokio::test]
async fn a_proof_of_two_orders_stays_for_the_second() {
    let (solver, proof) = (usual(), [proof(1)]);
    solver.present(&proof).await.unwrap();
    solver.present(&proof).await.unwrap();
    let at = address(&solver).await.unwrap();
    solver.clean_up(&proof).await.unwrap();
    assert!(is_shown(at, &proof[0]).await);
    solver.clean_up(&proof).await.unwrap();
    assert_eq!(address(&solver).await, None);
}

#[tokio::test]
async fn orders_come_and_go_at_once() {
    let solver = usual();
    let keep = [proof(0)];
    solver.present(&keep).await.unwrap();
    let at = address(&solver).await.unwrap();
    let order = async |n| {
        let proof = [proof(n)];
        solver.present(&proof).await.unwrap();
        assert!(is_shown(at, &proof[0]).await);
        solver.clean_up(&proof).await.unwrap();
        assert!(!is_shown(at, &proof[0]).await);
    };
    join_all((1..=50).map(order)).await;
    assert!(is_shown(at, &keep[0]).await);
}

#[tokio::test]
async fn opening_and_closing_do_not_cross() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let solver = listening(&free.to_string(), Limits::USUAL);
    let order = async |n| {
        let proof = [proof(n)];
        for _ in 0..5 {
            solver.present(&proof).await.unwrap();
            assert!(is_shown(free, &proof[0]).await);
            solver.clean_up(&proof).await.unwrap();
        }
    };
    join_all((1..=8).map(order)).await;
    assert_eq!(address(&solver).await, None);
}

#[tokio::test]
async fn the_port_is_free_after_the_solver() {
    let solver = usual();
    solver.present(&[proof(1)]).await.unwrap();
    let at = address(&solver).await.unwrap();
    let mut idle = TcpStream::connect(at).await.unwrap();
    drop(solver);
    assert_eq!(rest(&mut idle).await, "");
    assert!(TcpStream::connect(at).await.is_err());
}

#[tokio::test]
async fn every_address_means_ipv6_too() {
    let (solver, proof) = (listening("[::]:0", Limits::USUAL), proof(1));
    solver.present(std::slice::from_ref(&proof)).await.unwrap();
    let port = address(&solver).await.unwrap().port();
    assert!(is_shown(([127, 0, 0, 1], port).into(), &proof).await);
    assert!(is_shown(([0, 0, 0, 0, 0, 0, 0, 1], port).into(), &proof).await);
}

#[tokio::test]
async fn a_taken_port_is_explained_and_can_be_had_later() {
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = other.local_addr().unwrap();
    let (solver, proof) = (listening(&at.to_string(), Limits::USUAL), [proof(1)]);
    let error = solver.present(&proof).await.unwrap_err().to_string();
    for part in
        [&format!("could not listen on {at} for http-01"), "another program", "webroot", "public_listen"]
    {
        assert!(error.contains(part), "{error}");
    }
    solver.clean_up(&proof).await.unwrap();
    drop(other);
    solver.present(&proof).await.unwrap();
    assert!(is_shown(at, &proof[0]).await);
}

#[tokio::test]
async fn an_address_that_is_not_ours_is_explained() {
    let error =
        listening("192.0.2.1:8080", Limits::USUAL).present(&[proof(1)]).await.unwrap_err().to_string();
    assert!(error.contains("192.0.2.1:8080") && error.contains("no interface"), "{error}");
}

#[tokio::test]
async fn a_large_request_is_refused() {
    let (solver, proof) = (usual(), proof(1));
    solver.present(std::slice::from_ref(&proof)).await.unwrap();
    let at = address(&solver).await.unwrap();
    let start = format!("GET {} HTTP/1.1\r\nHost: a.test\r\n", path(&proof));
    let long = format!("{start}X-Long: {}\r\n\r\n", "x".repeat(20_000));
    let many = format!("{start}{}\r\n", "X: y\r\n".repeat(200));
    let target = get(&format!("/{}", "x".repeat(100_000)));
    for request in [long, many, target] {
        let mut connection = TcpStream::connect(at).await.unwrap();
        // It may be closed before all of it is written.
        let _ = connection.write_all(request.as_bytes()).await;
        let answer = rest(&mut connection).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        assert!(!answer.contains(&proof.key_authorization));
    }
    assert!(is_shown(at, &proof).await);
}

#[tokio::test]
async fn who_dawdles_is_shown_out_and_holds_up_nobody() {
    let limits = Limits { time: Duration::from_millis(500), connections: 4 };
    let (solver, proof) = (listening("127.0.0.1:0", limits), proof(1));
    solver.present(std::slice::from_ref(&proof)).await.unwrap();
    let at = address(&solver).await.unwrap();
    let mut idle = Vec::new();
    for _ in 0..10 {
        let mut connection = TcpStream::connect(at).await.unwrap();
        connection.write_all(b"GET /.well-known/").await.unwrap();
        idle.push(connection);
    }
    let now = Duration::from_millis(400);
    let shown = tokio::time::timeout(now, is_shown(at, &proof)).await;
    assert_eq!(shown, Ok(true), "it should not have waited for the others' time to run out");
    for mut connection in idle {
        assert_eq!(rest(&mut connection).await, "");
    }
}
