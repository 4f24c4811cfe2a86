// SPDX-License-Identifier: GPL-2.0-only
//! The program is attached by tcx if the kernel has it, otherwise as a tc filter.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::process::Command;

use aya::programs::SchedClassifier;
use aya::programs::tc::TcAttachType;
use nix::sched::{CloneFlags, setns};

use crate::balance::pins;
use crate::full_nat::FILE;
use crate::lab::{Lab, run, success};
use crate::talk::Talk;
use crate::xdp::at_xdp;
use crate::xdp_leases::kernel_is_since;

/// Linux 6.6 and newer have tcx.
pub fn kernel_has_tcx() -> bool {
    kernel_is_since(6, 6)
}

/// The ids of our programs that are attached by tcx at ingress of a director's interface.
pub fn by_tcx(lab: &Lab, interface: &str) -> Vec<u64> {
    let namespace = Path::new("/run/netns").join(lab.namespace("director"));
    let ask = || {
        setns(File::open(namespace).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
        SchedClassifier::query_tcx(interface, TcAttachType::Ingress)
            .unwrap()
            .1
    };
    // The thread stays in that namespace, so it is not reused.
    let programs = std::thread::scope(|scope| scope.spawn(ask).join().unwrap());
    let ours = programs
        .iter()
        .filter(|program| program.name_as_str() == Some("ipvs_ingress"));
    ours.map(|program| u64::from(program.id())).collect()
}

/// The place and id of our filters at ingress of a director's interface.
pub fn by_filter(lab: &Lab, interface: &str) -> Vec<(String, u64)> {
    let words = ["tc", "-j", "filter", "show", "dev", interface, "ingress"];
    let filters: serde_json::Value = serde_json::from_str(&lab.exec("director", &words)).unwrap();
    let ours = filters.as_array().unwrap().iter().filter_map(|filter| {
        let options = &filter["options"];
        let name = options["bpf_name"].as_str().unwrap_or_default();
        let id = options["prog"]["id"].as_u64()?;
        let place = format!("{name} {} {}", filter["pref"], options["handle"]);
        name.starts_with("ipvs_").then_some((place, id))
    });
    ours.collect()
}

/// Detaches our program from an interface, as an administrator could.
pub fn detach_program(lab: &Lab, interface: &str) {
    if by_filter(lab, interface).is_empty() {
        let index = lab.exec(
            "director",
            &["cat", &format!("/sys/class/net/{interface}/ifindex")],
        );
        std::fs::remove_file(pins(lab).join(format!("tcx-{}", index.trim()))).unwrap();
    } else {
        lab.exec(
            "director",
            &["tc", "qdisc", "del", "dev", interface, "clsact"],
        );
    }
}

fn script(lab: &Lab, script: &str) {
    lab.exec("director", &["sh", "-ec", script]);
}

#[test]
fn tcx_is_used_where_the_kernel_has_it_and_takes_no_qdisc() {
    let lab = Lab::new();
    lab.apply(FILE);
    for interface in ["eth0", "eth1"] {
        let filters = by_filter(&lab, interface).len();
        let qdiscs = lab.exec("director", &["tc", "qdisc", "show", "dev", interface]);
        if kernel_has_tcx() {
            assert_eq!(by_tcx(&lab, interface).len(), 1);
            assert_eq!(filters, 0);
        } else {
            assert_eq!(filters, 1);
        }
        assert_eq!(qdiscs.contains("clsact"), !kernel_has_tcx(), "{qdiscs}");
    }
    assert_eq!(lab.apply(FILE), "nothing to do\n");
    success(&lab.ipvs_bpf(&["down"]));
    if kernel_has_tcx() {
        assert!(by_tcx(&lab, "eth0").is_empty());
    }
    assert!(by_filter(&lab, "eth0").is_empty());
}

/// Filters of other programs must see every packet, so ours becomes one of the filters.
#[test]
fn a_filter_that_comes_later_comes_before_ours_after_the_next_apply() {
    let lab = Lab::new();
    lab.apply(FILE);
    let mut talk = Talk::new(&lab, "tcp", ("10.0.0.1", 80));
    talk.ask();
    let qdisc = "tc qdisc show dev eth1 | grep -q clsact || tc qdisc add dev eth1 clsact";
    let filter = "tc filter add dev eth1 ingress prio 5 matchall action continue";
    script(&lab, &format!("{qdisc}\n{filter}"));
    let text = lab.apply(FILE);
    assert_eq!(text.contains("eth1"), kernel_has_tcx(), "{text}");
    assert_eq!(by_filter(&lab, "eth1").len(), 1);
    if kernel_has_tcx() {
        assert!(by_tcx(&lab, "eth1").is_empty());
        assert_eq!(by_tcx(&lab, "eth0").len(), 1);
    }
    talk.ask();
    assert_eq!(lab.apply(FILE), "nothing to do\n");
    script(&lab, "tc filter del dev eth1 ingress prio 5");
    lab.apply(FILE);
    assert_eq!(by_filter(&lab, "eth1").is_empty(), kernel_has_tcx());
    talk.ask();
    assert_eq!(lab.apply(FILE), "nothing to do\n");
}

/// A new interface can have the name and even the index of a removed one.
#[test]
fn an_interface_that_is_made_again_gets_the_program_again() {
    let lab = Lab::new();
    let file = FILE.replace(r#"["eth0", "eth1"]"#, r#"["eth0", "eth1", "eth7"]"#);
    let director = lab.namespace("director");
    for _ in 0..2 {
        let make = format!("ip -n {director} link add eth7 index 700 type dummy");
        run(Command::new("sh").args(["-ec", &make]));
        lab.apply(&file);
        if kernel_has_tcx() {
            assert_eq!(by_tcx(&lab, "eth7").len(), 1);
        } else {
            assert_eq!(by_filter(&lab, "eth7").len(), 1);
        }
        let delete = format!("ip -n {director} link del eth7");
        run(Command::new("sh").args(["-ec", &delete]));
    }
}

/// Links, and marks of qdiscs. Each has the index of an interface in its name.
fn pins_of_interfaces(lab: &Lab) -> BTreeSet<String> {
    let pins = std::fs::read_dir(pins(lab)).unwrap();
    let names = pins.map(|pin| pin.unwrap().file_name().into_string().unwrap());
    let kinds = ["xdp-", "tcx-", "clsact-"];
    names
        .filter(|name| kinds.iter().any(|kind| name.starts_with(kind)))
        .collect()
}

#[test]
fn the_link_of_a_removed_interface_is_forgotten_with_its_program_and_maps() {
    let lab = Lab::new();
    lab.apply(&at_xdp());
    let before = pins_of_interfaces(&lab);
    assert_eq!(before.len(), 4, "{before:?}");
    let client = lab.namespace("client");
    let remake = format!(
        "ip link del eth0 && ip link add eth0 type veth peer name eth0 netns {client} && \
         ip link set eth0 up"
    );
    lab.exec("director", &["sh", "-c", &remake]);
    lab.exec("client", &["ip", "link", "set", "eth0", "up"]);
    let plan = lab.apply(&at_xdp());
    assert!(plan.contains("+ interface eth0 at XDP"), "{plan}");
    let after = pins_of_interfaces(&lab);
    assert_eq!(after.len(), 4, "{before:?} {after:?}");
    assert_ne!(after, before);
    // A new size replaces the programs and their maps too.
    lab.exec("director", &["ip", "link", "del", "eth0"]);
    let one = at_xdp()
        .replace("\"eth0\", ", "")
        .replace("10_000", "9_000");
    let plan = lab.apply(&one);
    assert!(
        plan.contains("~ datapath for 10000 → 9000 sessions"),
        "{plan}"
    );
    assert_eq!(pins_of_interfaces(&lab).len(), 2);
}
