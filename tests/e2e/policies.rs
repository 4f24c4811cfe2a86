// SPDX-License-Identifier: GPL-2.0-only
//! Full NAT obeys the host's checks on forwarded packets: reverse paths (rp_filter) and
//! IPsec policies (ip-xfrm(8)).

use std::process::Command;

use crate::fast_path::{fast, is_unused, slow};
use crate::ipv6;
use crate::lab::{Lab, eventually, run};
use crate::neighbours::everything_works;
use crate::rules;
use crate::talk::{Talk, answer};

const STRICT: &str =
    "for i in all default lo eth0 eth1; do sysctl -qw net.ipv4.conf.$i.rp_filter=1; done";

fn script(lab: &Lab, host: &str, script: &str) {
    lab.exec(host, &["sh", "-ec", script]);
}

/// A counter of the director's kernel, as nstat(8) names it.
fn host_counter(lab: &Lab, name: &str) -> u64 {
    let text = lab.exec("director", &["nstat", "-asz", name]);
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The number of packets that the director dropped because their source is not reachable
/// through the interface where they came in.
fn filtered(lab: &Lab) -> u64 {
    host_counter(lab, "TcpExtIPReversePathFilter")
}

/// Sends forged packets of a flow from a host: datagrams, or segments (`tcp-ack`).
fn forge(lab: &Lab, host: &str, from: &str, to: &str, kind: &str) {
    lab.exec(host, &["lab/net/packets.py", "first", from, to, kind, "20"]);
}

fn replies(lab: &Lab) -> u64 {
    let words = ["ipvsadm", "-Ln", "--stats", "--exact", "-u", "10.0.0.1:7"];
    let text = lab.exec("director", &words);
    let line = text.lines().find(|line| line.starts_with("UDP"));
    line.unwrap()
        .split_whitespace()
        .nth(4)
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn answers_that_a_client_forges_are_dropped_where_reverse_paths_are_strict() {
    let lab = Lab::new();
    lab.apply(&fast());
    script(&lab, "director", STRICT);
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    let answer = talk.ask();
    let mut asked = 1;
    let server = if answer.server == "server1" {
        "10.2.0.2:7"
    } else {
        "10.2.0.3:7"
    };
    let local = format!("10.2.0.100:{}", answer.port);
    let before = filtered(&lab);
    forge(&lab, "client", server, &local, "udp");
    eventually("the host drops each", || filtered(&lab) == before + 20);
    // The same while the fast path forwards the real packets.
    eventually("answers take the fast path", || {
        talk.ask();
        asked += 1;
        lab.counter("fast_packets_reply") > 0
    });
    forge(&lab, "client", server, &local, "udp");
    eventually("the host drops each", || filtered(&lab) == before + 40);
    eventually("IPVS counts the true ones alone", || replies(&lab) == asked);
}

/// The host does not forward, so it does not look at the source of what it routes there.
#[test]
fn so_are_answers_to_a_local_ip_that_is_routed_to_a_director_that_does_not_forward() {
    let lab = Lab::new();
    lab.apply(&slow());
    script(&lab, "director", STRICT);
    script(
        &lab,
        "director",
        "sysctl -qw net.ipv4.ip_forward=0; ip addr del 10.2.0.100/24 dev eth1",
    );
    for server in ["server1", "server2"] {
        script(&lab, server, "ip route add 10.2.0.100 via 10.2.0.1");
    }
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    let answer = talk.ask();
    let server = if answer.server == "server1" {
        "10.2.0.2:7"
    } else {
        "10.2.0.3:7"
    };
    let dropped = || host_counter(&lab, "IpInAddrErrors");
    let before = dropped();
    forge(
        &lab,
        "client",
        server,
        &format!("10.2.0.100:{}", answer.port),
        "udp",
    );
    eventually("the host drops each", || dropped() == before + 20);
    talk.ask();
    eventually("IPVS counts the true ones alone", || replies(&lab) == 2);
}

#[test]
fn requests_that_a_server_forges_are_dropped_where_reverse_paths_are_strict() {
    let lab = Lab::new();
    lab.apply(&fast());
    script(&lab, "director", STRICT);
    script(&lab, "server2", "ip route replace default via 10.2.0.1");
    let source = ("10.1.0.2", 5555);
    let mut talk = Talk::from(&lab, "client", "udp", source, ("10.0.0.1", 7));
    eventually("requests take the fast path", || {
        talk.ask();
        lab.counter("fast_packets_original") > 0
    });
    let before = filtered(&lab);
    forge(&lab, "server2", "10.1.0.2:5555", "10.0.0.1:7", "udp");
    eventually("the host drops each", || filtered(&lab) == before + 20);
    talk.ask();
}

/// The module routes no request of a connection that IPVS knows, if it comes in where the
/// others did.
#[test]
fn segments_that_a_server_forges_are_dropped_where_reverse_paths_are_strict() {
    let lab = Lab::new();
    lab.apply(&slow());
    script(&lab, "director", STRICT);
    script(&lab, "server2", "ip route replace default via 10.2.0.1");
    let source = ("10.1.0.2", 5556);
    let mut talk = Talk::from(&lab, "client", "tcp", source, ("10.0.0.1", 80));
    talk.ask();
    talk.ask();
    let before = filtered(&lab);
    forge(&lab, "server2", "10.1.0.2:5556", "10.0.0.1:80", "tcp-ack");
    eventually("the host drops each", || filtered(&lab) == before + 20);
    talk.ask();
}

/// Answers come in and requests leave through interfaces that strict filters allow.
#[test]
fn full_nat_works_where_reverse_paths_are_strict() {
    let lab = Lab::new();
    script(&lab, "director", STRICT);
    lab.apply(&fast());
    everything_works(&lab);
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    eventually("both directions take the fast path", || {
        talk.ask();
        lab.counter("fast_packets_original") > 0 && lab.counter("fast_packets_reply") > 0
    });
    assert_eq!(filtered(&lab), 0);
}

#[test]
fn ipsec_policies_are_obeyed_in_both_directions_and_no_lease_is_given_under_one() {
    obeys_ipsec_policies(&families()[0]);
}

#[test]
fn ipsec_policies_of_ipv6_are_obeyed_as_well() {
    obeys_ipsec_policies(&families()[1]);
}

fn obeys_ipsec_policies(family: &Family) {
    let lab = Lab::new();
    run(Command::new("modprobe").arg("xfrm_user"));
    lab.apply(&family.file);
    let page = format!("http://{}/", family.url);
    let [vips, clients, servers] = family.nets();
    let local_ip = format!("{}100", family.net);
    let no_association = format!(
        "tmpl src {client}1 dst {client}2 proto esp mode tunnel",
        client = family.client_net
    );
    for policy in [
        // Policies towards the client and towards the servers.
        format!("src {vips} dst {clients} dir out action block"),
        format!("src {vips} dst {clients} dir out {no_association}"),
        format!("src {local_ip} dst {servers} dir out action block"),
        // Policies for packets that come in unprotected.
        format!("src {clients} dst {vips} dir in tmpl proto esp mode transport"),
        format!("src {servers} dst {local_ip} dir in tmpl proto esp mode transport"),
    ] {
        lab.get(&[&page]);
        let before = lab.counter("drop_xfrm_policy");
        let mut talk = Talk::new(&lab, "udp", (family.url.trim_matches(['[', ']']), 7));
        eventually("the flow takes the fast path", || {
            let fast = lab.counter("fast_packets_original");
            talk.ask();
            lab.counter("fast_packets_original") > fast
        });
        // Leases would expire within ten seconds.
        let revoke = "echo revoke >/proc/net/ip_vs_bpf/fast_path";
        script(
            &lab,
            "director",
            &format!("ip xfrm policy add {policy}; {revoke}"),
        );
        eventually(&format!("no answer comes under {policy}"), || {
            talk.try_ask(1).is_err()
        });
        let get = ["curl", "-sS", "--max-time", "3", &page];
        let got = lab.try_exec("client", &get);
        assert!(!got.status.success(), "{policy}");
        assert!(lab.counter("drop_xfrm_policy") > before, "{policy}");
        script(&lab, "director", "ip xfrm policy flush");
    }
    lab.get(&[&page]);
}

/// IPVS makes a connection for the first packet, which is found until its timer expires.
#[test]
fn a_service_by_rule_stays_closed_to_packets_that_a_policy_forbids() {
    let lab = Lab::new();
    run(Command::new("modprobe").arg("xfrm_user"));
    rules::begin(&lab, "10.0.0.0/24 * * * default\n");
    rules::ipvsadm(&lab, "-A -u 10.0.0.1:7 -s rr");
    rules::ipvsadm(&lab, "-a -u 10.0.0.1:7 -r 10.2.0.2:7 -m");
    let policy = "src 10.1.0.0/24 dst 10.0.0.0/24 dir in action block";
    script(&lab, "director", &format!("ip xfrm policy add {policy}"));
    let send = "import socket\n\
                s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
                for _ in range(50): s.sendto(b'x', ('10.0.0.1', 7))\n";
    lab.exec("client", &["/usr/bin/python3", "-ISc", send]);
    eventually("each packet is dropped", || {
        lab.counter("drop_xfrm_policy") == 50
    });
    assert_eq!(lab.counter("rule_native_connection"), 0);
    let passed = "ipvsadm -Ln --stats --exact -u 10.0.0.1:7 | awk '/^UDP/ { print $4 }'";
    assert_eq!(lab.exec("director", &["sh", "-c", passed]).trim(), "0");
    script(&lab, "director", "ip xfrm policy flush");
    assert_eq!(
        Talk::new(&lab, "udp", ("10.0.0.1", 7)).ask().peer,
        "10.2.0.100"
    );
}

/// A server's error in plain text is no better than its answer.
#[test]
fn errors_of_a_server_obey_ipsec_policies() {
    let mut lab = Lab::new();
    run(Command::new("modprobe").arg("xfrm_user"));
    lab.apply(&slow());
    for server in ["server1", "server2"] {
        lab.stop_serving(server);
    }
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    let translated = || lab.counter("icmp_errors_to_client");
    let dropped = || lab.counter("drop_xfrm_policy");
    eventually("the server's error comes", || {
        talk.try_ask(1).is_err() && translated() > 0
    });
    let policy = "src 10.2.0.0/24 dst 10.2.0.100/32 dir in tmpl proto esp mode transport";
    script(&lab, "director", &format!("ip xfrm policy add {policy}"));
    let (passed, before) = (translated(), dropped());
    eventually("the error is dropped", || {
        talk.try_ask(1).is_err() && dropped() > before
    });
    assert_eq!(translated(), passed);
}

/// A family's file, how addresses of the VIPs', the clients' and the servers' networks begin,
/// and the VIP as in URLs.
struct Family {
    file: String,
    vip_net: &'static str,
    client_net: &'static str,
    net: &'static str,
    url: &'static str,
}

impl Family {
    /// The networks of the VIPs, the clients and the servers.
    fn nets(&self) -> [String; 3] {
        let length = if self.net.contains(':') { 64 } else { 24 };
        [self.vip_net, self.client_net, self.net].map(|net| format!("{net}0/{length}"))
    }
}

fn families() -> [Family; 2] {
    [
        Family {
            file: fast(),
            vip_net: "10.0.0.",
            client_net: "10.1.0.",
            net: "10.2.0.",
            url: "10.0.0.1",
        },
        Family {
            file: ipv6::FILE.replace("[director]\n", "[director]\nfast_path = true\n"),
            vip_net: "fd00::",
            client_net: "fd00:1::",
            net: "fd00:2::",
            url: "[fd00::1]",
        },
    ]
}

/// Adds the associations of both hosts. Only these tests use these keys.
fn protect(lab: &Lab, host: &str, mode: &str, (net, number): (&str, u8), ways: (&str, &str)) {
    let keys = "auth 'hmac(sha256)' 0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f \
                enc 'cbc(aes)' 0x000102030405060708090a0b0c0d0e0f";
    let (local_ip, server) = (format!("{net}100"), format!("{net}{number}"));
    let director = format!("{net}1");
    // In tunnel mode the outer addresses are those of the hosts.
    let (end, there, back) = match mode {
        "tunnel" => (
            &director,
            format!("src {director} dst {server}"),
            format!("src {server} dst {director}"),
        ),
        _ => (&local_ip, String::new(), String::new()),
    };
    script(
        lab,
        host,
        &format!(
            "ip xfrm state add src {end} dst {server} proto esp spi 0x10{number} mode {mode} {keys}\n\
             ip xfrm state add src {server} dst {end} proto esp spi 0x20{number} mode {mode} {keys}\n\
             ip xfrm policy add src {local_ip} dst {server} dir {} tmpl {there} proto esp mode {mode}\n\
             ip xfrm policy add src {server} dst {local_ip} dir {} tmpl {back} proto esp mode {mode}",
            ways.0, ways.1
        ),
    );
}

/// Segments that fill the client's link do not fit with what IPsec adds.
fn goes_on_through_ipsec(mode: &str, family: &Family) {
    let lab = Lab::new();
    run(Command::new("modprobe").arg("xfrm_user"));
    let (net, url) = (family.net, family.url);
    lab.apply(&family.file);
    for (host, number) in [("server1", 2), ("server2", 3)] {
        protect(&lab, "director", mode, (net, number), ("out", "in"));
        protect(&lab, host, mode, (net, number), ("in", "out"));
    }
    let local_ip = format!("{net}100");
    for _ in 0..4 {
        let got = lab.get(&[&format!("http://{url}/")]);
        assert_eq!(answer(&got).peer, local_ip);
    }
    let mut talk = Talk::new(&lab, "udp", (url.trim_matches(['[', ']']), 7));
    for _ in 0..5 {
        assert_eq!(talk.ask().peer, local_ip);
    }
    let up_and_down = format!(
        "data() {{ head -c 300000 /dev/zero; }}\n\
         get='curl -sS --fail --max-time 120'\n\
         [ \"$(data | $get --data-binary @- 'http://{url}/')\" = \
         \"$(data | sha256sum | cut -d' ' -f1)\" ]\n\
         [ \"$($get 'http://{url}/bytes/300000' | wc -c)\" = 300000 ]"
    );
    script(&lab, "client", &up_and_down);
    assert!(lab.counter("drop_too_big") > 0);
    // A lease would send the next packet in plain text, or accept it so.
    is_unused(&lab);
    let sent = lab.exec("director", &["ip", "-s", "xfrm", "state"]);
    assert!(
        sent.contains("proto esp") && !sent.contains("0(bytes), 0(packets)"),
        "{sent}"
    );
}

#[test]
fn full_nat_goes_on_through_ipsec_to_the_servers() {
    for family in families() {
        goes_on_through_ipsec("transport", &family);
    }
}

#[test]
fn full_nat_goes_on_through_tunnels_of_ipsec_to_the_servers() {
    for family in families() {
        goes_on_through_ipsec("tunnel", &family);
    }
}
