// SPDX-License-Identifier: GPL-2.0-only
//! ICMP and ICMPv6 errors about packets of full-NAT connections, as reported to the
//! sockets of clients and servers.

mod no_memory;
mod unsendable;

use std::thread;

use crate::lab::{Lab, eventually};

/// UDP to an echo server (7), to a host behind a router (9), to a closed port (10) and to
/// a server that does not exist (11), in both families.
fn file() -> String {
    let mut text = String::from(
        "[director]\ninterfaces = [\"eth0\", \"eth1\"]\nmax_sessions = 1000\n\
         [local_ips.default]\naddresses = [\"10.2.0.100\", \"fd00:2::100\"]\n",
    );
    for (port, four, six) in [
        (7, "10.2.0.2:7", "[fd00:2::2]:7"),
        (9, "10.4.0.2:7", "[fd00:4::2]:7"),
        (10, "10.2.0.2:9999", "[fd00:2::2]:9999"),
        (11, "10.2.0.77:7", "[fd00:2::77]:7"),
        (12, "10.2.0.2:1200", "[fd00:2::2]:1200"),
    ] {
        for (vip, server) in [("10.0.0.1", four), ("[fd00::1]", six)] {
            text += &format!(
                "[[service]]\naddress = \"udp://{vip}:{port}\"\nscheduler = \"rr\"\n\
                 snat = \"default\"\n  [[service.server]]\n  address = \"{server}\"\n"
            );
        }
    }
    text
}

/// The numbers of the same error in each family, and the addresses.
struct Family {
    vip: &'static str,
    local_ip: &'static str,
    client: &'static str,
    ttl_exceeded: &'static str,
    port_unreachable: &'static str,
    host_unreachable: &'static str,
}

// errno, type and code. 113 is EHOSTUNREACH, 111 is ECONNREFUSED.
const FAMILIES: [Family; 2] = [
    Family {
        vip: "10.0.0.1",
        local_ip: "10.2.0.100",
        client: "10.1.0.3",
        ttl_exceeded: "113 11 0",
        port_unreachable: "111 3 3",
        host_unreachable: "113 3 1",
    },
    Family {
        vip: "fd00::1",
        local_ip: "fd00:2::100",
        client: "fd00:1::3",
        ttl_exceeded: "113 3 0",
        port_unreachable: "111 1 4",
        host_unreachable: "113 1 3",
    },
];

fn line(error: &str, sender: &str) -> String {
    format!("{error} {sender}\n")
}

/// The error that the server's socket gets when its answers to the client's packet
/// (`knock`) cannot be delivered.
fn server_hears(lab: &Lab, keys: &[&str], knock: impl Fn()) -> String {
    let answer = [&["lab/net/udp.py", "answer", "1200"], keys].concat();
    thread::scope(|scope| {
        let server = scope.spawn(|| lab.exec("server1", &answer));
        eventually("the server listens", || {
            let sockets = lab.exec("server1", &["ss", "-Huln"]);
            sockets.matches(":1200").count() == 2
        });
        knock();
        server.join().unwrap()
    })
}

#[test]
fn a_router_behind_the_director_tells_the_client_that_the_hops_are_used_up() {
    let mut lab = Lab::new();
    lab.far();
    lab.apply(&file());
    for family in FAMILIES {
        // The director uses up one hop.
        let error = ["lab/net/udp.py", "error", family.vip, "9", "ttl=2"];
        assert_eq!(
            lab.exec("client", &error),
            line(family.ttl_exceeded, family.vip)
        );
    }
    assert_eq!(lab.counter("icmp_errors_to_client"), 2);
    assert_eq!(lab.counter("drop_ttl_exceeded"), 0);
}

#[test]
fn a_router_before_the_director_tells_the_server_that_the_hops_are_used_up() {
    let mut lab = Lab::new();
    lab.far();
    lab.apply(&file());
    for family in FAMILIES {
        let heard = server_hears(&lab, &["ttl=2"], || {
            lab.exec("farclient", &["lab/net/udp.py", "knock", family.vip, "12"]);
        });
        assert_eq!(heard, line(family.ttl_exceeded, family.local_ip));
    }
    assert_eq!(lab.counter("icmp_errors_to_server"), 2);
}

