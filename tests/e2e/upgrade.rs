// SPDX-License-Identifier: GPL-2.0-only
//! The upgrade from version 0.1, which `lab/test-upgrade.sh` builds into `OLD`.

use std::fs;
use std::process::Command;

use crate::lab::{Lab, eventually, run, stderr, success};
use crate::talk::Talk;

const OLD: &str = "target/upgrade";

const VIP: (&str, u16) = ("10.0.0.1", 80);

/// Both versions read it.
const FILE: &str = r#"
[director]
interfaces = ["eth0", "eth1"]
max_sessions = 10000

[local_ips.default]
addresses = ["10.2.0.100"]

[[service]]
address = "tcp://10.0.0.1:80"
scheduler = "rr"
snat = "default"
[[service.server]]
address = "10.2.0.2:8080"
[[service.server]]
address = "10.2.0.3:8080"
"#;

fn version() -> String {
    let text = fs::read_to_string("/sys/module/ip_vs_bpf/version").unwrap();
    text.trim().to_owned()
}

/// The programs at a hook of an interface, as tc lists them.
fn programs(lab: &Lab, hook: &str) -> String {
    lab.exec("director", &["tc", "filter", "show", "dev", "eth0", hook])
}

/// Runs `apply` of 0.1.
fn apply_old(lab: &Lab) {
    let file = std::env::temp_dir().join(lab.namespace("upgrade.toml"));
    fs::write(&file, FILE).unwrap();
    run(Command::new(format!("{OLD}/ipvs-bpf"))
        .args(["--netns", &lab.namespace("director"), "apply", "-f"])
        .arg(&file));
    fs::remove_file(file).unwrap();
}

/// Each command says what to do, and changes nothing.
fn everything_refuses(lab: &Lab, sessions: &str) {
    for arguments in [
        &["show", "--sessions"][..],
        &["show", "--counters"],
        &["doctor"],
        &["metrics"],
    ] {
        let output = lab.ipvs_bpf(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(stderr(&output).contains(sessions), "{}", stderr(&output));
    }
    for command in ["plan", "apply"] {
        let output = lab.with_file(&[command], FILE);
        assert_eq!(output.status.code(), Some(1), "{command}");
        let said = stderr(&output);
        assert!(said.contains("version 0.1.0"), "{said}");
        assert!(said.contains(sessions), "{said}");
        assert!(said.contains("`ipvs-bpf down` ends them"), "{said}");
    }
    assert_eq!(version(), "0.1.0");
    assert!(programs(lab, "egress").contains("ipvs_egress"));
}

#[test]
#[ignore = "needs version 0.1: make test-upgrade"]
fn version_0_1_is_replaced_when_it_has_no_sessions() {
    let lab = Lab::alone();
    run(Command::new("insmod").arg(format!("{OLD}/ip_vs_bpf.ko")));
    apply_old(&lab);
    let mut talk = Talk::new(&lab, "tcp", VIP);
    talk.ask();

    everything_refuses(&lab, "has 1 session");
    talk.ask();

    talk.reset();
    eventually("the session ended", || lab.counter("sessions") == 0);
    let said = lab.apply(FILE);
    assert!(
        said.contains("- the maps and the module ip_vs_bpf, of an older version"),
        "{said}"
    );
    assert!(
        said.contains("7 to add, 0 to change, 0 to remove"),
        "{said}"
    );
    assert_eq!(version(), env!("CARGO_PKG_VERSION"));
    assert_eq!(programs(&lab, "egress"), "");
    assert!(programs(&lab, "ingress").contains("ipvs_ingress"));
    Talk::new(&lab, "tcp", VIP).ask();
    assert_eq!(lab.sessions().len(), 1);
    assert_eq!(lab.apply(FILE), "nothing to do\n");
    success(&lab.ipvs_bpf(&["down"]));
}

#[test]
#[ignore = "needs version 0.1: make test-upgrade"]
fn down_ends_the_sessions_of_version_0_1() {
    let lab = Lab::alone();
    run(Command::new("insmod").arg(format!("{OLD}/ip_vs_bpf.ko")));
    apply_old(&lab);
    let mut talk = Talk::new(&lab, "tcp", VIP);
    talk.ask();
    success(&lab.ipvs_bpf(&["down"]));
    assert_eq!(programs(&lab, "egress"), "");
    lab.apply(FILE);
    assert_eq!(version(), env!("CARGO_PKG_VERSION"));
    Talk::new(&lab, "tcp", VIP).ask();
}
