// SPDX-License-Identifier: GPL-2.0-only
//! A kernel that has just booted and has not loaded IPVS, although it could (`lab/runner.sh`
//! boots one for this binary alone).

use std::path::Path;
use std::process::Command;

use ipvs_bpf::ipvs_netlink::Ipvs;

const VIEWS: [&[&str]; 12] = [
    &[],
    &["--stats"],
    &["--rate"],
    &["--thresholds"],
    &["--persistent-conn"],
    &["--connections"],
    &["--sessions"],
    &["--local-ips"],
    &["--toa"],
    &["--timeouts"],
    &["--daemon"],
    &["--counters"],
];

fn loaded() -> bool {
    ["ip_vs", "ip_vs_bpf"]
        .iter()
        .any(|name| Path::new("/sys/module").join(name).exists())
}

fn mounts() -> String {
    std::fs::read_to_string("/proc/mounts").unwrap()
}

fn metrics_say_that_nothing_is_up() {
    let output = Command::new(env!("CARGO_BIN_EXE_ipvs-bpf"))
        .arg("metrics")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        samples,
        [
            concat!(
                "ipvs_bpf_build_info{version=\"",
                env!("CARGO_PKG_VERSION"),
                "\"} 1"
            ),
            "ipvs_bpf_up{part=\"ipvs\"} 0",
            "ipvs_bpf_up{part=\"module\"} 0",
            "ipvs_bpf_up{part=\"programs\"} 0",
        ]
    );
}

/// A server needs neither IPVS nor the module.
fn a_receiver_comes_and_goes() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/toa.toml");
    let file = file.to_str().unwrap();
    for (arguments, status) in [
        (&["plan", "-f", file][..], 2),
        (&["doctor", "-f", file], 0),
        (&["apply", "-f", file], 0),
        (&["plan", "-f", file], 0),
        (&["doctor"], 0),
        (&["show", "--toa"], 0),
        (&["save"], 0),
        (&["metrics"], 0),
        (&["down"], 0),
        (&["plan", "-f", file], 2),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_ipvs-bpf"))
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(status),
            "{arguments:?}: {output:?}"
        );
        assert_eq!(output.stderr, b"", "{arguments:?}");
    }
}

/// Without a file nothing is wanted, so nothing is an error.
fn doctor_looks_at_an_idle_host() {
    let output = Command::new(env!("CARGO_BIN_EXE_ipvs-bpf"))
        .args(["doctor", "--json"])
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success(), "{report:#}");
    assert_eq!(output.stderr, b"");
}

#[test]
fn show_and_metrics_are_empty_and_load_and_mount_nothing() {
    assert!(!loaded(), "this kernel has IPVS loaded already");
    let before = mounts();
    for view in VIEWS {
        for json in [&[][..], &["--json"]] {
            let output = Command::new(env!("CARGO_BIN_EXE_ipvs-bpf"))
                .arg("show")
                .args(view)
                .args(json)
                .output()
                .unwrap();
            assert!(output.status.success(), "{view:?}: {output:?}");
            assert_eq!(output.stderr, b"", "{view:?}");
            let text = String::from_utf8(output.stdout).unwrap();
            if json.is_empty() {
                assert_eq!(
                    text.lines().count(),
                    1,
                    "{view:?}: the header alone: {text}"
                );
            } else {
                let document: serde_json::Value = serde_json::from_str(&text).unwrap();
                let values = document.as_object().unwrap().values();
                let empty = |value: &serde_json::Value| {
                    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
                };
                assert!(values.into_iter().all(empty), "{view:?}: {text}");
            }
            assert!(!loaded(), "{view:?} loaded a module");
        }
    }
    metrics_say_that_nothing_is_up();
    assert!(!loaded(), "metrics loaded a module");
    doctor_looks_at_an_idle_host();
    assert!(!loaded(), "doctor loaded a module");
    assert_eq!(mounts(), before);
    a_receiver_comes_and_goes();
    assert!(!loaded(), "the receiver loaded a module");
    // IPVS can be loaded. The kernel loads it when a program asks for its netlink family.
    // Linux 5.10 leaves that to modprobe.
    if Ipvs::connect().is_err() {
        let status = Command::new("modprobe").arg("ip_vs").status().unwrap();
        assert!(status.success());
    }
    assert!(loaded());
}
