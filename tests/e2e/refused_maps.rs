// SPDX-License-Identifier: GPL-2.0-only
//! Maps that the module must refuse, written to /proc/net/ip_vs_bpf/map: it names the
//! reason, and the current maps stay.

use std::process::Command;

use crate::balance::pins;
use crate::fast_path::{fast, warm};
use crate::full_nat::FILE;
use crate::lab::{Lab, run};
use crate::replace::map_file;
use crate::talk::Talk;

/// Opens pins, the second one read-only if asked, and offers them to the module.
const OFFER: &str = r"
import ctypes, errno, os, resource, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
BPF_OBJ_GET, BPF_F_RDONLY = 7, 8
def descriptor(pin, flags):
    text = ctypes.create_string_buffer(pin.encode())
    attr = struct.pack('QII', ctypes.addressof(text), 0, flags)
    fd = libc.syscall(321, BPF_OBJ_GET, attr, len(attr))
    assert fd >= 0, os.strerror(ctypes.get_errno())
    return fd
# Kernels before 5.18 take a map by a socket filter that uses it.
BPF_PROG_LOAD, SOCKET_FILTER = 5, 1
resource.setrlimit(resource.RLIMIT_MEMLOCK, (-1, -1))
def filter_of(map):
    use = struct.pack('BBhiBBhi', 0x18, 0x11, 0, map, 0, 0, 0, 0)
    leave = struct.pack('BBhiBBhi', 0xb7, 0, 0, 0, 0x95, 0, 0, 0)
    text = ctypes.create_string_buffer(use + leave, 32)
    license = ctypes.create_string_buffer(b'GPL')
    attr = struct.pack('IIQQ104x', SOCKET_FILTER, 4, ctypes.addressof(text),
                       ctypes.addressof(license))
    fd = libc.syscall(321, BPF_PROG_LOAD, attr, len(attr))
    assert fd >= 0, os.strerror(ctypes.get_errno())
    return fd
flags = BPF_F_RDONLY if sys.argv[4] == 'read-only' else 0
maps = descriptor(sys.argv[1], 0), descriptor(sys.argv[2], flags), descriptor(sys.argv[3], 0)
release = tuple(int(part) for part in os.uname().release.split('.')[:2])
# A filter says nothing of the descriptor that it was loaded with.
if release < (5, 18) and sys.argv[4] != 'read-only':
    maps = tuple(filter_of(map) for map in maps)
try:
    os.write(os.open('/proc/net/ip_vs_bpf/map', os.O_WRONLY), b'flows4 %d flows6 %d control %d' % maps)
except OSError as error:
    assert error.errno in (errno.EINVAL, errno.EPERM, errno.EOPNOTSUPP), error
else:
    sys.exit('they were taken')
";

/// Offers maps that the module must refuse, and returns its error.
fn refused(lab: &Lab, pins: [&str; 3], how: &str) -> String {
    let maps = || {
        let text = map_file(lab);
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let before = maps();
    let words = [
        "/usr/bin/python3",
        "-ISc",
        OFFER,
        pins[0],
        pins[1],
        pins[2],
        how,
    ];
    lab.exec("director", &words);
    assert_eq!(maps(), before);
    map_file(lab).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn maps_that_nobody_may_write_are_refused() {
    let lab = Lab::new();
    lab.apply(FILE);
    let pin = |name: &str| pins(&lab).join(name).to_str().unwrap().to_owned();
    let words = map_file(&lab);
    let line = words.lines().find(|line| line.starts_with("flows6 "));
    let words: Vec<&str> = line.unwrap().split(' ').collect();
    let frozen = pin("test-frozen");
    let create = [
        "map", "create", &frozen, "type", "array", "key", words[6], "value", words[8], "entries",
        words[10], "name", "flows6",
    ];
    run(Command::new("bpftool").args(create));
    run(Command::new("bpftool").args(["map", "freeze", "pinned", &frozen]));
    let reason = refused(&lab, [&pin("flows4"), &frozen, &pin("control")], "frozen");
    assert!(
        reason.contains("flows6: ") && reason.contains("not frozen"),
        "{reason}"
    );
    refused(
        &lab,
        [&pin("flows4"), &pin("flows6"), &pin("control")],
        "read-only",
    );
    Talk::new(&lab, "udp", ("10.0.0.1", 7)).ask();
}

/// The module keeps what it needs to find a flow. A number of sets that is too large would
/// otherwise lead it out of the map.
#[test]
fn nonsense_that_root_writes_into_the_map_control_costs_speed_alone() {
    let lab = Lab::new();
    lab.apply(&fast());
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    warm(&lab, &mut talk);
    let words = map_file(&lab);
    let line = words.lines().find(|line| line.starts_with("control "));
    let size: usize = line.unwrap().split(' ').nth(8).unwrap().parse().unwrap();
    let mut update = Command::new("bpftool");
    update.args(["map", "update", "pinned"]);
    update.arg(pins(&lab).join("control"));
    update.args(["key", "hex", "0", "0", "0", "0", "value", "hex"]);
    run(update.args(vec!["ff"; size]));
    for kind in ["udp", "tcp"] {
        let port = if kind == "udp" { 7 } else { 80 };
        let mut talk = Talk::new(&lab, kind, ("10.0.0.1", port));
        for _ in 0..8 {
            assert_eq!(talk.ask().peer, "10.2.0.100");
        }
    }
    talk.ask();
}

#[test]
fn maps_of_another_shape_are_refused_by_name_and_everything_goes_on() {
    let lab = Lab::new();
    lab.apply(FILE);
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    talk.ask();
    let pin = pins(&lab).join("test").to_str().unwrap().to_owned();
    let create = [
        "map", "create", &pin, "type", "hash", "key", "16", "value", "8", "entries", "16", "name",
        "flows4", "flags", "1",
    ];
    run(Command::new("bpftool").args(create));
    let reason = refused(&lab, [&pin, &pin, &pin], "of another shape");
    assert!(reason.starts_with("# error: flows4: "), "{reason}");
    talk.ask();
}
