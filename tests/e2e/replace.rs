// SPDX-License-Identifier: GPL-2.0-only
//! Programs of another build, and session maps of another size, take over while
//! sessions live.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use crate::balance::{balanced, none_left};
use crate::changes::Load;
use crate::full_nat::FILE;
use crate::lab::{Lab, eventually, run, stderr, success};
use crate::many;
use crate::talk::Talk;

/// So many flows of a datagram each from one address, from that port on.
const FLOWS: &str = r"
import socket, sys
for number in range(int(sys.argv[3])):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((sys.argv[1], int(sys.argv[2]) + number))
    s.sendto(b'x', ('10.0.0.1', 7))
    s.close()
";

/// Connections that come and end, and flows that come, until standard input ends: at
/// least ten, and no more than have room in the smallest map. Each is answered.
const COMING_AND_GOING: &str = r"
import select, socket, sys
count = 0
while count < 10 or not select.select([sys.stdin], [], [], 0.05 if count < 2000 else None)[0]:
    s = socket.create_connection(('10.0.0.1', 80), timeout=120)
    s.sendall(b'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    assert b'200 OK' in s.makefile('rb').read()
    s.close()
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(('10.0.0.1', 7))
    s.settimeout(120)
    s.send(b'x')
    assert s.recv(100)
    s.close()
    count += 1
";

/// Writes maps to the module by their pins; where the kernel needs a program that uses
/// a map in the place of the map, by such programs.
const OFFER: &str = r"
import ctypes, errno, os, resource, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
# Kernels before 5.11 count programs among the locked memory.
resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
BPF_PROG_LOAD, BPF_OBJ_GET = 5, 7
def bpf(command, attr):
    fd = libc.syscall(321, command, attr, len(attr))
    assert fd >= 0, os.strerror(ctypes.get_errno())
    return fd
def descriptor(path):
    text = ctypes.create_string_buffer(path.encode())
    return bpf(BPF_OBJ_GET, struct.pack('QII', ctypes.addressof(text), 0, 0))
def program(map):
    code = [(0x18, 0x11, 0, map), (0, 0, 0, 0), (0xb7, 0, 0, 0), (0x95, 0, 0, 0)]
    code = ctypes.create_string_buffer(b''.join(struct.pack('BBhi', *one) for one in code))
    license = ctypes.create_string_buffer(b'GPL')
    socket_filter = 1
    return bpf(BPF_PROG_LOAD, struct.pack('IIQQ', socket_filter, 4, ctypes.addressof(code),
                                          ctypes.addressof(license)))
def offer(descriptors):
    names = ['sessions4', 'sessions6', 'services']
    text = ' '.join('%s %d' % pair for pair in zip(names, descriptors))
    os.write(os.open('/proc/net/ip_vs_bpf/map', os.O_WRONLY), text.encode())
maps = [descriptor(path) for path in sys.argv[1:]]
try:
    offer(maps)
except OSError as error:
    if error.errno != errno.EOPNOTSUPP:
        raise
    offer([program(map) for map in maps])
";

/// Copies a program, with a file name in its eBPF object changed. (This test's
/// own code, not optimised and emulated, would look for it for minutes.)
const CHANGE: &str = r"
import os, sys
old, new = b'bpf/ipvs_bpf.c\0', b'bpf/ipvs_bpf.C\0'
data = open(sys.argv[1], 'rb').read()
assert old in data
with open(sys.argv[2], 'wb') as copy:
    copy.write(data.replace(old, new))
os.chmod(sys.argv[2], 0o755)
";

/// The CLI of another build: its object differs in a file name that the kernel
/// keeps for the verifier's messages.
struct OtherBuild(PathBuf);

impl OtherBuild {
    fn new(lab: &Lab) -> Self {
        let path = PathBuf::from(format!("/tmp/{}", lab.namespace("other-build")));
        let words = ["-c", CHANGE, env!("CARGO_BIN_EXE_ipvs-bpf")];
        run(Command::new("/usr/bin/python3").args(words).arg(&path));
        OtherBuild(path)
    }

    fn with_file(&self, lab: &Lab, verb: &str, toml: &str) -> Output {
        let file = format!("{}.toml", self.0.display());
        std::fs::write(&file, toml).unwrap();
        let output = Command::new(&self.0)
            .args(["--netns", &lab.namespace("director"), verb, "-f", &file])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        std::fs::remove_file(file).unwrap();
        output
    }
}

impl Drop for OtherBuild {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Where each of our filters hangs, and the id of its program.
fn filters(lab: &Lab) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for interface in ["eth0", "eth1"] {
        for direction in ["ingress", "egress"] {
            let words = ["tc", "-j", "filter", "show", "dev", interface, direction];
            let filters: serde_json::Value =
                serde_json::from_str(&lab.exec("director", &words)).unwrap();
            for filter in filters.as_array().unwrap() {
                let options = &filter["options"];
                let name = options["bpf_name"].as_str().unwrap_or_default();
                if let (true, Some(id)) =
                    (name.starts_with("ipvs_"), options["prog"]["id"].as_u64())
                {
                    let place = format!(
                        "{interface} {name} {} {}",
                        filter["pref"], options["handle"]
                    );
                    assert_eq!(found.insert(place, id), None);
                }
            }
        }
    }
    assert_eq!(found.len(), 4, "{found:?}");
    found
}

fn map_file(lab: &Lab) -> String {
    lab.exec("director", &["cat", "/proc/net/ip_vs_bpf/map"])
}

/// Id and entries of a registered map.
fn registered(lab: &Lab, name: &str) -> (u64, u64) {
    let text = map_file(lab);
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} id ")))
        .unwrap_or_else(|| panic!("no {name}: {text}"));
    let words: Vec<&str> = line.split(' ').collect();
    (
        words[0].parse().unwrap(),
        words.last().unwrap().parse().unwrap(),
    )
}

