// SPDX-License-Identifier: GPL-2.0-only
//! Full NAT by rule, of services that ipvsadm adds to IPVS and removes again.

mod at_once;
mod end;
mod exceptions;

use std::fs::OpenOptions;
use std::io::Write;

use crate::balance::balanced;
use crate::lab::Lab;
use crate::port_reuse::requests_from_one_port;
use crate::talk::{Talk, answer};

/// Local IPs and the fast path, without a service.
const FILE: &str = r#"
[director]
interfaces = ["eth0", "eth1"]
max_sessions = 10_000

[local_ips.default]
addresses = ["10.2.0.100", "fd00:2::100"]
"#;

/// A listed service. Without it, the end of another test would unload the module.
const KEEPER: &str = r#"
[[service]]
address = "udp://10.1.0.1:9"
scheduler = "rr"
snat = "default"
"#;

/// Matches everything that is sent to the VIPs.
const RULES: &str = "10.0.0.0/24 * * * default\nfd00::/64 * * * default\n";

pub const WEB: (&str, u16) = ("10.0.0.1", 80);

/// Writes with one write(2), which must succeed.
pub fn write(lab: &Lab, host: &str, file: &str, text: &str) {
    let written = try_write(lab, host, file, text);
    assert!(
        written,
        "{file} {text:?}: {}",
        lab.proc_net(host, &format!("ip_vs_bpf/{file}"))
    );
}

/// Writes with one write(2). Returns true if the module accepted it.
pub fn try_write(lab: &Lab, host: &str, file: &str, text: &str) -> bool {
    lab.inside(host, || {
        let path = format!("/proc/thread-self/net/ip_vs_bpf/{file}");
        let mut file = OpenOptions::new().write(true).open(path).unwrap();
        let written = file.write(text.as_bytes()).ok();
        assert!(written.is_none_or(|length| length == text.len()));
        written.is_some()
    })
}

pub fn read(lab: &Lab, file: &str) -> String {
    lab.proc_net("director", &format!("ip_vs_bpf/{file}"))
}

/// Puts the rules in effect. IPVS has no service then.
pub fn begin(lab: &Lab, rules: &str) {
    lab.apply(&[FILE, KEEPER].concat());
    write(lab, "director", "rules", rules);
    write(lab, "director", "services", "- udp 10.1.0.1:9\n");
    ipvsadm(lab, "-D -u 10.1.0.1:9");
}

pub fn ipvsadm(lab: &Lab, words: &str) {
    let words: Vec<&str> = words.split(' ').collect();
    lab.exec("director", &[&["ipvsadm"], &words[..]].concat());
}

fn sysctl(lab: &Lab, setting: &str) {
    lab.exec("director", &["sysctl", "-qw", setting]);
}

/// Adds a web service with both servers.
pub fn add_web(lab: &Lab) {
    ipvsadm(lab, "-A -t 10.0.0.1:80 -s rr");
    ipvsadm(lab, "-a -t 10.0.0.1:80 -r 10.2.0.2:8080 -m");
    ipvsadm(lab, "-a -t 10.0.0.1:80 -r 10.2.0.3:8080 -m");
}

/// Routes the servers' answers to clients through the director.
pub fn route_servers(lab: &Lab) {
    for server in ["server1", "server2"] {
        lab.exec(
            server,
            &["ip", "route", "add", "default", "via", "10.2.0.1"],
        );
    }
}

pub fn peer(text: &str) -> String {
    answer(text).peer
}

/// The number of packets left to IPVS for any reason.
pub fn native(lab: &Lab) -> u64 {
    let stats = read(lab, "stats");
    let lines = stats.lines().filter(|line| line.contains("native_"));
    lines
        .map(|line| line.split(' ').nth(1).unwrap().parse::<u64>().unwrap())
        .sum()
}

