// SPDX-License-Identifier: GPL-2.0-only
//! Floods of packets that nobody waits for (docs/guides/floods.md). While a flood goes on,
//! 100 established flows and three downloads continue, new clients are served, and the
//! director's shell answers. After it, everybody is served and no session, flow or memory
//! is left.

mod clients;
mod flood;
mod greedy;
mod persistent;

use std::fs;
use std::time::{Duration, Instant};

use crate::balance::flows;
use crate::changes::Load;
use crate::full_nat::FILE;
use crate::lab::{Lab, eventually, success};
use clients::{Established, Service};
use flood::{Flood, first_packets, odd_packets};

const WEB: Service = Service {
    kind: "tcp",
    to: ("10.0.0.1", 80),
    source: ("", 0),
};
const WEB6: Service = Service {
    to: ("fd00::1", 80),
    ..WEB
};
const ECHO: Service = Service {
    kind: "udp",
    to: ("10.0.0.1", 7),
    source: ("10.1.0.2", 6000),
};
const ECHO6: Service = Service {
    kind: "udp",
    to: ("fd00::1", 7),
    source: ("fd00:1::2", 6000),
};
/// SCTP ports are kept, so these clients have ports of the pool.
const SCTP: Service = Service {
    kind: "sctp",
    to: ("10.0.0.1", 3868),
    source: ("10.1.0.2", 6000),
};

/// The ports of the pool. Each service has two servers.
const PORTS: &str = "4000-8999";
const SPACE: u64 = 2 * 5000;

/// Sources that nobody has. Answers to them go to the client, which drops them.
const FORGED: &str = "198.18.0.0/15 1024-65535 1";
const FORGED6: &str = "2001:db8::/32 1024-65535 1";

fn file() -> String {
    let mut file = FILE.replace(
        "addresses = [\"10.2.0.100\"]",
        &format!("addresses = [\"10.2.0.100\", \"fd00:2::100\"]\nports = \"{PORTS}\""),
    );
    for (vip, servers, port) in [
        ("tcp://[fd00::1]:80", ["[fd00:2::2]", "[fd00:2::3]"], 8080),
        ("udp://[fd00::1]:7", ["[fd00:2::2]", "[fd00:2::3]"], 7),
        ("sctp://10.0.0.1:3868", ["10.2.0.2", "10.2.0.3"], 3868),
    ] {
        file +=
            &format!("[[service]]\naddress = \"{vip}\"\nscheduler = \"rr\"\nsnat = \"default\"\n");
        for server in servers {
            file += &format!("[[service.server]]\naddress = \"{server}:{port}\"\n");
        }
    }
    file
}

fn lab() -> Lab {
    // Other tests would use memory too.
    let lab = Lab::alone();
    // No established flow of UDP ends between two of its datagrams.
    lab.timeouts(["36000", "5", "120"]);
    let routes = [
        ["ip", "route", "add", "198.18.0.0/15", "via", "10.1.0.2"],
        ["ip", "route", "add", "2001:db8::/32", "via", "fd00:1::2"],
    ];
    for route in routes {
        lab.exec("director", &route);
    }
    for server in ["server1", "server2"] {
        // Otherwise a server keeps a forged connection half open for a minute.
        lab.exec(server, &["sysctl", "-qw", "net.ipv4.tcp_syncookies=2"]);
    }
    lab.apply(&file());
    lab
}

/// Packets that the director received from clients.
fn received(lab: &Lab) -> u64 {
    let path = "/sys/class/net/eth0/statistics/rx_packets";
    lab.exec("director", &["cat", path]).trim().parse().unwrap()
}

/// Kernel memory for objects, without caches that the kernel gives back, in KiB.
fn slab() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("SUnreclaim:"));
    let words = line.unwrap().split_whitespace().next();
    words.unwrap().parse().unwrap()
}

/// True for a name like `IpReasmFails`.
fn is_of_kernel(name: &str) -> bool {
    name.starts_with(char::is_uppercase)
}

/// A counter of the module, or of the director's kernel.
fn counted(lab: &Lab, name: &str) -> u64 {
    if !is_of_kernel(name) {
        return lab.counter(name);
    }
    let text = lab.exec("director", &["nstat", "-asz", name]);
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let words = line.unwrap().split_whitespace().next();
    words.unwrap().parse().unwrap()
}

/// The longest time that somebody at the shell may wait for an answer during a flood, even in a
/// slow lab.
const WAIT: Duration = Duration::from_secs(60);

/// The director's shell during a flood.
#[derive(Debug, Default)]
struct Shell {
    slowest_true: Duration,
    slowest_show: Duration,
}

