// SPDX-License-Identifier: GPL-2.0-only
//! `apply` is killed at each system call by which it changes something, while connections are
//! in use. strace(1) sends the signal.

use std::os::unix::process::ExitStatusExt;

use crate::fast_path::fast;
use crate::lab::{Lab, success};
use crate::talk::{Answer, Talk};

/// The system calls that change something: messages of netlink, files of /proc and /sys,
/// programs and maps, their pins.
const CALLS: [&str; 7] = [
    "sendto", "write", "bpf", "mkdir", "rename", "unlink", "rmdir",
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

/// Applies the file, and kills the program at the n-th call of that name. Returns false if
/// it made fewer calls.
fn apply_and_kill(lab: &Lab, call: &str, n: usize, file: &str) -> bool {
    let (trace, inject) = (
        format!("trace={call}"),
        format!("inject={call}:signal=KILL:when={n}"),
    );
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace];
    let apply = ["-e", &inject, env!("CARGO_BIN_EXE_ipvs-bpf"), "apply"];
    let words = [&strace[..], &apply, &["-f", file]].concat();
    let output = lab.try_exec("director", &words);
    // strace ends by the signal that ended the program.
    let killed = output.status.signal() == Some(9) || output.status.code() == Some(128 + 9);
    assert!(killed || output.status.success(), "{call} {n}: {output:?}");
    killed
}

#[test]
#[ignore = "takes long: make test-long"]
fn apply_may_be_killed_at_each_step_and_the_next_one_converges() {
    let lab = Lab::new();
    lab.apply(&fast());
    let mut talks: Vec<(Talk, Answer)> = [("tcp", 80), ("udp", 7), ("tcp", 80), ("udp", 7)]
        .map(|(kind, port)| Talk::new(&lab, kind, ("10.0.0.1", port)))
        .map(|mut talk| {
            let first = talk.ask();
            (talk, first)
        })
        .into();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lb.toml");
    std::fs::write(&path, other()).unwrap();
    let file = path.to_str().unwrap();
    let mut kills = 0;
    for call in CALLS {
        for n in 1.. {
            let killed = apply_and_kill(&lab, call, n, file);
            kills += usize::from(killed);
            for (talk, first) in &mut talks {
                assert_eq!(&talk.ask(), &*first, "{call} {n}");
            }
            lab.apply(&other());
            let plan = lab.ipvs_bpf(&["plan", "-f", file]);
            assert_eq!(success(&plan), "nothing to do\n", "{call} {n}");
            lab.apply(&fast());
            for (talk, first) in &mut talks {
                assert_eq!(&talk.ask(), &*first, "{call} {n}");
            }
            if !killed {
                assert!(n > 1, "apply does not call {call}");
                break;
            }
        }
    }
    assert!(kills > 50, "{kills}");
}
