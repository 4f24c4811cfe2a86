// SPDX-License-Identifier: GPL-2.0-only
//! A round trip from file to kernel to file, for every attribute of services and servers.
//! `ipvsadm` checks the state in between.

use std::collections::BTreeSet;

use crate::failed_steps::refused_as;
use crate::lab::{Lab, stderr, success};

pub const FILE: &str = include_str!("everything/lb.toml");
/// The output of `ipvsadm -Sn` for this state. It does not list thresholds, and prints
/// marks from 2^31 on as negative numbers.
const SAVED: &str = include_str!("everything/ipvsadm");

fn lines(text: &str) -> BTreeSet<&str> {
    text.lines().map(str::trim).collect()
}

#[test]
fn every_attribute_of_a_file_reaches_the_kernel_and_comes_back_the_same() {
    let lab = Lab::new();
    let first = lab.apply(FILE);
    assert!(first.contains("0 to change, 0 to remove"), "{first}");
    let saved = lab.exec("director", &["ipvsadm", "-Sn"]);
    assert_eq!(lines(&saved), lines(SAVED));

    // Thresholds are missing in `ipvsadm -Sn`, so they come from `ipvsadm -Ln
    // --thresholds`.
    let thresholds = lab.exec("director", &["ipvsadm", "-Ln", "--thresholds"]);
    for (server, upper, lower) in [
        ("10.2.0.3:8080", "1000", "10"),
        ("10.2.0.4:80", "2147483647", "0"),
        ("[fd00:2::2]:8080", "5", "0"),
    ] {
        let found = thresholds.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            matches!(words[..], ["->", name, u, l, ..] if (name, u, l) == (server, upper, lower))
        });
        assert!(found, "{server}: {thresholds}");
    }

    assert_eq!(lab.apply(FILE), "nothing to do\n");
    let plan = lab.with_file(&["plan"], FILE);
    assert_eq!(success(&plan), "nothing to do\n");
}

/// The reverse: after `ipvsadm -R` of the same lines, the file changes only what these
/// lines cannot express.
#[test]
fn ipvsadm_restores_everything_that_its_lines_can_describe() {
    let lab = Lab::new();
    // ipvsadm cannot read the negative marks that it writes.
    let (negative, taken): (Vec<&str>, Vec<&str>) =
        SAVED.lines().partition(|line| line.contains("-f -1"));
    assert_eq!(negative.len(), 1);
    let script = format!("ipvsadm -R <<'END'\n{}\nEND\n", taken.join("\n"));
    lab.exec("director", &["sh", "-c", &script]);
    let text = lab.apply(FILE);
    let changed: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with(['+', '~', '-']))
        .collect();
    assert_eq!(
        changed,
        [
            "~ 10.2.0.3:8080 upper threshold 0 → 1000, lower threshold 0 → 10",
            "~ 10.2.0.4:80 upper threshold 0 → 2147483647",
            "~ [fd00:2::2]:8080 upper threshold 0 → 5",
            "+ fwmark://4294967295 rr, persistent 300 s",
        ],
        "{text}"
    );
    assert_eq!(lab.apply(FILE), "nothing to do\n");
}

#[test]
fn a_scheduler_that_the_kernel_lacks_is_refused_with_its_modules_name() {
    let lab = Lab::new();
    let file = |scheduler: &str| {
        format!("[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"{scheduler}\"\n")
    };
    // This build does not know the scheduler either, so the kernel's modules are checked.
    let words = "tcp://10.0.0.1:80: this kernel has no scheduler `quantum`, since no module \
                 ip_vs_quantum is installed for it";
    refused_as(&lab, &file("quantum"), "no_scheduler", words);
    // This build knows the scheduler. Linux 6.5 and later can have it as a module.
    let built = lab.try_exec("director", &["modprobe", "ip_vs_twos"]).status;
    let output = lab.with_file(&["apply"], &file("twos"));
    if built.success() {
        success(&output);
    } else {
        assert!(String::from_utf8_lossy(&output.stdout).contains("ip_vs_twos"));
    }
    // A typo.
    let output = lab.with_file(&["apply"], &file("wrrr"));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("did you mean `wrr`?"),
        "{output:?}"
    );
}

#[test]
fn a_persistence_engine_that_the_kernel_lacks_is_refused_with_its_modules_name() {
    let lab = Lab::new();
    let file = "[[service]]\naddress = \"udp://10.0.0.1:5060\"\nscheduler = \"rr\"\n\
                persistence = { engine = \"psychic\" }\n";
    let words = "udp://10.0.0.1:5060: this kernel has no persistence engine `psychic`, since no \
                 module ip_vs_pe_psychic is installed for it";
    refused_as(&lab, file, "no_engine", words);
}
