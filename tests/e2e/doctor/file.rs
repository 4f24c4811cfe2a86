// SPDX-License-Identifier: GPL-2.0-only
//! The file against the running state, including things that other tools removed.

use serde_json::Value;

use super::{all, found, needed, only, running, script};
use crate::balance::pins;
use crate::full_nat::FILE;
use crate::lab::{Lab, success};

#[test]
fn a_file_whose_plan_is_refused() {
    let lab = Lab::new();
    lab.apply(FILE);
    let file = format!("{FILE}\n[sysctl]\nof_a_later_kernel = 1\n");
    let what = "this kernel has no sysctl net.ipv4.vs.of_a_later_kernel";
    let cure = only(&needed(&lab, &file), "error", "plan-refused", what);
    assert_eq!(cure, "remove it from [sysctl]");
}

#[test]
fn a_kernel_that_differs_from_the_file() {
    let lab = Lab::new();
    let compared = || all(&lab.with_file(&["doctor", "--json"], FILE));
    let what = "the kernel differs from the file: ";
    only(&compared(), "note", "kernel-differs", what);
    lab.apply(FILE);
    assert_eq!(compared(), [] as [Value; 0]);
    script(&lab, "ipvsadm -d -t 10.0.0.1:80 -r 10.2.0.3:8080");
    let what = "the kernel differs from the file: 1 change";
    let cure = only(&compared(), "warning", "kernel-differs", what);
    assert_eq!(cure, "ipvs-bpf apply -f -");
    lab.apply(FILE);
    assert_eq!(compared(), [] as [Value; 0]);
}

#[test]
fn differences_that_the_options_of_apply_keep() {
    let lab = Lab::new();
    lab.apply(FILE);
    let compared = |options: &[&str]| {
        let words = [&["doctor", "--json"], options].concat();
        all(&lab.with_file(&words, FILE))
    };
    let differs = |options: &[&str], cure: &str| {
        let what = "the kernel differs from the file: 1 change";
        let findings = compared(options);
        assert_eq!(
            only(&findings, "warning", "kernel-differs", what),
            cure,
            "{findings:#?}"
        );
    };
    // Another program's service.
    script(&lab, "ipvsadm -A -t 10.0.0.1:99 -s rr");
    differs(&[], "ipvs-bpf apply -f -");
    assert_eq!(compared(&["--only-listed"]), [] as [Value; 0]);
    assert_eq!(compared(&["--no-prune"]), [] as [Value; 0]);
    // A drained server.
    script(&lab, "ipvsadm -e -t 10.0.0.1:80 -r 10.2.0.3:8080 -m -w 0");
    differs(&["--only-listed"], "ipvs-bpf apply --only-listed -f -");
    differs(&["--keep-weights"], "ipvs-bpf apply --keep-weights -f -");
    let both = ["--keep-weights", "--only-listed"];
    assert_eq!(compared(&both), [] as [Value; 0]);
    // A second difference is repaired by the fix, and the first two stay.
    script(&lab, "ipvsadm -d -t 10.0.0.1:80 -r 10.2.0.2:8080");
    let cure = "ipvs-bpf apply --keep-weights --only-listed -f -";
    differs(&both, cure);
    let words = cure.strip_suffix(" -f -").unwrap().split(' ');
    let words: Vec<&str> = words.skip(1).collect();
    success(&lab.with_file(&words, FILE));
    assert_eq!(compared(&both), [] as [Value; 0]);
    let rules = lab.exec("director", &["ipvsadm", "-Sn"]);
    assert!(rules.contains("-A -t 10.0.0.1:99"), "{rules}");
    assert!(rules.contains("-r 10.2.0.3:8080 -m -w 0"), "{rules}");

    let without = lab.ipvs_bpf(&["doctor", "--only-listed"]);
    assert_eq!(without.status.code(), Some(1));
    let error = String::from_utf8(without.stderr).unwrap();
    assert!(error.contains("name it with -f"), "{error}");
}

#[test]
fn services_that_ipvs_has_lost() {
    let lab = Lab::new();
    lab.apply(FILE);
    script(&lab, "ipvsadm -C");
    let what = "tcp://10.0.0.1:80 is registered for full NAT, and IPVS has no such service";
    let cure = only(&running(&lab), "error", "service-missing", what);
    assert_eq!(cure, "ipvs-bpf apply");
    let compared = all(&lab.with_file(&["doctor", "--json"], FILE));
    found(&compared, "error", "service-missing", what);
    let what = "the kernel differs from the file: 8 changes";
    found(&compared, "warning", "kernel-differs", what);
    lab.apply(FILE);
    assert_eq!(running(&lab), [] as [Value; 0]);
    assert_eq!(needed(&lab, FILE), [] as [Value; 0]);
}

#[test]
fn pins_that_another_tool_removed() {
    let lab = Lab::new();
    lab.apply(FILE);
    std::fs::remove_dir_all(pins(&lab)).unwrap();
    // Where programs are attached by tcx, they end, and doctor also says what that means.
    let what = "pins are gone";
    let cure = found(&running(&lab), "warning", "pins-missing", what);
    assert_eq!(cure, "ipvs-bpf apply");
    let cure = found(&needed(&lab, FILE), "warning", "pins-missing", what);
    assert_eq!(cure, "ipvs-bpf apply -f -");
    lab.apply(FILE);
    assert_eq!(running(&lab), [] as [Value; 0]);
}

#[test]
fn an_interface_that_the_host_lacks() {
    let lab = Lab::new();
    let file = FILE.replace("\"eth1\"]", "\"eth1\", \"late0\"]");
    let what = "this host has no interface late0";
    only(&needed(&lab, &file), "error", "interface-missing", what);
}
