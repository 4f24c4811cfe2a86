// SPDX-License-Identifier: GPL-2.0-only
//! The module's files in `/proc/net/ip_vs_bpf`, written with mutations of valid texts: by
//! root, by several at once, and by users who may not.

mod at_once;
mod state;
mod texts;
mod users;

use std::fs::OpenOptions;
use std::io::{self, Seek, SeekFrom, Write as _};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::thread;

use aya::maps::MapData;
use nix::libc;
use packet_fixtures::mutate::Random;

use crate::balance::pins;
use crate::full_nat::FILE;
use crate::lab::{Lab, environment, success};
use state::{State, path, reason};
use texts::{Place, READ_ONLY, Script, Write};

/// The number of scripts, and the seed, which say which writes are made.
fn count_and_seed(usual: u64) -> (u64, u64) {
    let (count, seed) = (environment("COUNT", usual), environment("SEED", 1));
    println!("COUNT={count} SEED={seed}");
    (count, seed)
}

/// The maps of the director, by descriptors of this process.
fn maps(lab: &Lab) -> [OwnedFd; 3] {
    ["flows4", "flows6", "control"].map(|name| {
        let map = MapData::from_pin(pins(lab).join(name)).unwrap();
        map.fd().as_fd().try_clone_to_owned().unwrap()
    })
}

fn write(file: &std::fs::File, write: &Write) -> io::Result<()> {
    let mut file = file;
    let length = match write.place {
        Place::At(offset) => file.write_at(&write.bytes, offset)?,
        Place::Sought(offset) => {
            file.seek(SeekFrom::Start(offset))?;
            file.write(&write.bytes)?
        }
        Place::Next => file.write(&write.bytes)?,
    };
    assert_eq!(length, write.bytes.len(), "a write is taken as a whole");
    Ok(())
}

/// These have no reason (docs/reference/proc.md). The last one is of pwrite(2).
const UNEXPLAINED: [i32; 5] = [
    libc::EPERM,
    libc::E2BIG,
    libc::EFAULT,
    libc::ENOMEM,
    libc::ESPIPE,
];

/// The second write of what a file says changes nothing.
fn assert_can_be_written_back(file: &'static str, now: &State, maps: [i32; 3]) {
    let text = now.written_back(file, maps);
    let all = OpenOptions::new()
        .write(true)
        .open(path(file))
        .and_then(|mut open| open.write_all(text.as_bytes()));
    assert!(all.is_ok(), "{file} {text:?}: {all:?} {:?}", reason(file));
    assert_eq!(&State::read(), now, "{file} {text:?}");
}

/// Prints the script by which a test fails.
struct Shown<'a>(&'a Script);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("number {}: {:?}", self.0.number, self.0.writes);
        }
    }
}

/// Makes the writes of a script. Each takes effect or changes nothing. Returns how many took
/// effect.
fn play(script: &Script, state: &mut State, maps: [i32; 3]) -> u64 {
    let file = script.file;
    let open = OpenOptions::new().write(true).open(path(file));
    if READ_ONLY.contains(&file) {
        let taken = open.and_then(|open| write(&open, &script.writes[0]));
        assert!(taken.is_err() || script.writes[0].bytes.is_empty());
        assert_eq!(&State::read(), state, "{script:?}");
        return 0;
    }
    let open = open.unwrap();
    let mut taken = 0;
    for one in &script.writes {
        let result = write(&open, one);
        let now = State::read();
        now.assert_is_read_by_the_cli();
        match result {
            Ok(()) => {
                taken += 1;
                assert_eq!(reason(file), None);
                for changed in now.differences(state) {
                    assert_can_be_written_back(changed, &now, maps);
                }
                *state = now;
            }
            Err(error) => {
                let code = error.raw_os_error().unwrap();
                assert_eq!(&now, state, "{error}: {file} {one:?}");
                let is_explained = reason(file).is_some() || UNEXPLAINED.contains(&code);
                assert!(is_explained, "{error}: {file} {one:?}");
            }
        }
    }
    taken
}

/// COUNT and SEED say how many scripts of writes, and which.
#[test]
fn a_mutated_write_to_a_proc_file_takes_effect_or_changes_nothing() {
    let (count, seed) = count_and_seed(1500);
    let lab = Lab::new();
    lab.apply(FILE);
    let open = maps(&lab);
    let numbers = [0, 1, 2].map(|at| open[at].as_raw_fd());
    let taken = lab.inside("director", || {
        let mut state = State::read();
        state.assert_is_read_by_the_cli();
        let mut taken = 0;
        for number in 0..count {
            let script = texts::script(seed, number, numbers);
            let _shown = Shown(&script);
            taken += play(&script, &mut state, numbers);
            if number % 16 == 0 {
                state::assert_pieces_are_the_whole(&mut Random::new(seed, number));
            }
        }
        taken
    });
    println!("{taken} of {count} took effect");
    assert!(count < 100 || taken > count / 10, "{taken} of {count}");
    lab.apply(FILE);
    lab.get(&["http://10.0.0.1/"]);
    success(&lab.ipvs_bpf(&["down"]));
}
