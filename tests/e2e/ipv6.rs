// SPDX-License-Identifier: GPL-2.0-only
//! Packets that only IPv6 has, and both families in one file.

use crate::lab::{Lab, eventually};
use crate::talk::answer;

/// Web on port 80 and UDP echo on port 7, for both families.
pub const FILE: &str = r#"
[director]
interfaces = ["eth0", "eth1"]
max_sessions = 10_000

[local_ips.default]
addresses = ["10.2.0.100", "fd00:2::100"]

[[service]]
address = "tcp://10.0.0.1:80"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "10.2.0.2:8080"

[[service]]
address = "tcp://[fd00::1]:80"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "[fd00:2::2]:8080"
  [[service.server]]
  address = "[fd00:2::3]:8080"

[[service]]
address = "udp://[fd00::1]:7"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "[fd00:2::2]:7"
  [[service.server]]
  address = "[fd00:2::3]:7"

[[service]]
address = "tcp://[fd00::1]:5201"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "[fd00:2::2]:5201"
"#;

#[test]
fn both_families_are_served_at_once_and_a_second_apply_has_nothing_to_do() {
    let lab = Lab::new();
    lab.apply(FILE);
    assert_eq!(answer(&lab.get(&["http://10.0.0.1/"])).peer, "10.2.0.100");
    assert_eq!(answer(&lab.get(&["http://[fd00::1]/"])).peer, "fd00:2::100");
    let sessions = lab.sessions();
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    assert!(sessions.iter().any(|line| line.contains("10.1.0.2:")));
    assert!(sessions.iter().any(|line| line.contains("[fd00:1::2]:")));
    let plan = lab.with_file(&["plan"], FILE);
    assert_eq!(plan.status.code(), Some(0), "{plan:?}");
}

#[test]
fn ipv6_alone_is_served() {
    let lab = Lab::new();
    let ipv6 = FILE.replace("\"10.2.0.100\", ", "");
    let begin = ipv6.find("[[service]]\naddress = \"tcp://10").unwrap();
    let end = ipv6.find("[[service]]\naddress = \"tcp://[").unwrap();
    lab.apply(&format!("{}{}", &ipv6[..begin], &ipv6[end..]));
    assert_eq!(answer(&lab.get(&["http://[fd00::1]/"])).peer, "fd00:2::100");
}

#[test]
fn large_datagrams_pass_in_fragments_both_ways_over_ipv6() {
    let mut lab = Lab::new();
    lab.apply(&FILE.replace("[fd00:2::2]:7\"", "[fd00:2::2]:77\""));
    let echo = "import socket\n\
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n\
        s.bind(('::', 77))\n\
        print('ready', flush=True)\n\
        while True:\n\
        \x20data, peer = s.recvfrom(65535)\n\
        \x20assert peer[0] == 'fd00:2::100', peer\n\
        \x20s.sendto(data, peer)";
    lab.start("server1", &["/usr/bin/python3", "-ISc", echo], "ready");
    let ask = "import socket\n\
        whole = 0\n\
        for size in (1452, 1453, 4000, 9000) * 2:\n\
        \x20s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n\
        \x20s.settimeout(120)\n\
        \x20data = bytes(i * 7 % 251 for i in range(size))\n\
        \x20s.sendto(data, ('fd00::1', 7))\n\
        \x20answer, peer = s.recvfrom(65535)\n\
        \x20assert peer[0] == 'fd00::1' and peer[1] == 7, peer\n\
        \x20if answer == data: whole += 1\n\
        print(whole)";
    // Every second request goes to server2, which returns the address of its peer.
    assert_eq!(
        lab.exec("client", &["/usr/bin/python3", "-ISc", ask]),
        "4\n",
        "{:?}",
        lab.sessions()
    );
}

#[test]
fn extension_headers_pass_in_both_directions() {
    let mut lab = Lab::new();
    lab.apply(
        &FILE
            .replace("[fd00:2::2]:7\"", "[fd00:2::2]:77\"")
            .replace("  [[service.server]]\n  address = \"[fd00:2::3]:7\"\n", ""),
    );
    // Adds destination options of 8 bytes (PadN) to each datagram.
    let options = "options = bytes([0, 0, 1, 4, 0, 0, 0, 0])\n";
    let echo = format!(
        "import socket\n{options}\
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n\
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVDSTOPTS, 1)\n\
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, options)\n\
        s.bind(('::', 77))\n\
        print('ready', flush=True)\n\
        while True:\n\
        \x20data, ancillary, flags, peer = s.recvmsg(65535, 1000)\n\
        \x20s.sendto(f'{{peer[0]}} {{len(ancillary)}} '.encode() + data, peer)"
    );
    lab.start("server1", &["/usr/bin/python3", "-ISc", &echo], "ready");
    let ask = format!(
        "import socket\n{options}\
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n\
        s.settimeout(120)\n\
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVDSTOPTS, 1)\n\
        for size in 5, 4000:\n\
        \x20for extra in b'', options, b'':\n\
        \x20\x20s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, extra)\n\
        \x20\x20s.sendto(b'x' * size, ('fd00::1', 7))\n\
        \x20\x20data, ancillary, flags, peer = s.recvmsg(65535, 1000)\n\
        \x20\x20words = data.split()\n\
        \x20\x20assert peer[:2] == ('fd00::1', 7), peer\n\
        \x20\x20print(words[0].decode(), words[1].decode(), len(ancillary), len(words[2]))"
    );
    let answers = lab.exec("client", &["/usr/bin/python3", "-ISc", &ask]);
    let expected: String = [5, 4000]
        .map(|size| {
            [0, 1, 0]
                .map(|extra| format!("fd00:2::100 {extra} 1 {size}\n"))
                .concat()
        })
        .concat();
    assert_eq!(answers, expected);
    assert_eq!(lab.sessions().len(), 1);
}