impl Shell {
    fn use_once(&mut self, lab: &Lab) {
        let begin = Instant::now();
        lab.exec("director", &["true"]);
        self.slowest_true = self.slowest_true.max(begin.elapsed());
        let begin = Instant::now();
        success(&lab.ipvs_bpf(&["show"]));
        self.slowest_show = self.slowest_show.max(begin.elapsed());
    }
}

/// A flood and what it meets.
struct Scene<'a> {
    lab: &'a Lab,
    /// The service of the honest clients.
    service: Service,
    /// Another service, whose new clients do not notice the flood.
    other: Option<Service>,
    /// The flood has at least this many packets.
    packets: u64,
    /// These counters grow.
    grow: &'a [&'a str],
}

/// Room for other parts of the kernel after a flood, in KiB: less than 40 bytes for each
/// session of a flood.
const MEMORY: u64 = 4096;

/// At least this many clients are tried during a flood, with the shell.
const CLIENTS: u16 = 20;

impl Scene<'_> {
    /// Returns the percentage of new clients that were served while the flood went on.
    fn play(&self, words: &[String]) -> u16 {
        let Scene { lab, service, .. } = *self;
        let load = Load::of_downloads(lab);
        let mut established = Established::begin(lab, service);
        let counters = |name: &&str| counted(lab, name);
        let counted_before: Vec<u64> = self.grow.iter().map(counters).collect();
        let memory_before = slab();
        let mut memory_most = 0;
        let mut shell = Shell::default();
        let (mut tried, mut served, mut served_by_other) = (0, 0, 0);
        let begin = received(lab);
        let mut flood = Flood::begin(lab, words);
        eventually("the flood arrives", || received(lab) > begin + 1000);
        while tried < CLIENTS || received(lab) < begin + self.packets {
            established.go_on(usize::from(tried % 10), 10);
            served += u16::from(service.serves(lab, tried));
            let other = self.other.is_none_or(|other| other.serves(lab, tried));
            served_by_other += u16::from(other);
            tried += 1;
            shell.use_once(lab);
            flood.goes_on();
            memory_most = memory_most.max(slab());
        }
        let leased = flows(lab);
        let fast_path = lab.exec("director", &["cat", "/proc/net/ip_vs_bpf/fast_path"]);
        let fast_path = fast_path.ends_with("on\n");
        let packets = received(lab) - begin;
        let created = lab.counter("sessions_created");
        let given_up = lab.counter("sessions_given_up");
        let refused = lab.counter("refused_ports_exhausted");
        drop(flood);
        println!(
            "{packets} packets; {served} of {tried} new clients served; {shell:?}; \
             {} datagrams repeated; sessions: {created} created, {given_up} given up, \
             {refused} refused",
            established.datagrams_lost()
        );
        assert!(shell.slowest_true < WAIT && shell.slowest_show < WAIT);
        // The downloads, and what the flood itself got.
        assert_eq!(leased > 0, fast_path, "{leased} flows");
        assert!(
            served_by_other * 100 >= tried * 95,
            "{served_by_other} of the other service"
        );
        for (name, before) in self.grow.iter().zip(counted_before) {
            if is_of_kernel(name) {
                // Fragments fail when their time is over.
                eventually(name, || counted(lab, name) > before);
            }
            assert!(counted(lab, name) > before, "{name}");
            println!("{name} {before} → {}", counted(lab, name));
        }
        load.end("10.2.0.100");
        established.go_on(0, 1);
        drop(established);
        self.nothing_is_left();
        let mut memory = slab();
        eventually("the memory returns", || {
            memory = slab();
            memory < memory_before + MEMORY
        });
        println!("slab: {memory_before} KiB, at most {memory_most}, {memory} after it");
        served * 100 / tried
    }

    fn nothing_is_left(&self) {
        let lab = self.lab;
        eventually("every session ends", || lab.counter("sessions") == 0);
        eventually("every connection ends", || {
            let table = lab.exec("director", &["cat", "/proc/net/ip_vs_conn"]);
            table.lines().count() == 1
        });
        eventually("their flows end", || flows(lab) == 0);
        for (file, what) in [
            ("sockstat", "FRAG: inuse 0"),
            ("sockstat6", "FRAG6: inuse 0"),
        ] {
            eventually("what was put together of fragments is gone", || {
                let path = format!("/proc/net/{file}");
                lab.exec("director", &["cat", &path]).contains(what)
            });
        }
    }

    /// At least 95 % of the new clients are served during the flood, and all of them after
    /// it.
    fn is_survived(&self, words: &[String]) {
        let served = self.play(words);
        assert!(served >= 95, "{served} %");
        self.all_are_served();
    }

    fn all_are_served(&self) {
        for number in 0..20 {
            assert!(self.service.serves(self.lab, 1000 + number));
        }
    }
}

