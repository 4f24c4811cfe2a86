// SPDX-License-Identifier: GPL-2.0-only
//! The files, pins and commands of a director, for users who may not configure it.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::follow::follower::Follower;
use crate::full_nat::FILE;
use crate::lab::{Lab, eventually, stderr, success};

/// Each file of a director with its mode. Root owns all of them. N is a number.
const MODES: [(&str, u32); 29] = [
    // Services, addresses and settings are no secret: `ip` and `ipvsadm` print them too.
    // Writing needs CAP_NET_ADMIN, which each write checks again.
    ("proc", 0o555),
    ("proc/fast_path", 0o644),
    ("proc/local_ips", 0o644),
    ("proc/map", 0o644),
    ("proc/rules", 0o644),
    ("proc/services", 0o644),
    ("proc/stats", 0o444),
    ("proc/unanswered", 0o644),
    ("proc/xdp", 0o644),
    // A user who knows the key can predict ports.
    ("proc/port_secret", 0o600),
    // The addresses of clients.
    ("proc/sessions", 0o440),
    // It gives rights to other users, so only root may set it.
    ("parameters", 0o755),
    ("parameters/userns", 0o644),
    // The folders of pins can be listed, and nothing in them can be opened: a pinned map has
    // clients' addresses, and a writer of it sends packets anywhere.
    ("bpf", 0o755),
    ("bpf/N", 0o755),
    ("bpf/N/control", 0o600),
    ("bpf/N/counters", 0o600),
    ("bpf/N/flows4", 0o600),
    ("bpf/N/flows6", 0o600),
    ("bpf/N/ipvs_ingress", 0o600),
    ("bpf/N/ipvs_xdp", 0o600),
    ("bpf/N/tcx-N", 0o600),
    // Empty folders, whose names are all that they say.
    ("bpf/N/build-N", 0o755),
    ("bpf/N/clsact-N", 0o755),
    // A user who can open a lock can hold it forever, and no `apply` would begin.
    ("run", 0o700),
    ("run/lock", 0o600),
    ("run/follow-N.lock", 0o600),
    // The state of `apply --follow`, for `metrics`.
    ("run/follow-N.json", 0o644),
    // The next state, until it is renamed.
    ("run/follow-N.new", 0o644),
];

/// The folders of a director, by their names in [`MODES`].
const FOLDERS: [(&str, &str); 4] = [
    ("proc", "/proc/thread-self/net/ip_vs_bpf"),
    ("parameters", "/sys/module/ip_vs_bpf/parameters"),
    ("bpf", "/sys/fs/bpf/ipvs-bpf"),
    ("run", "/run/ipvs-bpf"),
];

/// The name without inodes, indices and hashes.
fn plain(name: &str) -> String {
    match name.split_once('-') {
        None if name.bytes().all(|byte| byte.is_ascii_digit()) => "N".to_owned(),
        Some((kind, rest)) => {
            let end = rest.find('.').unwrap_or(rest.len());
            format!("{kind}-N{}", &rest[end..])
        }
        None => name.to_owned(),
    }
}

fn walk(path: &Path, name: &str, found: &mut Vec<(String, PathBuf)>) {
    found.push((name.to_owned(), path.to_owned()));
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            let below = plain(entry.file_name().to_str().unwrap());
            walk(&entry.path(), &format!("{name}/{below}"), found);
        }
    }
}

/// Everything of the director with its name in [`MODES`].
fn all(lab: &Lab) -> Vec<(String, PathBuf)> {
    lab.inside("director", || {
        let mut found = Vec::new();
        for (name, path) in FOLDERS {
            walk(Path::new(path), name, &mut found);
        }
        found
    })
}

const USER: &[&str] = &[
    "setpriv",
    "--reuid",
    "65534",
    "--regid",
    "65534",
    "--clear-groups",
];
const ONLY_ADMIN: &[&str] = &["setpriv", "--bounding-set", "-all,+net_admin"];
const ALL_BUT_ADMIN: &[&str] = &["setpriv", "--bounding-set", "-net_admin"];

