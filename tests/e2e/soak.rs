// SPDX-License-Identifier: GPL-2.0-only
//! `make soak`: traffic of every kind through two directors, while files are applied,
//! servers come and go, and one director takes over from the other. Each connection gets
//! back exactly what it sent, no session is left, and no memory.

mod counters;
mod counts;
mod memory;
mod picture;
mod report;
mod sockets;
mod traffic;

use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};
use std::{env, fs};

use crate::lab::{Lab, eventually, run, success};
use crate::pair::{DIRECTORS, both_families, file_on_page, has_vip, on, pair_in};
use crate::path_mtu::narrow_router;
use memory::Memory;
use report::{Report, Sample};
use traffic::{Ending, Traffic, VIPS};

/// The time between two looks at the directors.
const LOOK: Duration = Duration::from_secs(5);
/// How often a file is applied, and how often the other director takes over.
const APPLY: Duration = Duration::from_secs(4);
const FAIL: Duration = Duration::from_secs(45);
/// A run before the measured one, with a failover. After it the kernel has loaded and
/// allocated whatever it keeps.
const WARM_UP: Duration = Duration::from_secs(60);

/// The state of server2 in a file.
#[derive(Clone, Copy)]
enum Second {
    Serves,
    Drains,
    Gone,
}

/// The file of docs/guides/failover.md, with services of all kinds. Connections end soon
/// after their last packet.
fn file(second: Second) -> String {
    let mut text = file_on_page("lb.toml");
    text.truncate(text.find("[[service]]").unwrap());
    text = text.replace("[\"10.2.0.100\"]", "[\"10.2.0.100\", \"fd00:2::100\"]");
    text += "[timeouts]\ntcp = \"2m\"\ntcp_fin = \"5s\"\nudp = \"10s\"\n";
    for (protocol, port) in traffic::SERVICES {
        for (vip, servers) in [
            ("10.1.0.100", ["10.2.0.2", "10.2.0.3"]),
            ("[fd00:1::100]", ["[fd00:2::2]", "[fd00:2::3]"]),
        ] {
            text += &format!(
                "[[service]]\naddress = \"{protocol}://{vip}:{port}\"\nsnat = \"default\"\n\
                 scheduler = \"mh\"\nscheduler_flags = [\"mh-port\", \"mh-fallback\"]\n\
                 [[service.server]]\naddress = \"{}:{port}\"\n",
                servers[0]
            );
            let weight = match second {
                Second::Serves => 1,
                Second::Drains => 0,
                Second::Gone => continue,
            };
            text += &format!(
                "[[service.server]]\naddress = \"{}:{port}\"\nweight = {weight}\n",
                servers[1]
            );
        }
    }
    for (vip, server) in [("10.1.0.100", "10.4.0.2"), ("[fd00:1::100]", "[fd00:4::2]")] {
        text += &format!(
            "[[service]]\naddress = \"udp://{vip}:{port}\"\nsnat = \"default\"\n\
             scheduler = \"rr\"\n[[service.server]]\naddress = \"{server}:{port}\"\n",
            port = traffic::FAR
        );
    }
    text
}

/// Two directors, and a server behind a router whose link to it has a smaller MTU.
fn lab(folder: &Path) -> Lab {
    // The memory of the whole kernel is compared.
    let mut lab = Lab::alone();
    lab.far();
    pair_in(&mut lab, folder, &file(Second::Serves), &both_families());
    let routes = "ip route add 10.4.0.0/24 via 10.2.0.3 && \
                  ip route add fd00:4::/64 via fd00:2::3";
    lab.exec("director2", &["sh", "-c", routes]);
    narrow_router(&lab, "server2", 4);
    // The client's other packets to the VIP keep their size.
    for vip in VIPS {
        let route = [
            "ip", "route", "add", vip, "dev", "lan", "mtu", "lock", "1500",
        ];
        lab.exec("client", &route);
    }
    // Timeouts of SCTP double up to a minute. Each would then fall into the same part of the
    // round of changes, in which the server may be gone.
    for host in ["client", "server1", "server2"] {
        lab.exec(
            host,
            &[
                "sysctl",
                "-qw",
                "net.sctp.rto_max=2000",
                "net.sctp.path_max_retrans=100",
                "net.sctp.association_max_retrans=100",
            ],
        );
    }
    // The hosts send an ICMP error about each packet.
    for server in ["server1", "server2"] {
        lab.exec(
            server,
            &[
                "sysctl",
                "-qw",
                "net.ipv4.icmp_ratemask=0",
                "net.ipv6.icmp.ratelimit=0",
            ],
        );
    }
    lab
}

