// SPDX-License-Identifier: GPL-2.0-only
//! `show` and ipvsadm print the same numbers.

use std::collections::BTreeMap;

use super::{both, lay_out, of_show, traffic};
use crate::full_nat::FILE;
use crate::lab::{Lab, eventually, stderr, success};

#[test]
pub fn totals_rates_thresholds_and_connections_are_those_of_ipvsadm() {
    let lab = Lab::new();
    lay_out(&lab);
    traffic(&lab);
    let (theirs, ours) = both(&lab, &["--stats", "--exact"], 5);
    assert_eq!(ours, theirs);
    // 6 services and 10 servers.
    assert_eq!(ours.len(), 16, "{ours:?}");
    let silent = ours.iter().filter(|(_, columns)| columns[1] == "0");
    let silent: Vec<&str> = silent.map(|(name, _)| name.as_str()).collect();
    // Each connection counts at one server only. Nobody uses iperf3.
    assert_eq!(silent.len(), 3, "{ours:?}");
    assert!(ours.iter().any(|row| row.1[4].len() > 5), "{ours:?}");

    let (theirs, ours) = both(&lab, &["--rate"], 5);
    assert_eq!(ours, theirs);
    // The rates of bytes: on a slow machine there is less than one packet each second.
    assert!(ours.iter().any(|row| row.1[4] != "0"), "no rate: {ours:?}");

    for view in ["--thresholds", "--persistent-conn"] {
        let (theirs, ours) = both(&lab, &[view], 4);
        assert_eq!(ours, theirs, "{view}");
    }
    let (_, ours) = both(&lab, &["--thresholds"], 4);
    assert!(
        ours.iter()
            .any(|row| row.1.starts_with(&["100".to_owned(), "70".to_owned()]))
    );
    let (_, ours) = both(&lab, &["--persistent-conn"], 4);
    assert!(
        ours.iter()
            .any(|row| row.1.get(1).is_some_and(|count| count == "1"))
    );

    // Forward, Weight, ActiveConn, InActConn. ipvsadm prints "Masq".
    let (theirs, ours) = both(&lab, &[], 4);
    let small = |(name, columns): (String, Vec<String>)| {
        (
            name,
            columns
                .iter()
                .map(|word| word.to_lowercase())
                .collect::<Vec<_>>(),
        )
    };
    let theirs: Vec<_> = theirs.into_iter().map(small).collect();
    assert_eq!(ours, theirs);
}

#[test]
pub fn the_connections_are_those_of_ipvsadm() {
    let lab = Lab::new();
    lay_out(&lab);
    lab.exec(
        "director",
        &[
            "ipvsadm",
            "-A",
            "-u",
            "10.0.0.9:5060",
            "-s",
            "rr",
            "-p",
            "60",
            "--pe",
            "sip",
        ],
    );
    lab.exec(
        "director",
        &[
            "ipvsadm",
            "-a",
            "-u",
            "10.0.0.9:5060",
            "-r",
            "10.2.0.2:7",
            "-m",
        ],
    );
    traffic(&lab);
    lab.udp(
        "10.0.0.9",
        5060,
        "OPTIONS sip:a SIP/2.0\r\nCall-ID: one-call@example\r\n\r\n",
    );
    // Maps protocol, state, client, VIP, server and persistence engine to seconds.
    let theirs = || -> BTreeMap<String, i64> {
        let text = lab.exec("director", &["ipvsadm", "-Lnc", "--persistent-conn"]);
        let lines = text.lines().skip(2);
        lines
            .map(|line| {
                let mut words: Vec<&str> = line.split_whitespace().collect();
                let (minutes, seconds) = words.remove(1).split_once(':').unwrap();
                let time = minutes.parse::<i64>().unwrap() * 60 + seconds.parse::<i64>().unwrap();
                (words.join(" ").to_lowercase(), time)
            })
            .collect()
    };
    let before = theirs();
    let text = success(&lab.ipvs_bpf(&["show", "--connections", "--exact"]));
    let after = theirs();
    let ours: BTreeMap<String, i64> = text
        .lines()
        .skip(1)
        .map(|line| {
            let mut words: Vec<&str> = line.split_whitespace().collect();
            let time = words.remove(1).parse().unwrap();
            (words.join(" ").to_lowercase(), time)
        })
        .collect();
    assert!(before.keys().eq(ours.keys()), "{before:#?}\n{ours:#?}");
    for (connection, time) in &ours {
        let most = before[connection];
        let least = after.get(connection).copied().unwrap_or(0);
        assert!(
            (least..=most).contains(time),
            "{connection}: {least} {time} {most}"
        );
    }
    let words = text.to_lowercase();
    for part in [
        "fd00:1::2",
        "assured",
        "time_wait",
        "sip",
        "one-call@example",
    ] {
        assert!(words.contains(part), "{part}:\n{text}");
    }

    let lines = |arguments: &[&str]| {
        let text = success(&lab.ipvs_bpf(&[&["show", "--connections"], arguments].concat()));
        text.lines().count() - 1
    };
    assert_eq!(lines(&["udp://[fd00::1]:9"]), 1);
    assert_eq!(lines(&["tcp://10.0.0.1:80"]), 4);
    assert_eq!(
        lines(&["tcp://10.0.0.1:80", "--server", "10.2.0.2:8080"]),
        2
    );
    assert_eq!(lines(&["tcp://10.0.0.1:5201"]), 0, "there is none now");
    let output = lab.ipvs_bpf(&["show", "--connections", "tcp://10.0.0.1:81"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("did you mean"), "{output:?}");
}

#[test]
fn large_numbers_are_shortened_as_ipvsadm_does() {
    let mut lab = Lab::new();
    lab.apply(FILE);
    lab.start(
        "server1",
        &["iperf3", "--server", "--forceflush"],
        "listening",
    );
    lab.exec(
        "client",
        &["iperf3", "--client", "10.0.0.1", "--bytes", "110M"],
    );
    // IPVS updates its counters every two seconds.
    eventually("the transfer is counted", || {
        let (theirs, ours) = both(&lab, &["--stats"], 5);
        assert_eq!(ours, theirs);
        ours.iter().any(|row| row.1[3].ends_with('K'))
    });
}

#[test]
fn tables_are_sorted_by_any_column() {
    let lab = Lab::new();
    lay_out(&lab);
    traffic(&lab);
    let text = success(&lab.ipvs_bpf(&["show", "--stats", "--sort", "outbytes"]));
    let rows = of_show(&text, 5);
    let services = rows.iter().filter(|row| row.0.contains("://"));
    let bytes: Vec<u64> = services.map(|row| row.1[4].parse().unwrap()).collect();
    assert!(bytes.is_sorted_by(|a, b| a >= b), "{text}");
    assert_eq!(rows[0].0, "tcp://10.0.0.1:80", "{text}");
    let output = lab.ipvs_bpf(&["show", "--stats", "--sort", "weight"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("it has: service, conns, "),
        "{output:?}"
    );
    let text = success(&lab.ipvs_bpf(&["show", "--sort", "weight", "--reverse"]));
    assert_eq!(text.lines().count(), 17, "{text}");
    let last = text.lines().rev().find(|line| line.contains("://"));
    assert!(last.unwrap().starts_with("fwmark://7 "), "{text}");
}
