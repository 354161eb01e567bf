//! What never answers: a command, a server, a name server, a file system. All of them are real.

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use super::{site, wait_file};
use crate::support::{Daemon, Keyturn, skipped, status, wait_for};

/// Docker's patience, where nobody has said another.
const DOCKER_KILLS_AFTER: Duration = Duration::from_secs(10);

fn is_root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skipped(&format!("hanging::{test}"), "mounts of its own need root");
    }
    root
}

/// A name server that never answers, as the only one that the daemon will know.
fn mute_name_server(keyturn: &mut Keyturn) -> UdpSocket {
    // An address of this process alone: /etc/resolv.conf knows no port.
    let [.., a, b] = std::process::id().to_be_bytes();
    let server = UdpSocket::bind(SocketAddr::from(([127, 86, a, b], 53))).unwrap();
    server.set_nonblocking(true).unwrap();
    let address = server.local_addr().unwrap().ip();
    let conf =
        keyturn.write("resolv.conf", &format!("nameserver {address}\noptions timeout:30 attempts:3\n"));
    keyturn.set_mounts(Some(&format!("mount --bind {} /etc/resolv.conf", conf.display())));
    server
}

fn add_channel(keyturn: &Keyturn, name: &str, url: &str) {
    keyturn.write(name, url);
    let text = fs::read_to_string(keyturn.dir().join("keyturn.toml")).unwrap();
    let channel = format!(
        "[notify.{name}]\nkind = \"webhook\"\nurl_file = \"{name}\"\nallow_private = true\nheartbeat = \"10s\"\n"
    );
    keyturn.write("keyturn.toml", &format!("{text}\n{channel}"));
}

/// A step, a message and the lookup of a name hang, and the end comes before Docker loses its patience.
#[test]
fn the_end_waits_for_nothing_that_hangs() {
    if !is_root("the_end_waits_for_nothing_that_hangs") {
        return;
    }
    let reload =
        "reload = [\"/bin/sh\", \"-c\", \"test -e {dir}/calm || { touch {dir}/begun; exec sleep 100; }\"]";
    let (mut keyturn, port) = site(reload);
    keyturn.write("calm", "");
    let without_channels = fs::read_to_string(keyturn.dir().join("keyturn.toml")).unwrap();
    let mute_server = TcpListener::bind("127.0.0.1:0").unwrap();
    mute_server.set_nonblocking(true).unwrap();
    add_channel(&keyturn, "mute", &format!("http://{}/hook", mute_server.local_addr().unwrap()));
    add_channel(&keyturn, "nameless", "https://hooks.example.org/hook");
    let mute_names = mute_name_server(&mut keyturn);
    let daemon = Daemon::start(&keyturn, &port);
    keyturn.set_mounts(None);
    wait_file(&keyturn.dir().join("out/edge/tls.crt"));
    keyturn.ok(&["run"]);
    fs::remove_file(keyturn.dir().join("calm")).unwrap();
    let rotating = keyturn.spawn(&["rotate", "certificates/edge"]);
    wait_file(&keyturn.dir().join("begun"));
    // Both were asked, and have said nothing.
    let asked = wait_for(Duration::from_secs(10), || mute_server.accept().is_ok());
    assert!(asked, "no message is on its way: {}", daemon.log());
    let mut query = [0; 512];
    let asked = wait_for(Duration::from_secs(10), || mute_names.recv(&mut query).is_ok());
    assert!(asked, "no name is looked up: {}", daemon.log());
    let since = Instant::now();
    let ran = daemon.stop();
    let took = since.elapsed();
    println!("SIGTERM with a step, a message and a lookup that hang: ended after {took:?}");
    assert!(took < DOCKER_KILLS_AFTER, "{took:?}: {ran:#?}");
    assert!(ran.stderr.contains("1 steps have not ended in time"), "{ran:#?}");
    drop(rotating);
    // The state was closed: nothing of it has to be mended, and what hung is finished.
    keyturn.write("calm", "");
    keyturn.write("keyturn.toml", &without_channels);
    keyturn.ok(&["audit", "--verify"]);
    let next = keyturn.run(&["run"]);
    assert!(!next.stderr.contains("KT-STATE"), "{next:#?}");
    assert_eq!(status(&keyturn)["certificates/edge"]["revision"], 2);
}
