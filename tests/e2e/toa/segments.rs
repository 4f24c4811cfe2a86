// SPDX-License-Identifier: GPL-2.0-only
//! The segments that have the option, and its position.

use super::{FILE, PAIRS, Watch, client, lab, option, seen};
use crate::fast_path::{fast_packets, warm};
use crate::lab::{Lab, eventually, success};
use crate::talk::Talk;

fn expected(of: &[(&str, String)]) -> Vec<(String, String)> {
    of.iter()
        .map(|(flags, options)| ((*flags).to_owned(), options.clone()))
        .collect()
}

#[test]
fn the_handshakes_end_and_the_first_data_name_the_client_and_later_segments_do_not() {
    let lab = lab();
    for (added, pair) in (1..).zip(PAIRS) {
        let own = option(pair.0);
        assert_eq!(
            seen(&lab, pair, &["syn=020405b4", "ack", "get", "get", "get"]),
            expected(&[
                ("S", "020405b4".to_owned()),
                ("A", own.clone()),
                ("PA", own),
                ("PA", String::new()),
                ("PA", String::new()),
            ])
        );
        assert_eq!(lab.counter("toa_added"), 2 * added);
    }
    assert_eq!(lab.counter("toa_no_room"), 0);
    assert_eq!(lab.counter("toa_failed"), 0);
    assert_eq!(lab.counter("toa_forged"), 0);
}

#[test]
fn the_option_comes_before_those_of_the_client() {
    let lab = lab();
    let others = "0101080a0000000100000000";
    for pair in PAIRS {
        let own = option(pair.0);
        let (ack, get) = (format!("ack={others}"), format!("get={others}"));
        assert_eq!(
            seen(&lab, pair, &["syn", &ack, &get]),
            expected(&[
                ("S", String::new()),
                ("A", format!("{own}{others}")),
                ("PA", format!("{own}{others}")),
            ])
        );
    }
}

/// If the ACK is lost, or with `TCP_DEFER_ACCEPT`, the server sees no earlier segment.
#[test]
fn data_that_ends_the_handshake_and_what_is_sent_again_name_the_client() {
    let lab = lab();
    for pair in PAIRS {
        let own = option(pair.0);
        assert_eq!(
            seen(&lab, pair, &["syn", "get"]),
            expected(&[("S", String::new()), ("PA", own.clone())])
        );
        let pair = (&*pair.0.replace("4000", "4100"), pair.1);
        let own = option(pair.0);
        assert_eq!(
            seen(&lab, pair, &["syn", "ack", "again", "again", "get"]),
            expected(&[
                ("S", String::new()),
                ("A", own.clone()),
                ("A", own.clone()),
                ("A", own.clone()),
                ("PA", own),
            ])
        );
    }
}

#[test]
fn a_syn_names_the_client_where_it_may_make_the_connection_by_itself() {
    let lab = lab();
    for pair in PAIRS {
        let own = option(pair.0);
        // A SYN with data, and then one that asks for a cookie.
        assert_eq!(
            seen(&lab, pair, &["open=020405b4"]),
            expected(&[("S", format!("{own}020405b4"))])
        );
        let pair = (&*pair.0.replace("4000", "4100"), pair.1);
        let own = option(pair.0);
        assert_eq!(
            seen(&lab, pair, &["syn=22020101", "ack"]),
            expected(&[("S", format!("{own}22020101")), ("A", own)])
        );
    }
}

#[test]
fn without_room_among_the_options_a_segment_goes_without_and_is_counted() {
    let lab = lab();
    let room = |bytes: usize| "01".repeat(bytes);
    for (count, pair) in (1..).zip(PAIRS) {
        let own = option(pair.0);
        let fits = room(40 - own.len() / 2);
        let more = room(44 - own.len() / 2);
        let steps = ["syn", &format!("ack={more}"), &format!("get={fits}")];
        assert_eq!(
            seen(&lab, pair, &steps),
            expected(&[
                ("S", String::new()),
                ("A", more),
                ("PA", format!("{own}{fits}")),
            ])
        );
        assert_eq!(lab.counter("toa_no_room"), count);
    }
}

#[test]
fn a_connection_that_takes_the_place_of_another_begins_again() {
    let lab = lab();
    for pair in PAIRS {
        let own = option(pair.0);
        client(&lab, pair, &["syn", "ack", "get", "get", "reset"]);
        assert_eq!(
            seen(&lab, pair, &["syn", "ack", "get", "get"]),
            expected(&[
                ("S", String::new()),
                ("A", own.clone()),
                ("PA", own),
                ("PA", String::new()),
            ])
        );
    }
}

#[test]
fn a_connection_has_the_fast_path_after_it() {
    let lab = Lab::new();
    lab.apply(&FILE.replace("[director]\n", "[director]\nfast_path = true\n"));
    for vip in ["10.0.0.1", "fd00::1"] {
        let before = fast_packets(&lab);
        let mut talk = Talk::new(&lab, "tcp", (vip, 80));
        warm(&lab, &mut talk);
        let after = fast_packets(&lab);
        assert!((0..2).all(|direction| after[direction] > before[direction]));
    }
    assert!(lab.counter("toa_added") > 0);
}

