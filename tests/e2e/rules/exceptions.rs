// SPDX-License-Identifier: GPL-2.0-only
//! Exceptions: what stays native although a rule covers it, and what a rule does not cover.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sched::{sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use socket2::{Domain, Socket, Type};

use super::{RULES, WEB, add_web, begin, ipvsadm, peer, read, route_servers, sysctl, write};
use crate::lab::{Lab, eventually, run};
use crate::talk::Talk;
use crate::upheaval::{AtEnd, has_second_cpu, to_cpu};

#[test]
fn a_server_that_ipvs_does_not_masquerade_stays_native() {
    let lab = Lab::new();
    begin(&lab, RULES);
    lab.exec(
        "server1",
        &["ip", "addr", "add", "10.0.0.1/32", "dev", "lo"],
    );
    route_servers(&lab);
    // The answer has the VIP as its source and goes through the director.
    sysctl(&lab, "net.ipv4.conf.eth1.accept_local=1");
    ipvsadm(&lab, "-A -t 10.0.0.1:8080 -s rr");
    ipvsadm(&lab, "-a -t 10.0.0.1:8080 -r 10.2.0.2:8080 -g");
    for number in 1..=3 {
        let answer = peer(&lab.get(&["http://10.0.0.1:8080/"]));
        assert_eq!(answer, "10.1.0.2", "request {number}");
    }
    assert!(lab.counter("rule_native_not_masqueraded") > 3);
    assert_eq!(lab.counter("sessions_created"), 0);
    assert_eq!(lab.counter("rule_services_made"), 0);
    // A masqueraded server next to it is full NAT. The other one does not change.
    ipvsadm(&lab, "-a -t 10.0.0.1:8080 -r 10.2.0.3:8080 -m");
    let mut peers: Vec<_> = (0..4)
        .map(|_| peer(&lab.get(&["http://10.0.0.1:8080/"])))
        .collect();
    peers.sort();
    assert_eq!(peers, ["10.1.0.2", "10.1.0.2", "10.2.0.100", "10.2.0.100"]);
}

#[test]
fn a_connection_that_is_older_than_the_rule_stays_native() {
    let lab = Lab::new();
    begin(&lab, "10.9.9.9/32 * * * default\n");
    route_servers(&lab);
    add_web(&lab);
    let mut old = Talk::new(&lab, "tcp", WEB);
    let before = old.ask();
    assert_eq!(before.peer, "10.1.0.2");
    write(&lab, "director", "rules", RULES);
    assert_eq!(old.ask(), before);
    let mut new = Talk::new(&lab, "tcp", WEB);
    let full_nat = new.ask();
    assert_eq!(full_nat.peer, "10.2.0.100");
    assert_eq!(old.ask(), before);
    assert!(lab.counter("rule_native_connection") > 0);
    // And a full-NAT connection outlives the rule.
    write(&lab, "director", "rules", "none\n");
    assert_eq!(read(&lab, "rules"), "");
    assert_eq!(new.ask(), full_nat);
    assert_eq!(read(&lab, "services"), "tcp 10.0.0.1:80 - sessions 1\n");
    assert_eq!(peer(&lab.get(&["http://10.0.0.1/"])), "10.1.0.2");
    assert_eq!(old.ask(), before);
    // The rule is added again, with other local IPs for new connections.
    write(
        &lab,
        "director",
        "local_ips",
        "+ other 10.2.0.1 1024-65535\n",
    );
    write(&lab, "director", "rules", "10.0.0.1/32 tcp 80 eth0 other\n");
    assert_eq!(peer(&lab.get(&["http://10.0.0.1/"])), "10.2.0.1");
    assert_eq!(new.ask(), full_nat);
    assert_eq!(
        read(&lab, "rules"),
        "10.0.0.1/32 tcp 80 eth0 other services 1\n"
    );
}

