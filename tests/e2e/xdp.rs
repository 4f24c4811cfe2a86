// SPDX-License-Identifier: GPL-2.0-only
//! The fast path at XDP, on veths. They are no measure of its cost: the kernel copies each
//! packet for them. From Linux 6.3 on the director's interfaces take frames, because their
//! peers poll; before that, every packet is left to tc, and none may be lost.

use std::fs;
use std::process::{Command, Output};

use aya::Ebpf;
use aya::programs::{Xdp, XdpMode};

use crate::balance::pins;
use crate::cards::Cards;
use crate::fast_path::{fast, fast_packets, warm};
use crate::lab::{Lab, eventually, run, stderr, success};
use crate::talk::Talk;
use crate::xdp_leases::devices_announce_xdp;

pub fn at_xdp() -> String {
    fast().replace("[director]\n", "[director]\nxdp = true\n")
}

/// The peers poll, and hosts finish their checksums themselves, as on a wire.
fn as_on_a_wire(lab: &Lab) {
    lab.exec("switch", &["ethtool", "-K", "director", "gro", "on"]);
    lab.exec("client", &["ethtool", "-K", "eth0", "gro", "on"]);
    for host in ["client", "server1", "server2"] {
        lab.exec(host, &["ethtool", "-K", "eth0", "tx", "off"]);
    }
}

/// The packets that left at XDP, as `show --counters` has them.
pub fn sent_at_xdp(lab: &Lab) -> u64 {
    let show = success(&lab.ipvs_bpf(&["show", "--counters", "--json"]));
    let show: serde_json::Value = serde_json::from_str(&show).unwrap();
    let counters = show["counters"].as_array().unwrap();
    let ours = counters
        .iter()
        .find(|counter| counter["name"] == "xdp_packets");
    ours.unwrap()["value"].as_u64().unwrap()
}

/// The id of the program at XDP in the director's driver.
pub fn program(lab: &Lab, interface: &str) -> Option<u64> {
    let words = ["ip", "-j", "-details", "link", "show", "dev", interface];
    let links: serde_json::Value = serde_json::from_str(&lab.exec("director", &words)).unwrap();
    let xdp = &links[0]["xdp"];
    assert!(xdp.is_null() || xdp["mode"] == 1, "{xdp}");
    xdp["prog"]["id"].as_u64()
}

/// The pinned links of interfaces.
pub fn links(lab: &Lab) -> Vec<String> {
    let pins = fs::read_dir(pins(lab)).unwrap();
    let names = pins.map(|pin| pin.unwrap().file_name().into_string().unwrap());
    let mut links: Vec<String> = names.filter(|name| name.starts_with("xdp-")).collect();
    links.sort();
    links
}

/// Sends requests until the only session has these words in the columns Fast path and XDP.
pub fn session_says(lab: &Lab, talk: &mut Talk, fast_path: &str, xdp: &str) {
    let what = format!("the session says {fast_path} and {xdp}");
    eventually(&what, || {
        talk.ask();
        let show = success(&lab.ipvs_bpf(&["show", "--sessions", "--json"]));
        let show: serde_json::Value = serde_json::from_str(&show).unwrap();
        let [session] = &show["sessions"].as_array().unwrap()[..] else {
            panic!("{show}");
        };
        session["fast_path"] == fast_path && session["xdp"] == xdp
    });
}

/// Sends requests until both directions leave at XDP, or at tc where devices do not tell.
fn warm_at_xdp(lab: &Lab, talk: &mut Talk) {
    warm_where(lab, talk, devices_announce_xdp());
}

pub fn warm_where(lab: &Lab, talk: &mut Talk, at_xdp: bool) {
    warm(lab, talk);
    if !at_xdp {
        assert_eq!(sent_at_xdp(lab), 0);
        return;
    }
    eventually("each packet of both directions leaves at XDP", || {
        let xdp = sent_at_xdp(lab);
        let [requests, replies] = fast_packets(lab);
        for _ in 0..10 {
            talk.ask();
        }
        // The module counts within two seconds what the program has counted at once.
        let now = sent_at_xdp(lab) - xdp;
        let [more, back] = fast_packets(lab);
        now >= 20 && more > requests && back > replies
    });
}

#[test]
fn packets_of_udp_and_tcp_leave_at_xdp_and_come_back() {
    let lab = Lab::new();
    as_on_a_wire(&lab);
    let plan = lab.apply(&at_xdp());
    for interface in ["eth0", "eth1"] {
        let line = format!("+ interface {interface} at XDP: its driver may reset its rings");
        assert!(plan.contains(&line), "{plan}");
        assert!(program(&lab, interface).is_some());
    }
    for (kind, port) in [("udp", 7), ("tcp", 80)] {
        let mut talk = Talk::new(&lab, kind, ("10.0.0.1", port));
        let first = talk.ask();
        assert_eq!(first.peer, "10.2.0.100");
        warm_at_xdp(&lab, &mut talk);
        assert_eq!(talk.ask(), first, "the same server sees the same peer");
    }
}

