// SPDX-License-Identifier: GPL-2.0-only
//! Interfaces that break a director, and filters and programs of other tools at them.

use std::fs::{self, File};
use std::process::Command;
use std::thread;

use aya::Ebpf;
use aya::programs::tc::{TcAttachOptions, TcAttachType};
use aya::programs::{LinkOrder, SchedClassifier};
use nix::sched::{CloneFlags, setns};

use super::{found, named_and_fixed, needed, only, running, script};
use crate::attached::detach_program;
use crate::full_nat::FILE;
use crate::lab::{Lab, eventually, run};

#[test]
fn an_interface_that_is_down() {
    named_and_fixed(
        "ip link set eth0 down",
        "error",
        "interface-down",
        "the interface eth0 is down",
    );
}

#[test]
fn an_interface_without_carrier() {
    let lab = Lab::new();
    lab.apply(FILE);
    lab.exec("client", &["ip", "link", "set", "eth0", "down"]);
    only(&running(&lab), "error", "interface-no-carrier", "eth0");
    lab.exec("client", &["ip", "link", "set", "eth0", "up"]);
    eventually("the carrier is back", || running(&lab).is_empty());
}

#[test]
fn an_interface_that_is_not_ethernet() {
    let lab = Lab::new();
    script(
        &lab,
        "ip link add tun0 type ipip local 10.2.0.1 remote 10.2.0.2 && ip link set tun0 up",
    );
    let file = FILE.replace("\"eth1\"]", "\"eth1\", \"tun0\"]");
    let findings = needed(&lab, &file);
    let what = "the interface tun0 is not Ethernet";
    found(&findings, "error", "interface-not-ethernet", what);
}

#[test]
fn a_program_that_was_taken_off_an_interface() {
    let lab = Lab::new();
    lab.apply(FILE);
    detach_program(&lab, "eth1");
    let findings = needed(&lab, FILE);
    let cure = only(&findings, "warning", "interface-not-attached", "eth1");
    assert_eq!(cure, "ipvs-bpf apply -f -");
    // Without the file, doctor cannot know that the route should exist.
    only(&running(&lab), "note", "server-other-interface", "by eth1");
    // Full NAT still works without it.
    lab.get(&["http://10.0.0.1/"]);
    lab.apply(FILE);
    assert_eq!(running(&lab).len(), 0);
}

#[test]
fn a_filter_of_another_program_before_ours() {
    let lab = Lab::new();
    script(&lab, "tc qdisc add dev eth1 clsact");
    let filter = |action: &str, priority: &str| {
        let pass = if action == "add" {
            "matchall action pass"
        } else {
            ""
        };
        let place = "dev eth1 ingress prio";
        script(
            &lab,
            &format!("tc filter {action} {place} {priority} {pass}"),
        );
    };
    // A filter after ours does not matter.
    filter("add", "60000");
    lab.apply(FILE);
    assert_eq!(running(&lab).len(), 0);
    filter("add", "7");
    let what = "at eth1, a filter of another program comes before ours: \
                matchall, priority 7";
    let findings = running(&lab);
    only(&findings, "warning", "filter-before", what);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    lab.get(&["http://10.0.0.1/"]);
    filter("del", "7");
    assert_eq!(running(&lab).len(), 0);
    lab.get(&["http://10.0.0.1/"]);
}

/// Attaches a program by tcx that ends the processing of every packet. It is detached
/// when the result is dropped. `None`: this kernel has no tcx.
fn attach_by_tcx(lab: &Lab, interface: &str) -> Option<Ebpf> {
    const ENDS: &str =
        r#"__attribute__((section("classifier"), used)) int ends(void *skb) { return 0; }"#;
    let object = format!("/tmp/{}ends.o", lab.namespace(""));
    let compile = format!("echo '{ENDS}' | clang -target bpf -O2 -g -c -x c - -o {object}");
    run(Command::new("sh").args(["-ec", &compile]));
    let mut ebpf = Ebpf::load_file(object).unwrap();
    let program: &mut SchedClassifier = ebpf.program_mut("ends").unwrap().try_into().unwrap();
    program.load().unwrap();
    let order = TcAttachOptions::TcxOrder(LinkOrder::first());
    let namespace = File::open(format!("/run/netns/{}", lab.namespace("director"))).unwrap();
    // Each thread has its own network namespace.
    let attached = thread::scope(|scope| {
        let attach = || {
            setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
            program.attach_with_options(interface, TcAttachType::Ingress, order)
        };
        scope.spawn(attach).join().unwrap()
    });
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split('.').map(|number| number.parse::<u32>());
    let version = (
        numbers.next().unwrap().unwrap(),
        numbers.next().unwrap().unwrap(),
    );
    if version < (6, 6) {
        assert!(attached.is_err());
        return None;
    }
    attached.unwrap();
    Some(ebpf)
}

#[test]
fn a_program_of_tcx_before_ours() {
    let lab = Lab::new();
    lab.apply(FILE);
    let Some(attached) = attach_by_tcx(&lab, "eth1") else {
        assert_eq!(running(&lab).len(), 0);
        return;
    };
    let what = "at eth1, an eBPF program that is attached by tcx comes before ours: \
                ends, id ";
    let findings = running(&lab);
    only(&findings, "warning", "program-before", what);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    lab.get(&["http://10.0.0.1/"]);
    drop(attached);
    assert_eq!(running(&lab).len(), 0);
    lab.get(&["http://10.0.0.1/"]);
}