/// The counters of the programs.
fn counters(lab: &Lab) -> BTreeMap<String, u64> {
    let text = success(&lab.ipvs_bpf(&["show", "--counters", "--json"]));
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let list = document["counters"].as_array().unwrap();
    let counter = |value: &serde_json::Value| {
        let name = value["name"].as_str().unwrap().to_owned();
        (value["source"] == "ebpf").then(|| (name, value["value"].as_u64().unwrap()))
    };
    let counters: BTreeMap<_, _> = list.iter().filter_map(counter).collect();
    assert!(counters.contains_key("snat"), "{text}");
    counters
}

fn nothing_was_dropped(lab: &Lab) {
    let counters = counters(lab);
    for name in ["no_service", "no_session", "unreadable", "rewrite_failed"] {
        assert_eq!(counters[name], 0, "{name}");
    }
}

fn start(lab: &Lab, script: &str) -> Child {
    lab.command("client", &["/usr/bin/python3", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn sized(max_sessions: &str) -> String {
    FILE.replace(
        "max_sessions = 10_000",
        &format!("max_sessions = {max_sessions}"),
    )
}

/// As the CLI sees the folder of the director's pins from another mount
/// namespace.
fn pins(lab: &Lab) -> PathBuf {
    let namespace = format!("/run/netns/{}", lab.namespace("director"));
    let inode = std::fs::metadata(namespace).unwrap().ino();
    PathBuf::from(format!("/proc/1/root/sys/fs/bpf/ipvs-bpf/{inode}"))
}

#[test]
fn programs_of_another_build_take_over_under_load_and_nothing_breaks() {
    let lab = Lab::new();
    lab.apply(FILE);
    let other = OtherBuild::new(&lab);
    // Of somebody else, before and after ours.
    for filter in [
        "prio 1 protocol all matchall action continue",
        "prio 60000 protocol all matchall action ok",
    ] {
        let words = format!("tc filter add dev eth0 ingress {filter}");
        lab.exec("director", &words.split(' ').collect::<Vec<_>>());
    }
    let load = Load::begin(&lab);
    let (mut before, mut count) = (filters(&lab), counters(&lab));
    let maps = map_file(&lab);
    for round in 0..2 {
        let by_other = round % 2 == 0;
        let with_file = |verb: &str| {
            if by_other {
                other.with_file(&lab, verb, FILE)
            } else {
                lab.with_file(&[verb], FILE)
            }
        };
        assert_eq!(with_file("plan").status.code(), Some(2));
        let text = success(&with_file("apply"));
        assert!(
            text.contains("~ programs of another build → this one"),
            "{text}"
        );
        assert_eq!(with_file("plan").status.code(), Some(0));
        let after = filters(&lab);
        // In the same places, and none is as it was.
        assert!(before.keys().eq(after.keys()), "{before:?} {after:?}");
        assert!(before.iter().all(|(place, id)| after[place] != *id));
        assert_eq!(map_file(&lab), maps, "the maps are the same");
        let now = counters(&lab);
        assert!(now.iter().all(|(name, value)| *value >= count[name]));
        (before, count) = (after, now);
        lab.get(&["http://10.0.0.1/"]);
    }
    load.end("10.2.0.100");
    nothing_was_dropped(&lab);
    balanced(&lab);
}

#[test]
fn max_sessions_grows_and_shrinks_under_load_and_no_session_is_lost() {
    let lab = Lab::new();
    lab.apply(FILE);
    let flows = ["/usr/bin/python3", "-c", FLOWS, "10.1.0.3", "2000", "3000"];
    lab.exec("client", &flows);
    eventually("the flows are there", || lab.counter("sessions") == 3000);
    let load = Load::begin_beside(&lab, 3000);
    let mut coming = start(&lab, COMING_AND_GOING);
    eventually("connections come", || lab.sessions().len() > 3010);
    let mut id = registered(&lab, "sessions4").0;
    for size in ["20_000", "12_000", "100_000", "20_000"] {
        let text = lab.apply(&sized(size));
        assert!(text.contains("~ datapath for"), "{text}");
        let number: u64 = size.replace('_', "").parse().unwrap();
        let (now, entries) = registered(&lab, "sessions4");
        assert_eq!(entries, 2 * number);
        assert_eq!(registered(&lab, "sessions6").1, 2 * number);
        assert_ne!(now, id);
        id = now;
        assert!(!map_file(&lab).contains("next_"));
    }
    // Too small: as it was, and all go on.
    let refused = lab.with_file(&["apply"], &sized("2_000"));
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("more entries than the 4000"),
        "{}",
        stderr(&refused)
    );
    assert_eq!(registered(&lab, "sessions4"), (id, 40_000));
    assert!(!map_file(&lab).contains("next_"));
    assert_eq!(
        lab.with_file(&["plan"], &sized("20_000")).status.code(),
        Some(0)
    );

    drop(coming.stdin.take());
    success(&coming.wait_with_output().unwrap());
    load.end("10.2.0.100");
    nothing_was_dropped(&lab);
    assert!(balanced(&lab) > 3000);
    lab.timeouts(["0", "0", "1"]);
    success(&lab.ipvs_bpf(&["down"]));
}

#[test]
fn sessions_of_maps_that_were_replaced_end_and_leave_nothing() {
    let lab = Lab::new();
    lab.apply(FILE);
    lab.exec("director", &["ipvsadm", "--set", "1", "1", "2"]);
    let mut talks: Vec<Talk> = (0..5)
        .map(|_| Talk::new(&lab, "udp", ("10.0.0.1", 7)))
        .collect();
    for talk in &mut talks {
        talk.ask();
    }
    lab.apply(&sized("500"));
    for talk in &mut talks {
        talk.ask();
    }
    drop(talks);
    none_left(&lab);
    assert_eq!(lab.counter("session_delete_failed"), 0);
}

/// Makes maps of the right shape, pinned as test-NAME-ENTRIES.
fn make_maps(lab: &Lab, entries: &str) {
    let folder = pins(lab);
    let describe = map_file(lab);
    for name in ["sessions4", "sessions6"] {
        let path = folder.join(format!("test-{name}-{entries}"));
        let line = describe
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let create = [
            "map",
            "create",
            path.to_str().unwrap(),
            "type",
            "hash",
            "key",
            words[6],
            "value",
            words[8],
            "entries",
            entries,
            "name",
            name,
            "flags",
            "1",
        ];
        run(Command::new("bpftool").args(create));
    }
}

/// Makes maps of the right shape and offers them to the module.
fn offer(lab: &Lab, entries: &str, services: &str) -> Output {
    make_maps(lab, entries);
    offer_pins(lab, entries, services)
}

fn offer_pins(lab: &Lab, entries: &str, services: &str) -> Output {
    let folder = pins(lab);
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let words = [
        "/usr/bin/python3",
        "-c",
        OFFER,
        &path(&format!("test-sessions4-{entries}")),
        &path(&format!("test-sessions6-{entries}")),
        &path(services),
    ];
    lab.try_exec("director", &words)
}

fn write_map(lab: &Lab, text: &str) -> Output {
    let script =
        format!("import os; os.write(os.open('/proc/net/ip_vs_bpf/map', os.O_WRONLY), b'{text}')");
    lab.try_exec("director", &["/usr/bin/python3", "-c", &script])
}

fn reason(lab: &Lab) -> String {
    map_file(lab).lines().next().unwrap_or_default().to_owned()
}

fn entries(lab: &Lab, name: &str) -> usize {
    let id = registered(lab, name).0.to_string();
    let dump = lab.exec("director", &["bpftool", "-j", "map", "dump", "id", &id]);
    let dump: serde_json::Value = serde_json::from_str(&dump).unwrap();
    dump.as_array().unwrap().len()
}

#[test]
fn a_replacement_that_was_interrupted_goes_on_and_the_next_apply_finishes_it() {
    let lab = Lab::new();
    lab.apply(FILE);
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    talk.ask();
    success(&offer(&lab, "4096", "services"));
    // Every change goes to both.
    assert_eq!(entries(&lab, "next_sessions4"), 2);
    let mut second = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    second.ask();
    assert_eq!(entries(&lab, "next_sessions4"), 4);
    assert_eq!(entries(&lab, "sessions4"), 4);
    assert_eq!(registered(&lab, "sessions4").1, 20_000);

    // No third ones, none that are registered, and no other services.
    assert!(!offer(&lab, "1024", "services").status.success());
    assert!(
        reason(&lab).contains("wait to take over"),
        "{}",
        reason(&lab)
    );

    // The file wants what is in force; but programs may use the others.
    let plan = lab.with_file(&["plan"], FILE);
    assert_eq!(plan.status.code(), Some(2), "{plan:?}");
    lab.apply(FILE);
    assert!(!map_file(&lab).contains("next_"));
    assert_eq!(registered(&lab, "sessions4").1, 20_000);
    talk.ask();
    second.ask();
    assert_eq!(balanced(&lab), 2);
}

/// The last one of those is opened to be read only.
const OFFER_READ_ONLY: &str = r"
import ctypes, errno, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
BPF_OBJ_GET, BPF_F_RDONLY = 7, 8
def descriptor(path, flags):
    text = ctypes.create_string_buffer(path.encode())
    attr = struct.pack('QII', ctypes.addressof(text), 0, flags)
    fd = libc.syscall(321, BPF_OBJ_GET, attr, len(attr))
    assert fd >= 0, os.strerror(ctypes.get_errno())
    return fd
maps = [descriptor(path, 0) for path in sys.argv[1:-1]] + [descriptor(sys.argv[-1], BPF_F_RDONLY)]
text = 'sessions4 %d sessions6 %d services %d' % tuple(maps)
try:
    os.write(os.open('/proc/net/ip_vs_bpf/map', os.O_WRONLY), text.encode())
except OSError as error:
    # Kernels before 5.18 take no map by its descriptor.
    assert error.errno in (errno.EPERM, errno.EOPNOTSUPP), error
else:
    sys.exit('it was taken')
";

#[test]
fn maps_that_nobody_may_write_are_refused() {
    let lab = Lab::new();
    lab.apply(FILE);
    let before = map_file(&lab);
    make_maps(&lab, "4096");
    let pin = |name: &str| pins(&lab).join(name).to_str().unwrap().to_owned();
    let frozen = pin("test-sessions6-4096");
    run(Command::new("bpftool").args(["map", "freeze", "pinned", &frozen]));
    assert!(!offer_pins(&lab, "4096", "services").status.success());
    let reason = reason(&lab);
    assert!(
        reason.contains("sessions6: ") && reason.contains("not frozen"),
        "{reason}"
    );

    let words = [
        "/usr/bin/python3",
        "-c",
        OFFER_READ_ONLY,
        &pin("sessions4"),
        &pin("sessions6"),
        &pin("services"),
    ];
    lab.exec("director", &words);
    let after = map_file(&lab);
    let lines = after.lines().filter(|line| !line.starts_with('#'));
    assert!(lines.eq(before.lines()), "{after}");
    Talk::new(&lab, "udp", ("10.0.0.1", 7)).ask();
}

#[test]
fn maps_that_wait_are_abandoned_or_committed_and_nothing_else() {
    let lab = Lab::new();
    lab.apply(FILE);
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    talk.ask();
    let before = map_file(&lab);
    assert!(!write_map(&lab, "commit").status.success());
    assert!(reason(&lab).contains("no maps wait"), "{}", reason(&lab));
    // Nothing to abandon is no error.
    success(&write_map(&lab, "abandon"));
    assert_eq!(map_file(&lab), before);

    let no_room = offer(&lab, "1", "services");
    assert!(!no_room.status.success());
    assert!(reason(&lab).contains("at least 2"), "{}", reason(&lab));

    success(&offer(&lab, "4096", "services"));
    success(&write_map(&lab, "abandon"));
    assert_eq!(map_file(&lab), before);
    talk.ask();
    assert_eq!(balanced(&lab), 1);
}

#[test]
fn a_map_of_another_shape_is_refused_by_name_and_everything_goes_on() {
    let lab = Lab::new();
    lab.apply(FILE);
    let other = OtherBuild::new(&lab);
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    talk.ask();
    let pin = pins(&lab).join("counters");
    std::fs::remove_file(&pin).unwrap();
    let create = [
        "map",
        "create",
        pin.to_str().unwrap(),
        "type",
        "array",
        "key",
        "4",
        "value",
        "8",
        "entries",
        "2",
        "name",
        "counters",
    ];
    run(Command::new("bpftool").args(create));
    let before = (filters(&lab), map_file(&lab));
    let refused = other.with_file(&lab, "apply", FILE);
    assert_eq!(refused.status.code(), Some(1));
    let words = stderr(&refused);
    assert!(
        words.contains("map counters") && words.contains("another build"),
        "{words}"
    );
    assert_eq!((filters(&lab), map_file(&lab)), before);
    talk.ask();
}

#[test]
fn pins_that_somebody_removed_are_made_again() {
    let lab = Lab::new();
    lab.apply(FILE);
    let mut talk = Talk::new(&lab, "tcp", ("10.0.0.1", 80));
    talk.ask();
    std::fs::remove_dir_all(pins(&lab)).unwrap();
    let text = lab.apply(FILE);
    assert!(text.contains("programs of another build"), "{text}");
    talk.ask();
    assert!(pins(&lab).join("ipvs_ingress").exists());
    assert_eq!(lab.with_file(&["plan"], FILE).status.code(), Some(0));
    balanced(&lab);
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn maps_grow_while_100_000_sessions_live_and_others_come_and_go() {
    let flows = many::Flows::new();
    let lab = &flows.lab;
    flows.make("udp 10.0.0.1 9 60000 10.1.0.2 1024");
    flows.make("udp 10.0.0.1 9 40000 10.1.0.3 1024");
    lab.exec("director", &["ipvsadm", "--set", "0", "0", "1"]);
    std::thread::scope(|scope| {
        let coming = scope.spawn(|| {
            for _ in 0..4 {
                flows.make("udp 10.0.0.1 9 10000 10.1.0.3 45000");
            }
        });
        for size in ["400_000", "150_000", "300_000"] {
            lab.apply(&many::FILE.replace("262_144", size));
        }
        coming.join().unwrap();
    });
    assert_eq!(lab.counter("session_delete_failed"), 0);
    eventually("the short ones end", || lab.counter("sessions") <= 100_000);
    assert_eq!(balanced(lab), 100_000);
}
