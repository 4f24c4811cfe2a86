// SPDX-License-Identifier: GPL-2.0-only
//! Hosts as found in the field. Full NAT works no matter what other programs do to
//! interfaces, and how packets come in.

mod devices;
mod links;
mod routing;

use std::process::Command;

use crate::attached::detach_program;
use crate::fast_path::{fast, fast_packets, slow};
use crate::full_nat::FILE;
use crate::ipv6;
use crate::lab::{Lab, eventually, run, success};
use crate::talk::{Talk, answer};
use crate::upheaval::AtEnd;

const LOCAL_IP: &str = "10.2.0.100";

fn script(lab: &Lab, host: &str, script: &str) {
    lab.exec(host, &["sh", "-ec", script]);
}

/// Checks a request, a datagram and a download. Servers must see the local IP.
fn works(lab: &Lab) {
    works_from(lab, LOCAL_IP);
}

/// The same with another local IP.
fn works_from(lab: &Lab, local_ip: &str) {
    assert_eq!(answer(&lab.get(&["http://10.0.0.1/"])).peer, local_ip);
    let mut talk = Talk::new(lab, "udp", ("10.0.0.1", 7));
    assert_eq!(talk.ask().peer, local_ip);
    let count = "curl -sS --fail --max-time 60 http://10.0.0.1/bytes/1000000 | wc -c";
    let size = lab.exec("client", &["sh", "-c", count]);
    assert_eq!(size.trim(), "1000000");
}

/// Adds another interface of the director in the servers' network.
fn second_way(lab: &Lab) {
    let (switch, director) = (lab.namespace("switch"), lab.namespace("director"));
    let link = format!(
        "ip -n {switch} link add second type veth peer name eth2 netns {director}\n\
         ip -n {switch} link set second master switch up\n\
         ip -n {director} link set eth2 up"
    );
    run(Command::new("sh").args(["-ec", &link]));
}

#[test]
fn full_nat_works_without_interfaces_and_the_plan_says_what_that_costs() {
    let lab = Lab::new();
    let file = FILE.replace(r#"interfaces = ["eth0", "eth1"]"#, "");
    let output = lab.with_file(&["apply"], &file);
    success(&output);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("no fast path"), "{words}");
    works(&lab);
    assert_eq!(lab.counter("fast_packets_original"), 0);
    assert_eq!(lab.apply(&file), "nothing to do\n");
    // Adds and removes them again during a connection.
    let mut talk = Talk::new(&lab, "tcp", ("10.0.0.1", 80));
    talk.ask();
    for file in [FILE, &file] {
        lab.apply(file);
        talk.ask();
        works(&lab);
    }
}

#[test]
fn a_program_that_is_detached_by_hand_costs_only_speed() {
    let lab = Lab::new();
    lab.apply(FILE);
    let mut talk = Talk::new(&lab, "tcp", ("10.0.0.1", 80));
    assert_eq!(talk.ask().peer, LOCAL_IP);
    for interface in ["eth0", "eth1"] {
        detach_program(&lab, interface);
        assert_eq!(talk.ask().peer, LOCAL_IP);
        works(&lab);
    }
    assert_eq!(lab.with_file(&["plan"], FILE).status.code(), Some(2));
    lab.apply(FILE);
    works(&lab);
}

#[test]
fn a_class_id_that_another_program_sets_harms_neither_its_packets_nor_ours() {
    let lab = Lab::new();
    // libvirt and wondershaper do this.
    let police = "tc qdisc add dev $d handle ffff: ingress\n\
                  tc filter add dev $d parent ffff: protocol all u32 match u32 0 0 \
                  police rate 1gbit burst 10m mtu 64kb drop flowid :1";
    script(
        &lab,
        "director",
        &format!("for d in eth0 eth1; do {police}; done"),
    );
    lab.apply(FILE);
    works(&lab);
    // The host's own TCP.
    lab.exec(
        "director",
        &["curl", "-sS", "--max-time", "20", "http://10.2.0.2:8080/"],
    );
}

