// SPDX-License-Identifier: GPL-2.0-only
//! Packets that a rule covers, and packets that none covers, at the same time on one
//! processor. On a kernel for real time (PREEMPT_RT) they preempt one another.

use std::fs;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::{begin, ipvsadm, peer, route_servers, write};
use crate::lab::{Lab, success};

/// Sends datagrams from one port until standard input ends.
const ONE_FLOW: &str = r"
import select, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while not select.select([sys.stdin], [], [], 0)[0]:
    for _ in range(50):
        s.sendto(b'x', ('10.0.0.1', 7))
";

/// Sends each datagram from another port, until standard input ends. Prints how many.
const MANY_FLOWS: &str = r"
import select, socket, sys
number = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(('10.2.0.3', 2000 + number % 60000))
    s.sendto(b'x', ('10.0.0.1', 7))
    s.close()
    number += 1
print(number)
";

fn start(lab: &Lab, host: &str, script: &str) -> Child {
    lab.command(host, &["/usr/bin/python3", "-ISc", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// On other kernels no packet preempts another one on its processor.
fn is_real_time() -> bool {
    fs::read_to_string("/proc/version")
        .unwrap()
        .contains("PREEMPT_RT")
}

#[test]
fn a_packet_that_preempts_another_one_gets_a_session_only_by_a_rule_of_its_own() {
    if !is_real_time() {
        println!("this is not a kernel for real time");
        return;
    }
    let lab = Lab::new();
    let has_threads = ["test", "-e", "/sys/class/net/eth0/threaded"];
    if !lab.try_exec("director", &has_threads).status.success() {
        println!("this kernel gives interfaces no threads (Linux 5.12)");
        return;
    }
    begin(&lab, "10.0.0.0/24 * * eth0 default\n");
    write(&lab, "director", "fast_path", "off\n");
    route_servers(&lab);
    ipvsadm(&lab, "-A -u 10.0.0.1:7 -s rr");
    ipvsadm(&lab, "-a -u 10.0.0.1:7 -r 10.2.0.2:7 -m");
    assert_eq!(peer(&lab.udp("10.0.0.1", 7, "x")), "10.2.0.100");
    // A veth hands a thread only what its peer would not send as one large segment.
    for (host, peer) in [("client", "eth0"), ("switch", "director")] {
        lab.exec(host, &["ethtool", "-K", peer, "tso", "off"]);
    }
    // Each interface gets a thread that handles its packets, all on one processor. Those of
    // eth1 preempt the others wherever the kernel allows that.
    let threads = "for i in eth0 eth1; do\n\
                   ethtool -K $i gro on\n\
                   echo 1 >/sys/class/net/$i/threaded\n\
                   done\n\
                   for pid in $(pgrep ^napi/eth); do taskset -cp 0 $pid; done\n\
                   for pid in $(pgrep ^napi/eth1); do chrt -vfp 50 $pid; done";
    let pinned = lab.exec("director", &["sh", "-ec", threads]);
    println!("{pinned}");
    assert!(pinned.contains("SCHED_FIFO"), "{pinned}");

    let covered = start(&lab, "client", ONE_FLOW);
    let others = start(&lab, "server2", MANY_FLOWS);
    sleep(Duration::from_secs(20));
    let number = success(&others.wait_with_output().unwrap());
    success(&covered.wait_with_output().unwrap());
    println!("{number} connections without the rule");
    assert!(number.trim().parse::<u32>().unwrap() > 100, "{number}");
    assert_eq!(lab.counter("sessions_created"), 2);
}