#[test]
fn services_say_so_and_apply_changes_what_differs() {
    let lab = Lab::new();
    let services = || lab.exec("director", &["cat", "/proc/net/ip_vs_bpf/services"]);
    lab.apply(FILE);
    assert!(services().contains("tcp 10.0.0.1:80 default toa sessions 0\n"));
    assert!(services().contains("tcp [fd00::1]:80 default toa sessions 0\n"));
    let table = success(&lab.ipvs_bpf(&["show"]));
    assert!(table.contains("default toa"), "{table}");
    let json = success(&lab.ipvs_bpf(&["show", "--json"]));
    assert!(json.contains(r#""client_address": "toa""#), "{json}");
    let saved = success(&lab.ipvs_bpf(&["save"]));
    assert!(saved.contains(r#"client_address = "toa""#), "{saved}");
    let plan = lab.with_file(&["plan"], &saved);
    assert!(plan.status.success(), "{plan:?}");

    let without = FILE.replacen("client_address = \"toa\"\n", "", 1);
    let plan = lab.with_file(&["plan"], &without);
    let plan = String::from_utf8(plan.stdout).unwrap();
    assert!(plan.contains("client address by toa → none"), "{plan}");
    lab.apply(&without);
    assert!(services().contains("tcp 10.0.0.1:80 default sessions 0\n"));
    let before = lab.counter("toa_added");
    lab.get(&["http://10.0.0.1/"]);
    assert_eq!(lab.counter("toa_added"), before);
    lab.get(&["http://[fd00::1]/"]);
    assert!(lab.counter("toa_added") > before);

    // If the pool has the setting, all its TCP services without their own have it too.
    let of_pool = without.replace(
        "[local_ips.default]",
        "[local_ips.default]\nclient_address = \"toa\"",
    );
    lab.apply(&of_pool);
    assert!(services().contains("tcp 10.0.0.1:80 default toa sessions "));
}

#[test]
fn a_rule_has_servers_of_tcp_told_and_those_of_udp_served() {
    let lab = Lab::new();
    let head = FILE.split("[[service]]").next().unwrap();
    let rule = "[[full_nat]]\naddresses = [\"10.0.0.0/24\", \"fd00::/64\"]\nsnat = \"default\"\n\
                client_address = \"toa\"\n";
    lab.apply(&format!("{head}{rule}"));
    let rules = lab.exec("director", &["cat", "/proc/net/ip_vs_bpf/rules"]);
    assert_eq!(
        rules.matches(" default toa services 0\n").count(),
        2,
        "{rules}"
    );
    for words in [
        ["-A", "-t", "10.0.0.1:80", "-s", "rr"].as_slice(),
        &["-a", "-t", "10.0.0.1:80", "-r", "10.2.0.2:8080", "-m"],
        &["-A", "-u", "10.0.0.1:7", "-s", "rr"],
        &["-a", "-u", "10.0.0.1:7", "-r", "10.2.0.2:7", "-m"],
    ] {
        lab.exec("director", &[&["ipvsadm"], words].concat());
    }
    let watch = Watch::begin(&lab);
    lab.get(&["http://10.0.0.1/"]);
    let segments = watch.end();
    assert_eq!(segments[0].flags, "S");
    assert!(segments[1].options.starts_with("fe08"), "{segments:?}");
    lab.udp("10.0.0.1", 7, "x");
    eventually("the second connection is told as well", || {
        let before = lab.counter("toa_added");
        lab.get(&["http://10.0.0.1/"]);
        lab.counter("toa_added") > before
    });
    lab.apply(&format!(
        "{head}{}",
        rule.replace("client_address = \"toa\"\n", "")
    ));
    let before = lab.counter("toa_added");
    lab.get(&["http://10.0.0.1/"]);
    assert_eq!(lab.counter("toa_added"), before);
}

#[test]
fn the_module_refuses_it_for_what_has_no_tcp() {
    let lab = lab();
    let write = |file: &str, line: &str| {
        let script = format!("echo '{line}' > /proc/net/ip_vs_bpf/{file}");
        assert!(
            !lab.try_exec("director", &["sh", "-ec", &script])
                .status
                .success()
        );
        lab.exec("director", &["cat", &format!("/proc/net/ip_vs_bpf/{file}")])
    };
    let text = write("services", "+ udp 10.0.0.1:7 default toa");
    assert!(
        text.contains("\"toa\" is for TCP only, not for udp"),
        "{text}"
    );
    let text = write("services", "+ tcp 10.0.0.1:81 default toad");
    assert!(text.contains("POOL [toa]"), "{text}");
    let text = write("services", "+ tcp 10.0.0.1:81 default toa toa");
    assert!(text.contains("POOL [toa]"), "{text}");
    let text = write("rules", "10.9.0.0/24 udp * * default toa");
    assert!(text.contains("which is not among the protocols"), "{text}");
    let text = write("rules", "10.9.0.0/24 * * * default to");
    assert!(text.contains("POOL [toa]"), "{text}");
}
