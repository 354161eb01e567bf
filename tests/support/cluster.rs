//! Several engines in one Swarm, joined by a bridge that lives in the first one's network.

use super::Engine;
use super::command::{command, must};

/// The managers of a Swarm. What joins their networks goes with them.
#[derive(Debug)]
pub struct Cluster {
    /// The managers, in the order in which they joined.
    pub managers: Vec<Engine>,
}

impl Cluster {
    /// A Swarm of `managers` managers.
    pub fn start(managers: usize) -> Self {
        let managers: Vec<Engine> = (0..managers).map(|_| Engine::without_swarm()).collect();
        let first = managers[0].pid();
        inside(first, &["link", "add", "br0", "type", "bridge"]);
        inside(first, &["addr", "add", "10.99.0.1/24", "dev", "br0"]);
        inside(first, &["link", "set", "br0", "up"]);
        for (index, engine) in managers.iter().enumerate().skip(1) {
            join(first, engine.pid(), index);
        }
        init(&managers);
        Self { managers }
    }
}

/// `ip ARGS` in the network of process `pid`.
fn inside(pid: u32, args: &[&str]) {
    let mut nsenter = command("nsenter", [format!("--net=/proc/{pid}/ns/net"), "ip".to_owned()]);
    nsenter.args(args);
    must(nsenter);
}

fn join(first: u32, other: u32, index: usize) {
    let (port, address) = (format!("port{index}"), format!("10.99.0.{}/24", index + 1));
    let (first_pid, other_pid) = (first.to_string(), other.to_string());
    let args = [
        "link", "add", &port, "netns", &first_pid, "type", "veth", "peer", "name", "eth0", "netns",
        &other_pid,
    ];
    must(command("ip", args));
    inside(first, &["link", "set", &port, "master", "br0", "up"]);
    inside(other, &["addr", "add", &address, "dev", "eth0"]);
    inside(other, &["link", "set", "eth0", "up"]);
}

fn init(managers: &[Engine]) {
    let address = |index: usize| format!("10.99.0.{}", index + 1);
    let listen = |index: usize| format!("{}:2377", address(index));
    managers[0].ok(["swarm", "init", "--advertise-addr", &address(0), "--listen-addr", &listen(0)]);
    let token = managers[0].ok(["swarm", "join-token", "-q", "manager"]);
    for (index, engine) in managers.iter().enumerate().skip(1) {
        let (advertise, listen) = (address(index), listen(index));
        let args = ["swarm", "join", "--token", token.trim(), "--advertise-addr", &advertise];
        engine.ok(args.iter().copied().chain(["--listen-addr", listen.as_str(), "10.99.0.1:2377"]));
    }
}
