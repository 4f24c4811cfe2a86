// SPDX-License-Identifier: GPL-2.0-only
//! A program of another build and maps of another size replace the current ones while
//! sessions exist.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use crate::attached::{by_filter, by_tcx, kernel_has_tcx};
use crate::balance::{balanced, none_left, pins};
use crate::changes::Load;
use crate::fast_path::fast;
use crate::full_nat::FILE;
use crate::lab::{Lab, eventually, run, stderr, success};
use crate::many;
use crate::talk::Talk;

/// Sends one datagram for each of several flows from one address, starting at this port.
const FLOWS: &str = r"
import socket, sys
for number in range(int(sys.argv[3])):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((sys.argv[1], int(sys.argv[2]) + number))
    s.sendto(b'x', ('10.0.0.1', 7))
    s.close()
";

/// Makes short connections and new flows until standard input ends: at least ten, and at
/// most as many as fit in the smallest map. Each must be answered.
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

/// Copies a program and changes a file name in its eBPF object. (The code of this test is
/// not optimised and emulated, and would search for minutes.)
const CHANGE: &str = r"
import os, sys
old, new = b'bpf/ipvs_bpf.c\0', b'bpf/ipvs_bpf.C\0'
data = open(sys.argv[1], 'rb').read()
assert old in data
with open(sys.argv[2], 'wb') as copy:
    copy.write(data.replace(old, new))
os.chmod(sys.argv[2], 0o755)
";

/// The CLI of another build. Its object differs in a file name that the kernel keeps for
/// the messages of the verifier.
struct OtherBuild(PathBuf);

impl OtherBuild {
    fn new(lab: &Lab) -> Self {
        let path = PathBuf::from(format!("/tmp/{}", lab.namespace("other-build")));
        let words = ["-ISc", CHANGE, env!("CARGO_BIN_EXE_ipvs-bpf")];
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

/// The place at each interface where our program is attached, and its id.
fn attachments(lab: &Lab) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for interface in ["eth0", "eth1"] {
        for (place, id) in by_filter(lab, interface) {
            found.insert(format!("{interface} {place}"), id);
        }
        if kernel_has_tcx() {
            for id in by_tcx(lab, interface) {
                found.insert(format!("{interface} by tcx"), id);
            }
        }
    }
    assert_eq!(found.len(), 2, "{found:?}");
    found
}

pub fn map_file(lab: &Lab) -> String {
    lab.exec("director", &["cat", "/proc/net/ip_vs_bpf/map"])
}

/// The id and the number of entries of a registered map.
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

fn start(lab: &Lab, script: &str) -> Child {
    lab.command("client", &["/usr/bin/python3", "-ISc", script])
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

#[test]
fn programs_of_another_build_take_over_under_load_and_nothing_breaks() {
    let lab = Lab::new();
    // Filters of another tool, before and after ours.
    for words in [
        "tc qdisc add dev eth0 clsact",
        "tc filter add dev eth0 ingress prio 1 protocol all matchall action continue",
        "tc filter add dev eth0 ingress prio 60000 protocol all matchall action ok",
    ] {
        lab.exec("director", &words.split(' ').collect::<Vec<_>>());
    }
    lab.apply(FILE);
    let other = OtherBuild::new(&lab);
    let load = Load::begin(&lab);
    let mut before = attachments(&lab);
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
        assert!(text.contains("~ programs → those of this build"), "{text}");
        assert_eq!(with_file("plan").status.code(), Some(0));
        let after = attachments(&lab);
        // The places are the same, and all programs are new.
        assert!(before.keys().eq(after.keys()), "{before:?} {after:?}");
        assert!(before.iter().all(|(place, id)| after[place] != *id));
        before = after;
        lab.get(&["http://10.0.0.1/"]);
    }
    load.end("10.2.0.100");
    balanced(&lab);
}

#[test]
fn max_sessions_grows_and_shrinks_under_load_and_no_session_is_lost() {
    let lab = Lab::new();
    lab.apply(FILE);
    let flows = [
        "/usr/bin/python3",
        "-ISc",
        FLOWS,
        "10.1.0.3",
        "2000",
        "3000",
    ];
    // The flows last as long as the test on a slow machine.
    lab.timeouts(["0", "0", "7200"]);
    lab.exec("client", &flows);
    eventually("the flows are there", || lab.counter("sessions") == 3000);
    let load = Load::begin_next_to(&lab, 3000);
    let mut coming = start(&lab, COMING_AND_GOING);
    eventually("connections come", || lab.sessions().len() > 3010);
    let mut id = registered(&lab, "flows4").0;
    // The last map has room for few flows. The others have no fast path.
    for size in ["20_000", "100_000", "20"] {
        let text = lab.apply(&sized(size));
        assert!(text.contains("~ datapath for"), "{text}");
        let number: u64 = size.replace('_', "").parse().unwrap();
        let (now, entries) = registered(&lab, "flows4");
        assert_eq!(entries, number);
        assert_eq!(registered(&lab, "flows6").1, number);
        assert_ne!(now, id);
        id = now;
    }

    drop(coming.stdin.take());
    success(&coming.wait_with_output().unwrap());
    load.end("10.2.0.100");
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
}

#[test]
fn counts_of_replaced_maps_are_not_lost() {
    let lab = Lab::new();
    lab.apply(&fast());
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    let mut asked = 0;
    eventually("packets take the fast path", || {
        talk.ask();
        asked += 1;
        lab.counter("fast_packets_original") > 5
    });
    lab.apply(&fast().replace("max_sessions = 10_000", "max_sessions = 500"));
    for _ in 0..10 {
        talk.ask();
        asked += 1;
    }
    eventually("IPVS has counted every datagram", || {
        let words = ["ipvsadm", "-Ln", "--stats", "--exact", "-u", "10.0.0.1:7"];
        let text = lab.exec("director", &words);
        let line = text.lines().find(|line| line.starts_with("UDP")).unwrap();
        let packets = line.split_whitespace().nth(3).unwrap();
        packets.parse::<u32>().unwrap() == asked
    });
}

#[test]
fn a_replacement_that_was_interrupted_is_finished_by_the_next_apply() {
    let lab = Lab::new();
    lab.apply(FILE);
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    talk.ask();
    // The state after a run that ended after its first step.
    let folder = pins(&lab);
    let mark = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("build-")
        });
    std::fs::remove_dir(mark.unwrap()).unwrap();
    std::fs::rename(folder.join("flows4"), folder.join("next-flows4")).unwrap();
    talk.ask();
    assert_eq!(lab.with_file(&["plan"], FILE).status.code(), Some(2));
    lab.apply(FILE);
    assert_eq!(lab.apply(FILE), "nothing to do\n");
    talk.ask();
    assert!(!folder.join("next-flows4").exists());
    assert_eq!(balanced(&lab), 1);
}