#[test]
fn the_director_tells_client_and_server_that_the_hops_are_used_up() {
    let lab = Lab::new();
    lab.apply(&file());
    for family in FAMILIES {
        let error = ["lab/net/udp.py", "error", family.vip, "7", "ttl=1"];
        assert_eq!(
            lab.exec("client", &error),
            line(family.ttl_exceeded, family.vip)
        );
        let heard = server_hears(&lab, &["ttl=1"], || {
            lab.exec("client", &["lab/net/udp.py", "knock", family.vip, "12"]);
        });
        assert_eq!(heard, line(family.ttl_exceeded, family.local_ip));
    }
    assert_eq!(lab.counter("drop_ttl_exceeded"), 2);
    assert!(lab.counter("drop_reply_ttl_exceeded") >= 2);
}

#[test]
fn a_closed_port_of_the_server_refuses_the_client() {
    let lab = Lab::new();
    lab.apply(&file());
    for family in FAMILIES {
        let error = ["lab/net/udp.py", "error", family.vip, "10"];
        assert_eq!(
            lab.exec("client", &error),
            line(family.port_unreachable, family.vip)
        );
    }
    assert_eq!(lab.counter("icmp_errors_to_client"), 2);
}

#[test]
fn a_closed_port_of_the_client_refuses_the_server() {
    let lab = Lab::new();
    lab.apply(&file());
    for family in FAMILIES {
        let heard = server_hears(&lab, &[], || {
            lab.exec("client", &["lab/net/udp.py", "knock", family.vip, "12"]);
        });
        assert_eq!(heard, line(family.port_unreachable, family.local_ip));
    }
    assert!(lab.counter("icmp_errors_to_server") >= 2);
}

#[test]
fn the_client_learns_that_a_server_is_not_there() {
    let lab = Lab::new();
    lab.apply(&file());
    for family in FAMILIES {
        let error = ["lab/net/udp.py", "error", family.vip, "11"];
        assert_eq!(
            lab.exec("client", &error),
            line(family.host_unreachable, family.vip)
        );
    }
    assert_eq!(lab.counter("icmp_errors_to_client"), 2);
}

#[test]
fn the_server_learns_that_a_client_is_gone() {
    let lab = Lab::new();
    lab.apply(&file());
    for family in FAMILIES {
        let file = format!("/tmp/{}{}", lab.namespace("gone"), family.client);
        let after = format!("after={file}");
        let heard = server_hears(&lab, &[&after], || {
            let from = format!("from={}", family.client);
            lab.exec(
                "client",
                &["lab/net/udp.py", "knock", family.vip, "12", &from],
            );
            let client = family.client;
            let gone = format!("ip addr del {client}/$1 dev eth0");
            let prefix = if client.contains(':') { "64" } else { "24" };
            lab.exec("client", &["sh", "-c", &gone, "sh", prefix]);
            lab.exec("director", &["ip", "neigh", "flush", "dev", "eth0"]);
            lab.exec("director", &["touch", &file]);
        });
        assert_eq!(heard, line(family.host_unreachable, family.local_ip));
    }
    assert!(lab.counter("icmp_errors_to_server") >= 2);
}

/// Makes the session of client port 4444.
fn session(lab: &Lab, vip: &str) {
    let ask = ["lab/net/udp.py", "ask", vip, "12", "100", "source=4444"];
    assert_eq!(lab.exec("client", &ask), "whole\n");
}