#[test]
fn a_rule_covers_what_it_names_and_nothing_else() {
    let lab = Lab::new();
    let rules = "10.0.0.0/30,10.0.0.9/32 tcp 80,8000-8010 eth0,veth* default\n";
    begin(&lab, rules);
    route_servers(&lab);
    for service in [
        "-t 10.0.0.1:80",
        "-t 10.0.0.9:8005",
        "-t 10.0.0.9:8011",
        "-t 10.1.0.1:80",
        "-u 10.0.0.1:80",
    ] {
        let port = if service.starts_with("-u") { 7 } else { 8080 };
        ipvsadm(&lab, &format!("-A {service} -s rr"));
        ipvsadm(&lab, &format!("-a {service} -r 10.2.0.2:{port} -m"));
    }
    assert_eq!(peer(&lab.get(&["http://10.0.0.1/"])), "10.2.0.100");
    assert_eq!(peer(&lab.get(&["http://10.0.0.9:8005/"])), "10.2.0.100");
    assert_eq!(peer(&lab.get(&["http://10.0.0.9:8011/"])), "10.1.0.2");
    assert_eq!(peer(&lab.get(&["http://10.1.0.1/"])), "10.1.0.2");
    assert_eq!(peer(&lab.udp("10.0.0.1", 80, "hello")), "10.1.0.2");
    assert_eq!(
        read(&lab, "rules"),
        format!("{} services 2\n", rules.trim_end())
    );
    // A connection continues if its packets come in through another interface.
    let mut talk = Talk::new(&lab, "tcp", WEB);
    let before = talk.ask();
    write(&lab, "director", "rules", "10.0.0.1/32 * * eth1 default\n");
    assert_eq!(talk.ask(), before);
    assert_eq!(peer(&lab.get(&["http://10.0.0.1/"])), "10.1.0.2");
}

#[test]
fn a_port_of_ip_vs_ftp_stays_native() {
    let lab = Lab::new();
    crate::lab::run(Command::new("modprobe").arg("ip_vs_ftp"));
    begin(&lab, RULES);
    route_servers(&lab);
    ipvsadm(&lab, "-A -t 10.0.0.1:21 -s rr");
    ipvsadm(&lab, "-a -t 10.0.0.1:21 -r 10.2.0.2:8080 -m");
    for _ in 0..2 {
        assert_eq!(peer(&lab.get(&["http://10.0.0.1:21/"])), "10.1.0.2");
    }
    assert!(lab.counter("rule_native_other_application") > 0);
    assert_eq!(lab.counter("rule_services_made"), 0);
}

/// Calls the first on the second processor, where nothing else runs until the second has
/// returned, not even threads of the kernel. The second runs on the first processor.
fn alone_on_second_cpu(call: impl FnOnce() + Send, meanwhile: impl FnOnce()) {
    const ENDLESS: &str = "kernel.sched_rt_runtime_us";
    let usual = run(Command::new("sysctl").args(["-n", ENDLESS]));
    let _usual = AtEnd(format!("sysctl -qw {ENDLESS}={}", usual.trim()));
    run(Command::new("sysctl").args(["-qw", &format!("{ENDLESS}=-1")]));
    let (called, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let every = sched_getaffinity(Pid::from_raw(0)).unwrap();
    to_cpu(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            to_cpu(1);
            let priority = libc::sched_param { sched_priority: 1 };
            // SAFETY: the parameter outlives the call, and 0 is this thread.
            let set = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &priority) };
            assert_eq!(set, 0);
            call();
            called.store(true, Ordering::Release);
            while !over.load(Ordering::Acquire) {
                std::hint::spin_loop();
            }
        });
        while !called.load(Ordering::Acquire) {
            thread::sleep(Duration::from_millis(1));
        }
        meanwhile();
        over.store(true, Ordering::Release);
    });
    sched_setaffinity(Pid::from_raw(0), &every).unwrap();
}