#[test]
fn a_session_says_which_directions_leave_at_xdp_and_which_at_tc() {
    let lab = Lab::new();
    as_on_a_wire(&lab);
    lab.apply(&fast());
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    session_says(&lab, &mut talk, "both", "none");
    let where_they_tell = |xdp| {
        if devices_announce_xdp() { xdp } else { "none" }
    };
    lab.apply(&at_xdp());
    session_says(&lab, &mut talk, "both", where_they_tell("both"));
    // The way to the server no longer takes frames.
    lab.exec("switch", &["ethtool", "-K", "director", "gro", "off"]);
    session_says(&lab, &mut talk, "both", where_they_tell("reply"));
    lab.exec("switch", &["ethtool", "-K", "director", "gro", "on"]);
    session_says(&lab, &mut talk, "both", where_they_tell("both"));
    // Where replies come in, no program runs.
    lab.apply(&fast().replace("[director]\n", "[director]\nxdp = [\"eth0\"]\n"));
    session_says(&lab, &mut talk, "both", where_they_tell("original"));
    let table = lab.sessions();
    let words: Vec<&str> = table[0].split_whitespace().rev().take(2).collect();
    assert_eq!(
        words,
        [
            if devices_announce_xdp() {
                "original"
            } else {
                "-"
            },
            "both"
        ]
    );
    lab.apply(&fast());
    session_says(&lab, &mut talk, "both", "none");
}

#[test]
fn a_checksum_that_a_device_is_to_finish_takes_the_way_of_tc() {
    let lab = Lab::new();
    as_on_a_wire(&lab);
    for host in ["client", "server1", "server2"] {
        lab.exec(host, &["ethtool", "-K", "eth0", "tx", "on"]);
    }
    lab.apply(&at_xdp());
    for (kind, port) in [("udp", 7), ("tcp", 80)] {
        let mut talk = Talk::new(&lab, kind, ("10.0.0.1", port));
        warm(&lab, &mut talk);
        for _ in 0..20 {
            talk.ask();
        }
    }
    assert_eq!(sent_at_xdp(&lab), 0);
    assert!(lab.get(&["http://10.0.0.1/"]).contains("10.2.0.100"));
}

#[test]
fn programs_of_another_build_are_replaced_at_xdp_under_a_connection() {
    let lab = Lab::new();
    as_on_a_wire(&lab);
    lab.apply(&at_xdp());
    let mut talk = Talk::new(&lab, "tcp", ("10.0.0.1", 80));
    let first = talk.ask();
    warm_at_xdp(&lab, &mut talk);
    let ids = || ["eth0", "eth1"].map(|interface| program(&lab, interface).unwrap());
    let (before, pinned) = (ids(), links(&lab));
    assert_eq!(pinned.len(), 2);
    let mark = fs::read_dir(pins(&lab)).unwrap().find_map(|pin| {
        let pin = pin.unwrap();
        let name = pin.file_name().into_string().unwrap();
        name.starts_with("build-").then(|| pin.path())
    });
    fs::remove_dir(mark.unwrap()).unwrap();
    let plan = lab.apply(&at_xdp());
    assert!(plan.contains("~ programs → those of this build"), "{plan}");
    assert!(!plan.contains("XDP"), "the links stay: {plan}");
    let after = ids();
    assert!(
        before.iter().all(|id| !after.contains(id)),
        "{before:?} {after:?}"
    );
    assert_eq!(links(&lab), pinned);
    assert_eq!(lab.apply(&at_xdp()), "nothing to do\n");
    warm_at_xdp(&lab, &mut talk);
    assert_eq!(talk.ask(), first);
}

/// The value of a key in a file.
fn key<'a>(file: &'a str, name: &str) -> &'a str {
    let mut values = file.lines().filter_map(|line| line.split_once('='));
    let found = values.find(|(key, _)| key.trim() == name);
    found.map_or("", |(_, value)| value.trim())
}