#[test]
fn errors_that_are_broken_or_belong_to_nothing_are_dropped_and_counted() {
    let mut lab = Lab::new();
    lab.apply(&file());
    lab.start("server1", &["lab/net/udp.py", "echo", "1200"], "ready");
    for (vip, local_ip, client, server, director) in [
        ("10.0.0.1", "10.2.0.100", "10.1.0.2", "10.2.0.2", "10.2.0.1"),
        (
            "[fd00::1]",
            "[fd00:2::100]",
            "[fd00:1::2]",
            "[fd00:2::2]",
            "[fd00:2::1]",
        ),
    ] {
        let bare = |address: &str| address.trim_matches(['[', ']']).to_owned();
        session(&lab, &bare(vip));
        let error = |host: &str, from: &str, to: &str, inner: [String; 2], how: &[&str]| {
            let (from, to) = (bare(from), bare(to));
            let [source, destination] = &inner;
            let words = [
                "lab/net/packets.py",
                "error",
                &from,
                &to,
                source,
                destination,
            ];
            lab.exec(host, &[&words[..], how].concat());
        };
        let sent = || [format!("{local_ip}:4444"), format!("{server}:1200")];
        let counts = [
            "drop_icmp_checksum",
            "drop_icmp_misdirected",
            "drop_icmp_no_session",
            "icmp_errors_to_client",
        ];
        let before = counts.map(|name| lab.counter(name));
        error("server1", server, local_ip, sent(), &["broken"]);
        error("server1", server, director, sent(), &[]);
        let unknown = [format!("{vip}:12"), format!("{client}:5555")];
        error("client", client, vip, unknown, &[]);
        // The same errors in correct form.
        error("server1", server, local_ip, sent(), &[]);
        eventually("all four are counted", || {
            counts.map(|name| lab.counter(name)) == before.map(|count| count + 1)
        });
    }
}

/// An error from the client about an answer that it got, with these keys of `lab/net/packets.py`.
fn error_of_client(lab: &Lab, [client, vip]: [&str; 2], keys: &[&str]) {
    let inner = [format!("[{vip}]:12"), format!("[{client}]:4444")];
    let words = [
        "lab/net/packets.py",
        "error",
        client,
        vip,
        &inner[0],
        &inner[1],
    ];
    lab.exec("client", &[&words[..], keys].concat());
}

/// IPVS takes every type of ICMPv6 below 128 for an error.
#[test]
fn icmpv6_errors_of_types_that_do_not_exist_are_dropped_and_counted() {
    let mut lab = Lab::new();
    lab.apply(&file());
    lab.start("server1", &["lab/net/udp.py", "echo", "1200"], "ready");
    session(&lab, "fd00::1");
    let [local_ip, server] = ["[fd00:2::100]:4444", "[fd00:2::2]:1200"];
    let to = ["fd00:2::2", "fd00:2::100", local_ip, server];
    for (number, kind) in (1..).zip(["0", "5", "100", "127"]) {
        let kind = format!("kind={kind}");
        error_of_client(&lab, ["fd00:1::2", "fd00::1"], &[&kind]);
        lab.exec(
            "server1",
            &[&["lab/net/packets.py", "error"], &to[..], &[&kind]].concat(),
        );
        eventually("both are counted", || {
            lab.counter("drop_icmp_type") == 2 * number
        });
    }
    // Other messages stay with the host.
    error_of_client(&lab, ["fd00:1::2", "fd00::1"], &["kind=128"]);
    error_of_client(&lab, ["fd00:1::2", "fd00::1"], &[]);
    eventually("a right one is translated", || {
        lab.counter("icmp_errors_to_server") == 1
    });
    assert_eq!(lab.counter("drop_icmp_type"), 8);
}

/// IPVS looks at neither version, length nor fragment offset of the inner header.
#[test]
fn errors_with_a_broken_inner_header_that_ipvs_would_translate_are_dropped_and_counted() {
    let mut lab = Lab::new();
    lab.apply(&file());
    lab.start("server1", &["lab/net/udp.py", "echo", "1200"], "ready");
    session(&lab, "10.0.0.1");
    // Another version, a later fragment, and both.
    let patches = ["0:55", "6:0001", "0:650000f400002001"];
    for (number, patch) in (1..).zip(patches) {
        let patch = format!("patch={patch}");
        error_of_client(&lab, ["10.1.0.2", "10.0.0.1"], &[&patch]);
        eventually("it is counted", || {
            lab.counter("drop_icmp_inner_header") == number
        });
    }
    assert_eq!(lab.counter("icmp_errors_to_server"), 0);
}

