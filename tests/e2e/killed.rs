// SPDX-License-Identifier: GPL-2.0-only
//! `apply` is killed at each system call by which it changes something, while connections are
//! in use. strace(1) sends the signal.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use crate::fast_path::fast;
use crate::lab::{Lab, module_is_loaded, success};
use crate::rules::ipvsadm;
use crate::talk::{Answer, Talk};

/// The system calls that change something: messages of netlink, files of /proc and /sys,
/// programs and maps, their pins, the module.
const CALLS: [&str; 8] = [
    "sendto",
    "write",
    "bpf",
    "mkdir",
    "rename",
    "unlink",
    "rmdir",
    "/^f?init_module",
];

/// The same connections as in [`fast`], and everything else differs.
fn other() -> String {
    let toml = fast()
        .replace("max_sessions = 10_000", "max_sessions = 20_000")
        .replace("[\"10.2.0.100\"]", "[\"10.2.0.100\", \"10.2.0.101\"]")
        .replace("tcp://10.0.0.1:5201", "udp://10.0.0.1:5201")
        .replace("10.2.0.3:7\"", "10.2.0.3:7\"\n  weight = 5");
    toml + "[timeouts]\nudp = \"200s\"\n\
            [[service]]\naddress = \"tcp://10.0.0.1:90\"\nscheduler = \"wlc\"\n\
            [[service.server]]\naddress = \"10.2.0.2:90\"\n"
}

/// A rule for another program's service.
fn with_rule(addresses: &str) -> String {
    fast() + &format!("[[full_nat]]\naddresses = [{addresses}]\nsnat = \"default\"\n")
}

/// More rules, programs at XDP, and sync daemons.
fn with_rules_xdp_and_sync() -> String {
    let programs = "[director]\nxdp = true\nport_secret = \"6f1d0c52a4c94c31a0a9f8cf31a45f6e\"\n";
    with_rule("\"10.0.0.9\", \"10.0.7.0/24\"")
        .replace("[director]\n", programs)
        .replace("[\"10.2.0.100\"]", "[\"10.2.0.100\", \"fd00:2::100\"]")
        + "[[full_nat]]\naddresses = [\"fd00::/64\"]\nprotocols = [\"tcp\"]\nsnat = \"default\"\n\
           [sync]\nmaster = { interface = \"eth1\", id = 51 }\n\
           backup = { interface = \"eth1\", id = 51 }\n\
           [sysctl]\nsloppy_tcp = 1\n"
}

/// Applies the file, and kills the program at the n-th call of that name. Returns false if
/// it made fewer calls.
fn apply_and_kill(lab: &Lab, call: &str, n: usize, toml: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lb.toml");
    std::fs::write(&file, toml).unwrap();
    let (trace, inject) = (
        format!("trace={call}"),
        format!("inject={call}:signal=KILL:when={n}"),
    );
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace];
    let apply = ["-e", &inject, env!("CARGO_BIN_EXE_ipvs-bpf"), "apply"];
    let words = [&strace[..], &apply, &["-f", file.to_str().unwrap()]].concat();
    let output = lab.try_exec("director", &words);
    // strace ends by the signal that ended the program.
    let killed = output.status.signal() == Some(9) || output.status.code() == Some(128 + 9);
    assert!(killed || output.status.success(), "{call} {n}: {output:?}");
    killed
}

/// Connections that are in use.
struct Talks<'a>(&'a Lab, Vec<(Talk, Answer)>);

impl<'a> Talks<'a> {
    fn begin(lab: &'a Lab, to: &[(&str, &str, u16)]) -> Self {
        let begin = |&(kind, address, port)| {
            let mut talk = Talk::new(lab, kind, (address, port));
            let first = talk.ask();
            (talk, first)
        };
        Talks(lab, to.iter().map(begin).collect())
    }

    fn go_on(&mut self, place: &str) {
        for (talk, first) in &mut self.1 {
            assert_eq!(&talk.ask(), &*first, "{place}");
        }
    }