fn apply(lab: &Lab, folder: &Path, second: Second) {
    let path = folder.join("soak.toml");
    fs::write(&path, file(second)).unwrap();
    for director in DIRECTORS {
        success(&on(lab, director, &["apply", "-f", path.to_str().unwrap()]));
    }
}

fn sessions(lab: &Lab) -> [u64; 2] {
    DIRECTORS.map(|director| {
        let read = || fs::read_to_string("/proc/thread-self/net/ip_vs_bpf/stats").unwrap();
        let stats = lab.inside(director, read);
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix("sessions "));
        line.unwrap().parse().unwrap()
    })
}

/// Takes the link of the director that has the VIP, until the other one has it.
fn fail_over(lab: &Lab) {
    let active = DIRECTORS.into_iter().find(|name| has_vip(lab, name));
    let active = active.expect("one director has the VIP");
    let other = DIRECTORS.into_iter().find(|name| *name != active).unwrap();
    let link = |state| {
        lab.exec("switch", &["ip", "link", "set", active, state]);
    };
    link("down");
    eventually("the other director has the VIP", || has_vip(lab, other));
    eventually("the first director gave it up", || !has_vip(lab, active));
    link("up");
}

/// Changes the directors until the time is over and one of them has failed. All servers serve
/// then: a connection to one that is gone waits until it comes back.
fn change(lab: &Lab, folder: &Path, traffic: &Traffic, time: Duration) {
    let files = [Second::Serves, Second::Drains, Second::Gone, Second::Drains];
    let begin = Instant::now();
    let mut failed = begin;
    for second in files.into_iter().cycle() {
        let is_over = begin.elapsed() >= time && traffic.counts().failovers > 0;
        if is_over || !traffic.errors().is_empty() {
            break;
        }
        apply(lab, folder, second);
        if failed.elapsed() >= FAIL && !matches!(second, Second::Gone) {
            traffic.failovers.fetch_add(1, Ordering::SeqCst);
            fail_over(lab);
            traffic.failovers.fetch_add(1, Ordering::SeqCst);
            failed = Instant::now();
        }
        sleep(APPLY);
    }
    apply(lab, folder, Second::Serves);
}

/// Looks at the directors until the clients end.
fn watch(lab: &Lab, traffic: &Traffic) -> Vec<Sample> {
    let begin = Instant::now();
    let mut samples = Vec::new();
    while traffic.goes_on() {
        let sample = Sample {
            seconds: begin.elapsed().as_secs(),
            sessions: sessions(lab),
            memory: Memory::now(),
            traffic: traffic.counts(),
        };
        println!("{sample}");
        samples.push(sample);
        sleep(LOOK);
    }
    samples
}

/// Traffic and changes for that time, with what was seen meanwhile. Afterwards no session is
/// left.
fn soak(lab: &Lab, folder: &Path, time: Duration) -> Vec<Sample> {
    let traffic = Traffic::default();
    let samples = scope(|scope| {
        let _ending = Ending(&traffic);
        let clients = traffic.begin(lab, scope);
        let watching = scope.spawn(|| watch(lab, &traffic));
        change(lab, folder, &traffic, time);
        traffic.end(clients);
        watching.join().unwrap()
    });
    assert_eq!(traffic.errors(), [""; 0]);
    eventually("no session is left", || sessions(lab) == [0, 0]);
    // They are freed after a grace period.
    eventually("no object is in use", || !Memory::now().has_objects());
    samples
}

#[test]
#[ignore = "make soak"]
fn traffic_of_every_kind_outlives_changes_and_failover_and_leaves_nothing_behind() {
    let minutes = env::var("MINUTES").map_or(3, |text| text.parse().expect("MINUTES"));
    let folder = tempfile::tempdir().unwrap();
    for module in ["sctp", "ip_vs_mh"] {
        run(std::process::Command::new("modprobe").arg(module));
    }
    let lab = lab(folder.path());
    // It fails at once if the caches share slabs.
    Memory::now();
    soak(&lab, folder.path(), WARM_UP);
    let before = Memory::now();
    let samples = soak(&lab, folder.path(), Duration::from_secs(60 * minutes));
    let report = Report {
        samples,
        memory: [before, Memory::now()],
        counters: DIRECTORS.map(|director| counters::counted(&lab, director)),
    };
    report.write();
    report.check();
    success(&on(&lab, "director2", &["down"]));
}
