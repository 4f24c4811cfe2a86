// SPDX-License-Identifier: GPL-2.0-only
//! However a connection ends, its session ends with it, and no other session does.

use std::process::Command;

use crate::balance::{balanced, flows, none_left};
use crate::full_nat::FILE;
use crate::ipv6;
use crate::lab::{Lab, eventually, module_is_loaded, stderr, success};
use crate::port_reuse::requests_from_one_port;
use crate::talk::Talk;

const WEB: (&str, u16) = ("10.0.0.1", 80);
const ECHO: (&str, u16) = ("10.0.0.1", 7);

fn without(what: &str) -> String {
    let rest = FILE.replace(what, "");
    assert_ne!(rest, FILE);
    rest
}

fn ipvsadm(lab: &Lab, words: &str) {
    let words: Vec<&str> = words.split(' ').collect();
    lab.exec("director", &[&["ipvsadm"], &words[..]].concat());
}

fn sysctl(lab: &Lab, setting: &str) {
    lab.exec("director", &["sysctl", "-qw", setting]);
}

/// One web connection and one UDP flow for each server.
fn talks(lab: &Lab) -> Vec<Talk> {
    let mut talks = Vec::new();
    for to in [WEB, WEB, ECHO, ECHO] {
        let kind = if to == WEB { "tcp" } else { "udp" };
        let mut talk = Talk::new(lab, kind, to);
        talk.ask();
        talks.push(talk);
    }
    talks
}

#[test]
fn connections_end_by_their_timers_and_their_sessions_with_them() {
    let lab = Lab::new();
    lab.apply(FILE);
    // Reset connections end after ten seconds, regardless of these timeouts.
    ipvsadm(&lab, "--set 1 1 1");
    // Open sockets have different ports.
    let reset = "import socket, struct\n\
        opened = []\n\
        for _ in range(50):\n    \
            s = socket.create_connection(('10.0.0.1', 80), timeout=120)\n    \
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))\n    \
            s.close()\n    \
            u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n    \
            u.sendto(b'x', ('10.0.0.1', 7))\n    \
            opened.append(u)\n";
    lab.exec("client", &["/usr/bin/python3", "-ISc", reset]);
    eventually("the last datagram has arrived", || {
        lab.counter("sessions_created") >= 100
    });
    none_left(&lab);
}

#[test]
fn connections_with_leases_end_by_timers_and_resets_and_take_their_flows_along() {
    let lab = Lab::new();
    let udp = "[[service]]\naddress = \"udp://10.0.0.1:7\"\nscheduler = \"rr\"\nsnat = \"default\"\n\
               [[service.server]]\naddress = \"10.2.0.2:7\"\n";
    let fast = ipv6::FILE.replace("[director]\n", "[director]\nfast_path = true\n");
    lab.apply(&(fast + udp));
    let mut talks = Vec::new();
    for to in [WEB, ECHO, ("fd00::1", 80), ("fd00::1", 7)] {
        let kind = if to.1 == 80 { "tcp" } else { "udp" };
        talks.extend((0..5).map(|_| (kind, Talk::new(&lab, kind, to))));
    }
    eventually("both directions of each connection have leases", || {
        talks.iter_mut().for_each(|(_, talk)| drop(talk.ask()));
        flows(&lab) == 40
    });
    // Reset connections end after ten seconds. A packet that IPVS sees gives an UDP
    // connection the new timeout.
    ipvsadm(&lab, "--set 0 0 6");
    lab.exec(
        "director",
        &["sh", "-c", "echo revoke >/proc/net/ip_vs_bpf/fast_path"],
    );
    for (kind, mut talk) in talks {
        talk.ask();
        if kind == "tcp" {
            talk.reset();
        }
    }
    eventually("every session ends", || lab.counter("sessions") == 0);
    assert_eq!(flows(&lab), 0);
}

