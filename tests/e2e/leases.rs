// SPDX-License-Identifier: GPL-2.0-only
//! The lifetime of a lease, and the events that end it early.

use crate::fast_path::{fast, fast_packets, warm};
use crate::ipv6;
use crate::lab::{Lab, eventually};
use crate::talk::{Answer, Talk};
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::sleep;
use std::time::{Duration, Instant};

#[test]
fn a_lease_outlives_a_second_and_ipvs_counts_what_it_forwards() {
    let lab = Lab::new();
    lab.apply(&fast());
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    warm(&lab, &mut talk);
    eventually("seven of eight packets in a row take the fast path", || {
        let before = fast_packets(&lab);
        for _ in 0..8 {
            talk.ask();
            sleep(Duration::from_millis(300));
        }
        // The counts are added within two seconds.
        sleep(Duration::from_secs(3));
        let now = fast_packets(&lab);
        (0..2).all(|direction| now[direction] - before[direction] >= 7)
    });
}

#[test]
fn a_lease_of_a_session_that_nobody_answers_lasts_a_second() {
    let lab = Lab::new();
    lab.apply(&fast());
    for server in ["server1", "server2"] {
        let rules = "table inet t { chain c { type filter hook input priority 0; \
                     udp dport 7 drop; }; }";
        lab.exec(server, &["nft", rules]);
    }
    // Eight seconds, or more on a busy host. At least as many packets go through IPVS.
    let script = "import socket, time\n\
                  s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
                  for _ in range(40):\n s.sendto(b'x', ('10.0.0.1', 7)); time.sleep(.2)";
    lab.exec("client", &["/usr/bin/python3", "-ISc", script]);
    let mut before = u64::MAX;
    eventually("all is counted", || {
        sleep(Duration::from_secs(3));
        let [now, _] = fast_packets(&lab);
        let stands_still = now == before;
        before = now;
        stands_still
    });
    assert!(before > 0, "an unanswered session has leases");
    assert!(before < 36, "{before} of 40 packets by one lease");
}

/// IPVS counts from the last packet that it saw or was told about. A packet on the fast path
/// would be told too late here.
#[test]
fn a_connection_with_a_short_timeout_lasts_while_packets_come() {
    let lab = Lab::new();
    lab.apply(&(fast() + "[timeouts]\nudp = \"2s\"\n"));
    // On a busy host a pause may become longer than the timeout.
    let script = "import socket, threading, time\n\
                  long = []\n\
                  def flow(begin):\n \
                  time.sleep(begin)\n \
                  s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n \
                  last = time.monotonic()\n \
                  for pause in (0.9, 1.5) * 12:\n  \
                  now = time.monotonic()\n  \
                  s.sendto(b'x', ('10.0.0.1', 7))\n  \
                  if time.monotonic() - last > 1.8: long.append(1)\n  \
                  last = now\n  \
                  time.sleep(pause)\n\
                  flows = [threading.Thread(target=flow, args=(n * .23,)) for n in range(10)]\n\
                  for it in flows: it.start()\n\
                  for it in flows: it.join()\n\
                  print(len(long))";
    eventually("the host is fast enough to tell", || {
        let before = lab.counter("sessions_created");
        let long = lab.exec("client", &["/usr/bin/python3", "-ISc", script]);
        let long: u64 = long.trim().parse().unwrap();
        let sessions = lab.counter("sessions_created") - before;
        println!("{sessions} sessions, {long} of 240 pauses were long");
        assert!(sessions <= 10 + long);
        long < 60
    });
}

/// IPVS ends no connection of TCP between two requests either. It would send a segment of a
/// connection that it does not know to the host, which answers with a RST.
#[test]
fn a_tcp_connection_with_a_short_timeout_lasts_while_requests_come() {
    let lab = Lab::new();
    lab.apply(&(fast() + "[timeouts]\ntcp = \"2s\"\n"));
    let script = "import socket, threading, time\n\
                  long, failed = [], []\n\
                  def flow(begin):\n \
                  time.sleep(begin)\n \
                  s = socket.create_connection(('10.0.0.1', 80), timeout=120)\n \
                  last = time.monotonic()\n \
                  for pause in (0.9, 1.5) * 8:\n  \
                  now = time.monotonic()\n  \
                  was_long = now - last > 1.8\n  \
                  last = now\n  \
                  try:\n   \
                  s.sendall(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')\n   \
                  s.recv(1000)[0]\n  \
                  except (OSError, IndexError):\n   \
                  (long if was_long else failed).append(1)\n   \
                  break\n  \
                  time.sleep(pause)\n\
                  flows = [threading.Thread(target=flow, args=(n * .23,)) for n in range(10)]\n\
                  for it in flows: it.start()\n\
                  for it in flows: it.join()\n\
                  print(len(failed), len(long))";
    eventually("the host is fast enough to tell", || {
        let text = lab.exec("client", &["/usr/bin/python3", "-ISc", script]);
        println!("{text}");
        let (failed, long) = text.trim().split_once(' ').unwrap();
        assert_eq!(failed, "0");
        long.parse::<u32>().unwrap() < 5
    });
}