#[test]
fn active_routing_headers_are_dropped_and_counted() {
    let lab = Lab::new();
    lab.apply(FILE);
    // A type 0 routing header (RFC 2460) with one segment left, followed by UDP.
    let send = "import socket, struct\n\
        udp = struct.pack('!HHHH', 5555, 7, 9, 1) + b'x'\n\
        def header(left): return struct.pack('!BBBBI', 17, 2, 0, left, 0) + socket.inet_pton(socket.AF_INET6, 'fd00::9')\n\
        s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 43)\n\
        s.sendto(header(1) + udp, ('fd00::1', 0))";
    lab.exec("client", &["/usr/bin/python3", "-ISc", send]);
    eventually("the packet is counted", || {
        lab.counter("drop_extension_headers") == 1
    });
    assert_eq!(answer(&lab.udp("fd00::1", 7, "hello")).peer, "fd00:2::100");
}

#[test]
fn neighbour_discovery_ping_and_link_local_addresses_are_left_alone() {
    let lab = Lab::new();
    lab.apply(FILE);
    lab.exec("director", &["ip", "-6", "neigh", "flush", "all"]);
    for address in ["fd00::1", "fd00:1::1"] {
        lab.exec("client", &["ping", "-c", "1", "-W", "5", address]);
    }
    lab.exec("server1", &["ping", "-c", "1", "-W", "5", "fd00:2::100"]);
    lab.exec("client", &["ping", "-c", "1", "-W", "5", "ff02::1%eth0"]);
    assert_eq!(lab.sessions().len(), 0);
}

#[test]
fn a_client_with_a_link_local_address_is_refused_and_counted() {
    let lab = Lab::new();
    lab.apply(FILE);
    let script = "import socket\n\
        lines = open('/proc/net/if_inet6').read().splitlines()\n\
        own = next(l.split() for l in lines if l.startswith('fe80') and l.endswith('eth0'))\n\
        own = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(own[0]))\n\
        s = socket.socket(socket.AF_INET6)\n\
        s.settimeout(120)\n\
        s.bind((own, 0, 0, socket.if_nametoindex('eth0')))\n\
        try: s.connect(('fd00::1', 80))\n\
        except ConnectionRefusedError: print('refused')";
    let said = lab.exec("client", &["/usr/bin/python3", "-ISc", script]);
    assert_eq!(said, "refused\n");
    // The client's kernel misses an answer that arrives while it is still sending, and
    // sends again.
    assert!(lab.counter("refused_link_local_client") >= 1);
    assert_eq!(lab.sessions().len(), 0);
}

#[test]
fn ipv4_clients_are_served_when_every_port_of_ipv6_is_taken() {
    let lab = Lab::new();
    lab.apply(&FILE.replace(
        "\"fd00:2::100\"]",
        "\"fd00:2::100\"]\nports = \"4000-4000\"",
    ));
    for _ in 0..2 {
        lab.get(&["http://[fd00::1]/"]);
    }
    let refused = ["curl", "-sS", "--max-time", "120", "http://[fd00::1]/"];
    let output = lab.try_exec("client", &refused);
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    lab.get(&["http://10.0.0.1/"]);
}

#[test]
fn a_packet_too_big_for_the_way_to_the_server_is_answered_and_the_upload_completes() {
    let lab = Lab::new();
    lab.apply(FILE);
    let narrow = ["ip", "link", "set", "eth1", "mtu", "1400"];
    lab.exec("director", &narrow);
    let script = "head -c 300000 /dev/zero | tr '\\0' x > /dev/shm/up.$$ && \
        curl -sS --max-time 300 -o /dev/null -w '%{http_code}' --data-binary @/dev/shm/up.$$ \
        'http://[fd00::1]/' ; rm /dev/shm/up.$$";
    // The server does not support POST: it reads nothing and answers 501. So the counter
    // is the proof. The request arrives only if the client sends smaller packets.
    lab.try_exec("client", &["sh", "-c", script]);
    assert!(lab.counter("drop_too_big") >= 1);
    let routes = lab.exec("client", &["ip", "-6", "route", "show", "cache"]);
    let learned = lab.exec("client", &["ip", "-6", "route", "get", "fd00::1"]);
    assert!(
        routes.contains("mtu 1400") || learned.contains("mtu 1400"),
        "{routes}{learned}"
    );
    assert_eq!(
        answer(&lab.udp("fd00::1", 7, &"x".repeat(1400))).peer,
        "fd00:2::100"
    );
}

#[test]
fn a_packet_at_the_end_of_its_hops_is_answered() {
    let lab = Lab::new();
    lab.apply(FILE);
    let script = "import socket\n\
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n\
        s.settimeout(120)\n\
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 1)\n\
        s.setsockopt(socket.IPPROTO_IPV6, 25, 1)\n\
        s.connect(('fd00::1', 7))\n\
        s.send(b'x')\n\
        try: s.recv(100)\n\
        except OSError as e: print(e.errno)";
    // A socket sees time exceeded as EHOSTUNREACH (IPV6_RECVERR).
    let errno = lab.exec("client", &["/usr/bin/python3", "-ISc", script]);
    assert_eq!(errno, "113\n");
    assert_eq!(lab.counter("drop_ttl_exceeded"), 1);
}
