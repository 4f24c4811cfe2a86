// SPDX-License-Identifier: GPL-2.0-only
//! Changes of local IPs, pools, services and interfaces under load. No connection breaks.

use std::process::{Child, Stdio};

use crate::balance::balanced;
use crate::full_nat::FILE;
use crate::lab::{Lab, eventually, success};
use crate::talk::answer;

/// Sends datagrams through one socket until standard input ends, at least twenty. Prints
/// how many were answered, how many were sent, and the peers that the servers saw.
const ECHOES: &str = r"
import select, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(('10.0.0.1', 7))
s.settimeout(120)
sent, came, peers = 0, 0, set()
while sent < 20 or not select.select([sys.stdin], [], [], 0.005)[0]:
    s.send(b'%d' % sent)
    name, peer, port, length, data = s.recv(1000).split()
    came += data == b'%d' % sent
    sent += 1
    peers.add(peer)
print(sent, came, *[peer.decode() for peer in peers])
";

/// Makes downloads over one connection and reads them slowly, until standard input ends.
/// Prints how many there were and how many of them were correct.
const DOWNLOADS: &str = r"
import select, socket, sys
size = 400000
pattern = b'0123456789abcdef' * (size // 16)
s = socket.create_connection(('10.0.0.1', 80), timeout=120)
body = s.makefile('rb')
number, right, ended = 0, 0, False
while not ended:
    s.sendall(b'GET /bytes/%d HTTP/1.1\r\nHost: x\r\n\r\n' % size)
    while body.readline() != b'\r\n':
        pass
    data = b''
    while len(data) < size:
        ended = bool(select.select([sys.stdin], [], [], 0.02)[0])
        data += body.read(min(4096, size - len(data)))
    number += 1
    right += data == pattern
print(number, right)
";

pub struct Load {
    downloads: Vec<Child>,
    echoes: Vec<Child>,
}

fn spawn(lab: &Lab, script: &str) -> Child {
    lab.command("client", &["/usr/bin/python3", "-ISc", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

impl Load {
    pub fn begin(lab: &Lab) -> Self {
        Load::begin_next_to(lab, 0)
    }

    /// Begins the load when `others` sessions exist already.
    pub fn begin_next_to(lab: &Lab, others: usize) -> Self {
        Load::of(lab, others, 2)
    }

    /// Begins only the downloads: TCP repeats what an outage loses.
    pub fn of_downloads(lab: &Lab) -> Self {
        Load::of(lab, 0, 0)
    }

    fn of(lab: &Lab, others: usize, echoes: usize) -> Self {
        let load = Load {
            downloads: (0..3).map(|_| spawn(lab, DOWNLOADS)).collect(),
            echoes: (0..echoes).map(|_| spawn(lab, ECHOES)).collect(),
        };
        let sessions = others + load.downloads.len() + echoes;
        eventually("the load runs", || lab.sessions().len() == sessions);
        load
    }

    /// Checks that all data arrived and that all sessions used this local IP.
    pub fn end(self, local_ip: &str) {
        for child in self.downloads {
            // This closes its standard input.
            let text = success(&child.wait_with_output().unwrap());
            let words: Vec<&str> = text.split_whitespace().collect();
            let [number, right] = words[..] else {
                panic!("{text}");
            };
            assert_eq!(number, right);
        }
        for child in self.echoes {
            let text = success(&child.wait_with_output().unwrap());
            let words: Vec<&str> = text.split_whitespace().collect();
            let [sent, came, peer] = words[..] else {
                panic!("{text}");
            };
            assert_eq!((sent, peer), (came, local_ip));
        }
    }
}

/// The local IPs of new connections.
fn local_ips(lab: &Lab) -> Vec<String> {
    let mut seen = Vec::new();
    for source in ["10.1.0.2", "10.1.0.3"] {
        for _ in 0..2 {
            seen.push(answer(&lab.get(&["--interface", source, "http://10.0.0.1/"])).peer);
        }
    }
    seen.sort();
    seen.dedup();
    seen
}

/// Applies a file that must change something.
fn change(lab: &Lab, toml: &str, what: &str) {
    let text = lab.apply(toml);
    assert!(text.contains(what), "{what}: {text}");
}

#[test]
fn local_ips_and_pools_change_under_load_and_nothing_breaks() {
    let lab = Lab::new();
    for address in ["10.2.0.101/24", "10.2.0.102/24"] {
        lab.exec("director", &["ip", "addr", "add", address, "dev", "eth1"]);
    }
    lab.apply(FILE);
    let load = Load::begin(&lab);
    let both = FILE.replace("[\"10.2.0.100\"]", "[\"10.2.0.100\", \"10.2.0.101\"]");
    change(&lab, &both, "+ local IP 10.2.0.101");
    let new = FILE.replace("10.2.0.100", "10.2.0.101");
    change(&lab, &new, "- local IP 10.2.0.100");
    assert_eq!(local_ips(&lab), ["10.2.0.101"], "none takes the old one");
    let ports = new.replace(
        "[\"10.2.0.101\"]",
        "[\"10.2.0.101\"]\nports = \"2000-2999\"",
    );
    change(&lab, &ports, "~ local IP 10.2.0.101");
    let port = answer(&lab.get(&["http://10.0.0.1/"])).port;
    assert!((2000..3000).contains(&port), "{port}");
    let pool = "[local_ips.other]\naddresses = [\"10.2.0.102\"]\n[[service]]\naddress = \"tcp://10.0.0.1:80\"";
    let other = ports
        .replace("[[service]]\naddress = \"tcp://10.0.0.1:80\"", pool)
        .replacen("snat = \"default\"", "snat = \"other\"", 1);
    change(&lab, &other, "full NAT");
    assert_eq!(local_ips(&lab), ["10.2.0.102"]);
    // Connections from before the first change keep their local IP.
    let old = |line: &&String| line.contains("10.2.0.100:");
    assert_eq!(lab.sessions().iter().filter(old).count(), 5);
    load.end("10.2.0.100");
    balanced(&lab);
}

/// Makes one new connection after another until standard input ends. Prints how many
/// there were. Each must be answered.
const CONNECTIONS: &str = r"
import select, socket, sys
number = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    s = socket.create_connection(('10.0.0.1', 80), timeout=120)
    s.sendall(b'GET / HTTP/1.0\r\n\r\n')
    assert s.makefile('rb').read()
    s.close()
    number += 1
print(number)
";

#[test]
fn a_pool_of_one_address_is_renamed_again_and_again_and_no_connection_is_refused() {
    let lab = Lab::new();
    lab.apply(FILE);
    let load = Load::begin(&lab);
    let connections = spawn(&lab, CONNECTIONS);
    let created = || lab.counter("sessions_created");
    for name in ["other", "default", "third", "default"] {
        let before = created();
        eventually("connections begin", || created() > before + 3);
        let renamed = FILE.replace("default", name);
        change(&lab, &renamed, "with the 3 services that use it");
        assert_eq!(lab.apply(&renamed), "nothing to do\n");
        let show = success(&lab.ipvs_bpf(&["show", "--local-ips"]));
        assert_eq!(show.lines().count(), 2, "{show}");
        assert!(show.contains(&format!("\n{name} ")), "{show}");
    }
    let before = created();
    eventually("connections begin", || created() > before + 3);
    success(&connections.wait_with_output().unwrap());
    assert_eq!(lab.counter("refused_empty_pool"), 0);
    assert_eq!(lab.counter("native_other_service"), 0);
    load.end("10.2.0.100");
    balanced(&lab);
}

#[test]
fn addresses_are_handed_over_from_pool_to_pool_in_one_plan() {
    let lab = Lab::new();
    lab.exec(
        "director",
        &["ip", "addr", "add", "10.2.0.101/24", "dev", "eth1"],
    );
    let two = "[local_ips.b]\naddresses = [\"10.2.0.101\"]\n\n[local_ips.default]";
    let text = FILE.replace("[local_ips.default]", two);
    let (tcp, udp) = text.split_once("udp://").unwrap();
    let udp = udp.replacen("snat = \"default\"", "snat = \"b\"", 1);
    let first = format!("{tcp}udp://{udp}");
    lab.apply(&first);
    assert_eq!(local_ips(&lab), ["10.2.0.100"]);
    // The pool `default` gets the name of the other one, whose addresses are removed.
    let second = first
        .replace("[local_ips.default]", "[local_ips.new]")
        .replace("[local_ips.b]", "[local_ips.default]")
        .replace("snat = \"default\"", "snat = \"new\"")
        .replace("snat = \"b\"", "snat = \"default\"");
    change(
        &lab,
        &second,
        "local IP 10.2.0.101 pool \"b\" → \"default\"",
    );
    assert_eq!(lab.apply(&second), "nothing to do\n");
    assert_eq!(local_ips(&lab), ["10.2.0.100"]);
    let seen = lab.udp("10.0.0.1", 7, "hello");
    assert!(seen.contains("10.2.0.101"), "{seen}");
}

#[test]
fn services_servers_and_interfaces_change_under_load_and_nothing_breaks() {
    let lab = Lab::new();
    lab.exec(
        "director",
        &[
            "ip", "link", "add", "eth2", "type", "veth", "peer", "name", "eth3",
        ],
    );
    lab.apply(FILE);
    let load = Load::begin(&lab);
    let service = format!(
        "{FILE}\n[[service]]\naddress = \"tcp://10.0.0.9:80\"\nscheduler = \"rr\"\n\
         snat = \"default\"\n  [[service.server]]\n  address = \"10.2.0.2:8080\"\n"
    );
    change(&lab, &service, "+ tcp://10.0.0.9:80");
    lab.get(&["http://10.0.0.9/"]);
    change(
        &lab,
        &service.replace("\"eth1\"]", "\"eth1\", \"eth2\"]"),
        "+ interface eth2",
    );
    change(&lab, &service, "- interface eth2");
    let weighted = service.replacen("scheduler = \"rr\"", "scheduler = \"wlc\"", 1);
    change(&lab, &weighted, "rr → wlc");
    let server = weighted
        .replace("10.0.0.9:80\"", "10.0.0.9:80\" # x")
        .replace(
            "\"10.2.0.3:8080\"",
            "\"10.2.0.3:8080\"\n  [[service.server]]\n  address = \"10.2.0.4:8080\"\n  weight = 0",
        );
    change(&lab, &server, "+ 10.2.0.4:8080");
    change(&lab, FILE, "- tcp://10.0.0.9:80");
    lab.get(&["http://10.0.0.1/"]);
    load.end("10.2.0.100");
}
