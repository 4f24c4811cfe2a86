// SPDX-License-Identifier: GPL-2.0-only
//! `make soak`: traffic of every kind through two directors, while files are applied,
//! servers come and go, and one director takes over from the other. Each connection gets
//! back exactly what it sent, no session is left, and no memory.

mod report;
mod traffic;

use std::sync::atomic::Ordering;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};
use std::{env, fs};

use crate::lab::{Lab, eventually, run, success};
use crate::pair::{DIRECTORS, both_families, file_on_page, has_vip, on, pair};
use report::Sample;
use traffic::Traffic;

/// How often a file is applied, and how often the other director takes over.
const APPLY: Duration = Duration::from_secs(4);
const FAIL: Duration = Duration::from_secs(45);

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
    text
}

fn apply(lab: &Lab, folder: &std::path::Path, second: Second) {
    let path = folder.join("soak.toml");
    fs::write(&path, file(second)).unwrap();
    for director in DIRECTORS {
        success(&on(lab, director, &["apply", "-f", path.to_str().unwrap()]));
    }
}

fn sessions(lab: &Lab) -> [u64; 2] {
    DIRECTORS.map(|director| {
        let stats = lab.exec(director, &["cat", "/proc/net/ip_vs_bpf/stats"]);
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix("sessions "));
        line.unwrap().parse().unwrap()
    })
}

/// Kernel memory for objects, in KiB.
fn slab() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Slab:"));
    let words = line.unwrap().split_whitespace().next();
    words.unwrap().parse().unwrap()
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

/// Changes the directors until the time is over. Returns what was seen meanwhile.
fn change(lab: &Lab, folder: &std::path::Path, traffic: &Traffic, time: Duration) -> Vec<Sample> {
    let files = [Second::Serves, Second::Drains, Second::Gone, Second::Drains];
    let begin = Instant::now();
    let mut failed = begin;
    let mut samples = Vec::new();
    for second in files.into_iter().cycle() {
        if begin.elapsed() >= time || !traffic.errors().is_empty() {
            break;
        }
        apply(lab, folder, second);
        if failed.elapsed() >= FAIL && !matches!(second, Second::Gone) {
            traffic.failovers.fetch_add(1, Ordering::SeqCst);
            fail_over(lab);
            traffic.failovers.fetch_add(1, Ordering::SeqCst);
            failed = Instant::now();
        }
        let sample = Sample {
            seconds: begin.elapsed().as_secs(),
            sessions: sessions(lab),
            slab_kib: slab(),
            traffic: traffic.counts(),
        };
        println!("{sample}");
        samples.push(sample);
        sleep(APPLY);
    }
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
    let lab = pair(folder.path(), &file(Second::Serves), &both_families());
    // The unreachable port answers as often as it is asked.
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
    let before = slab();
    let traffic = Traffic::default();
    let samples = scope(|scope| {
        let clients = traffic.begin(&lab, scope);
        let samples = change(
            &lab,
            folder.path(),
            &traffic,
            Duration::from_secs(60 * minutes),
        );
        traffic.end(clients);
        samples
    });
    assert_eq!(traffic.errors(), [""; 0]);
    apply(&lab, folder.path(), Second::Serves);
    eventually("no session is left", || sessions(&lab) == [0, 0]);
    let counts = traffic.counts();
    println!("{counts:?}");
    report::write(&samples, before, slab());
    counts.assert_all_kinds();
    success(&on(&lab, "director2", &["down"]));
}