/// The module registers the application of a service's port after the first packet, in a work
/// item on the packet's processor. Here `ip_vs_ftp` takes the port before that.
#[test]
fn a_service_whose_port_another_application_takes_first_is_counted_and_made_again() {
    let lab = Lab::alone();
    if !has_second_cpu() {
        return;
    }
    let unload = || Command::new("modprobe").args(["-r", "ip_vs_ftp"]).status();
    // Namespaces of other tests end in the background, and connections with them.
    eventually("ip_vs_ftp is gone", || unload().unwrap().success());
    begin(&lab, RULES);
    ipvsadm(&lab, "-A -t 10.0.0.1:2000 -s rr");
    ipvsadm(&lab, "-a -t 10.0.0.1:2000 -r 10.2.0.2:8080 -m");
    // All neighbours are known.
    ipvsadm(&lab, "-A -t 10.0.0.1:2001 -s rr");
    ipvsadm(&lab, "-a -t 10.0.0.1:2001 -r 10.2.0.2:8080 -m");
    lab.get(&["http://10.0.0.1:2001/"]);

    let mut first = lab.inside("client", || {
        let first = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        first.set_nonblocking(true).unwrap();
        first
    });
    let vip = SocketAddr::from(([10, 0, 0, 1], 2000));
    alone_on_second_cpu(
        || drop(first.connect(&vip.into())),
        || {
            drop(run(
                Command::new("modprobe").args(["ip_vs_ftp", "ports=2000"])
            ))
        },
    );
    eventually("it is counted", || {
        lab.counter("rule_services_unregistered") == 1
    });
    // The connection itself is full NAT.
    first.set_nonblocking(false).unwrap();
    first
        .set_read_timeout(Some(Duration::from_secs(120)))
        .unwrap();
    first.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    first.read_to_string(&mut text).unwrap();
    assert_eq!(peer(text.split("\r\n\r\n").nth(1).unwrap()), "10.2.0.100");
    assert!(!read(&lab, "services").contains("10.0.0.1:2000 default"));

    assert!(unload().unwrap().success());
    assert_eq!(peer(&lab.get(&["http://10.0.0.1:2000/"])), "10.2.0.100");
    eventually("it is registered", || {
        lab.exec("director", &["cat", "/proc/net/ip_vs_app"])
            .contains("2000")
    });
    assert_eq!(lab.counter("rule_services_unregistered"), 1);
    assert_eq!(lab.counter("rule_native_other_application"), 0);
}

#[test]
fn one_packet_connections_stay_native_and_each_is_scheduled_once() {
    let lab = Lab::new();
    begin(&lab, RULES);
    ipvsadm(&lab, "-A -u 10.0.0.1:7 -s rr -o");
    let count = "nft -f - <<'END'\n\
        table ip seen {\n\
        chain input { type filter hook input priority 0; ip saddr 10.1.0.2 udp dport 7 counter; }\n\
        }\nEND\n";
    for server in ["2", "3"] {
        ipvsadm(&lab, &format!("-a -u 10.0.0.1:7 -r 10.2.0.{server}:7 -m"));
    }
    let send = |number: u32| {
        let script = format!(
            "import socket\n\
             for _ in range({number}):\n    \
                 s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n    \
                 s.sendto(b'x', ('10.0.0.1', 7))\n"
        );
        lab.exec("client", &["/usr/bin/python3", "-ISc", &script]);
    };
    send(1);
    eventually("IPVS calls us", || {
        lab.exec("director", &["cat", "/proc/net/ip_vs_app"])
            .contains("ip_vs_bpf")
    });
    for server in ["server1", "server2"] {
        lab.exec(server, &["sh", "-ec", count]);
    }
    send(10);
    for server in ["server1", "server2"] {
        eventually("each server saw its half, from the client itself", || {
            lab.exec(server, &["nft", "list", "table", "ip", "seen"])
                .contains("packets 5 ")
        });
    }
    assert_eq!(lab.counter("native_one_packet"), 11);
    assert_eq!(lab.counter("sessions_created"), 0);
}
