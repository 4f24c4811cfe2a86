// SPDX-License-Identifier: GPL-2.0-only
//! The table in docs/concepts/benchmark.md, between its two marker comments.

use std::error::Error;
use std::fs;

use crate::report::{Choice, PATHS, Report, WHOLE, number};

const FILE: &str = "docs/concepts/benchmark.md";
const BEGIN: &str = "<!-- written by make benchmark-svg -->\n";
const END: &str = "<!-- end -->\n";

const ROWS: [(Choice, &str); 13] = [
    (Choice::of("packet", "ipv4"), "UDP packet of one flow, IPv4"),
    (Choice::of("packet", "ipv6"), "UDP packet of one flow, IPv6"),
    (
        Choice {
            protocol: "tcp",
            ..Choice::of("packet", "ipv4")
        },
        "TCP packet of one flow, IPv4",
    ),
    (
        Choice {
            protocol: "tcp",
            ..Choice::of("packet", "ipv6")
        },
        "TCP packet of one flow, IPv6",
    ),
    (
        Choice {
            flows: 50_000,
            ..Choice::of("packet", "ipv4")
        },
        "UDP packet of 50 000 flows, IPv4",
    ),
    (
        Choice {
            flows: 50_000,
            ..Choice::of("packet", "ipv6")
        },
        "UDP packet of 50 000 flows, IPv6",
    ),
    (
        Choice {
            flows: 1_000,
            sessions: 1_000_000,
            ..Choice::of("packet", "ipv4")
        },
        "packet to the server, with 1 000 000 sessions, IPv4",
    ),
    (
        Choice::of("sparse_packet", "ipv4"),
        "packet of flows with one a second each way, IPv4",
    ),
    (
        Choice::of("others_packet", "ipv4"),
        "packet of no service, IPv4",
    ),
    (Choice::of("session", "ipv4"), "new session, IPv4"),
    (Choice::of("session", "ipv6"), "new session, IPv6"),
    (
        Choice::of("connection", "ipv4"),
        "short TCP connection, IPv4",
    ),
    (
        Choice::of("connection", "ipv6"),
        "short TCP connection, IPv6",
    ),
];

pub fn write(report: &Report) -> Result<(), Box<dyn Error>> {
    let text = fs::read_to_string(FILE).map_err(|error| format!("{FILE}: {error}"))?;
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let Some((before, after)) = parts else {
        return Err(format!("{FILE} has no place for the table: {BEGIN}").into());
    };
    let text = format!("{before}{BEGIN}{}{END}{after}", table(report));
    fs::write(FILE, text).map_err(|error| format!("{FILE}: {error}"))?;
    Ok(())
}

fn table(report: &Report) -> String {
    let mut text = "\n| instructions |".to_owned();
    PATHS
        .iter()
        .for_each(|(_, name)| text += &format!(" {name} |"));
    text += "\n| --- |";
    PATHS.iter().for_each(|_| text += " ---: |");
    text += "\n";
    for (choice, name) in ROWS {
        text += &format!("| {name} |");
        let whole = report.cost(choice, WHOLE);
        for (path, _) in PATHS {
            text += &match (report.cost(choice, path), whole) {
                (Some(cost), Some(whole)) => {
                    format!(" {} ({:.2}) |", number(cost), cost / whole)
                }
                (Some(cost), None) => format!(" {} |", number(cost)),
                _ => " – |".to_owned(),
            };
        }
        text += "\n";
    }
    for (name, in_use) in [
        ("bytes of memory a session, IPv4", false),
        ("the same, in use", true),
    ] {
        text += &format!("| {name} |");
        for (path, _) in PATHS {
            text += &match report.memory("ipv4", 50_000, in_use, path) {
                Some(bytes) => format!(" {} |", number(bytes.into())),
                None => " – |".to_owned(),
            };
        }
        text += "\n";
    }
    text + "\n"
}