#[test]
fn pins_that_were_removed_are_made_again() {
    let lab = Lab::new();
    lab.apply(FILE);
    let mut talk = Talk::new(&lab, "tcp", ("10.0.0.1", 80));
    talk.ask();
    std::fs::remove_dir_all(pins(&lab)).unwrap();
    let gone = "pins are gone";
    let plan = lab.with_file(&["plan"], FILE);
    assert!(stderr(&plan).contains(gone), "{plan:?}");
    for words in [&["show", "--counters"][..], &["metrics"]] {
        let output = lab.ipvs_bpf(words);
        assert!(stderr(&output).contains(gone), "{output:?}");
        success(&output);
    }
    let doctor = lab.ipvs_bpf(&["doctor"]);
    let found = String::from_utf8(doctor.stdout).unwrap();
    assert!(found.contains("[pins-missing]"), "{found}");

    let text = lab.apply(FILE);
    assert!(text.contains("~ programs → those of this build"), "{text}");
    talk.ask();
    assert!(pins(&lab).join("ipvs_ingress").exists());
    assert_eq!(lab.with_file(&["plan"], FILE).status.code(), Some(0));
    let counters = lab.ipvs_bpf(&["show", "--counters"]);
    assert_eq!(stderr(&counters), "");
    assert!(success(&counters).contains("\nebpf "));
    assert_eq!(success(&lab.ipvs_bpf(&["doctor"])), "nothing is wrong\n");
    balanced(&lab);
}

/// The marks of our qdiscs are lost with the pins.
#[test]
fn down_removes_its_qdiscs_after_the_pins_were_removed() {
    let lab = Lab::new();
    let qdiscs = || lab.exec("director", &["tc", "qdisc", "show"]);
    for made_again in [false, true] {
        lab.apply(FILE);
        assert_eq!(qdiscs().contains("clsact"), !kernel_has_tcx());
        std::fs::remove_dir_all(pins(&lab)).unwrap();
        if made_again {
            lab.apply(FILE);
        }
        success(&lab.ipvs_bpf(&["down"]));
        assert!(!qdiscs().contains("clsact"), "{made_again}: {}", qdiscs());
    }
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
    eventually("the short ones end", || lab.counter("sessions") <= 100_000);
    assert_eq!(balanced(lab), 100_000);
}