/// The seconds until IPVS ends the first connection of its table.
pub fn expires(lab: &Lab) -> u64 {
    let table = lab.exec("director", &["cat", "/proc/net/ip_vs_conn"]);
    let line = table.lines().nth(1).expect("a connection");
    let expires = line.split_whitespace().nth(8).expect("its timer");
    expires.parse().expect("seconds")
}

#[test]
fn the_timer_of_a_connection_begins_from_its_last_packet_on_the_fast_path() {
    let lab = Lab::new();
    lab.apply(&(fast() + "[timeouts]\nudp = \"300s\"\n"));
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    warm(&lab, &mut talk);
    eventually(
        "the timer stays near its timeout for a lease's time",
        || {
            (0..30).all(|_| {
                talk.ask();
                sleep(Duration::from_millis(300));
                expires(&lab) >= 296
            })
        },
    );
}

/// The lab's addresses of one family.
struct Family {
    file: String,
    vip: &'static str,
    net: &'static str,
}

impl Family {
    fn both() -> [Self; 2] {
        let six = ipv6::FILE.replace("[director]\n", "[director]\nfast_path = true\n");
        [
            (fast(), "10.0.0.1", "10.2.0."),
            (six, "fd00::1", "fd00:2::"),
        ]
        .map(|(file, vip, net)| Family { file, vip, net })
    }

    fn echo(&self) -> SocketAddr {
        SocketAddr::new(self.vip.parse().unwrap(), 7)
    }

    fn address(&self, server: &Answer) -> String {
        let number = server.server.strip_prefix("server").unwrap();
        format!("{}{}", self.net, number.parse::<u8>().unwrap() + 1)
    }
}

/// The shortest time of a lease of ten seconds that its age did not end.
const EARLY: Duration = Duration::from_secs(8);

/// Asks until no answer comes any more. True if that was before leases that are as old as this
/// could end by their age. False if the host is too slow to tell.
fn ends_before_its_time(talk: &mut Talk, leased: Instant) -> bool {
    let changed = leased.elapsed();
    loop {
        let asked = leased.elapsed();
        if asked > EARLY {
            let slow = changed + Duration::from_secs(5) > EARLY;
            assert!(slow, "answers came for five seconds after the change");
            return false;
        }
        // A late answer would be that of the second request.
        if (0..2).all(|_| talk.try_ask(1).is_err()) {
            return true;
        }
        sleep(Duration::from_millis(200));
    }
}

/// Checks in both families that a command on the director ends new leases long before their
/// time.
fn ends_early(command: impl Fn(&Family, &Answer) -> String) {
    for family in Family::both() {
        eventually("the host is fast enough to tell", || {
            let lab = Lab::new();
            lab.apply(&family.file);
            let mut talk = Talk::new(&lab, "udp", (family.vip, 7));
            let first = talk.ask();
            warm(&lab, &mut talk);
            let leased = Instant::now();
            let revoke = "echo revoke >/proc/net/ip_vs_bpf/fast_path";
            lab.exec("director", &["sh", "-c", revoke]);
            warm(&lab, &mut talk);
            lab.exec("director", &["sh", "-c", &command(&family, &first)]);
            ends_before_its_time(&mut talk, leased)
        });
    }
}

#[test]
fn a_lease_ends_when_the_server_is_removed_by_hand() {
    ends_early(|family, first| {
        let server = SocketAddr::new(family.address(first).parse().unwrap(), 7);
        format!("ipvsadm -d -u {} -r {server}", family.echo())
    });
}

#[test]
fn a_lease_ends_when_routes_change() {
    ends_early(|family, first| format!("ip route add unreachable {}", family.address(first)));
}

#[test]
fn a_lease_ends_when_the_neighbour_has_another_address() {
    ends_early(|family, first| {
        let server = family.address(first);
        format!("ip neigh replace {server} lladdr 02:00:00:00:99:99 dev eth1 nud permanent")
    });
}