#[test]
fn the_very_first_connection_of_a_service_is_full_nat() {
    let lab = Lab::new();
    begin(&lab, RULES);
    add_web(&lab);
    ipvsadm(&lab, "-A -t [fd00::1]:80 -s rr");
    ipvsadm(&lab, "-a -t [fd00::1]:80 -r [fd00:2::2]:8080 -m");
    for (service, server) in [
        ("10.0.0.1:7", "10.2.0.2:7"),
        ("[fd00::1]:7", "[fd00:2::2]:7"),
    ] {
        ipvsadm(&lab, &format!("-A -u {service} -s rr"));
        ipvsadm(&lab, &format!("-a -u {service} -r {server} -m"));
    }
    for _ in 0..3 {
        assert_eq!(peer(&lab.get(&["http://10.0.0.1/"])), "10.2.0.100");
        assert_eq!(peer(&lab.get(&["http://[fd00::1]/"])), "fd00:2::100");
        assert_eq!(peer(&lab.udp("10.0.0.1", 7, "hello")), "10.2.0.100");
        assert_eq!(peer(&lab.udp("fd00::1", 7, "hello")), "fd00:2::100");
    }
    assert_eq!(lab.counter("rule_services_made"), 4);
    assert_eq!(lab.counter("sessions_created"), 12);
    assert_eq!(native(&lab), 0, "{}", read(&lab, "stats"));
    let services = read(&lab, "services");
    assert_eq!(services.lines().count(), 4, "{services}");
    let lines = services.lines();
    assert!(
        lines.clone().all(|line| line.ends_with(" sessions 3 rule")),
        "{services}"
    );
    let rules = read(&lab, "rules");
    assert_eq!(
        rules,
        "10.0.0.0/24 * * * default services 2\nfd00::/64 * * * default services 2\n"
    );
}