#[test]
fn a_second_apply_has_nothing_to_do_and_the_file_is_saved_and_shown() {
    let lab = Lab::new();
    lab.apply(&at_xdp());
    let before = ["eth0", "eth1"].map(|interface| program(&lab, interface));
    assert!(lab.apply(&at_xdp()).contains("nothing to do"));
    assert_eq!(
        ["eth0", "eth1"].map(|interface| program(&lab, interface)),
        before
    );
    let saved = success(&lab.ipvs_bpf(&["save"]));
    assert_eq!(key(&saved, "xdp"), "true", "{saved}");
    let show = success(&lab.ipvs_bpf(&["show", "--json"]));
    let show: serde_json::Value = serde_json::from_str(&show).unwrap();
    assert_eq!(show["xdp"], serde_json::json!(["eth0", "eth1"]));
    let metrics = success(&lab.ipvs_bpf(&["metrics"]));
    for interface in ["eth0", "eth1"] {
        let end = format!("interface=\"{interface}\"}} 1");
        let is =
            |line: &str| line.starts_with("ipvs_bpf_xdp_interface_info") && line.ends_with(&end);
        assert!(metrics.lines().any(is), "{metrics}");
    }
    // One of the two.
    let plan = lab.apply(&fast().replace("[director]\n", "[director]\nxdp = [\"eth1\"]\n"));
    assert!(plan.contains("- interface eth0 at XDP"), "{plan}");
    assert_eq!(program(&lab, "eth0"), None);
    assert_eq!(program(&lab, "eth1"), before[1]);
    let saved = success(&lab.ipvs_bpf(&["save"]));
    assert_eq!(key(&saved, "xdp"), "[\"eth1\"]", "{saved}");
    success(&lab.ipvs_bpf(&["down"]));
    assert_eq!(program(&lab, "eth1"), None);
}

#[test]
fn xdp_is_turned_on_and_off_under_connections_that_live() {
    let lab = Lab::new();
    as_on_a_wire(&lab);
    lab.apply(&fast());
    let mut talks: Vec<Talk> = [("udp", 7), ("tcp", 80)]
        .iter()
        .map(|(kind, port)| Talk::new(&lab, kind, ("10.0.0.1", *port)))
        .collect();
    let first: Vec<_> = talks.iter_mut().map(Talk::ask).collect();
    for _ in 0..2 {
        lab.apply(&at_xdp());
        talks.iter_mut().for_each(|talk| warm_at_xdp(&lab, talk));
        lab.apply(&fast());
        for interface in ["eth0", "eth1"] {
            assert_eq!(program(&lab, interface), None);
        }
        let before = sent_at_xdp(&lab);
        talks.iter_mut().for_each(|talk| warm(&lab, talk));
        assert_eq!(sent_at_xdp(&lab), before);
    }
    let last: Vec<_> = talks.iter_mut().map(Talk::ask).collect();
    assert_eq!(last, first);
}

#[test]
fn a_way_out_that_no_longer_takes_frames_or_never_did_loses_none() {
    let lab = Lab::new();
    as_on_a_wire(&lab);
    lab.apply(&at_xdp());
    let mut talk = Talk::new(&lab, "tcp", ("10.0.0.1", 80));
    let first = talk.ask();
    warm_at_xdp(&lab, &mut talk);
    for _ in 0..2 {
        // The peer polls no longer. A dropped frame would stop the talk for a while.
        lab.exec("switch", &["ethtool", "-K", "director", "gro", "off"]);
        lab.exec("client", &["ethtool", "-K", "eth0", "gro", "off"]);
        warm(&lab, &mut talk);
        let before = sent_at_xdp(&lab);
        for _ in 0..10 {
            talk.ask();
        }
        assert_eq!(sent_at_xdp(&lab), before);
        lab.exec("switch", &["ethtool", "-K", "director", "gro", "on"]);
        lab.exec("client", &["ethtool", "-K", "eth0", "gro", "on"]);
        warm_at_xdp(&lab, &mut talk);
    }
    // The link goes down and comes back.
    lab.exec("director", &["ip", "link", "set", "eth1", "down"]);
    lab.exec("director", &["ip", "link", "set", "eth1", "up"]);
    warm_at_xdp(&lab, &mut talk);
    assert_eq!(talk.ask(), first);
}

#[test]
fn a_transfer_arrives_whole_while_xdp_comes_and_goes() {
    let lab = Lab::new();
    as_on_a_wire(&lab);
    lab.apply(&at_xdp());
    let sum = "curl -sS --fail --max-time 600 http://10.0.0.1/bytes/8000000 | sha256sum";
    let direct = "curl -sS --fail --max-time 600 http://10.2.0.2:8080/bytes/8000000 | sha256sum";
    let expected = lab.exec("director", &["sh", "-c", direct]);
    let transfer = lab.spawn_at("client", &["sh", "-c", sum]);
    for file in [fast(), at_xdp(), fast(), at_xdp()] {
        lab.apply(&file);
    }
    let output = transfer.wait_with_output().unwrap();
    assert_eq!(success(&output), expected);
}

/// Attaches another tool's program, which passes every frame. It is detached when the result
/// is dropped.
pub fn other_program(lab: &Lab, name: &str) -> Ebpf {
    other_program_at(lab, name, "eth1")
}