#[test]
fn a_removed_server_takes_its_sessions_along_when_their_timers_end() {
    let lab = Lab::new();
    lab.apply(FILE);
    let mut talks = talks(&lab);
    let before: Vec<_> = talks.iter_mut().map(Talk::ask).collect();
    assert_eq!(balanced(&lab), 4);
    let rest = without("  [[service.server]]\n  address = \"10.2.0.3:7\"\n");
    lab.apply(&rest);
    assert_eq!(
        balanced(&lab),
        4,
        "IPVS keeps connections of removed servers"
    );
    // The UDP flow of the removed server gets no answer. The others do.
    for (number, (talk, before)) in talks.iter_mut().zip(before).enumerate() {
        if number >= 2 && before.server == "server2" {
            assert!(talk.try_ask(2).is_err());
        } else {
            assert_eq!(talk.ask(), before);
        }
    }
    // A packet that IPVS sees gives its connection this timeout. Those to a removed server do
    // not.
    ipvsadm(&lab, "--set 0 0 5");
    let revoke = "echo revoke >/proc/net/ip_vs_bpf/fast_path";
    eventually("a session loses its server before its timer ends", || {
        lab.apply(FILE);
        lab.exec("director", &["sh", "-c", revoke]);
        talks[2..].iter_mut().for_each(|talk| drop(talk.ask()));
        lab.apply(&rest);
        lab.sessions()
            .iter()
            .any(|line| line.contains("10.2.0.3:7 "))
    });
    eventually("the UDP sessions end", || balanced(&lab) == 2);
}

#[test]
fn with_expire_nodest_conn_the_next_packet_goes_to_another_server() {
    let lab = Lab::new();
    lab.apply(FILE);
    sysctl(&lab, "net.ipv4.vs.expire_nodest_conn=1");
    let mut talks = talks(&lab);
    lab.apply(
        &FILE
            .replace("  [[service.server]]\n  address = \"10.2.0.3:7\"\n", "")
            .replace("  [[service.server]]\n  address = \"10.2.0.3:8080\"\n", ""),
    );
    for talk in &mut talks {
        let answer = talk.try_ask(120);
        match answer {
            Ok(answer) => assert_eq!(answer.server, "server1"),
            // A connection whose server is gone gets a reset instead of waiting.
            Err(error) => assert!(error.contains("reset"), "{error}"),
        }
    }
    assert_eq!(balanced(&lab), 3, "a TCP connection ended");
    assert!(lab.sessions().iter().all(|line| line.contains("10.2.0.2:")));
}

#[test]
fn a_server_of_weight_0_keeps_its_connections_and_gets_no_new_ones() {
    let lab = Lab::new();
    lab.apply(FILE);
    let mut talks = talks(&lab);
    let before: Vec<_> = talks.iter_mut().map(Talk::ask).collect();
    let quiescent = FILE
        .replace("\"10.2.0.3:8080\"", "\"10.2.0.3:8080\"\n  weight = 0")
        .replace("\"10.2.0.3:7\"", "\"10.2.0.3:7\"\n  weight = 0");
    lab.apply(&quiescent);
    for _ in 0..4 {
        assert!(lab.get(&["http://10.0.0.1/"]).starts_with("server1 "));
        assert!(lab.udp("10.0.0.1", 7, "x").starts_with("server1 "));
    }
    let after: Vec<_> = talks.iter_mut().map(Talk::ask).collect();
    assert_eq!(before, after);
    assert_eq!(lab.counter("sessions_created"), 12);
    balanced(&lab);
}

#[test]
fn with_expire_nodest_conn_a_new_connection_from_the_same_port_leaves_a_server_of_weight_0() {
    let lab = Lab::new();
    lab.apply(FILE);
    sysctl(&lab, "net.ipv4.vs.expire_nodest_conn=1");
    // Otherwise the finished connection would be scheduled again in any case.
    sysctl(&lab, "net.ipv4.vs.conn_reuse_mode=0");
    let answers = requests_from_one_port(&lab, 2);
    assert_eq!(answers[0], answers[1]);
    let drained = if answers[0].server == "server1" {
        "10.2.0.2"
    } else {
        "10.2.0.3"
    };
    let edit = format!("-e -t 10.0.0.1:80 -r {drained}:8080 -m -w 0");
    ipvsadm(&lab, &edit);
    let after = requests_from_one_port(&lab, 1);
    assert_ne!(after[0].server, answers[0].server);
    assert_eq!(balanced(&lab), 1);
}