/// Connects twice to each port from the first one on, all at once, and prints the
/// answers.
const BURST: &str = r"
import socket, sys, threading
lock = threading.Lock()
first, ports = map(int, sys.argv[1:])
barrier = threading.Barrier(2 * ports)
def ask(port):
    barrier.wait()
    s = socket.create_connection(('10.0.0.1', port), timeout=120)
    s.sendall(b'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    text = b''
    while data := s.recv(1000):
        text += data
    with lock:
        print(text.decode().split('\r\n\r\n')[1].strip(), flush=True)
threads = [threading.Thread(target=ask, args=(first + n // 2,)) for n in range(2 * ports)]
for t in threads: t.start()
for t in threads: t.join()
";

#[test]
fn connections_that_begin_at_once_to_services_that_nobody_knows_are_full_nat() {
    let lab = Lab::new();
    begin(&lab, RULES);
    for port in 2000..2020 {
        ipvsadm(&lab, &format!("-A -t 10.0.0.1:{port} -s rr"));
        ipvsadm(&lab, &format!("-a -t 10.0.0.1:{port} -r 10.2.0.2:8080 -m"));
        ipvsadm(&lab, &format!("-a -t 10.0.0.1:{port} -r 10.2.0.3:8080 -m"));
    }
    let words = ["/usr/bin/python3", "-ISc", BURST, "2000", "20"];
    let answers = lab.exec("client", &words);
    assert_eq!(answers.lines().count(), 40, "{answers}");
    for line in answers.lines() {
        assert_eq!(peer(line), "10.2.0.100");
    }
    assert_eq!(lab.counter("rule_services_made"), 20);
    assert_eq!(native(&lab), 0, "{}", read(&lab, "stats"));
    balanced(&lab);
}

#[test]
fn conntrack_stays_empty() {
    let lab = Lab::new();
    begin(&lab, RULES);
    lab.exec("director", &["nft", "add table ip t"]);
    for hook in ["prerouting", "forward", "output", "postrouting"] {
        let chain = format!("add chain ip t {hook} {{ type filter hook {hook} priority 0; }}");
        lab.exec("director", &["nft", &chain]);
        let rule = format!("add rule ip t {hook} ct state new counter");
        lab.exec("director", &["nft", &rule]);
    }
    let tracked = || lab.exec("director", &["cat", "/proc/net/nf_conntrack"]);
    // Conntrack does look at packets: this one is tracked.
    lab.exec("client", &["ping", "-c", "1", "-W", "5", "10.1.0.1"]);
    assert!(
        tracked().contains("icmp"),
        "conntrack is off: the test proves nothing"
    );
    add_web(&lab);
    for _ in 0..4 {
        assert_eq!(peer(&lab.get(&["http://10.0.0.1/"])), "10.2.0.100");
    }
    assert!(!tracked().contains("tcp"), "{}", tracked());
}

#[test]
fn packets_without_an_ipvs_service_pass_unchanged_and_create_nothing() {
    let mut lab = Lab::new();
    begin(&lab, RULES);
    add_web(&lab);
    // Listens at the VIP itself, as sshd would.
    let server = "import socket\n\
        s = socket.create_server(('10.0.0.1', 22))\n\
        print('listens', flush=True)\n\
        while True:\n    \
            c, peer = s.accept()\n    \
            c.sendall(c.recv(100) + peer[0].encode())\n    \
            c.close()\n";
    lab.start("director", &["/usr/bin/python3", "-ISc", server], "listens");
    let ask = "import socket\n\
        s = socket.create_connection(('10.0.0.1', 22), timeout=120)\n\
        s.sendall(b'hello ')\n\
        print(s.recv(100).decode())\n";
    let scan = "import socket\n\
        open = []\n\
        for port in range(1, 1001):\n    \
            s = socket.socket()\n    \
            s.settimeout(120)\n    \
            if s.connect_ex(('10.0.0.1', port)) == 0: open.append(port)\n    \
            s.close()\n    \
            u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n    \
            u.sendto(b'x', ('10.0.0.2', port))\n    \
            u.close()\n\
        print(open)\n";
    let answer = lab.exec("client", &["/usr/bin/python3", "-ISc", ask]);
    assert_eq!(answer, "hello 10.1.0.2\n");
    let open = lab.exec("client", &["/usr/bin/python3", "-ISc", scan]);
    assert_eq!(open, "[22, 80]\n");
    assert_eq!(lab.counter("rule_services_made"), 1, "of port 80");
    assert_eq!(read(&lab, "services").lines().count(), 1);
    let answer = lab.exec("client", &["/usr/bin/python3", "-ISc", ask]);
    assert_eq!(answer, "hello 10.1.0.2\n");
}

#[test]
fn servers_come_and_go_while_traffic_runs() {
    let lab = Lab::new();
    begin(&lab, RULES);
    ipvsadm(&lab, "-A -t 10.0.0.1:80 -s rr");
    ipvsadm(&lab, "-a -t 10.0.0.1:80 -r 10.2.0.2:8080 -m");
    let mut one = Talk::new(&lab, "tcp", WEB);
    let before = one.ask();
    assert_eq!((&*before.server, &*before.peer), ("server1", "10.2.0.100"));
    ipvsadm(&lab, "-a -t 10.0.0.1:80 -r 10.2.0.3:8080 -m");
    let mut two = Talk::new(&lab, "tcp", WEB);
    assert_eq!(two.ask().server, "server2");
    ipvsadm(&lab, "-e -t 10.0.0.1:80 -r 10.2.0.2:8080 -m -w 0");
    for _ in 0..3 {
        let answer = answer(&lab.get(&["http://10.0.0.1/"]));
        assert_eq!((&*answer.server, &*answer.peer), ("server2", "10.2.0.100"));
        assert_eq!(one.ask(), before);
    }
    ipvsadm(&lab, "-d -t 10.0.0.1:80 -r 10.2.0.3:8080");
    ipvsadm(&lab, "-e -t 10.0.0.1:80 -r 10.2.0.2:8080 -m -w 1");
    assert_eq!(answer(&lab.get(&["http://10.0.0.1/"])).server, "server1");
    assert_eq!(one.ask(), before);
    assert_eq!(native(&lab), 0, "{}", read(&lab, "stats"));
    balanced(&lab);
}

#[test]
fn a_service_that_was_deleted_and_made_again_is_full_nat_at_once() {
    let lab = Lab::new();
    begin(&lab, RULES);
    for _ in 0..3 {
        add_web(&lab);
        assert_eq!(peer(&lab.get(&["http://10.0.0.1/"])), "10.2.0.100");
        ipvsadm(&lab, "-D -t 10.0.0.1:80");
        let words = ["curl", "-sS", "--max-time", "120", "http://10.0.0.1/"];
        let refused = lab.try_exec("client", &words);
        assert_eq!(refused.status.code(), Some(7), "the host refuses it");
    }
    assert_eq!(native(&lab), 0, "{}", read(&lab, "stats"));
    balanced(&lab);
}

#[test]
fn a_port_that_is_used_again_at_once_is_full_nat_in_either_conn_reuse_mode() {
    let lab = Lab::new();
    begin(&lab, RULES);
    add_web(&lab);
    for mode in ["0", "1"] {
        sysctl(&lab, &format!("net.ipv4.vs.conn_reuse_mode={mode}"));
        let answers = requests_from_one_port(&lab, 6);
        assert!(
            answers.iter().all(|answer| answer.peer == "10.2.0.100"),
            "{answers:?}"
        );
        assert_eq!(balanced(&lab), 1);
    }
    assert_eq!(native(&lab), 0, "{}", read(&lab, "stats"));
}

#[test]
fn with_expire_nodest_conn_the_next_packet_is_full_nat_to_another_server() {
    let lab = Lab::new();
    begin(&lab, RULES);
    sysctl(&lab, "net.ipv4.vs.expire_nodest_conn=1");
    ipvsadm(&lab, "-A -u 10.0.0.1:7 -s rr");
    ipvsadm(&lab, "-a -u 10.0.0.1:7 -r 10.2.0.2:7 -m");
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    assert_eq!(talk.ask().server, "server1");
    ipvsadm(&lab, "-a -u 10.0.0.1:7 -r 10.2.0.3:7 -m");
    ipvsadm(&lab, "-d -u 10.0.0.1:7 -r 10.2.0.2:7");
    let answer = talk.ask();
    assert_eq!((&*answer.server, &*answer.peer), ("server2", "10.2.0.100"));
    // A new connection from the same port leaves a server of weight 0.
    add_web(&lab);
    sysctl(&lab, "net.ipv4.vs.conn_reuse_mode=0");
    let before = requests_from_one_port(&lab, 1).remove(0);
    let drained = if before.server == "server1" {
        "10.2.0.2"
    } else {
        "10.2.0.3"
    };
    ipvsadm(
        &lab,
        &format!("-e -t 10.0.0.1:80 -r {drained}:8080 -m -w 0"),
    );
    let after = requests_from_one_port(&lab, 1).remove(0);
    assert_ne!(after.server, before.server);
    assert_eq!(after.peer, "10.2.0.100");
    assert_eq!(native(&lab), 0, "{}", read(&lab, "stats"));
    balanced(&lab);
}

#[test]
fn services_by_mark_and_of_every_port_are_full_nat_by_the_packets_own_vip_and_port() {
    let lab = Lab::new();
    begin(&lab, RULES);
    // This comes before the hook of the module.
    let mark = "nft -f - <<'END'\n\
        table ip marks {\n\
        chain early { type filter hook prerouting priority -450; ip daddr 10.0.0.9 meta mark set 7; }\n\
        }\nEND\n";
    lab.exec("director", &["sh", "-ec", mark]);
    ipvsadm(&lab, "-A -f 7 -s rr");
    ipvsadm(&lab, "-a -f 7 -r 10.2.0.2:8080 -m");
    ipvsadm(&lab, "-A -t 10.0.0.1:0 -s rr -p 300");
    ipvsadm(&lab, "-a -t 10.0.0.1:0 -r 10.2.0.3:0 -m");
    for port in [80, 81, 81] {
        let answer = answer(&lab.get(&[&format!("http://10.0.0.9:{port}/")]));
        assert_eq!((&*answer.server, &*answer.peer), ("server1", "10.2.0.100"));
    }
    for _ in 0..2 {
        let answer = answer(&lab.get(&["http://10.0.0.1:8080/"]));
        assert_eq!((&*answer.server, &*answer.peer), ("server2", "10.2.0.100"));
    }
    assert_eq!(lab.counter("rule_services_made"), 3);
    let sessions = lab.sessions();
    assert_eq!(sessions.len(), 5, "the template is none: {sessions:?}");
}

#[test]
fn a_listed_service_may_be_where_a_rule_is_and_comes_back_to_it() {
    let lab = Lab::new();
    begin(&lab, RULES);
    add_web(&lab);
    write(
        &lab,
        "director",
        "local_ips",
        "+ other 10.2.0.1 1024-65535\n",
    );
    lab.get(&["http://10.0.0.1/"]);
    write(&lab, "director", "services", "+ tcp 10.0.0.1:80 other\n");
    assert_eq!(read(&lab, "services"), "tcp 10.0.0.1:80 other sessions 1\n");
    assert_eq!(peer(&lab.get(&["http://10.0.0.1/"])), "10.2.0.1");
    write(&lab, "director", "services", "- tcp 10.0.0.1:80\n");
    assert_eq!(peer(&lab.get(&["http://10.0.0.1/"])), "10.2.0.100");
    assert_eq!(
        read(&lab, "services"),
        "tcp 10.0.0.1:80 default sessions 3 rule\n"
    );
    // The contents of the pool move to another one, which no rule uses yet.
    write(&lab, "director", "services", "= default new ipv4\n");
    assert_eq!(
        read(&lab, "services"),
        "tcp 10.0.0.1:80 new sessions 3 rule\n"
    );
    assert!(read(&lab, "rules").starts_with("10.0.0.0/24 * * * new services 1\n"));
    assert_eq!(peer(&lab.get(&["http://10.0.0.1/"])), "10.2.0.100");
    balanced(&lab);
}