pub fn other_program_at(lab: &Lab, name: &str, interface: &str) -> Ebpf {
    let text =
        format!(r#"__attribute__((section("xdp"), used)) int {name}(void *frame) {{ return 2; }}"#);
    let object = format!("/tmp/{}{name}.o", lab.namespace(""));
    let compile = format!("echo '{text}' | clang -target bpf -O2 -g -c -x c - -o {object}");
    run(Command::new("sh").args(["-ec", &compile]));
    let mut ebpf = Ebpf::load_file(&object).unwrap();
    fs::remove_file(object).unwrap();
    let program: &mut Xdp = ebpf.program_mut(name).unwrap().try_into().unwrap();
    program.load().unwrap();
    lab.inside("director", || {
        program.attach(interface, XdpMode::Driver).unwrap();
    });
    ebpf
}

/// The plan with its refusals, and the error.
pub fn plan_and_error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(output)
}

#[test]
fn interfaces_where_xdp_would_be_wrong_are_refused_by_name_with_the_cure() {
    let lab = Lab::new();
    lab.apply(&fast());
    let refused = |lab: &Lab, what: &[&str]| {
        let output = lab.with_file(&["apply"], &at_xdp());
        assert!(!output.status.success());
        let text = plan_and_error(&output);
        for what in what {
            assert!(text.contains(what), "{text}");
        }
        assert_eq!(program(lab, "eth0"), None, "nothing was changed");
    };
    for (name, cure) in [
        ("watcher", "bpftool prog show id"),
        ("xdp_dispatcher", "xdp-loader unload eth1 --all"),
    ] {
        let other = other_program(&lab, name);
        let its = program(&lab, "eth1").unwrap();
        let what = format!("the interface eth1 has an XDP program of another tool, \"{name}\"");
        refused(&lab, &[&what, &format!("id {its}"), cure]);
        drop(other);
    }
    let ip = |words: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        lab.exec("director", &[&["ip"], &words[..]].concat());
    };
    ip("link add link eth1 name eth1.7 type vlan id 7");
    refused(&lab, &["the interface eth1 is a veth with the VLAN eth1.7"]);
    ip("link del eth1.7");
    ip("link add br0 type bridge");
    ip("link set eth1 master br0");
    refused(&lab, &["the interface eth1 is a port of br0"]);
    ip("link del br0");
    let with = |name: &str| {
        let file = at_xdp().replace("\"eth1\"", &format!("\"eth1\", \"{name}\""));
        let output = lab.with_file(&["apply"], &file);
        assert!(!output.status.success());
        plan_and_error(&output)
    };
    ip("link add dummy0 type dummy");
    let text = with("dummy0");
    assert!(text.contains("the interface dummy0 is a dummy"), "{text}");
    // The driver refuses a large MTU.
    ip("link set eth1 mtu 9000");
    lab.exec("switch", &["ip", "link", "set", "director", "mtu", "9000"]);
    let output = lab.with_file(&["apply"], &at_xdp());
    assert!(!output.status.success());
    let text = plan_and_error(&output);
    assert!(
        text.contains("interface eth1 at XDP") && text.contains("mtu"),
        "{text}"
    );
    // Without them it is attached.
    ip("link set eth1 mtu 1500");
    lab.exec("switch", &["ip", "link", "set", "director", "mtu", "1500"]);
    lab.apply(&at_xdp());
    assert!(program(&lab, "eth1").is_some());
}

#[test]
fn cards_forward_at_xdp_and_lose_nothing_where_one_of_them_has_no_program() {
    let lab = Cards::new();
    lab.apply(&at_xdp());
    let mut talks: Vec<Talk> = [("udp", 7), ("tcp", 80)]
        .iter()
        .map(|(kind, port)| Talk::new(&lab, kind, ("10.0.0.1", *port)))
        .collect();
    let first: Vec<_> = talks.iter_mut().map(Talk::ask).collect();
    let sum = |from: &str, host: &str| {
        let command = format!("curl -sS --fail --max-time 600 http://{from} | sha256sum");
        lab.exec(host, &["sh", "-c", &command])
    };
    let direct = sum("10.2.0.2:8080/bytes/3000000", "director");
    for _ in 0..2 {
        talks
            .iter_mut()
            .for_each(|talk| warm_where(&lab, talk, true));
        assert_eq!(sum("10.0.0.1/bytes/3000000", "client"), direct);
        // eth1 has no queues for frames of XDP then.
        lab.apply(&fast().replace("[director]\n", "[director]\nxdp = [\"eth0\"]\n"));
        let before = sent_at_xdp(&lab);
        talks.iter_mut().for_each(|talk| warm(&lab, talk));
        assert_eq!(sum("10.0.0.1/bytes/3000000", "client"), direct);
        assert_eq!(sent_at_xdp(&lab), before);
        lab.apply(&at_xdp());
    }
    let last: Vec<_> = talks.iter_mut().map(Talk::ask).collect();
    assert_eq!(last, first);
}
