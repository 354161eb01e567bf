//! What never answers: a command, a server, a name server, a file system. All of them are real.

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use super::control::run_as;
use super::{site, wait_file};
use crate::support::{Daemon, Keyturn, command, must, skipped, status, wait_for};

/// Docker's patience, where nobody has said another.
const DOCKER_KILLS_AFTER: Duration = Duration::from_secs(10);

const OTHER: u32 = 54_361;

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

/// A FUSE file system whose server never answers, over `out/edge`: the kernel keeps everyone waiting who asks for anything below
/// it. It lies in the daemon's own mount namespace, and ends with the daemon.
fn hang_the_folder(keyturn: &mut Keyturn) {
    let dir = keyturn.dir().join("out/edge").display().to_string();
    fs::create_dir_all(&dir).unwrap();
    let holder = keyturn.dir().join("holder").display().to_string();
    keyturn.set_mounts(Some(&format!(
        "exec 3<>/dev/fuse; mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 hung {dir}\n\
         setpriv --pdeathsig KILL sleep 600 & echo $! >{holder}; exec 3>&-"
    )));
}

/// Whoever waits is told that the server is gone, and the folder below the mount is the machine's again.
fn let_it_go(keyturn: &Keyturn, daemon: &Daemon) {
    let holder = fs::read_to_string(keyturn.dir().join("holder")).unwrap();
    must(command("kill", ["-KILL", holder.trim()]));
    let dir = keyturn.dir().join("out/edge").display().to_string();
    must(command("nsenter", ["-m", "-t", &daemon.pid().to_string(), "umount", &dir]));
}

fn problems(keyturn: &Keyturn, asset: &str) -> Vec<String> {
    let problems = status(keyturn)[asset]["problems"].clone();
    problems.as_array().unwrap().iter().map(|problem| problem["code"].as_str().unwrap().to_owned()).collect()
}

/// One mount that hangs is its assets' problem, and nobody else's: all others are made, delivered and turned, orders and pages
/// are answered, the loop turns, and the end comes in time. Once the mount answers, what waited for it is done.
#[test]
fn a_mount_that_hangs_stops_nothing_else() {
    if !is_root("a_mount_that_hangs_stops_nothing_else") {
        return;
    }
    if !std::path::Path::new("/dev/fuse").exists() {
        return skipped("hanging::a_mount_that_hangs_stops_nothing_else", "there is no /dev/fuse");
    }
    let (mut keyturn, port) = site("");
    hang_the_folder(&mut keyturn);
    let daemon = Daemon::start(&keyturn, &port);
    keyturn.set_mounts(None);
    wait_file(&keyturn.dir().join("out/verifiers/jwks.json"));
    wait_file(&keyturn.dir().join("out/signer/jwt.key"));
    let since = Instant::now();
    keyturn.ok(&["rotate", "jwt_keys/auth"]);
    println!("a turn beside a mount that hangs took {:?}", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(5), "it was waited for again: {:?}", since.elapsed());
    let silent = || problems(&keyturn, "certificates/edge").contains(&"KT-FILE-FAILED".to_owned());
    assert!(wait_for(Duration::from_secs(10), silent), "{}", daemon.log());
    assert_eq!(problems(&keyturn, "jwt_keys/auth"), [] as [String; 0]);
    assert_eq!(daemon.get("/healthz").status, 200);
    assert_eq!(keyturn.run(&["rotate", "certificates/edge"]).code, Some(1), "it says that it cannot");

    let_it_go(&keyturn, &daemon);
    let delivered = || keyturn.run(&["run"]).code == Some(0);
    assert!(wait_for(Duration::from_secs(20), delivered), "{}", daemon.log());
    assert!(keyturn.dir().join("out/edge/tls.crt").exists());
    assert_eq!(problems(&keyturn, "certificates/edge"), ["KT-PROOF-WEAK"]);
    daemon.stop();
}

/// It hangs until the end.
#[test]
fn the_end_does_not_wait_for_a_mount() {
    if !is_root("the_end_does_not_wait_for_a_mount") || !std::path::Path::new("/dev/fuse").exists() {
        return;
    }
    let (mut keyturn, port) = site("");
    hang_the_folder(&mut keyturn);
    let daemon = Daemon::start(&keyturn, &port);
    keyturn.set_mounts(None);
    wait_file(&keyturn.dir().join("out/verifiers/jwks.json"));
    let since = Instant::now();
    let ran = daemon.stop();
    assert!(since.elapsed() < DOCKER_KILLS_AFTER, "{:?}: {ran:#?}", since.elapsed());
}

/// A user database that does not answer (its file is a FIFO here) costs its callers three seconds, and nobody else anything.
#[test]
fn a_user_database_that_hangs_keeps_nobody_out() {
    if !is_root("a_user_database_that_hangs_keeps_nobody_out") {
        return;
    }
    let (mut keyturn, port) = site("");
    let text = fs::read_to_string(keyturn.dir().join("keyturn.toml")).unwrap();
    keyturn.write("keyturn.toml", &format!("{text}\n[roles]\noperate = [\"uid:{OTHER}\"]\n"));
    let passwd = keyturn.dir().join("passwd");
    nix::unistd::mkfifo(&passwd, nix::sys::stat::Mode::S_IRWXU).unwrap();
    keyturn.set_mounts(Some(&format!("mount --bind {} /etc/passwd", passwd.display())));
    let daemon = Daemon::start(&keyturn, &port);
    keyturn.set_mounts(None);
    let socket = keyturn.dir().join("control.sock");
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    let since = Instant::now();
    // More than there are threads for what does not block.
    let callers: Vec<_> = (0..4).map(|_| keyturn.spawn(&["run"])).collect();
    let let_in = run_as(OTHER, &keyturn, &["run"]);
    assert_eq!(let_in.code, Some(0), "{let_in:#?}");
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
    for mut caller in callers {
        assert!(caller.ends_within(Duration::from_secs(8)), "{}", daemon.log());
    }
    let since = Instant::now();
    let _hanging = keyturn.spawn(&["run"]);
    assert_eq!(daemon.get("/healthz").status, 200);
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    daemon.stop();
}
