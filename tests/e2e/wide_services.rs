// SPDX-License-Identifier: GPL-2.0-only
//! Full NAT of services that the file lists for more than one destination: by firewall
//! mark, and of every port.

use std::process::Stdio;

use crate::lab::{Lab, eventually, success};
use crate::rules::{ipvsadm, native, read, route_servers, write};
use crate::talk::{Talk, answer};

/// The mark 7 is for 10.0.0.9, and 8 for its clients with certain ports. This comes before
/// the hook of the module.
const MARKS: &str = "nft -f - <<'END'\n\
    table ip marks {\n\
    chain early { type filter hook prerouting priority -450;\n\
    ip daddr 10.0.0.9 meta mark set 7\n\
    ip daddr 10.0.0.9 tcp sport 20000-20999 meta mark set 8; }\n\
    }\n\
    table ip6 marks {\n\
    chain early { type filter hook prerouting priority -450; ip6 daddr fd00::9 meta mark set 7; }\n\
    }\nEND\n";

/// Two pools, a service of each kind, and a native one that goes before that of every port.
/// No session ends during a test because nobody answers.
const FILE: &str = r#"
[director]
interfaces = ["eth0", "eth1"]
max_sessions = 10_000

[timeouts]
udp_unanswered = "10h"

[local_ips.default]
addresses = ["10.2.0.100", "fd00:2::100"]

[local_ips.other]
addresses = ["10.2.0.101"]

[[service]]
address = "fwmark://7"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "10.2.0.2:8080"

[[service]]
address = "fwmark6://7"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "[fd00:2::2]:8080"

[[service]]
address = "fwmark://8"
scheduler = "rr"
snat = "other"
  [[service.server]]
  address = "10.2.0.3:8080"

[[service]]
address = "tcp://10.0.0.1:0"
scheduler = "rr"
snat = "default"
persistence = {}
  [[service.server]]
  address = "10.2.0.3:0"

[[service]]
address = "udp://10.0.0.1:0"
scheduler = "rr"
snat = "default"
persistence = {}
  [[service.server]]
  address = "10.2.0.3:0"

[[service]]
address = "tcp://10.0.0.1:80"
scheduler = "rr"
  [[service.server]]
  address = "10.2.0.2:8080"
"#;

fn begin(lab: &Lab) {
    lab.exec("director", &["sh", "-ec", MARKS]);
    let other = ["ip", "addr", "add", "10.2.0.101/24", "dev", "eth1"];
    lab.exec("director", &other);
    lab.apply(FILE);
}

/// Server and source address of a request.
fn asked(lab: &Lab, url: &str) -> (String, String) {
    let answer = answer(&lab.get(&[url]));
    (answer.server, answer.peer)
}

fn is_from(lab: &Lab, url: &str, server: &str, peer: &str) {
    assert_eq!(asked(lab, url), (server.into(), peer.into()), "{url}");
}

/// Waits until every session that began is listed or has ended.
fn counted(lab: &Lab) {
    eventually("the sessions are those that have not ended", || {
        let living = lab.counter("sessions_created") - lab.counter("sessions_ended");
        living == lab.counter("sessions") && living == lab.sessions().len() as u64
    });
}

fn nothing_to_do(lab: &Lab, file: &str) {
    assert_eq!(success(&lab.with_file(&["plan"], file)), "nothing to do\n");
}

