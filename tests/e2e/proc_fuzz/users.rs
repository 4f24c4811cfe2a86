// SPDX-License-Identifier: GPL-2.0-only
//! Users who may not configure the director write the same texts.

use std::fs;

use super::count_and_seed;
use super::state::State;
use super::texts::{self, Place};
use crate::full_nat::FILE;
use crate::lab::{Lab, success};

/// Makes the writes that its argument lists. Prints how many took effect and how many
/// did not.
const WRITER: &str = r"
import os, sys
taken = refused = 0
for line in open(sys.argv[1]):
    name, offset, data = line.rstrip('\n').split(' ')
    try:
        f = os.open('/proc/thread-self/net/ip_vs_bpf/' + name, os.O_WRONLY)
    except OSError:
        refused += 1
        continue
    try:
        data = bytes.fromhex(data)
        os.pwrite(f, data, int(offset)) if offset != '-' else os.write(f, data)
        taken += 1
    except OSError:
        refused += 1
    os.close(f)
print(taken, refused)
";

const USER: &[&str] = &[
    "setpriv",
    "--reuid",
    "65534",
    "--regid",
    "65534",
    "--clear-groups",
];
/// Root of a user namespace, in the director's network namespace.
const ROOT: &[&str] = &["unshare", "--map-root-user"];
/// The same, in a network namespace of its own.
const OWN: &[&str] = &["unshare", "--map-root-user", "unshare", "--net"];

/// Plays the scripts in the file as such a user. Returns how many writes took effect.
fn play(lab: &Lab, as_user: &[&str], file: &str) -> u64 {
    let python = ["/usr/bin/python3", "-ISc", WRITER, file];
    let words = [USER, as_user, &python].concat();
    let text = success(&lab.try_exec("director", &words));
    let (taken, refused) = text.trim().split_once(' ').unwrap();
    assert_ne!((taken, refused), ("0", "0"));
    taken.parse().unwrap()
}

/// COUNT and SEED say how many writes, and which.
#[test]
fn users_who_may_not_configure_the_director_cannot_by_any_text() {
    let (count, seed) = count_and_seed(600);
    let lab = Lab::alone();
    lab.apply(FILE);
    let mut text = String::new();
    for number in 0..count {
        let script = texts::script(seed, number, [0, 1, 2]);
        for one in script.writes {
            let offset = match one.place {
                Place::At(at) => at.to_string(),
                Place::Next | Place::Sought(_) => "-".to_owned(),
            };
            let hex: String = one.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            text += &format!("{} {offset} {hex}\n", script.file);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("writes");
    fs::write(&path, text).unwrap();
    fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let file = path.to_str().unwrap();
    let parameter = |value: &str| {
        fs::write("/sys/module/ip_vs_bpf/parameters/userns", value).unwrap();
    };
    let state = || lab.inside("director", State::read);
    let before = state();
    for allowed in ["0", "1"] {
        parameter(allowed);
        for (as_user, may) in [(&[][..], false), (ROOT, false), (OWN, allowed == "1")] {
            let taken = play(&lab, as_user, file);
            assert_eq!(taken > 0, may, "userns={allowed} {as_user:?}: {taken}");
            assert_eq!(state(), before, "userns={allowed} {as_user:?}");
        }
    }
    parameter("0");
    lab.get(&["http://10.0.0.1/"]);
    assert_eq!(lab.apply(FILE), "nothing to do\n");
}
