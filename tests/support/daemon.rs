//! The daemon, started as systemd would, on a port and a socket of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::command::Ran;
use super::engine::wait_for;
use super::keyturn::{Keyturn, Running};
use super::ports::Port;

/// A pass, with all that it makes, takes a second at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lines for `[daemon]` that keep daemons apart: the port is for `listen`, the socket lies in the site's folder.
pub fn daemon_lines(port: &Port) -> String {
    format!("listen = \"{}\"\ncontrol_socket = \"control.sock\"", port.address())
}

/// A daemon that is ready.
#[derive(Debug)]
pub struct Daemon {
    process: Running,
    listen: SocketAddr,
}

/// What a page answers.
#[derive(Debug)]
pub struct Answer {
    /// 200.
    pub status: u16,
    /// All header fields, as they came.
    pub head: String,
    /// The rest.
    pub body: String,
}

impl Daemon {
    /// Starts it, and waits until it has looked at everything once.
    pub fn start(keyturn: &Keyturn, port: &Port) -> Self {
        let daemon = Self { process: keyturn.spawn(&["daemon"]), listen: port.address() };
        let ready = || daemon.try_get("/readyz").is_some_and(|answer| answer.status == 200);
        assert!(wait_for(PATIENCE, ready), "the daemon is not ready: {}", daemon.log());
        daemon
    }

    /// Where its private pages are.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.process.stderr()
    }

    /// Its process ID.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Waits until its log says so.
    pub fn wait_says(&self, words: &str) {
        assert!(wait_for(PATIENCE, || self.log().contains(words)), "no `{words}` in: {}", self.log());
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        self.process.signal(signal);
    }

    /// SIGTERM, and its end, which must be exit code 0.
    pub fn stop(self) -> Ran {
        let ran = self.process.stop();
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        ran
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.signal(nix::sys::signal::Signal::SIGKILL);
        self.process.take();
    }

    /// Waits for an end that comes by itself.
    pub fn ended(mut self) -> Ran {
        assert!(self.process.ends_within(PATIENCE), "it goes on: {}", self.log());
        self.process.take()
    }

    /// Asks for a page of `listen`.
    pub fn get(&self, path: &str) -> Answer {
        self.try_get(path).unwrap_or_else(|| panic!("{path} is not answered: {}", self.log()))
    }

    fn try_get(&self, path: &str) -> Option<Answer> {
        get(self.listen, path, "")
    }
}

/// Asks for a page, with further header fields, each ending in CRLF.
pub fn get(address: SocketAddr, path: &str, fields: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.to_lowercase(), body: body.to_owned() })
}