#[test]
fn errors_of_a_native_service_on_the_same_vip_stay_native_and_pings_are_answered() {
    let lab = Lab::new();
    lab.apply(&format!(
        "{}
[[service]]
address = \"udp://10.0.0.1:20\"
scheduler = \"rr\"
  [[service.server]]
  address = \"10.2.0.2:9999\"
[[service]]
address = \"udp://10.0.0.1:21\"
scheduler = \"rr\"
  [[service.server]]
  address = \"10.2.0.2:1200\"
",
        file()
    ));
    let way_back = ["ip", "route", "add", "default", "via", "10.2.0.1"];
    lab.exec("server1", &way_back);
    let error = ["lab/net/udp.py", "error", "10.0.0.1", "20"];
    assert_eq!(lab.exec("client", &error), "111 3 3 10.0.0.1\n");
    let heard = server_hears(&lab, &[], || {
        lab.exec("client", &["lab/net/udp.py", "knock", "10.0.0.1", "21"]);
    });
    assert_eq!(heard, "111 3 3 10.1.0.2\n");
    for address in ["10.0.0.1", "10.2.0.100", "fd00::1", "fd00:2::100"] {
        lab.exec("client", &["ping", "-c", "1", "-W", "5", address]);
    }
    let counters = [
        "icmp_errors_to_client",
        "icmp_errors_to_server",
        "drop_icmp_no_session",
    ];
    assert_eq!(counters.map(|name| lab.counter(name)), [0; 3]);
}

#[test]
fn the_service_outlives_thousands_of_malformed_errors_and_fragments() {
    let mut lab = Lab::new();
    lab.apply(&file());
    lab.start("server1", &["lab/net/udp.py", "echo", "1200"], "ready");
    let fuzz = |host: &str, seed: &str, words: [&str; 4]| {
        let command = [&["lab/net/packets.py", "fuzz", seed, "3000"], &words[..]].concat();
        lab.exec(host, &command);
    };
    session(&lab, "10.0.0.1");
    session(&lab, "fd00::1");
    // The protocol and addresses of each session. Some fragments make a whole datagram of the
    // client's port 9.
    let state = || {
        let sessions = lab.sessions().into_iter().map(|line| {
            let words: Vec<_> = line.split_whitespace().take(5).collect();
            words.join(" ")
        });
        let others = |line: &String| !line.starts_with("udp 10.1.0.2:9 ");
        sessions.filter(others).collect::<Vec<_>>()
    };
    let before = state();
    assert_eq!(before.len(), 2, "{before:?}");
    let v4 = ["10.1.0.2", "10.0.0.1", "10.0.0.1:12", "10.1.0.2:4444"];
    fuzz("client", "1", v4);
    let v6 = ["fd00:1::2", "fd00::1", "[fd00::1]:12", "[fd00:1::2]:4444"];
    fuzz("client", "2", v6);
    let v4 = ["10.2.0.2", "10.2.0.100", "10.2.0.100:4444", "10.2.0.2:1200"];
    fuzz("server1", "3", v4);
    let v6 = [
        "fd00:2::2",
        "fd00:2::100",
        "[fd00:2::100]:4444",
        "[fd00:2::2]:1200",
    ];
    fuzz("server1", "4", v6);
    // Some were correct. The others triggered each of the refusals.
    for name in [
        "icmp_errors_to_client",
        "icmp_errors_to_server",
        "drop_icmp_checksum",
        "drop_icmp_no_session",
        "drop_ip_options",
        "drop_fragment",
    ] {
        assert!(lab.counter(name) > 0, "{name}");
    }
    session(&lab, "10.0.0.1");
    session(&lab, "fd00::1");
    assert_eq!(state(), before);
    let ask = ["lab/net/udp.py", "ask", "10.0.0.1", "12", "9000"];
    assert_eq!(lab.exec("client", &ask), "whole\n");
}
