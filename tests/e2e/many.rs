// SPDX-License-Identifier: GPL-2.0-only
//! Many connections: `make test-long`.

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::balance::balanced;
use crate::lab::{Lab, module_is_loaded, run, success};
use crate::talk::Talk;

/// TCP port 80 for `lab/net/flows.c`, UDP port 9 without a server program, UDP port 7 for the
/// echo.
pub const FILE: &str = r#"
[director]
interfaces = ["eth0", "eth1"]
max_sessions = 262_144

[local_ips.default]
addresses = ["10.2.0.100", "10.2.0.101", "10.2.0.102", "10.2.0.103"]

[[service]]
address = "tcp://10.0.0.1:80"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "10.2.0.2:9000"

[[service]]
address = "udp://10.0.0.1:9"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "10.2.0.2:9"

[[service]]
address = "udp://10.0.0.1:7"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "10.2.0.2:7"
"#;

pub struct Flows {
    pub lab: Lab,
    program: PathBuf,
}

/// `lab/net/flows.c`, compiled once.
pub fn program() -> PathBuf {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| compiled("flows"));
    PROGRAM.clone()
}

/// Compiles a program of `lab/net/`.
pub fn compiled(name: &str) -> PathBuf {
    let program = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
    let compile = ["-O2", "-Wall", "-Werror", "-pthread", "-o"];
    run(Command::new("cc")
        .args(compile)
        .arg(&program)
        .arg(format!("lab/net/{name}.c")));
    program
}

impl Flows {
    pub fn new() -> Self {
        let program = program();
        let mut lab = Lab::alone();
        // The local IPs are addresses of the director, which needs no ports itself.
        let all = "net.ipv4.ip_local_reserved_ports=1024-65535";
        lab.exec("director", &["sysctl", "-qw", all]);
        for number in 101..104 {
            let address = format!("10.2.0.{number}/24");
            lab.exec("director", &["ip", "addr", "add", &address, "dev", "eth1"]);
        }
        for server in ["server1", "server2"] {
            let drop = "nft add table ip t; \
                nft 'add chain ip t input { type filter hook input priority 0; }'; \
                nft add rule ip t input udp dport 9 drop";
            lab.exec(server, &["sh", "-ec", drop]);
            let serve = [program.to_str().unwrap(), "serve", "9000"];
            lab.start(server, &serve, "ready");
        }
        lab.apply(FILE);
        Flows { lab, program }
    }

    pub fn make(&self, words: &str) {
        let mut all = vec![self.program.to_str().unwrap()];
        all.extend(words.split(' '));
        self.lab.exec("client", &all);
    }

    /// Waits as long as the number of sessions keeps falling.
    fn until_left(&self, number: u64) {
        let (mut last, mut since) = (u64::MAX, Instant::now());
        loop {
            let now = self.lab.counter("sessions");
            if now <= number {
                break;
            }
            if now < last {
                (last, since) = (now, Instant::now());
            }
            let patience = Duration::from_secs(150);
            assert!(since.elapsed() < patience, "{now} sessions do not end");
            sleep(Duration::from_secs(1));
        }
        assert_eq!(balanced(&self.lab) as u64, number);
    }
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn no_session_is_left_after_100_000_connections_that_ended_in_every_way() {
    let flows = Flows::new();
    let lab = &flows.lab;
    let ipvsadm = |words: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        lab.exec("director", &[&["ipvsadm"], &words[..]].concat())
    };
    ipvsadm("--set 0 0 1");

    // Ended by their timers.
    flows.make("udp 10.0.0.1 9 30000 10.1.0.2 1024");
    flows.until_left(0);
    // Ended by resets.
    flows.make("tcp 10.0.0.1 80 30000 10.1.0.2 1024 rst");
    flows.until_left(0);
    // Ended by the next connection from the same port during TIME_WAIT.
    assert_eq!(lab.counter("port_collisions"), 0);
    for _ in 0..5 {
        flows.make("tcp 10.0.0.1 80 2000 10.1.0.2 40000 fin");
        flows.make("tcp 10.0.0.1 80 2000 10.1.0.2 40000 rst");
    }
    // The previous connection still had the port.
    assert!(lab.counter("port_collisions") > 0);
    flows.until_left(0);
    // Ended with their server: expire_nodest_conn ends them at once.
    ipvsadm("--set 0 0 300");
    flows.make("udp 10.0.0.1 9 10000 10.1.0.2 1024");
    assert_eq!(balanced(lab), 10_000);
    lab.exec(
        "director",
        &["sysctl", "-qw", "net.ipv4.vs.expire_nodest_conn=1"],
    );
    lab.apply(&FILE.replace("10.2.0.2:9\"", "10.2.0.3:9\""));
    ipvsadm("--set 0 0 1");
    flows.make("udp 10.0.0.1 9 10000 10.1.0.2 1024");
    flows.until_left(0);
    // Ended by `down`, after their service was removed.
    lab.exec(
        "director",
        &["sysctl", "-qw", "net.ipv4.vs.expire_nodest_conn=0"],
    );
    ipvsadm("--set 0 0 300");
    flows.make("udp 10.0.0.1 9 20000 10.1.0.2 1024");
    ipvsadm("-D -u 10.0.0.1:9");
    assert_eq!(balanced(lab), 20_000);
    assert_eq!(lab.counter("sessions_created"), 120_000);
    success(&lab.ipvs_bpf(&["down"]));
    assert!(!module_is_loaded());
    let table = lab.exec("director", &["cat", "/proc/net/ip_vs_conn"]);
    assert_eq!(table.lines().count(), 1, "the heading");
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn more_than_200_000_sessions_to_one_server_live_at_once_through_four_local_ips() {
    const FLOWS: usize = 210_000;
    let flows = Flows::new();
    let lab = &flows.lab;
    flows.make(&format!("udp 10.0.0.1 9 {FLOWS} 10.1.0.2 1024"));
    assert_eq!(lab.counter("sessions"), FLOWS as u64);
    assert_eq!(lab.counter("refused_ports_exhausted"), 0);
    let mut seen = HashSet::new();
    let show = success(&lab.ipvs_bpf(&["show", "--sessions", "--json"]));
    let show: serde_json::Value = serde_json::from_str(&show).unwrap();
    for session in show["sessions"].as_array().unwrap() {
        assert_eq!(session["server"], "10.2.0.2:9");
        seen.insert(session["local_ip"].as_str().unwrap());
    }
    assert_eq!(seen.len(), FLOWS, "each has a local IP and port of its own");
    // Clients are served as before.
    let mut talk = Talk::new(lab, "udp", ("10.0.0.1", 7));
    assert!(talk.ask().peer.starts_with("10.2.0.10"));
    success(&lab.ipvs_bpf(&["down"]));
    assert!(!module_is_loaded());
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn datagrams_of_one_flow_on_two_processors_at_once_leave_it_answered_and_nothing_behind() {
    let flows = Flows::new();
    let lab = &flows.lab;
    let two = FILE.replace(
        "\"10.2.0.2:7\"",
        "\"10.2.0.2:7\"\n  [[service.server]]\n  address = \"10.2.0.3:7\"",
    );
    lab.apply(&two);
    lab.exec("director", &["ipvsadm", "--set", "0", "0", "20"]);
    let mut made = 0;
    // Two connections must have the same tuple. This takes some flows to happen.
    while lab.counter("sessions_created") < made + 10 {
        assert!(made < 10_000, "it never happened");
        flows.make("twice 10.0.0.1 7 500");
        made += 500;
    }
    lab.exec("director", &["ipvsadm", "--set", "0", "0", "1"]);
    flows.until_left(0);
}
