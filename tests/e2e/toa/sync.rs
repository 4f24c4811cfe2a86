// SPDX-License-Identifier: GPL-2.0-only
//! Two directors with a sync daemon each. The one that takes over did not see the
//! handshakes of the connections that it gets.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Stdio};

use ipvs_bpf::toa::abi::Outcome;

use super::receiver::DEFERRING;
use super::told::{LocalIps, Receiver};
use super::{Watch, option};
use crate::lab::{Lab, eventually, success};
use crate::pair::{DIRECTORS, both_families, fail, file_on_page, on, pair};
use crate::talk::{Answer, Talk, answer};

/// The client's address, the VIP and the VIP in the file of each family.
const FAMILIES: [(&str, &str); 2] = [("10.1.0.2", "10.1.0.100"), ("fd00:1::2", "fd00:1::100")];

/// The file of the page with both families, and with servers that see the client. Only
/// connections that the sync daemon sent can continue.
fn file() -> String {
    let page = file_on_page("lb.toml")
        .replace("[\"10.2.0.100\"]", "[\"10.2.0.100\", \"fd00:2::100\"]")
        .replace("sloppy_tcp = 1", "sloppy_tcp = 0")
        .replace(
            "snat = \"default\"",
            "snat = \"default\"\nclient_address = \"toa\"",
        );
    let ipv4 = page.split_once("[[service]]").unwrap().1;
    let ipv6 = ipv4
        .replace("10.1.0.100", "[fd00:1::100]")
        .replace("10.2.0.2", "[fd00:2::2]")
        .replace("10.2.0.3", "[fd00:2::3]");
    let other = |service: &str| service.replace(":80\"", ":81\"").replace(":8080", ":8081");
    let more = [&ipv6, &other(ipv4), &other(&ipv6)].map(|service| format!("[[service]]{service}"));
    page.clone() + &more.concat()
}

/// Two directors with their own local IPs, and servers that see the client.
fn told_by_pair(folder: &std::path::Path) -> (Lab, Receiver) {
    let local_ips = LocalIps::new();
    // A busy host must not make the second director take over by itself.
    let conf = local_ips.of(&both_families().replace("advert_int 1", "advert_int 4"));
    let lab = pair(folder, &local_ips.of(&file()), &conf);
    (lab, Receiver::new(&local_ips))
}

fn counter(lab: &Lab, director: &str, name: &str) -> u64 {
    let stats = lab.exec(director, &["cat", "/proc/net/ip_vs_bpf/stats"]);
    let found = stats
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")));
    found.expect(name).parse().unwrap()
}

/// The number of established connections that a director knows.
fn established(lab: &Lab, director: &str) -> usize {
    let connections = lab.exec(director, &["ipvsadm", "-Lnc"]);
    connections.matches("ESTABLISHED").count()
}

/// A connection from this port. The server sees the client.
fn connect(lab: &Lab, (client, vip): (&str, &str), port: u16) -> Talk {
    let mut talk = Talk::from(lab, "client", "tcp", ("", port), (vip, 80));
    check(&talk.ask(), client, port);
    talk
}

fn check(answer: &Answer, client: &str, port: u16) {
    // A socket for both families sees IPv4 so.
    let peer = answer.peer.trim_start_matches("::ffff:");
    assert_eq!((peer, answer.port), (client, port));
}

#[test]
fn the_director_that_takes_over_tells_servers_the_clients_of_new_connections() {
    let folder = tempfile::tempdir().unwrap();
    let (lab, receiver) = told_by_pair(folder.path());
    let mut talks = FAMILIES.map(|family| connect(&lab, family, 40_000));
    let before = talks.each_mut().map(Talk::ask);
    eventually("the second director knows the connections", || {
        // Only slow-path packets make the first director sync.
        assert_eq!(talks.each_mut().map(Talk::ask), before);
        established(&lab, "director2") == talks.len()
    });
    assert!(counter(&lab, "director", "toa_added") > 0);
    assert_eq!(counter(&lab, "director2", "toa_added"), 0);
    fail(&lab);
    // This director waits for an answer before it takes the handshake to be over.
    assert_eq!(talks.each_mut().map(Talk::ask), before);
    let watches = ["server1", "server2"].map(|server| Watch::at(&lab, server));
    assert_eq!(talks.each_mut().map(Talk::ask), before);
    for segment in watches.into_iter().flat_map(Watch::end) {
        let told = ["fe08", "fe14"]
            .iter()
            .any(|it| segment.options.starts_with(it));
        assert!(!told, "{segment:?}");
    }
    // A new connection, also in place of one that the sync daemon sent.
    for (talk, family) in talks.into_iter().zip(FAMILIES) {
        connect(&lab, family, 40_001);
        talk.reset();
        connect(&lab, family, 40_000);
    }
    assert!(counter(&lab, "director2", "toa_added") >= 4);
    assert_eq!(receiver.outcomes(), [(Outcome::Told, 6)]);
    success(&on(&lab, "director2", &["down"]));
}

/// A client of `lab/net/segments.py` that waits between two steps.
struct Held {
    program: Child,
    output: BufReader<ChildStdout>,
}

impl Held {
    fn begin(lab: &Lab, client: &str, vip: &str, steps: &[&str]) -> Self {
        let words = ["lab/net/segments.py", "client", "lan", client, vip];
        let mut command = lab.command("client", &[&words[..], steps].concat());
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut program = command.spawn().unwrap();
        let mut output = BufReader::new(program.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        Held { program, output }
    }

    /// Returns the answer.
    fn finish(mut self) -> Answer {
        writeln!(self.program.stdin.take().unwrap()).unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(self.program.wait().unwrap().success());
        answer(&line)
    }
}

/// The server defers accept(2): its handshake ends with the first data, which passes
/// through the second director and tries to name another client.
#[test]
fn a_handshake_that_ends_after_a_takeover_names_the_true_client() {
    let folder = tempfile::tempdir().unwrap();
    let (mut lab, _receiver) = told_by_pair(folder.path());
    for server in ["server1", "server2"] {
        lab.start(server, &["/usr/bin/python3", "-ISc", DEFERRING], "ready");
    }
    for director in DIRECTORS {
        for (network, router) in [
            ("198.51.100.0/24", "10.1.0.2"),
            ("2001:db8::/32", "fd00:1::2"),
        ] {
            lab.exec(director, &["ip", "route", "add", network, "via", router]);
        }
    }
    let get = format!("get={}", option("203.0.113.9:9"));
    let ways: [&[&str]; 2] = [
        &["syn", "ack", "hold", &get],
        &["syn", "ack", "hold", "stray", &get],
    ];
    let mut held = Vec::new();
    for (number, way) in ways.into_iter().enumerate() {
        for (client, vip) in [
            ("198.51.100.7", "10.1.0.100"),
            ("[2001:db8::7]", "[fd00:1::100]"),
        ] {
            let client = format!("{client}:{}", 40_001 + number);
            let vip = format!("{vip}:81");
            held.push((client.clone(), Held::begin(&lab, &client, &vip, way)));
        }
    }
    eventually("the second director knows the connections", || {
        established(&lab, "director2") == held.len()
    });
    fail(&lab);
    for (client, held) in held {
        let seen = held.finish();
        let (address, port) = client.rsplit_once(':').unwrap();
        check(
            &seen,
            address.trim_matches(['[', ']']),
            port.parse().unwrap(),
        );
    }
    success(&on(&lab, "director2", &["down"]));
}