/// A command in the director's network namespace and in the mount namespace of this process.
fn run_as(lab: &Lab, who: &[&str], words: &[&str]) -> Output {
    let namespace = format!("--net=/run/netns/{}", lab.namespace("director"));
    Command::new("nsenter")
        .arg(namespace)
        .args(who)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// A file for all to read.
fn readable(folder: &TempDir, text: &str) -> String {
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("lb.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Prints for each path that it is given the ways in which it can be opened.
const OPENER: &str = r"
import os, sys
for path in sys.argv[1:]:
    ways = ''
    for way, flag in (('r', os.O_RDONLY), ('w', os.O_WRONLY)):
        try:
            os.close(os.open(path, flag))
            ways += way
        except OSError:
            pass
    print(path, ways or '-')
";

const BPF: &str = r"
import ctypes, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes.ljust(120, b'\0'), 120)
    return libc.syscall(321, command, buffer, 120), buffer.raw
";

/// Prints the numbers of all programs, maps and links of the kernel. A number is never used
/// again. `BPF_*_GET_NEXT_ID` and `BPF_*_GET_FD_BY_ID` have these commands.
const NUMBERS: &str = r"
for kind, (after, get) in {'program': (11, 13), 'map': (12, 14), 'link': (31, 30)}.items():
    number = 0
    while True:
        result, buffer = bpf(after, struct.pack('<II', number, 0))
        if result < 0:
            break
        number = struct.unpack_from('<I', buffer, 4)[0]
        print(f'{kind}:{get}:{number}')
";

/// Tries to get each program, map or link that it is given: by its pin, for reading and for
/// both, or by its number. Prints those that it got.
const GETTER: &str = r"
for what in sys.argv[1:]:
    if what.startswith('/'):
        name = ctypes.create_string_buffer(what.encode())
        pin = ctypes.addressof(name)
        tries = [(7, struct.pack('<QII', pin, 0, flags)) for flags in (0, 8, 16)]
    else:
        kind, get, number = what.split(':')
        tries = [(int(get), struct.pack('<III', int(number), 0, 0))]
    if any(bpf(*each)[0] >= 0 for each in tries):
        print(what)
";

#[test]
fn users_can_read_and_change_only_files_that_the_table_allows() {
    let lab = Lab::alone();
    let folder = tempfile::tempdir().unwrap();
    let file = readable(&folder, FILE);
    let mut follower = Follower::start(&lab, &file, &[]);
    follower.until("[start]");
    // Followers that were killed in other namespaces have left their files.
    let inode = lab.inside("director", || {
        fs::metadata("/proc/thread-self/ns/net").unwrap().ino()
    });
    let record = PathBuf::from(format!("/run/ipvs-bpf/follow-{inode}.json"));
    eventually("everything is applied, and its state is published", || {
        let is_applied = lab.ipvs_bpf(&["plan", "-f", &file]).status.success();
        is_applied && record.exists()
    });
    lab.get(&["http://10.0.0.1/"]);
    let all = all(&lab);
    let modes = BTreeMap::from(MODES);
    let mut pins = Vec::new();
    let mut expected = Vec::new();
    lab.inside("director", || {
        for (name, path) in &all {
            let metadata = fs::symlink_metadata(path).unwrap();
            let found = (metadata.mode() & 0o7777, metadata.uid(), metadata.gid());
            let mode = modes.get(name.as_str()).expect(name);
            assert_eq!(found, (*mode, 0, 0), "{name}: {:o}", found.0);
            let may = |bit, way| if mode & bit != 0 { way } else { "" };
            let ways = [may(0o4, "r"), may(0o2, "w")].concat();
            let path = path.to_str().unwrap();
            // Nothing is reached below a closed folder.
            let ways = if ways.is_empty() || name.starts_with("run/") {
                "-"
            } else {
                &ways
            };
            expected.push(format!("{path} {ways}"));
            if name.starts_with("bpf/N/") && *mode == 0o600 {
                pins.push(path.to_owned());
            }
        }
    });
    assert!(pins.len() >= 6, "{pins:?}");
    let paths = all.iter().map(|(_, path)| path.to_str().unwrap());
    let paths: Vec<_> = ["/usr/bin/python3", "-ISc", OPENER]
        .into_iter()
        .chain(paths)
        .collect();
    let opened = success(&run_as(&lab, USER, &paths));
    assert_eq!(opened.lines().collect::<Vec<_>>(), expected);
    let numbers = [BPF, NUMBERS].concat();
    let numbers = success(&run_as(&lab, &[], &["/usr/bin/python3", "-ISc", &numbers]));
    for kind in ["program:", "map:"] {
        assert!(numbers.contains(kind), "{numbers}");
    }
    let objects: Vec<_> = pins
        .iter()
        .map(String::as_str)
        .chain(numbers.lines())
        .collect();
    let getter = [BPF, GETTER].concat();
    let getter = [&["/usr/bin/python3", "-ISc", &getter], &objects[..]].concat();
    assert_eq!(success(&run_as(&lab, USER, &getter)), "");
    // The same program gets each of them as root.
    let got = success(&run_as(&lab, &[], &getter));
    assert_eq!(got.lines().collect::<Vec<_>>(), objects);
    let lock = ["flock", "--nonblock", "/run/ipvs-bpf/lock", "true"];
    assert!(!run_as(&lab, USER, &lock).status.success());
    success(&run_as(&lab, &[], &lock));
    follower.signal(Signal::SIGTERM);
    assert!(follower.end().0.success());
}

const NEEDS_ROOT: &str = "this needs root";
const NEEDS_ADMIN: &str = "it needs the capability CAP_NET_ADMIN of the host: run it as root";

/// The commands, and the error of each for a user, for root with CAP_NET_ADMIN alone, and for
/// root without it. "": it works.
const COMMANDS: [(&[&str], [&str; 3]); 14] = [
    (&["show"], [NEEDS_ROOT, "", NEEDS_ADMIN]),
    // These two read only files of the module, which root owns.
    (&["show", "--sessions"], [NEEDS_ROOT, "", ""]),
    (&["show", "--local-ips"], [NEEDS_ROOT, "", ""]),
    (&["save"], [NEEDS_ROOT, "", NEEDS_ADMIN]),
    (&["export"], [NEEDS_ROOT, "", NEEDS_ADMIN]),
    (&["doctor"], [NEEDS_ROOT, "", NEEDS_ADMIN]),
    (&["metrics"], [NEEDS_ROOT, "", NEEDS_ADMIN]),
    (&["plan", "-f", "FILE"], [NEEDS_ROOT, "", NEEDS_ADMIN]),
    (&["apply", "-f", "FILE"], [NEEDS_ROOT, "", NEEDS_ADMIN]),
    (
        &["weight", "tcp://10.0.0.1:80", "10.2.0.3:8080", "1"],
        [NEEDS_ROOT, "", NEEDS_ADMIN],
    ),
    (
        &["drain", "tcp://10.0.0.1:5201", "10.2.0.2:5201"],
        [NEEDS_ROOT, "", NEEDS_ADMIN],
    ),
    (&["zero"], [NEEDS_ROOT, "", NEEDS_ADMIN]),
    (&["flush", "--yes"], [NEEDS_ROOT, "", NEEDS_ADMIN]),
    // The last step needs CAP_SYS_MODULE.
    (
        &["down"],
        [
            NEEDS_ROOT,
            "could not be unloaded: Operation not permitted",
            NEEDS_ADMIN,
        ],
    ),
];

#[test]
fn commands_without_the_rights_say_so_and_change_nothing() {
    let lab = Lab::alone();
    let folder = tempfile::tempdir().unwrap();
    let file = readable(&folder, FILE);
    // The last of them removes everything.
    for (at, who) in [(0, USER), (2, ALL_BUT_ADMIN), (1, ONLY_ADMIN)] {
        lab.apply(FILE);
        for (command, errors) in COMMANDS {
            let words = [env!("CARGO_BIN_EXE_ipvs-bpf")]
                .into_iter()
                .chain(command.iter().copied());
            let words: Vec<_> = words
                .map(|word| if word == "FILE" { &file } else { word })
                .collect();
            let output = run_as(&lab, who, &words);
            let text = stderr(&output);
            if errors[at].is_empty() {
                assert!(output.status.success(), "{who:?} {command:?}: {text}");
                continue;
            }
            assert_eq!(output.status.code(), Some(1), "{who:?} {command:?}: {text}");
            assert!(text.contains(errors[at]), "{who:?} {command:?}: {text}");
            assert_eq!(text.lines().count(), 1, "{who:?} {command:?}: {text}");
        }
        if at != 1 {
            assert_eq!(lab.apply(FILE), "nothing to do\n", "{who:?}");
        }
    }
}

/// The lab mounts the BPF file system as `mount` does without options: everyone can write it.
#[test]
fn a_folder_of_pins_that_another_user_made_is_refused() {
    let lab = Lab::alone();
    let path = "/sys/fs/bpf/ipvs-bpf";
    let script = |script: &str| success(&run_as(&lab, USER, &["sh", "-ec", script]));
    // The sweep of pins of ended namespaces must not follow a link.
    let folder = tempfile::tempdir().unwrap();
    let numbered = folder.path().join("123456");
    fs::create_dir(&numbered).unwrap();
    let link = format!("ln -s {} {path}", folder.path().display());
    for (make, remove) in [(format!("mkdir {path}"), "rmdir"), (link, "rm")] {
        script(&make);
        let apply = lab.with_file(&["apply"], FILE);
        assert_eq!(apply.status.code(), Some(4), "{make}");
        let text = stderr(&apply);
        assert!(text.contains("another user made it"), "{make}: {text}");
        success(&lab.ipvs_bpf(&["down"]));
        assert!(numbered.exists(), "{make}");
        script(&format!("{remove} {path}"));
    }
    lab.apply(FILE);
    lab.get(&["http://10.0.0.1/"]);
}
