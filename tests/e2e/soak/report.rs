// SPDX-License-Identifier: GPL-2.0-only
//! A run as JSON in target/soak/, and the checks of it.

use std::fmt;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::counters::{Counted, troubles};
use super::counts::{Counts, Exchanges};
use super::memory::{KINDS, Memory};
use super::picture;

pub const FOLDER: &str = "target/soak";

#[derive(Serialize)]
pub struct Sample {
    pub seconds: u64,
    /// Each director has its own.
    pub sessions: [u64; 2],
    pub memory: Memory,
    pub traffic: Counts,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sample {
            seconds,
            sessions,
            memory,
            traffic,
        } = self;
        let [four, six] = traffic.families.map(|family| {
            [
                family.short_tcp,
                family.datagrams,
                family.messages,
                family.unreachable,
                family.too_big,
            ]
        });
        write!(
            f,
            "{seconds:4} s: {} failovers, {} MiB, IPv4 {four:?}, IPv6 {six:?}, \
             {sessions:?} sessions, objects {:?}, KiB {:?}",
            traffic.failovers,
            traffic.bytes() >> 20,
            memory.objects,
            KINDS.map(|kind| (kind.of)(memory)),
        )
    }
}

#[derive(Serialize)]
pub struct Report {
    pub samples: Vec<Sample>,
    /// Without traffic, before the run and after it.
    pub memory: [Memory; 2],
    /// Each director has its own.
    pub counters: [Counted; 2],
}

impl Report {
    /// Writes it where the folder exists.
    pub fn write(&self) {
        if Path::new(FOLDER).exists() {
            let json = serde_json::to_string_pretty(self).unwrap();
            fs::write(format!("{FOLDER}/report.json"), json + "\n").unwrap();
            picture::draw(&self.samples).unwrap();
        }
    }

    /// Every kind of traffic flowed in each half of the run, nothing was dropped that must not
    /// be, and no memory is left.
    pub fn check(&self) {
        let faults = self.faults();
        assert!(faults.is_empty(), "{faults:#?}");
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let half = self.samples[self.samples.len() / 2].traffic;
        let end = self.samples.last().unwrap().traffic;
        for (what, idle) in [
            ("first", half.idle_since(&Counts::default())),
            ("second", end.idle_since(&half)),
        ] {
            let idle = idle.into_iter();
            faults.extend(idle.map(|idle| format!("idle in the {what} half: {idle}")));
        }
        faults.extend(self.counters.iter().flat_map(troubles));
        faults.extend(self.growth());
        faults
    }

    /// Memory that is left after the run, and memory that grew during it.
    fn growth(&self) -> Vec<String> {
        let quarter = (self.samples.len() / 4).max(1);
        let first = &self.samples[..quarter];
        let last = &self.samples[self.samples.len() - quarter..];
        let mut faults = Vec::new();
        for kind in &KINDS {
            let median = |samples: &[Sample]| {
                let mut values: Vec<u64> = samples.iter().map(|s| (kind.of)(&s.memory)).collect();
                values.sort_unstable();
                values[values.len() / 2]
            };
            let [before, after] = self.memory.each_ref().map(kind.of);
            let [begin, end] = [median(first), median(last)];
            println!(
                "{}: without traffic {before} KiB, then {after} KiB; with traffic, as the median \
                 of a quarter of the run, {begin} KiB, then {end} KiB",
                kind.name
            );
            // With traffic it varies with the number of connections.
            for (before, after, rooms) in [(before, after, 1), (begin, end, 2)] {
                if after > before + rooms * kind.room(before) {
                    faults.push(format!("{}: {before} KiB became {after} KiB", kind.name));
                }
            }
        }
        faults
    }
}

/// The checks can fail. Each number of this run is what it has to be, except those that a case
/// changes.
#[test]
fn idle_traffic_a_drop_and_grown_memory_are_faults() {
    let memory = Memory {
        objects: [0; 3],
        slab_kib: 20_000,
        vmalloc_kib: 100_000,
        percpu_kib: 600,
        flow_maps_kib: 90_000,
    };
    let sample = |seconds| Sample {
        seconds,
        sessions: [seconds; 2],
        memory,
        traffic: Counts {
            families: [Exchanges::all(seconds); 2],
            ..Counts::default()
        },
    };
    let faults = |change: fn(&mut Report)| {
        let mut report = Report {
            samples: (1..=8).map(sample).collect(),
            memory: [memory; 2],
            counters: [("flows_full", 3), ("sessions_created", 8)]
                .map(|(name, value)| Counted::from([(name.to_owned(), value)])),
        };
        change(&mut report);
        report.faults()
    };
    assert_eq!(faults(|_| ()), [""; 0]);
    let idle = faults(|report| {
        for sample in &mut report.samples[4..] {
            sample.traffic.families[1].too_big = 5;
        }
    });
    assert_eq!(idle, ["idle in the second half: IPv6: 5 packets too big"]);
    let dropped = faults(|report| {
        report.counters[1].insert("drop_rewrite_failed".to_owned(), 1);
    });
    assert_eq!(dropped, ["drop_rewrite_failed 1"]);
    let left = faults(|report| report.memory[1].flow_maps_kib += 4);
    assert_eq!(left, ["flow maps: 90000 KiB became 90004 KiB"]);
    let grown = faults(|report| {
        for sample in &mut report.samples {
            sample.memory.slab_kib += 400 * sample.seconds;
        }
    });
    assert_eq!(grown, ["other slabs: 20800 KiB became 23200 KiB"]);
}
