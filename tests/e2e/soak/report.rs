// SPDX-License-Identifier: GPL-2.0-only
//! target/soak/: what a run has seen, as JSON and as a picture.

use std::fmt;
use std::fs;
use std::path::Path;

use plotters::prelude::*;
use serde::Serialize;

use super::traffic::Counts;

const FOLDER: &str = "target/soak";
const SIZE: (u32, u32) = (880, 720);
/// Objects that a kernel keeps for later, whatever the length of a run. A session takes
/// more than 200 bytes, so 40 000 that are not freed would exceed it.
const KEPT_KIB: u64 = 8 * 1024;

#[derive(Serialize)]
pub struct Sample {
    pub seconds: u64,
    /// Each director has its own.
    pub sessions: [u64; 2],
    pub slab_kib: u64,
    pub traffic: Counts,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts {
            failovers,
            bytes,
            connections,
            datagrams,
            messages,
            ..
        } = self.traffic;
        write!(
            f,
            "{:4} s: {failovers} failovers, {} MiB, {connections} short connections, \
             {datagrams} datagrams, {messages} messages, {:?} sessions, {} KiB of slabs",
            self.seconds,
            bytes >> 20,
            self.sessions,
            self.slab_kib
        )
    }
}

#[derive(Serialize)]
struct Report<'a> {
    samples: &'a [Sample],
    /// Before the traffic, and after the last session.
    slab_kib: [u64; 2],
}

/// Writes it where the folder exists. The memory must have come back.
pub fn write(samples: &[Sample], before: u64, after: u64) {
    if Path::new(FOLDER).exists() {
        let report = Report {
            samples,
            slab_kib: [before, after],
        };
        let json = serde_json::to_string_pretty(&report).unwrap();
        fs::write(format!("{FOLDER}/report.json"), json + "\n").unwrap();
        draw(samples).unwrap();
    }
    assert!(
        after < before + KEPT_KIB,
        "slabs: {before} KiB became {after} KiB"
    );
}

fn draw(samples: &[Sample]) -> Result<(), Box<dyn std::error::Error>> {
    type Value = fn(&Sample) -> u64;
    let panels: [(&str, &[Value]); 3] = [
        (
            "sessions of each director",
            &[|s| s.sessions[0], |s| s.sessions[1]],
        ),
        ("kernel memory for objects, MiB", &[|s| s.slab_kib >> 10]),
        ("bytes that came back, MiB", &[|s| s.traffic.bytes >> 20]),
    ];
    let file = format!("{FOLDER}/soak.svg");
    let page = SVGBackend::new(&file, SIZE).into_drawing_area();
    page.fill(&WHITE)?;
    let end = samples.last().map_or(1, |sample| sample.seconds.max(1));
    for (area, (title, lines)) in page.split_evenly((panels.len(), 1)).iter().zip(panels) {
        let all = samples
            .iter()
            .flat_map(|sample| lines.iter().map(|line| line(sample)));
        let most = all.max().unwrap_or(0).max(1);
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 16))
            .margin(10)
            .x_label_area_size(24)
            .y_label_area_size(60)
            .build_cartesian_2d(0..end, 0..most + most / 10 + 1)?;
        chart.configure_mesh().x_desc("seconds").draw()?;
        for (line, colour) in lines.iter().zip([&BLUE, &RED]) {
            let points = samples.iter().map(|sample| (sample.seconds, line(sample)));
            chart.draw_series(LineSeries::new(points, colour))?;
        }
    }
    page.present()?;
    Ok(())
}