#[test]
fn answers_may_come_in_at_an_interface_that_the_file_does_not_list() {
    let lab = Lab::new();
    second_way(&lab);
    script(
        &lab,
        "director",
        "ip addr del 10.2.0.100/24 dev eth1\n\
         ip addr add 10.2.0.100/32 dev eth2\n\
         sysctl -qw net.ipv4.conf.all.arp_ignore=1",
    );
    for host in ["server1", "server2"] {
        script(&lab, host, "ip neigh flush all");
    }
    lab.apply(FILE);
    works(&lab);
    // The route to the servers moves to it too.
    let mut talk = Talk::new(&lab, "tcp", ("10.0.0.1", 80));
    talk.ask();
    script(&lab, "director", "ip route replace 10.2.0.0/24 dev eth2");
    assert_eq!(talk.ask().peer, LOCAL_IP);
    works(&lab);
}

#[test]
fn frames_with_a_priority_tag_are_untagged_frames() {
    let lab = Lab::new();
    lab.apply(FILE);
    for host in ["server1", "server2"] {
        script(
            &lab,
            host,
            "tc qdisc add dev eth0 clsact\n\
             tc filter add dev eth0 egress protocol ip matchall action vlan push id 0 priority 5",
        );
    }
    works(&lab);
}

/// Docker and kubeadm load br_netfilter.
#[test]
fn br_netfilter_sees_packets_of_full_nat_before_the_bridge() {
    let lab = Lab::alone();
    // `modprobe -r` also removes `bridge`, and with it the switches of other tests.
    let _unloaded = AtEnd("rmmod br_netfilter".to_owned());
    run(Command::new("modprobe").arg("br_netfilter"));
    script(
        &lab,
        "director",
        "ip link add br1 type bridge forward_delay 0\n\
         ip link set br1 address $(cat /sys/class/net/eth1/address) up\n\
         ip addr flush dev eth1\n\
         ip link set eth1 master br1\n\
         ip addr add 10.2.0.1/24 dev br1\n\
         ip addr add 10.2.0.100/24 dev br1",
    );
    lab.apply(&FILE.replace(r#""eth1""#, r#""br1""#));
    for on in ["1", "0"] {
        let key = format!("net.bridge.bridge-nf-call-iptables={on}");
        lab.exec("director", &["sysctl", "-qw", &key]);
        works(&lab);
    }
}

/// One interface, and one address that is VIP and local IP. Clients and servers are on
/// the same link, and each host is also a client.
#[test]
fn a_director_may_have_one_address_for_everything() {
    let mut lab = Lab::new();
    script(
        &lab,
        "director",
        "ip link set eth0 down\nip addr del 10.2.0.100/24 dev eth1",
    );
    let file = FILE
        .replace(r#""eth0", "#, "")
        .replace("\"10.2.0.100\"]", "\"10.2.0.1\"]\nports = \"10000-65535\"")
        .replace("10.0.0.1:", "10.2.0.1:");
    lab.apply(&file);
    lab.start("director", &["lab/net/server.py", "director"], "ready");
    for host in ["server1", "server2", "director"] {
        for _ in 0..5 {
            let get = [
                "curl",
                "-sS",
                "--fail",
                "--max-time",
                "60",
                "http://10.2.0.1/",
            ];
            assert_eq!(answer(&lab.exec(host, &get)).peer, "10.2.0.1");
        }
    }
    let mut talk = Talk::from(&lab, "server1", "udp", ("10.2.0.2", 0), ("10.2.0.1", 7));
    for _ in 0..5 {
        assert_eq!(talk.ask().peer, "10.2.0.1");
    }
    // The director's own ports and connections do not change.
    for (host, url) in [
        ("server1", "http://10.2.0.1:8080/"),
        ("director", "http://10.2.0.2:8080/"),
    ] {
        lab.exec(host, &["curl", "-sS", "--fail", "--max-time", "60", url]);
    }
}

/// Puts the director's interfaces and virtual addresses into a VRF.
fn enter_vrf(lab: &Lab) {
    script(
        lab,
        "director",
        "sysctl -qw net.ipv6.conf.all.keep_addr_on_down=1\n\
         ip link add red type vrf table 10\n\
         ip link set red up\n\
         for i in eth0 eth1; do ip link set $i master red; done\n\
         for vip in 10.0.0.1/32 fd00::1/128; do\n\
             ip addr del $vip dev lo\n\
             ip addr add $vip dev red\n\
         done",
    );
}

#[test]
fn a_director_may_be_in_a_vrf() {
    let lab = Lab::new();
    enter_vrf(&lab);
    lab.apply(FILE);
    works(&lab);
    let healthy = lab.with_file(&["doctor"], FILE);
    assert!(healthy.status.success(), "{healthy:?}");
    lab.apply(ipv6::FILE);
    for (url, local_ip) in [
        ("http://10.0.0.1/", LOCAL_IP),
        ("http://[fd00::1]/", "fd00:2::100"),
    ] {
        assert_eq!(answer(&lab.get(&[url])).peer, local_ip);
        // A client of the VRF on the director.
        let curl = ["curl", "-sS", "--fail", "--max-time", "60"];
        let words = [&curl[..], &["--interface", "red", url]].concat();
        assert_eq!(answer(&lab.exec("director", &words)).peer, local_ip);
    }
}

/// They never come in where the program runs. Only on the way to an address of another host
/// have they a device.
#[test]
fn packets_of_a_client_in_a_vrf_of_the_director_get_no_lease() {
    let lab = Lab::new();
    enter_vrf(&lab);
    lab.apply(&fast());
    script(
        &lab,
        "director",
        "ip addr del 10.0.0.1/32 dev red\n\
         ip route add 10.0.0.1 via 10.1.0.2 table 10",
    );
    let client = "import socket\n\
                  s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
                  s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'red')\n\
                  s.settimeout(120)\n\
                  s.connect(('10.0.0.1', 7))\n\
                  for _ in range(9):\n s.send(b'x')\n s.recv(100)\n\
                  print(open('/proc/net/ip_vs_bpf/sessions').read())";
    let session = lab.exec("director", &["python3", "-c", client]);
    let fast = session.split_whitespace().nth(5).expect("a session");
    assert_eq!(fast, "-", "{session}");
}

/// The band of a prio qdisc at eth1 by whose first class packets of priority 6,
/// TC_PRIO_INTERACTIVE, leave.
const BANDS: &str = "tc qdisc add dev eth1 root handle 1: prio";

/// The packets that have left by it.
fn interactive(lab: &Lab) -> u32 {
    let bands = lab.exec("director", &["tc", "-s", "class", "show", "dev", "eth1"]);
    let (_, band) = bands.split_once("class prio 1:1 ").expect("a band");
    // "Sent 2920 bytes 40 pkt (…"
    let mut packets = band.split_whitespace().skip_while(|word| *word != "bytes");
    packets.nth(1).unwrap().parse().unwrap()
}

/// The module reads the setting, the program does not.
#[test]
fn packets_keep_their_priority_where_forwarded_ones_do() {
    let lab = Lab::new();
    lab.apply(&slow());
    script(
        &lab,
        "director",
        &format!(
            "{BANDS}\n\
             sysctl -qw net.ipv4.ip_forward_update_priority=0\n\
             tc qdisc replace dev eth0 clsact\n\
             tc filter add dev eth0 ingress matchall action skbedit priority 6"
        ),
    );
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    for _ in 0..20 {
        talk.ask();
    }
    assert!(interactive(&lab) >= 20);
}

/// Sends 40 datagrams with that type of service, most of which take the fast path.
fn ask_fast(lab: &Lab, tos: u8) {
    let asks = format!(
        "import socket\n\
         s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, {tos})\n\
         s.settimeout(120)\n\
         s.connect(('10.0.0.1', 7))\n\
         for _ in range(40):\n s.send(b'x')\n s.recv(100)"
    );
    lab.exec("client", &["python3", "-c", &asks]);
    eventually("most take the fast path", || fast_packets(lab)[0] >= 30);
    assert!(fast_packets(lab)[0] < 40, "the first do not");
}

#[test]
fn packets_have_the_priority_of_their_type_of_service() {
    let lab = Lab::new();
    lab.apply(&fast());
    script(&lab, "director", BANDS);
    ask_fast(&lab, 0x10);
    assert!(interactive(&lab) >= 40);
}

/// A priority that a packet has when it comes in gives way, also to that of no type of
/// service, which is 0.
#[test]
fn packets_lose_the_priority_that_they_come_in_with() {
    let lab = Lab::new();
    // Where there is a filter, the program is one too, after it.
    script(
        &lab,
        "director",
        &format!(
            "{BANDS}\n\
             tc qdisc add dev eth0 clsact\n\
             tc filter add dev eth0 ingress pref 1 matchall action skbedit priority 6 continue"
        ),
    );
    lab.apply(&fast());
    ask_fast(&lab, 0);
    let raised = interactive(&lab);
    assert!(raised < 20, "{raised}");
}