    /// Applies the file, and kills that at the n-th call. Then the next one completes it.
    fn survive(&mut self, call: &str, n: usize, toml: &str) -> bool {
        let place = format!("{call} {n}");
        let killed = apply_and_kill(self.0, call, n, toml);
        self.go_on(&place);
        self.0.apply(toml);
        let plan = self.0.with_file(&["plan"], toml);
        assert_eq!(success(&plan), "nothing to do\n", "{place}");
        self.go_on(&place);
        killed
    }
}

const SERVED: [(&str, &str, u16); 4] = [
    ("tcp", "10.0.0.1", 80),
    ("udp", "10.0.0.1", 7),
    ("tcp", "10.0.0.1", 80),
    ("udp", "10.0.0.1", 7),
];

#[test]
#[ignore = "takes long: make test-long"]
fn apply_may_be_killed_at_each_step_and_the_next_one_converges() {
    let lab = Lab::new();
    lab.apply(&fast());
    let mut talks = Talks::begin(&lab, &SERVED);
    let mut kills = 0;
    for call in &CALLS[..7] {
        for n in 1.. {
            let killed = talks.survive(call, n, &other());
            kills += usize::from(killed);
            lab.apply(&fast());
            talks.go_on(call);
            if !killed {
                assert!(n > 1, "apply does not call {call}");
                break;
            }
        }
    }
    assert!(kills > 50, "{kills}");
}

/// Both ways: they come and they go.
#[test]
#[ignore = "takes long: make test-long"]
fn apply_of_rules_xdp_and_sync_may_be_killed_and_the_next_one_converges() {
    let lab = Lab::new();
    let (few, many) = (with_rule("\"10.0.0.9\""), with_rules_xdp_and_sync());
    lab.apply(&few);
    ipvsadm(&lab, "-A -t 10.0.0.9:80 -s rr");
    ipvsadm(&lab, "-a -t 10.0.0.9:80 -r 10.2.0.2:8080 -m");
    let by_rule = ("tcp", "10.0.0.9", 80);
    let mut talks = Talks::begin(&lab, &[&SERVED[..], &[by_rule, by_rule]].concat());
    assert!(talks.1.iter().all(|(_, first)| first.peer == "10.2.0.100"));
    let mut kills = [0, 0];
    for call in &CALLS[..7] {
        for n in (1..).step_by(3) {
            let killed = [&many, &few].map(|toml| talks.survive(call, n, toml));
            for way in 0..2 {
                kills[way] += usize::from(killed[way]);
            }
            if killed == [false, false] {
                break;
            }
        }
    }
    println!("killed {kills:?} times");
    assert!(kills.iter().all(|&kills| kills > 15), "{kills:?}");
}

/// The director forwards connections that have nothing to do with IPVS.
#[test]
#[ignore = "takes long: make test-long"]
fn the_first_apply_may_be_killed_and_down_or_the_next_one_completes_it() {
    let lab = Lab::alone();
    let way_back = ["ip", "route", "add", "default", "via", "10.2.0.1"];
    lab.exec("server1", &way_back);
    let mut talks = Talks::begin(&lab, &[("tcp", "10.2.0.2", 8080), ("udp", "10.2.0.2", 7)]);
    let toml = with_rules_xdp_and_sync();
    let mut kills = 0;
    for call in CALLS {
        for n in (1..).step_by(3) {
            assert!(!module_is_loaded());
            let killed = talks.survive(call, n, &toml);
            kills += usize::from(killed);
            let peer = Talk::new(&lab, "tcp", ("10.0.0.1", 80)).ask().peer;
            assert_eq!(peer, "10.2.0.100", "{call} {n}");
            success(&lab.ipvs_bpf(&["down"]));
            if !killed {
                break;
            }
            // An administrator may also give up.
            assert!(apply_and_kill(&lab, call, n, &toml));
            success(&lab.ipvs_bpf(&["down"]));
            talks.go_on(call);
            assert!(!Path::new("/sys/fs/bpf/ipvs-bpf").exists(), "{call} {n}");
            assert_eq!(lab.exec("director", &["ipvsadm", "-Sn"]), "");
            let qdiscs = lab.exec("director", &["tc", "qdisc", "show"]);
            assert!(!qdiscs.contains("clsact"), "{call} {n}: {qdiscs}");
        }
    }
    println!("killed {kills} times");
    assert!(kills > 30, "{kills}");
}
