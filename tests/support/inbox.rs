//! An HTTP server that takes messages: it keeps what it gets, and answers what it is told to.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::engine::{Engine, wait_for};
use super::namespace::enter;

/// Longer than any message of a test takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request that came in.
#[derive(Debug, Clone)]
pub struct Received {
    /// `POST`
    pub method: String,
    /// `/hook`
    pub path: String,
    /// All header fields, names in lower case.
    pub head: String,
    /// The rest.
    pub body: Vec<u8>,
}

impl Received {
    /// A header field.
    pub fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.into_iter().find(|(is, _)| is.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What is answered: all of the reply but its body's length.
pub type Reply = (u16, &'static str, &'static str);

#[derive(Debug, Default)]
struct Shelf {
    received: Vec<Received>,
    replies: VecDeque<Reply>,
    always: Option<Reply>,
}

/// The server; it ends with the test's process.
#[derive(Debug)]
pub struct Inbox {
    address: SocketAddr,
    shelf: Arc<Mutex<Shelf>>,
}

impl Inbox {
    /// Answers 200 to everyone.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shelf = Arc::new(Mutex::new(Shelf::default()));
        let kept = Arc::clone(&shelf);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shelf = Arc::clone(&kept);
                std::thread::spawn(move || answer(&stream, &shelf));
            }
        });
        Self { address, shelf }
    }

    /// The same in the engine's network.
    pub fn beside(engine: &Engine) -> Self {
        let network = std::fs::File::open(engine.network()).unwrap();
        // What it starts and opens is where its thread is.
        let start = move || {
            enter(&network);
            Self::start()
        };
        std::thread::spawn(start).join().unwrap()
    }

    /// `http://127.0.0.1:PORT/PATH`
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// What it has got so far.
    pub fn received(&self) -> Vec<Received> {
        self.shelf.lock().unwrap().received.clone()
    }

    /// Waits until it has got so many, and gives them.
    pub fn wait(&self, count: usize) -> Vec<Received> {
        assert!(
            wait_for(PATIENCE, || self.received().len() >= count),
            "{} of {count} messages: {:#?}",
            self.received().len(),
            self.received().iter().map(Received::text).collect::<Vec<_>>()
        );
        self.received()
    }

    /// The next request is answered with this.
    pub fn then(&self, reply: Reply) {
        self.shelf.lock().unwrap().replies.push_back(reply);
    }

    /// From now on all are answered with this; with 200 again without.
    pub fn always(&self, reply: Option<Reply>) {
        self.shelf.lock().unwrap().always = reply;
    }
}

fn answer(stream: &TcpStream, shelf: &Mutex<Shelf>) {
    let Some(received) = read(stream) else { return };
    let (status, fields, body) = {
        let mut shelf = shelf.lock().unwrap();
        shelf.received.push(received);
        shelf.replies.pop_front().or(shelf.always).unwrap_or((200, "", "ok"))
    };
    let reply = format!(
        "HTTP/1.1 {status} Said\r\n{fields}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = stream;
    let _ = stream.write_all(reply.as_bytes());
}

fn read(stream: &TcpStream) -> Option<Received> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut words = first.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 || line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut received = Received { method, path, head, body: Vec::new() };
    let length = received.field("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    received.body = vec![0; length];
    reader.read_exact(&mut received.body).ok()?;
    Some(received)
}
