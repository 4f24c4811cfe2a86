// SPDX-License-Identifier: GPL-2.0-only
//! Full NAT together with other IPVS applications, conntrack and firewalls, other tools'
//! tc filters, and VLANs.

use std::process::Command;

use crate::balance::balanced;
use crate::fragments::track;
use crate::full_nat::FILE;
use crate::lab::{Lab, eventually, run, success};
use crate::talk::{Talk, answer};

/// Runs shell commands on a host.
fn script(lab: &Lab, host: &str, lines: &str) {
    lab.exec(host, &["sh", "-ec", lines]);
}

/// Checks short and long connections, and datagrams with one or many fragments.
pub fn everything_works(lab: &Lab) {
    for _ in 0..2 {
        assert!(lab.get(&["http://10.0.0.1/"]).contains(" 10.2.0."));
        assert!(lab.udp("10.0.0.1", 7, "hello").contains(" 10.2.0."));
    }
    let large = lab.udp("10.0.0.1", 7, &"x".repeat(4000));
    assert!(large.contains(" 4000 "), "{large}");
    let sum = "curl -sS --fail --max-time 300 http://10.0.0.1/bytes/1000000 | sha256sum";
    let got = lab.exec("client", &["sh", "-c", sum]);
    let sent = sum.replace("10.0.0.1", "10.2.0.2:8080");
    assert_eq!(got, lab.exec("server1", &["sh", "-c", &sent]));
}

/// Transfers one file over FTP in passive mode. The server sends the address of the
/// second connection as text.
const FTP_SERVER: &str = r"
import socket
listener = socket.create_server(('', 21))
print('ready', flush=True)
while True:
    control, peer = listener.accept()
    control.sendall(b'220 hello\r\n')
    for line in control.makefile():
        word = line.split()[0].upper()
        if word == 'PASV':
            data = socket.create_server(('', 0))
            host, port = control.getsockname()[0].replace('.', ','), data.getsockname()[1]
            control.sendall(f'227 Entering Passive Mode ({host},{port >> 8},{port & 255}).\r\n'.encode())
        elif word == 'RETR':
            control.sendall(b'150 coming\r\n')
            connection, _ = data.accept()
            connection.sendall(b'a file\n')
            connection.close()
            control.sendall(b'226 done\r\n')
        elif word == 'QUIT':
            control.sendall(b'221 bye\r\n')
        else:
            control.sendall(b'230 good\r\n')
";

#[test]
fn ip_vs_ftp_serves_its_own_service_next_to_ours() {
    let mut lab = Lab::new();
    run(Command::new("modprobe").arg("ip_vs_ftp"));
    lab.apply(&format!(
        r#"{FILE}
[[service]]
address = "tcp://10.0.0.9:21"
scheduler = "rr"
  [[service.server]]
  address = "10.2.0.2:21"
"#
    ));
    script(&lab, "server1", "ip route add default via 10.2.0.1");
    lab.start(
        "server1",
        &["/usr/bin/python3", "-ISc", FTP_SERVER],
        "ready",
    );
    let client = "import ftplib, sys\n\
        f = ftplib.FTP('10.0.0.9', timeout=120)\n\
        f.trust_server_pasv_ipv4_address = True\n\
        f.login()\n\
        f.retrlines('RETR x')\n\
        f.quit()";
    let text = lab.exec("client", &["/usr/bin/python3", "-ISc", client]);
    assert_eq!(text, "a file\n");
    everything_works(&lab);
    // Conntrack tracks the FTP connections, but no full-NAT connection.
    let tracked = lab.exec("director", &["cat", "/proc/net/nf_conntrack"]);
    assert!(tracked.contains("dport=21 "), "{tracked}");
    assert!(!tracked.contains("10.0.0.1"), "{tracked}");
    balanced(&lab);
}

#[test]
fn rules_that_drop_what_conntrack_calls_invalid_find_nothing() {
    let lab = Lab::new();
    lab.apply(FILE);
    let mut rules = "nft add table ip t\n".to_owned();
    for (hook, priority) in [
        ("prerouting", -150),
        ("input", 0),
        ("forward", 0),
        ("output", 0),
        ("postrouting", 150),
    ] {
        rules += &format!(
            "nft 'add chain ip t {hook} {{ type filter hook {hook} priority {priority}; }}'\n\
             nft 'add rule ip t {hook} ct state invalid counter drop'\n"
        );
    }
    script(&lab, "director", &rules);
    everything_works(&lab);
    // The director's own client. Its packets do pass OUTPUT and INPUT.
    for source in ["10.0.0.1", "10.1.0.1"] {
        let get = ["curl", "-sS", "--fail", "--max-time", "120"];
        let words = [&get[..], &["--interface", source, "http://10.0.0.1/"]].concat();
        assert_eq!(answer(&lab.exec("director", &words)).peer, "10.2.0.100");
    }
    let rules = lab.exec("director", &["nft", "list", "table", "ip", "t"]);
    assert_eq!(
        rules.matches("counter packets 0 bytes 0").count(),
        5,
        "{rules}"
    );
}