#[test]
fn persistence_of_a_native_service_on_the_same_port_makes_no_sessions() {
    let lab = Lab::new();
    lab.apply(&format!(
        r#"{FILE}
[[service]]
address = "tcp://10.0.0.9:80"
scheduler = "rr"
persistence = {{ timeout = "5m" }}
  [[service.server]]
  address = "10.2.0.2:8080"
  [[service.server]]
  address = "10.2.0.3:8080"
"#
    ));
    sysctl(&lab, "net.ipv4.vs.expire_quiescent_template=1");
    for server in ["server1", "server2"] {
        lab.exec(
            server,
            &["ip", "route", "add", "default", "via", "10.2.0.1"],
        );
    }
    let first = lab.get(&["http://10.0.0.9/"]);
    assert_eq!(
        lab.get(&["http://10.0.0.9/"]).split(' ').next(),
        first.split(' ').next(),
        "persistence"
    );
    let drained = if first.starts_with("server1 ") {
        "10.2.0.2"
    } else {
        "10.2.0.3"
    };
    ipvsadm(
        &lab,
        &format!("-e -t 10.0.0.9:80 -r {drained}:8080 -m -w 0"),
    );
    assert_ne!(
        lab.get(&["http://10.0.0.9/"]).split(' ').next(),
        first.split(' ').next(),
        "its template expired"
    );
    lab.get(&["http://10.0.0.1/"]);
    assert_eq!(balanced(&lab), 1);
}

#[test]
fn a_removed_service_keeps_its_sessions_until_their_timers_end() {
    let lab = Lab::new();
    lab.apply(FILE);
    ipvsadm(&lab, "--set 0 0 5");
    let mut talks = talks(&lab);
    let echo = FILE.find("[[service]]\naddress = \"udp").unwrap();
    let after = FILE
        .find("[[service]]\naddress = \"tcp://10.0.0.1:5201")
        .unwrap();
    lab.apply(&(FILE[..echo].to_owned() + &FILE[after..]));
    for talk in &mut talks[..2] {
        talk.ask();
    }
    eventually("the UDP sessions end", || balanced(&lab) == 2);
    // The service can be added again with the same port and a new id.
    ipvsadm(&lab, "--set 0 0 36000");
    lab.apply(FILE);
    for talk in &mut talks {
        talk.ask();
    }
    assert_eq!(balanced(&lab), 4);
}

#[test]
fn a_table_flushed_by_hand_leaves_the_sessions_that_ipvs_leaves() {
    let lab = Lab::new();
    lab.apply(FILE);
    ipvsadm(&lab, "--set 0 0 1");
    let _talks = talks(&lab);
    ipvsadm(&lab, "-C");
    eventually("UDP sessions end", || balanced(&lab) == 2);
    // And apply repairs it.
    lab.apply(FILE);
    lab.get(&["http://10.0.0.1/"]);
    assert_eq!(balanced(&lab), 3);
}

#[test]
fn down_under_traffic_ends_every_session() {
    let mut lab = Lab::alone();
    lab.apply(FILE);
    let mut talks = talks(&lab);
    lab.start("client", &["/usr/bin/python3", "-ISc", TRAFFIC], "goes on");
    eventually("there is traffic", || lab.sessions().len() > 50);
    success(&lab.ipvs_bpf(&["down"]));
    assert!(!module_is_loaded());
    assert_eq!(
        lab.exec("director", &["cat", "/proc/net/ip_vs_conn"])
            .lines()
            .count(),
        1
    );
    for talk in &mut talks {
        assert!(talk.try_ask(2).is_err());
    }
    // Everything again, under traffic.
    lab.apply(FILE);
    eventually("there is traffic", || lab.sessions().len() > 50);
}

/// Datagrams from new sockets all the time, and HTTP requests that may fail.
const TRAFFIC: &str = "import socket, threading\n\
    print('goes on', flush=True)\n\
    def web():\n    \
        while True:\n        \
            try:\n            \
                s = socket.create_connection(('10.0.0.1', 80), timeout=1)\n            \
                s.sendall(b'GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n')\n            \
                s.recv(1000)\n        \
            except OSError: pass\n\
    threading.Thread(target=web, daemon=True).start()\n\
    while True:\n    \
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n    \
        for _ in range(20): s.sendto(b'x', ('10.0.0.1', 7))\n";

#[test]
fn the_module_cannot_be_removed_while_a_session_of_a_removed_service_lives() {
    let lab = Lab::alone();
    lab.apply(FILE);
    let mut talk = Talk::new(&lab, "tcp", WEB);
    talk.ask();
    ipvsadm(&lab, "-C");
    let rmmod = || Command::new("rmmod").arg("ip_vs_bpf").output().unwrap();
    let output = rmmod();
    assert!(!output.status.success());
    assert!(stderr(&output).contains("in use"), "{}", stderr(&output));
    assert_eq!(balanced(&lab), 1);
    success(&lab.ipvs_bpf(&["down"]));
    assert!(!module_is_loaded());
}
