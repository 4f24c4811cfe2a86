// SPDX-License-Identifier: GPL-2.0-only
//! The module is unloaded at any time: while a director is set up, used and removed.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use nix::kmod::{DeleteModuleFlags, delete_module};
use packet_fixtures::mutate::Random;

use crate::full_nat::FILE;
use crate::lab::{Lab, eventually, module_is_loaded, run, stderr, success};

const FILES: [&str; 10] = [
    "map",
    "local_ips",
    "services",
    "rules",
    "fast_path",
    "xdp",
    "port_secret",
    "unanswered",
    "sessions",
    "stats",
];

/// Another network namespace with a full-NAT service, which ends with it. The module may go
/// between any two lines.
const NEIGHBOUR: &str = r"
ip netns add NAME
nsenter --net=/run/netns/NAME sh -c '
ip link set lo up
ipvsadm -A -t 10.0.0.7:80 -s rr
cd /proc/thread-self/net/ip_vs_bpf || exit 0
echo + p 10.9.0.1 1-2 >local_ips
echo + tcp 10.0.0.7:80 p >services
' 2>/dev/null || true
";

/// Unloads the module again and again, with pauses in which an `apply` gets further. Counts
/// how often the kernel did.
fn unload(ended: &AtomicBool, unloaded: &AtomicU32) {
    let mut random = Random::new(2, 0);
    while !ended.load(Ordering::Relaxed) {
        if delete_module(c"ip_vs_bpf", DeleteModuleFlags::O_NONBLOCK).is_ok() {
            unloaded.fetch_add(1, Ordering::Relaxed);
        }
        let pause = [1, 1, 1, 30, 300, 3000][random.below(6)];
        thread::sleep(Duration::from_millis(random.below(pause) as u64));
    }
}

/// Opens each file, reads a little, and closes it later. Counts how many it could open.
fn read(ended: &AtomicBool, opened: &AtomicU32) {
    let mut random = Random::new(1, 0);
    while !ended.load(Ordering::Relaxed) {
        for file in FILES {
            let path = format!("/proc/thread-self/net/ip_vs_bpf/{file}");
            if let Ok(mut open) = File::open(path) {
                opened.fetch_add(1, Ordering::Relaxed);
                let _ = open.read(&mut [0; 1]);
                thread::sleep(Duration::from_millis(random.below(20) as u64));
                let _ = open.read(&mut [0; 100]);
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Makes and removes it again and again. A removed one ends some time later and keeps the
/// module until then. So there are pauses, in which nothing else but the director may.
fn neighbour(lab: &Lab, ended: &AtomicBool) {
    let name = lab.namespace("neighbour");
    let mut random = Random::new(3, 0);
    while !ended.load(Ordering::Relaxed) {
        let script = NEIGHBOUR.replace("NAME", &name);
        run(Command::new("sh").args(["-ec", &script]));
        run(Command::new("ip").args(["netns", "del", &name]));
        let pause = [1, 1, 300, 3000][random.below(4)];
        thread::sleep(Duration::from_millis(random.below(pause) as u64));
    }
}

/// An `apply` that loses its module says so in one error. If that is after its last step, it
/// sees a kernel without what it did.
fn assert_is_a_clear_error(text: &str) {
    let errors = text.lines().filter(|line| line.starts_with("ipvs-bpf: "));
    assert_eq!(errors.count(), 1, "{text}");
    let names_the_cause = [
        "the module ip_vs_bpf",
        "the kernel differs from the file although every step succeeded",
    ];
    let is_clear = names_the_cause.iter().any(|cause| text.contains(cause));
    assert!(is_clear && !text.contains("panicked"), "{text}");
}

/// Sets a director up and removes it that often, and until both counts have begun. Returns
/// how often it was complete.
fn rounds(lab: &Lab, number: u32, counts: [&AtomicU32; 2]) -> u32 {
    let begun = || counts.iter().all(|count| count.load(Ordering::Relaxed) > 0);
    let mut complete = 0;
    for round in (0..100).take_while(|round| *round < number || !begun()) {
        let apply = lab.with_file(&["apply"], FILE);
        if apply.status.success() {
            // With a service the module stays.
            complete += 1;
            lab.get(&["http://10.0.0.1/"]);
        } else {
            let text = stderr(&apply);
            println!("{round}: {}", text.lines().next().unwrap_or_default());
            assert_is_a_clear_error(&text);
        }
        success(&lab.ipvs_bpf(&["down"]));
    }
    complete
}

#[test]
fn the_module_may_be_unloaded_at_any_time() {
    unloaded_in(5);
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn the_module_may_be_unloaded_at_any_of_many_times() {
    unloaded_in(20);
}

fn unloaded_in(number: u32) {
    let lab = Lab::alone();
    let ended = AtomicBool::new(false);
    let (unloaded, opened) = (AtomicU32::new(0), AtomicU32::new(0));
    let complete = thread::scope(|scope| {
        scope.spawn(|| unload(&ended, &unloaded));
        scope.spawn(|| lab.inside("director", || read(&ended, &opened)));
        scope.spawn(|| neighbour(&lab, &ended));
        let rounds = scope.spawn(|| rounds(&lab, number, [&unloaded, &opened]));
        let complete = rounds.join();
        ended.store(true, Ordering::Relaxed);
        complete.unwrap()
    });
    let counts = (unloaded.into_inner(), opened.into_inner());
    println!("{complete} rounds were complete; (unloaded, opened) = {counts:?}");
    assert!(counts.0 > 0 && counts.1 > 0);
    lab.apply(FILE);
    lab.get(&["http://10.0.0.1/"]);
    // The other namespace ends in the background.
    eventually("the module is unloaded", || {
        success(&lab.ipvs_bpf(&["down"]));
        !module_is_loaded()
    });
    assert!(!Path::new("/sys/fs/bpf/ipvs-bpf").exists());
}