/// Sessions that nobody answered gave way to others.
fn against(lab: &Lab, service: Service) -> Scene<'_> {
    Scene {
        lab,
        service,
        other: None,
        packets: 4 * SPACE,
        grow: &["sessions_given_up"],
    }
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_flood_of_syns_from_forged_sources_is_survived() {
    let flood = first_packets(&format!("syn 10.0.0.1 80 {FORGED}"));
    against(&lab(), WEB).is_survived(&flood);
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_flood_of_syns_without_the_fast_path_is_survived() {
    let lab = lab();
    lab.apply(&file().replacen("[director]\n", "[director]\nfast_path = false\n", 1));
    let flood = first_packets(&format!("syn 10.0.0.1 80 {FORGED}"));
    against(&lab, WEB).is_survived(&flood);
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_flood_of_syns_by_ipv6_is_survived() {
    let flood = first_packets(&format!("syn fd00::1 80 {FORGED6}"));
    against(&lab(), WEB6).is_survived(&flood);
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_flood_from_every_port_of_one_client_is_survived() {
    let flood = first_packets("syn 10.0.0.1 80 198.18.0.1/32 1024-65535 1");
    against(&lab(), WEB).is_survived(&flood);
}

/// The servers answer honest datagrams only.
#[test]
#[ignore = "takes minutes: make test-long"]
fn a_flood_of_datagrams_that_no_server_answers_is_survived() {
    let lab = lab();
    for server in ["server1", "server2"] {
        let drop = "nft add table ip t; \
            nft 'add chain ip t input { type filter hook input priority 0; }'; \
            nft add rule ip t input udp dport 7 udp length 8 drop";
        lab.exec(server, &["sh", "-ec", drop]);
    }
    let flood = first_packets(&format!("udp 10.0.0.1 7 {FORGED}"));
    against(&lab, ECHO).is_survived(&flood);
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_flood_of_inits_from_forged_sources_is_survived() {
    crate::lab::run(std::process::Command::new("modprobe").arg("sctp"));
    let mut lab = lab();
    for server in ["server1", "server2"] {
        lab.start(
            server,
            &["lab/net/sctp.py", "serve", server, "3868"],
            "ready",
        );
    }
    let flood = first_packets("init 10.0.0.1 3868 198.18.0.0/15 4000-8999 1");
    against(&lab, SCTP).is_survived(&flood);
}

/// The servers answer every datagram, so its session has to stay. That is a limit: other
/// new clients of this service are refused while all ports are taken.
#[test]
#[ignore = "takes minutes: make test-long"]
fn a_flood_of_datagrams_that_servers_answer_leaves_established_flows_and_other_services() {
    let lab = lab();
    let scene = Scene {
        other: Some(WEB),
        grow: &["refused_ports_exhausted"],
        ..against(&lab, ECHO)
    };
    let flood = first_packets(&format!("udp 10.0.0.1 7 {FORGED} 1000"));
    scene.play(&flood);
    scene.all_are_served();
}

/// Enough for the slow program, and many times what a queue holds.
const ODD: u64 = 20_000;

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_flood_from_source_port_0_is_survived() {
    let lab = lab();
    let scene = Scene {
        packets: ODD,
        grow: &["drop_source_port_0"],
        ..against(&lab, WEB)
    };
    scene.is_survived(&odd_packets(
        "first 198.18.0.1:0 10.0.0.1:80 tcp 1000000000",
    ));
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_flood_of_fragments_that_nobody_completes_is_survived() {
    let lab = lab();
    let scene = Scene {
        packets: ODD,
        grow: &["drop_fragment", "IpReasmFails"],
        ..against(&lab, WEB)
    };
    scene.is_survived(&odd_packets("hole 198.18.0.1 10.0.0.1 1000000000"));
}

/// The errors are about an established flow, and about others.
#[test]
#[ignore = "takes minutes: make test-long"]
fn a_flood_of_broken_icmp_errors_is_survived() {
    let lab = lab();
    let scene = Scene {
        packets: ODD,
        grow: &[
            "drop_icmp_no_session",
            "drop_icmp_checksum",
            "drop_fragment",
            "drop_ip_options",
            "icmp_errors_to_server",
        ],
        ..against(&lab, ECHO)
    };
    scene.is_survived(&odd_packets(
        "fuzz 1 1000000000 198.18.0.1 10.0.0.1 10.0.0.1:7 10.1.0.2:5999",
    ));
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_flood_of_broken_icmpv6_errors_is_survived() {
    let lab = lab();
    let scene = Scene {
        packets: ODD,
        grow: &[
            "drop_icmp_no_session",
            "drop_icmp_checksum",
            "drop_icmp_type",
            "icmp_errors_to_server",
        ],
        ..against(&lab, ECHO6)
    };
    scene.is_survived(&odd_packets(
        "fuzz 1 1000000000 2001:db8::1 fd00::1 [fd00::1]:7 [fd00:1::2]:5999",
    ));
}