#[test]
fn services_of_marks_and_of_every_port_are_full_nat_from_their_first_connection_on() {
    let lab = Lab::new();
    begin(&lab);
    route_servers(&lab);
    for port in [80, 81, 81] {
        is_from(
            &lab,
            &format!("http://10.0.0.9:{port}/"),
            "server1",
            "10.2.0.100",
        );
    }
    is_from(&lab, "http://[fd00::9]:80/", "server1", "fd00:2::100");
    for _ in 0..2 {
        is_from(&lab, "http://10.0.0.1:8080/", "server2", "10.2.0.100");
    }
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    assert_eq!(talk.ask().peer, "10.2.0.100");
    assert_eq!(native(&lab), 0, "{}", read(&lab, "stats"));
    // Two marks at one destination are two services with their own servers and pools.
    for _ in 0..2 {
        let marked = lab.get(&["--local-port", "20000-20999", "http://10.0.0.9:80/"]);
        let answer = answer(&marked);
        assert_eq!((&*answer.server, &*answer.peer), ("server2", "10.2.0.101"));
        is_from(&lab, "http://10.0.0.9:80/", "server1", "10.2.0.100");
    }
    assert_eq!(native(&lab), 0, "{}", read(&lab, "stats"));
    // The native service of one port goes before that of every port, and stays native.
    is_from(&lab, "http://10.0.0.1:80/", "server1", "10.1.0.2");
    assert!(lab.counter("native_other_service") > 0);
    nothing_to_do(&lab, FILE);
    let services = read(&lab, "services");
    for line in [
        "fwmark 7 default sessions 0\n",
        "fwmark6 7 default sessions 0\n",
        "fwmark 8 other sessions 0\n",
        "tcp 10.0.0.1:0 default sessions 0\n",
        "of fwmark 7\n",
        "of fwmark6 7\n",
        "of fwmark 8\n",
        "of tcp 10.0.0.1:0\n",
    ] {
        assert!(services.contains(line), "{line} in {services}");
    }
    let json = success(&lab.ipvs_bpf(&["show", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let shown = |address: &str| {
        let mut services = json["services"].as_array().unwrap().iter();
        services
            .find(|service| service["address"] == address)
            .unwrap()
    };
    assert_eq!(shown("fwmark://7")["sessions"], 5);
    assert_eq!(shown("fwmark://7")["by_rule"], false);
    assert_eq!(shown("tcp://10.0.0.1:0")["sessions"], 2);
    assert!(shown("tcp://10.0.0.1:80")["sessions"].is_null());
    let saved = success(&lab.ipvs_bpf(&["save"]));
    nothing_to_do(&lab, &saved);
    counted(&lab);
}

#[test]
fn settings_of_a_mark_change_under_traffic() {
    let lab = Lab::new();
    begin(&lab);
    let mut first = Talk::new(&lab, "tcp", ("10.0.0.9", 80));
    let before = first.ask();
    assert_eq!((&*before.server, &*before.peer), ("server1", "10.2.0.100"));
    // Another pool, for the destinations that are known already.
    let other = FILE.replacen("snat = \"default\"", "snat = \"other\"", 1);
    lab.apply(&other);
    nothing_to_do(&lab, &other);
    let mut second = Talk::new(&lab, "tcp", ("10.0.0.9", 80));
    assert_eq!(second.ask().peer, "10.2.0.101");
    // Packets of both go on where nothing marks them any more.
    lab.exec("director", &["nft", "delete table ip marks"]);
    assert_eq!(first.ask(), before);
    assert_eq!(second.ask().peer, "10.2.0.101");
    lab.exec("director", &["nft", "delete table ip6 marks"]);
    lab.exec("director", &["sh", "-ec", MARKS]);
    // Without full NAT, new connections are native, and sessions go on.
    let native_mark = other.replacen("snat = \"other\"\n", "", 1);
    lab.apply(&native_mark);
    nothing_to_do(&lab, &native_mark);
    assert_eq!(first.ask(), before);
    route_servers(&lab);
    is_from(&lab, "http://10.0.0.9:80/", "server1", "10.1.0.2");
    let services = read(&lab, "services");
    assert!(!services.contains("fwmark 7"), "{services}");
    assert!(
        services.contains("tcp 10.0.0.9:80 - sessions 2\n"),
        "{services}"
    );
    lab.apply(FILE);
    is_from(&lab, "http://10.0.0.9:80/", "server1", "10.2.0.100");
    assert_eq!(second.ask().peer, "10.2.0.101");
    counted(&lab);
    success(&lab.ipvs_bpf(&["down"]));
    assert!(first.try_ask(2).is_err());
    assert_eq!(lab.exec("director", &["ipvsadm", "-Sn"]), "");
}

#[test]
fn a_service_of_one_port_takes_it_from_that_of_every_port_and_gives_it_back() {
    let lab = Lab::new();
    begin(&lab);
    let mut talk = Talk::new(&lab, "tcp", ("10.0.0.1", 8080));
    assert_eq!(talk.ask().server, "server2");
    let one = "[[service]]\naddress = \"tcp://10.0.0.1:8080\"\nscheduler = \"rr\"\nsnat = \"other\"\n\
               [[service.server]]\naddress = \"10.2.0.2:8080\"\n";
    let with_one = [FILE, one].concat();
    lab.apply(&with_one);
    nothing_to_do(&lab, &with_one);
    is_from(&lab, "http://10.0.0.1:8080/", "server1", "10.2.0.101");
    assert_eq!(talk.ask().peer, "10.2.0.100");
    lab.apply(FILE);
    nothing_to_do(&lab, FILE);
    is_from(&lab, "http://10.0.0.1:8080/", "server2", "10.2.0.100");
    // A native one is left native, although the port's application is registered.
    let native_one = with_one.replace("snat = \"other\"\n[[service.server]]", "[[service.server]]");
    lab.apply(&native_one);
    route_servers(&lab);
    is_from(&lab, "http://10.0.0.1:8080/", "server1", "10.1.0.2");
    assert_eq!(talk.ask().peer, "10.2.0.100");
    counted(&lab);
}

#[test]
fn another_programs_servers_of_a_mark_are_full_nat_without_a_rule() {
    let lab = Lab::new();
    lab.exec("director", &["sh", "-ec", MARKS]);
    let (director, _) = FILE.split_once("[[service]]").unwrap();
    let service = "[[service]]\naddress = \"fwmark://7\"\nscheduler = \"rr\"\n\
                   snat = \"default\"\nservers = \"external\"\n";
    let file = [director, service].concat();
    lab.apply(&file);
    ipvsadm(&lab, "-a -f 7 -r 10.2.0.2:8080 -m");
    for port in [80, 81] {
        let url = format!("http://10.0.0.9:{port}/");
        is_from(&lab, &url, "server1", "10.2.0.100");
    }
    nothing_to_do(&lab, &file);
    assert_eq!(native(&lab), 0, "{}", read(&lab, "stats"));
}

#[test]
fn port_0_itself_gets_no_session() {
    let lab = Lab::new();
    begin(&lab);
    // No socket sends this. A UDP checksum of 0 is none.
    let send = "import socket, struct\n\
        s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)\n\
        for _ in range(50):\n \
        s.sendto(struct.pack('!HHHH', 4000, 0, 9, 0) + b'x', ('10.0.0.1', 0))\n";
    lab.exec("client", &["/usr/bin/python3", "-ISc", send]);
    eventually("each packet is refused", || {
        lab.counter("drop_refused_connection") == 50
    });
    assert!(lab.counter("refused_port_0") > 0);
    assert_eq!(lab.counter("sessions_created"), 0);
    assert_eq!(native(&lab), 0, "{}", read(&lab, "stats"));
    let services = read(&lab, "services");
    assert!(
        services.contains("udp 10.0.0.1:0 default sessions 0\n"),
        "{services}"
    );
}

/// Counts the packets at a server that have the client's address.
const SEEN: &str = "nft -f - <<'END'\n\
    table ip seen {\n\
    counter client { }\n\
    chain early { type filter hook prerouting priority -450; \
    ip saddr 10.1.0.0/16 counter name client; }\n\
    }\nEND\n";

/// IPVS ends a connection to such a server at the next SYN, and makes another one, while
/// the port's application is not registered yet.
#[test]
fn a_client_that_stays_with_a_drained_server_gets_full_nat_at_a_new_port() {
    let lab = Lab::new();
    begin(&lab);
    lab.exec("server2", &["sh", "-ec", SEEN]);
    is_from(&lab, "http://10.0.0.1:8080/", "server2", "10.2.0.100");
    ipvsadm(&lab, "-e -t 10.0.0.1:0 -r 10.2.0.3:0 -m -w 0");
    let expire = ["sysctl", "-qw", "net.ipv4.vs.expire_nodest_conn=1"];
    lab.exec("director", &expire);
    // The server has no socket there, and its RST comes back.
    let connect = "import socket\n\
        try: socket.create_connection(('10.0.0.1', 82), timeout=120)\n\
        except ConnectionRefusedError: pass\n\
        else: raise SystemExit('connected')\n";
    let connected = lab.try_exec("client", &["/usr/bin/python3", "-ISc", connect]);
    let list = ["nft", "list", "counter", "ip", "seen", "client"];
    let seen = lab.exec("server2", &list);
    assert!(seen.contains("packets 0 "), "{seen}");
    success(&connected);
    assert_eq!(native(&lab), 0, "{}", read(&lab, "stats"));
    let services = read(&lab, "services");
    assert!(services.contains("tcp 10.0.0.1:82 default"), "{services}");
    counted(&lab);
}

/// IPVS walks one of 16 lists of applications for each new connection. Clients choose the
/// ports here; those with the same upper half are in one list.
#[test]
fn clients_cannot_fill_a_list_of_applications_of_ipvs() {
    let lab = Lab::new();
    begin(&lab);
    let send = "import socket\n\
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
        for high in (0x11, 0x22, 0x33):\n    \
            for low in range(256): s.sendto(b'x', ('10.0.0.1', high << 8 | low))\n";
    lab.exec("client", &["python3", "-c", send]);
    eventually("each has a session", || lab.counter("sessions") == 768);
    assert_eq!(native(&lab), 0, "{}", read(&lab, "stats"));
    let registered = || {
        let text = lab.exec("director", &["cat", "/proc/net/ip_vs_app"]);
        let ours = |line: &&str| line.contains("ip_vs_bpf_17_");
        text.lines().filter(ours).count()
    };
    eventually("a list is as long as it may be", || registered() >= 512);
    assert_eq!(registered(), 512);
    // A port that is not registered remains full NAT.
    lab.exec("client", &["python3", "-c", send]);
    let echo = "nft -f - <<'END'\n\
        table ip echo {\n\
        chain early { type nat hook prerouting priority -100; udp dport 13311 redirect to :7; }\n\
        }\nEND\n";
    lab.exec("server2", &["sh", "-ec", echo]);
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 0x33ff));
    let before = talk.ask();
    assert_eq!(before.peer, "10.2.0.100");
    // IPVS keeps the connections of a server that gets no new ones.
    ipvsadm(&lab, "-e -u 10.0.0.1:0 -r 10.2.0.3:0 -m -w 0");
    assert_eq!(talk.ask(), before);
    ipvsadm(&lab, "-e -u 10.0.0.1:0 -r 10.2.0.3:0 -m -w 1");
    counted(&lab);
    assert_eq!(lab.counter("sessions"), 768 * 2 + 1);
    assert_eq!(registered(), 512);
    // The limit is not for the administrator.
    let line = "+ udp 10.0.0.1:13311 default\n";
    write(&lab, "director", "services", line);
    assert_eq!(registered(), 513);
    assert_eq!(talk.ask(), before);
    let mut other = Talk::new(&lab, "udp", ("10.0.0.1", 0x33ff));
    assert_eq!(other.ask().peer, "10.2.0.100");
    assert_eq!(native(&lab), 0, "{}", read(&lab, "stats"));
}

/// 20 000 services, which make each change of their pool take long, and 2000 pools. Each pool
/// has an IPv6 address, and so remains when it loses its others.
const MANY: &str = r"
import os
def write(file, lines):
    file = os.open('/proc/net/ip_vs_bpf/' + file, os.O_WRONLY)
    for first in range(0, len(lines), 5000):
        os.write(file, ''.join(lines[first:first + 5000]).encode())
write('local_ips', ['+ p%d fd00:2::1:%x 1-2\n' % (n, n) for n in range(1, 2001)])
write('services', ['+ tcp 10.64.%d.%d:80 default\n' % (n >> 8, n & 255) for n in range(20000)])
";

/// Gives the pool one new name after the other until standard input ends. Then no service
/// may draw from a pool of an earlier name. Prints the number of names. Most of the time is
/// spent in the change, because grace periods are short, also for another test at this time.
const RENAMES: &str = r"
import os, select, sys
def expedite(what):
    with open('/sys/kernel/rcu_expedited', 'w') as file:
        file.write(what)
path = '/proc/net/ip_vs_bpf/services'
file = os.open(path, os.O_WRONLY)
name, number = 'default', 0
expedite('1')
try:
    while number < 2000 and not select.select([sys.stdin], [], [], 0)[0]:
        number += 1
        os.write(file, b'= %s p%d ipv4' % (name.encode(), number))
        name = 'p%d' % number
finally:
    expedite('0')
with open(path) as services:
    left = [line for line in services if ' of fwmark ' in line and f' {name} ' not in line]
assert not left, (number, len(left), left[:3])
print(number)
";

#[test]
fn a_pool_is_renamed_again_and_again_while_clients_ask_new_ports() {
    let lab = Lab::new();
    // The services of these marks are anywhere in the module's table.
    let marks = "nft -f - <<'END'\n\
        table ip marks {\n\
        chain early { type filter hook prerouting priority -450; \
        ip daddr 10.0.0.9 meta mark set numgen inc mod 16 offset 100; }\n\
        }\nEND\n";
    lab.exec("director", &["sh", "-ec", marks]);
    let (director, _) = FILE.split_once("[local_ips.other]").unwrap();
    let service = |mark: u32| {
        format!(
            "[[service]]\naddress = \"fwmark://{mark}\"\nscheduler = \"rr\"\n\
             snat = \"default\"\n[[service.server]]\naddress = \"10.2.0.2:8080\"\n"
        )
    };
    let services: String = (100..116).map(service).collect();
    lab.apply(&[director, &services].concat());
    lab.exec("director", &["/usr/bin/python3", "-ISc", MANY]);
    let renames = lab
        .command("director", &["/usr/bin/python3", "-ISc", RENAMES])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Each port is a new service, which gets the pool from that of a mark.
    let send = "import socket, time\n\
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
        for port in range(1024, 13024):\n    \
            s.sendto(b'x', ('10.0.0.9', port))\n    \
            if port % 16 == 0: time.sleep(0.001)\n";
    lab.exec("client", &["python3", "-c", send]);
    let renames = success(&renames.wait_with_output().unwrap());
    assert!(renames.trim().parse::<u32>().unwrap() > 5, "{renames}");
    let stats = read(&lab, "stats");
    assert_eq!(lab.counter("refused_empty_pool"), 0, "{stats}");
    assert_eq!(native(&lab), 0, "{stats}");
    // A busy host may lose some packets.
    assert!(lab.counter("sessions_created") > 11_000, "{stats}");
}
