// SPDX-License-Identifier: GPL-2.0-only
//! Writers and readers at once, under load.

use std::fs::{self, OpenOptions};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::state::path;
use super::texts::{self, FILES, READ_ONLY, Script};
use super::{count_and_seed, maps, write};
use crate::changes::Load;
use crate::full_nat::FILE;
use crate::lab::{Lab, module_is_loaded, success};

/// The load's sessions end if their service is removed and sessions are then flushed.
fn may_end_sessions(script: &Script) -> bool {
    let flush = b"flush";
    let all: Vec<u8> = script
        .writes
        .iter()
        .flat_map(|one| one.bytes.clone())
        .collect();
    all.windows(flush.len()).any(|part| part == flush)
}

/// Every line that is read is whole, whatever the writers do.
fn assert_lines_are_whole(file: &str) {
    let text = fs::read(path(file)).unwrap();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("# error: "))
        .collect();
    let fits = |line: &&str| {
        let words: Vec<&str> = line.split(' ').collect();
        match (file, &words[..]) {
            ("map", words) => words.len() == 11,
            ("local_ips", [_, _, _, "sessions", _]) => true,
            ("services", [.., "sessions", _] | [.., "sessions", _, "of", _, _]) => true,
            ("rules", [_, _, _, _, _, .., "services", _]) => true,
            ("fast_path" | "xdp", ["on" | "off"]) => true,
            ("port_secret", [word]) => *word == "random" || word.len() == 32,
            ("unanswered", ["tcp" | "udp" | "sctp", seconds]) => seconds.parse::<u32>().is_ok(),
            ("sessions", words) => words.len() == 7,
            ("stats", [_, value]) => value.parse::<u64>().is_ok(),
            _ => false,
        }
    };
    assert!(lines.iter().all(fits), "{file}: {text}");
    match file {
        "map" => assert!(matches!(lines.len(), 0 | 3), "{text}"),
        "unanswered" => assert_eq!(lines.len(), 3, "{text}"),
        "fast_path" | "xdp" | "port_secret" => assert_eq!(lines.len(), 1, "{text}"),
        _ => {}
    }
}

/// COUNT and SEED say how many writes, and which: two threads write all files, two a file
/// each.
#[test]
fn several_write_and_read_the_proc_files_at_once_and_no_connection_breaks() {
    let (count, seed) = count_and_seed(400);
    let lab = Lab::alone();
    lab.apply(FILE);
    let load = Load::begin(&lab);
    let open = maps(&lab);
    let numbers = [0, 1, 2].map(|at| open[at].as_raw_fd());
    let ended = AtomicBool::new(false);
    let writer = |thread: u64, only: Option<&str>| {
        let (mut taken, mut number, mut left) = (0, 0, count / 4);
        while left > 0 {
            let script = texts::script(seed.wrapping_add(thread), number, numbers);
            number += 1;
            let is_other = only.is_some_and(|only| script.file != only);
            if is_other || READ_ONLY.contains(&script.file) || may_end_sessions(&script) {
                continue;
            }
            left -= 1;
            let file = OpenOptions::new().write(true).open(path(script.file));
            let file = file.unwrap();
            taken += script
                .writes
                .iter()
                .filter(|one| write(&file, one).is_ok())
                .count();
        }
        taken
    };
    let reader = || {
        while !ended.load(Ordering::Relaxed) {
            for file in FILES.iter().chain(&READ_ONLY) {
                assert_lines_are_whole(file);
            }
        }
    };
    let inside = |call: &(dyn Fn() + Sync)| lab.inside("director", call);
    let taken = thread::scope(|scope| {
        let readers = [0; 2].map(|_| scope.spawn(|| inside(&reader)));
        let writers = [None, None, Some("services"), Some("local_ips")];
        let writers: Vec<_> = (1..)
            .zip(writers)
            .map(|(number, only)| {
                let (lab, writer) = (&lab, &writer);
                scope.spawn(move || lab.inside("director", || writer(number, only)))
            })
            .collect();
        let taken = writers.into_iter().map(thread::ScopedJoinHandle::join);
        let taken: Vec<_> = taken.collect();
        ended.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.join().unwrap();
        }
        taken.into_iter().map(Result::unwrap).sum::<usize>()
    });
    println!("{taken} of {count} took effect");
    assert!(taken > 0);
    lab.apply(FILE);
    lab.get(&["http://10.0.0.1/"]);
    load.end("10.2.0.100");
    success(&lab.ipvs_bpf(&["down"]));
    assert!(!module_is_loaded());
}