/// `jhash()` of the kernel's include/linux/jhash.h, for a key of four bytes.
fn jhash(key: [u8; 4], initial: u32) -> u32 {
    let begin = 0xdead_beef_u32.wrapping_add(4).wrapping_add(initial);
    let (mut a, mut b, mut c) = (begin.wrapping_add(u32::from_le_bytes(key)), begin, begin);
    let step = |x: &mut u32, y: u32, by: u32| *x = (*x ^ y).wrapping_sub(y.rotate_left(by));
    step(&mut c, b, 14);
    step(&mut a, c, 11);
    step(&mut b, a, 25);
    step(&mut c, b, 16);
    step(&mut a, c, 4);
    step(&mut b, a, 14);
    step(&mut c, b, 24);
    c
}

/// An address that has the index of 10.2.0.2 in the module's table of neighbours.
fn same_index(lab: &Lab) -> Ipv4Addr {
    let link = lab.exec("director", &["ip", "-o", "link", "show", "eth1"]);
    let ifindex = link.split_once(':').unwrap().0.parse().unwrap();
    let index = |address: Ipv4Addr| jhash(address.octets(), ifindex) % 4096;
    (0..1 << 20)
        .map(|number| Ipv4Addr::from(0x0a40_0000 + number))
        .find(|address| index(*address) == index(Ipv4Addr::new(10, 2, 0, 2)))
        .unwrap()
}

#[test]
fn a_lease_ends_when_its_neighbour_takes_the_address_of_one_with_the_same_index() {
    eventually("the host is fast enough to tell", || {
        another_takes_its_index(&Lab::new())
    });
}

/// True if the lease ended early.
fn another_takes_its_index(lab: &Lab) -> bool {
    let other = same_index(lab);
    let on_link = format!("ip route add {other} dev eth1");
    lab.exec("director", &["sh", "-c", &on_link]);
    let own = format!("ip addr add {other}/32 dev eth0; cat /sys/class/net/eth0/address");
    let taken = lab.exec("server2", &["sh", "-c", &own]);
    let service = |port: u16, server: &str| {
        format!(
            "[[service]]\naddress = \"tcp://10.0.0.1:{port}\"\nscheduler = \"rr\"\n\
             snat = \"default\"\n[[service.server]]\naddress = \"{server}:8080\"\n"
        )
    };
    let begin = "[director]\ninterfaces = [\"eth0\", \"eth1\"]\nfast_path = true\n\
                 [local_ips.default]\naddresses = [\"10.2.0.100\"]\n";
    let file = begin.to_owned() + &service(80, "10.2.0.2") + &service(81, &other.to_string());
    lab.apply(&file);
    let mut talks = [80, 81].map(|port| Talk::new(lab, "tcp", ("10.0.0.1", port)));
    talks.iter_mut().for_each(|talk| warm(lab, talk));
    let leased = Instant::now();
    let revoke = "echo revoke >/proc/net/ip_vs_bpf/fast_path";
    lab.exec("director", &["sh", "-c", revoke]);
    // The leases of the other neighbour are given last.
    for talk in &mut talks {
        talk.ask();
        talk.ask();
    }
    let take = format!(
        "ip neigh replace 10.2.0.2 lladdr {} dev eth1 nud permanent",
        taken.trim()
    );
    lab.exec("director", &["sh", "-c", &take]);
    ends_before_its_time(&mut talks[0], leased)
}

#[test]
fn a_lease_ends_on_request() {
    let revoke = "echo revoke >/proc/net/ip_vs_bpf/fast_path";
    ends_early(|_, _| {
        let rules = "table inet t { chain c { type filter hook prerouting priority -450; \
                     udp dport 7 drop; }; }";
        format!("nft '{rules}' && {revoke}")
    });
}

/// IPVS begins a new connection with the next SYN of that client and port, and ends the old
/// one with its next tick. Until then a lease of the old one would send the new one's
/// segments to a port that the server has closed.
#[test]
fn a_lease_ends_when_the_client_begins_another_connection() {
    let lab = Lab::new();
    lab.apply(&fast());
    for _ in 0..50 {
        let source = ("10.1.0.2", 6000);
        let mut talk = Talk::from(&lab, "client", "tcp", source, ("10.0.0.1", 80));
        for _ in 0..4 {
            talk.ask();
        }
        talk.reset();
    }
    eventually("the fast path is counted", || fast_packets(&lab)[0] > 0);
}
