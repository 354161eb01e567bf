//! What systemd hears, on a real notify socket.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::site;
use crate::support::Keyturn;

struct Heard(UnixDatagram, Vec<String>);

impl Heard {
    /// Listens where `keyturn` will tell.
    fn beside(keyturn: &mut Keyturn) -> Self {
        let path = keyturn.dir().join("notify.sock");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        keyturn.set("NOTIFY_SOCKET", Some(path.to_str().unwrap()));
        Self(socket, Vec::new())
    }

    /// Waits for a message with these words.
    fn wait(&mut self, words: &str) -> String {
        let end = Instant::now() + Duration::from_secs(20);
        let mut buffer = [0; 4096];
        while Instant::now() < end {
            if let Ok(length) = self.0.recv(&mut buffer) {
                self.1.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
            }
            if let Some(at) = self.1.iter().position(|message| message.contains(words)) {
                return self.1.drain(..=at).next_back().unwrap();
            }
        }
        panic!("no {words} in {:?}", self.1)
    }
}

#[test]
fn ready_watchdog_reload_and_end() {
    let (mut keyturn, _port) = site("");
    let mut heard = Heard::beside(&mut keyturn);
    keyturn.set("WATCHDOG_USEC", Some("1000000"));
    let daemon = keyturn.spawn(&["daemon"]);
    heard.wait("READY=1");
    // Twice: it goes on.
    heard.wait("WATCHDOG=1");
    heard.wait("WATCHDOG=1");
    daemon.signal(Signal::SIGHUP);
    assert!(heard.wait("RELOADING=1").contains("MONOTONIC_USEC="));
    heard.wait("READY=1");
    daemon.signal(Signal::SIGTERM);
    heard.wait("STOPPING=1");
    let ran = daemon.stop();
    assert_eq!(ran.code, Some(0), "{ran:#?}");
}
