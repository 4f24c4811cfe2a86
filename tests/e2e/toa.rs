// SPDX-License-Identifier: GPL-2.0-only
//! The client's address in a TCP option, as seen in the network of a server.

mod bulk;
mod forgery;
mod iperf3;
mod mptcp;
mod mtu;
mod nginx;
mod reader;
mod receiver;
mod segments;
mod sync;
mod told;
mod transfers;

use std::io::{BufRead, BufReader, Lines};
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, ChildStdout};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::lab::Lab;

/// Web on port 80 for both families, with one server each.
const FILE: &str = r#"
[director]
interfaces = ["eth0", "eth1"]
max_sessions = 10_000

[local_ips.default]
addresses = ["10.2.0.100", "fd00:2::100"]

[[service]]
address = "tcp://10.0.0.1:80"
scheduler = "rr"
snat = "default"
client_address = "toa"
  [[service.server]]
  address = "10.2.0.2:8080"

[[service]]
address = "tcp://[fd00::1]:80"
scheduler = "rr"
snat = "default"
client_address = "toa"
  [[service.server]]
  address = "[fd00:2::2]:8080"
"#;

/// The port of the servers.
const PORT: &str = "8080";

/// Pairs of a client that no host has and the VIP, one for each family.
const PAIRS: [(&str, &str); 2] = [
    ("198.51.100.7:40001", "10.0.0.1:80"),
    ("[2001:db8::7]:40002", "[fd00::1]:80"),
];

/// A lab with the file applied. Answers to clients that no host has arrive at the client,
/// which drops them.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.apply(FILE);
    for (network, router) in [
        ("198.51.100.0/24", "10.1.0.2"),
        ("2001:db8::/32", "fd00:1::2"),
    ] {
        lab.exec("director", &["ip", "route", "add", network, "via", router]);
    }
    lab
}

/// The option that names a client, in hexadecimal.
fn option(client: &str) -> String {
    let client: SocketAddr = client.parse().unwrap();
    let address = match client.ip() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let mut option = vec![254, 4 + address.len() as u8];
    option.extend(client.port().to_be_bytes());
    option.extend(address);
    option.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs the steps as such a client (`lab/net/segments.py`). Returns its output.
fn client(lab: &Lab, (client, vip): (&str, &str), steps: &[&str]) -> String {
    let words = ["lab/net/segments.py", "client", "eth0", client, vip];
    lab.exec("client", &[&words[..], steps].concat())
}

/// A segment to the server's port.
#[derive(Clone, Debug)]
struct Segment {
    /// In the format of tcpdump.
    flags: String,
    /// The bytes of data, and of the whole packet.
    data: usize,
    size: usize,
    /// In hexadecimal.
    options: String,
}

/// A program that says "ready", and ends by SIGTERM. Usually one that captures the segments
/// that arrive at a server.
struct Watch {
    program: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watch {
    fn begin(lab: &Lab) -> Self {
        Watch::at(lab, "server1")
    }

    fn at(lab: &Lab, server: &str) -> Self {
        let words = ["lab/net/segments.py", "watch", "eth0", PORT];
        Watch::run(lab, server, &words)
    }

    fn run(lab: &Lab, server: &str, words: &[&str]) -> Self {
        let mut program = lab.spawn_at(server, words);
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        Watch { program, lines }
    }

    /// Returns all captured segments.
    fn end(self) -> Vec<Segment> {
        self.lines().iter().map(|line| segment(line)).collect()
    }

    /// Ends the program. Returns its output.
    fn lines(mut self) -> Vec<String> {
        let pid = Pid::from_raw(self.program.id().try_into().unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        let lines = self.lines.by_ref().map(Result::unwrap).collect();
        assert!(self.program.wait().unwrap().success());
        lines
    }
}

fn segment(line: &str) -> Segment {
    let words: Vec<&str> = line.split(' ').collect();
    let [_, flags, data, size, options] = words[..] else {
        panic!("{line}");
    };
    Segment {
        flags: flags.to_owned(),
        data: data.parse().unwrap(),
        size: size.parse().unwrap(),
        options: options.trim_matches('-').to_owned(),
    }
}

/// The flags and options of the segments that a server sees of a client with these steps.
/// Acknowledgments of the answer have no options and are omitted.
fn seen(lab: &Lab, pair: (&str, &str), steps: &[&str]) -> Vec<(String, String)> {
    let watch = Watch::begin(lab);
    client(lab, pair, steps);
    let mut segments = watch.end();
    let mut answered = false;
    segments.retain(|segment| {
        let acknowledges = answered && segment.flags == "A";
        assert!(!acknowledges || segment.options.is_empty(), "{segment:?}");
        answered |= segment.data > 0 && segment.flags != "S";
        !acknowledges
    });
    segments
        .into_iter()
        .map(|segment| (segment.flags, segment.options))
        .collect()
}