/// Sends a segment without a SYN from a source that has no connection, and waits until the
/// director has answered it with a RST.
fn stray_segment(lab: &Lab, source: &str) {
    let sent = || lab.exec("director", &["nstat", "-asz", "TcpOutRsts"]);
    let before = sent();
    let from = format!("{source}:5000");
    let words = ["first", &from, "10.0.0.1:80", "tcp-ack", "1"];
    lab.exec("client", &[&["lab/net/packets.py"], &words[..]].concat());
    eventually("the director answers", || sent() != before);
}

#[test]
fn conntrack_sees_segments_without_a_connection_and_keeps_none_of_them() {
    let lab = Lab::new();
    lab.apply(FILE);
    let route = ["ip", "route", "add", "198.18.0.0/15", "via", "10.1.0.2"];
    lab.exec("director", &route);
    let tracked = track(&lab);
    let knows = |source: &str| tracked().contains(&format!("src={source} dst=10.0.0.1 "));
    stray_segment(&lab, "198.18.0.1");
    assert!(!knows("198.18.0.1"));
    // The RST ended the entry: without one there is an entry, unless conntrack is strict.
    script(
        &lab,
        "director",
        "nft 'add chain inet t rst { type filter hook output priority -300; }'
nft 'add rule inet t rst tcp flags rst drop'",
    );
    stray_segment(&lab, "198.18.0.2");
    assert!(knows("198.18.0.2"));
    let strict = "sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0";
    script(&lab, "director", strict);
    stray_segment(&lab, "198.18.0.3");
    assert!(!knows("198.18.0.3"));
}

/// Counts the packets of the web service and its servers at each hook.
const WATCH: &str = "\
nft -f - <<'END'
table ip watch {
	chain early { type filter hook prerouting priority -450; tcp dport 80 counter; tcp sport 8080 counter; }
	chain raw { type filter hook prerouting priority raw; tcp dport 80 counter drop; tcp sport 8080 counter drop; }
	chain input { type filter hook input priority filter; policy drop; tcp dport 80 counter; tcp sport 8080 counter; }
	chain forward { type filter hook forward priority filter; policy drop; tcp dport 8080 counter; tcp sport 8080 counter; }
	chain output { type filter hook output priority filter; tcp dport 8080 counter; tcp sport 80 counter; }
	chain postrouting { type filter hook postrouting priority filter; tcp dport 8080 counter drop; tcp sport 80 counter drop; }
}
table netdev watch {
	chain client { type filter hook ingress device eth0 priority 0; tcp dport 80 counter; }
	chain server { type filter hook ingress device eth1 priority 0; tcp sport 8080 counter; }
}
END
";

#[test]
fn firewall_rules_see_full_nat_at_the_interfaces_and_before_priority_399_alone() {
    let lab = Lab::new();
    lab.apply(FILE);
    script(&lab, "director", WATCH);
    for _ in 0..4 {
        lab.get(&["http://10.0.0.1/"]);
    }
    let rules = lab.exec("director", &["nft", "list", "ruleset"]);
    let mut chain = "";
    let mut seen = Vec::new();
    for line in rules.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["chain", name, ..] = words[..] {
            chain = name;
        }
        if line.contains("counter packets") && !line.contains("counter packets 0 ") {
            seen.push(chain);
        }
    }
    seen.sort();
    assert_eq!(seen, ["client", "early", "early", "server"], "{rules}");
}

#[test]
fn a_rule_before_priority_399_can_refuse_clients() {
    let lab = Lab::new();
    lab.apply(FILE);
    script(
        &lab,
        "director",
        "nft add table ip t\n\
         nft 'add chain ip t early { type filter hook prerouting priority -450; }'\n\
         nft 'add rule ip t early ip saddr 10.1.0.3 tcp dport 80 drop'\n",
    );
    lab.get(&["--interface", "10.1.0.2", "http://10.0.0.1/"]);
    let refused = ["curl", "-sS", "--max-time", "2", "--interface", "10.1.0.3"];
    let refused = lab.try_exec("client", &[&refused[..], &["http://10.0.0.1/"]].concat());
    assert_eq!(refused.status.code(), Some(28), "{refused:?}");
    assert_eq!(balanced(&lab), 1);
}

/// Filters of every common kind before ours, and one after.
const FOREIGN: &str = "\
for device in eth0 eth1; do
	tc qdisc add dev $device clsact
	for hook in ingress egress; do
		tc filter add dev $device $hook prio 1 protocol all matchall action continue
		tc filter add dev $device $hook prio 2 protocol ip u32 match ip protocol 6 0xff action continue
		tc filter add dev $device $hook prio 3 protocol all bpf bytecode '1,6 0 0 0'
		tc filter add dev $device $hook prio 60000 protocol all matchall action ok
	done
done
";

