// SPDX-License-Identifier: GPL-2.0-only
//! Draws docs/benchmark.svg from target/bench/report.json: what a packet, a new
//! session and a short TCP connection cost on each path, as a share of IPVS
//! with conntrack and masquerade.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde::Deserialize;

#[derive(Deserialize)]
struct Report {
    kernel: String,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    per: String,
    path: String,
    family: String,
    protocol: String,
    size: u32,
    verified: bool,
    flows: u32,
    sessions: u32,
    instructions: f64,
}

const PATHS: [(&str, &str, RGBColor); 6] = [
    (
        "tc_redirect",
        "eBPF redirect alone",
        RGBColor(200, 200, 200),
    ),
    ("route", "plain routing", RGBColor(160, 160, 160)),
    ("ipvs", "IPVS, no source NAT", RGBColor(120, 140, 170)),
    (
        "ipvs_masquerade",
        "IPVS + conntrack + masquerade",
        RGBColor(200, 110, 80),
    ),
    ("ipvs_bpf", "ipvs-bpf, classic path", RGBColor(60, 130, 90)),
    (
        "ipvs_bpf_fast",
        "ipvs-bpf, fast path",
        RGBColor(40, 170, 110),
    ),
];

const GROUPS: [(&str, &str); 3] = [
    ("packet", "per packet"),
    ("session", "per new session"),
    ("connection", "per short TCP connection"),
];

const BAR: i32 = 22;
const LEFT: i32 = 250;
const WIDTH: i32 = 900;
const FULL: i32 = 420;

fn main() -> Result<(), Box<dyn Error>> {
    let report: Report = serde_json::from_str(&fs::read_to_string("target/bench/report.json")?)?;
    let costs = costs(&report.rows);
    let groups: Vec<_> = GROUPS
        .iter()
        .map(|(per, title)| {
            let bars: Vec<_> = PATHS
                .iter()
                .filter_map(|path| Some((path, *costs.get(&(*per, path.0))?)))
                .collect();
            (*title, bars)
        })
        .collect();
    let lines: usize = groups.iter().map(|(_, bars)| bars.len() + 2).sum();
    let height = BAR * (lines as i32 + 2);
    let root =
        SVGBackend::new("docs/benchmark.svg", (WIDTH as u32, height as u32)).into_drawing_area();
    root.fill(&WHITE)?;

    let text = |size: i32| ("sans-serif", size).into_font().color(&BLACK);
    let right = text(14).pos(Pos::new(HPos::Right, VPos::Center));
    let left = text(14).pos(Pos::new(HPos::Left, VPos::Center));
    let mut y = BAR;
    root.draw(&Text::new(
        format!(
            "Instructions, IPv4, 64-byte packets, Linux {}",
            report.kernel
        ),
        (20, y),
        text(17).pos(Pos::new(HPos::Left, VPos::Center)),
    ))?;
    for (title, bars) in groups {
        y += BAR + BAR / 2;
        root.draw(&Text::new(
            title,
            (20, y),
            text(15).pos(Pos::new(HPos::Left, VPos::Center)),
        ))?;
        let whole = bars
            .iter()
            .find(|(path, _)| path.0 == "ipvs_masquerade")
            .map_or(1.0, |(_, cost)| *cost);
        for ((_, name, colour), cost) in bars {
            y += BAR;
            let end = LEFT + (f64::from(FULL) * cost / whole) as i32;
            root.draw(&Text::new(*name, (LEFT - 8, y), right.clone()))?;
            root.draw(&Rectangle::new(
                [(LEFT, y - BAR / 2 + 3), (end, y + BAR / 2 - 3)],
                colour.filled(),
            ))?;
            let figures = format!("{cost:.0} ({:.2})", cost / whole);
            root.draw(&Text::new(figures, (end + 8, y), left.clone()))?;
        }
    }
    root.present()?;
    Ok(())
}

/// The mean of both directions where there are two.
fn costs(rows: &[Row]) -> BTreeMap<(&str, &str), f64> {
    let mut sums: BTreeMap<_, (f64, f64)> = BTreeMap::new();
    for row in rows {
        let chosen = row.family == "ipv4"
            && match row.per.as_str() {
                "packet" => {
                    row.protocol == "udp"
                        && row.size == 64
                        && row.verified
                        && row.flows == 1
                        && row.sessions == 1
                }
                _ => true,
            };
        if chosen {
            let sum = sums
                .entry((row.per.as_str(), row.path.as_str()))
                .or_default();
            *sum = (sum.0 + row.instructions, sum.1 + 1.0);
        }
    }
    sums.into_iter()
        .map(|(key, (sum, count))| (key, sum / count))
        .collect()
}