/// The filters that are not ours, without their counters.
fn foreign(lab: &Lab) -> String {
    let show = "for d in eth0 eth1; do tc qdisc show dev $d; for h in ingress egress; do \
                tc filter show dev $d $h; done; done";
    let text = lab.exec("director", &["sh", "-c", show]);
    let lines = text.lines().filter(|line| !line.contains("ipvs_"));
    // Ours also has a line with only its priority. The kernel put it just before the last
    // one.
    lines
        .filter(|line| !line.contains("pref 59999"))
        .map(|line| line.to_owned() + "\n")
        .collect()
}

#[test]
fn other_tools_filters_before_and_after_ours_stay_and_work() {
    let lab = Lab::new();
    script(&lab, "director", FOREIGN);
    let before = foreign(&lab);
    assert_eq!(before.matches("bytecode").count(), 4, "{before}");
    lab.apply(FILE);
    assert_eq!(foreign(&lab), before);
    everything_works(&lab);
    assert_eq!(lab.apply(FILE), "nothing to do\n");
    // Programs that another tool removed are attached again, next to the others.
    let ours = "for d in eth0 eth1; do tc filter del dev $d ingress pref 59999; done";
    script(&lab, "director", ours);
    lab.apply(FILE);
    everything_works(&lab);
    success(&lab.ipvs_bpf(&["down"]));
    assert_eq!(foreign(&lab), before);
    let show = lab.exec(
        "director",
        &["tc", "filter", "show", "dev", "eth1", "ingress"],
    );
    assert!(!show.contains("ipvs_"), "{show}");
}

#[test]
fn an_ingress_qdisc_of_another_program_carries_ours_and_stays() {
    let lab = Lab::new();
    script(&lab, "director", "tc qdisc add dev eth1 ingress");
    lab.apply(FILE);
    everything_works(&lab);
    assert_eq!(lab.apply(FILE), "nothing to do\n");
    success(&lab.ipvs_bpf(&["down"]));
    let qdiscs = lab.exec("director", &["tc", "qdisc", "show", "dev", "eth1"]);
    assert!(qdiscs.contains("qdisc ingress"), "{qdiscs}");
    let words = ["tc", "filter", "show", "dev", "eth1", "ingress"];
    assert_eq!(lab.exec("director", &words), "");
}

/// VLAN 10 to the client and VLAN 20 to the first server.
const VLANS: &str = "\
ip -n $P\"client\" link add link eth0 name eth0.10 type vlan id 10
ip -n $P\"client\" addr add 10.5.0.2/24 dev eth0.10
ip -n $P\"client\" link set eth0.10 up
ip -n $P\"client\" route add 10.0.0.1 via 10.5.0.1
ip -n $P\"director\" link add link eth0 name eth0.10 type vlan id 10
ip -n $P\"director\" addr add 10.5.0.1/24 dev eth0.10
ip -n $P\"director\" link set eth0.10 up
ip -n $P\"director\" link add link eth1 name eth1.20 type vlan id 20
ip -n $P\"director\" addr add 10.6.0.1/24 dev eth1.20
ip -n $P\"director\" addr add 10.6.0.100/24 dev eth1.20
ip -n $P\"director\" link set eth1.20 up
ip -n $P\"server1\" link add link eth0 name eth0.20 type vlan id 20
ip -n $P\"server1\" addr add 10.6.0.2/24 dev eth0.20
ip -n $P\"server1\" link set eth0.20 up
";

fn over_vlans(interfaces: &str) {
    let lab = Lab::new();
    let prefix = lab.namespace("");
    run(Command::new("sh").args(["-ec", VLANS]).env("P", prefix));
    let file = FILE
        .replace(r#"["eth0", "eth1"]"#, interfaces)
        .replace("  [[service.server]]\n  address = \"10.2.0.3:8080\"\n", "")
        .replace("  [[service.server]]\n  address = \"10.2.0.3:7\"\n", "")
        .replace("10.2.0.2", "10.6.0.2")
        .replace("10.2.0.100", "10.6.0.100");
    lab.apply(&file);
    let first = answer(&lab.get(&["http://10.0.0.1/"]));
    assert_eq!(first.peer, "10.6.0.100");
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    assert_eq!(talk.ask().peer, "10.6.0.100");
    let sum = "curl -sS --fail --max-time 300 http://10.0.0.1/bytes/1000000 | sha256sum";
    let got = lab.exec("client", &["sh", "-c", sum]);
    let sent = sum.replace("10.0.0.1", "10.2.0.2:8080");
    assert_eq!(got, lab.exec("server1", &["sh", "-c", &sent]));
    assert!(lab.sessions().iter().all(|line| line.contains("10.5.0.2:")));
    balanced(&lab);
}

#[test]
fn tagged_vlans_carry_full_nat_on_both_sides() {
    over_vlans(r#"["eth0.10", "eth1.20"]"#);
}

#[test]
fn tagged_vlans_carry_full_nat_with_programs_at_the_interface_below_too() {
    over_vlans(r#"["eth*"]"#);
}
