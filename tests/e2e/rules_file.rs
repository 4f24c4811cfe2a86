// SPDX-License-Identifier: GPL-2.0-only
//! Rules of the file: what `plan`, `apply`, `show`, `flush` and `down` make of them.

use crate::lab::{Lab, stderr, success};
use crate::rules::{WEB, add_web, ipvsadm, native, peer, read};
use crate::talk::Talk;

/// The file's own service beside those of the rule.
const FILE_WITH_RULE: &str = r#"
[director]
interfaces = ["eth0", "eth1"]
max_sessions = 10_000

[local_ips.default]
addresses = ["10.2.0.100", "fd00:2::100"]

[[full_nat]]
addresses = ["10.0.0.1", "fd00::/64"]
protocols = ["tcp"]
snat = "default"

[[service]]
address = "tcp://10.0.0.9:80"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "10.2.0.2:8080"
"#;

#[test]
fn a_file_has_rules_and_leaves_their_services_to_another_program() {
    let lab = Lab::new();
    add_web(&lab);
    let applied = lab.apply(FILE_WITH_RULE);
    assert!(
        applied.contains("services of others at 10.0.0.1/32 tcp full NAT from pool"),
        "{applied}"
    );
    assert!(!applied.contains("tcp://10.0.0.1:80"), "{applied}");
    assert_eq!(peer(&lab.get(&["http://10.0.0.1/"])), "10.2.0.100");
    assert_eq!(peer(&lab.get(&["http://10.0.0.9/"])), "10.2.0.100");
    let again = lab.with_file(&["plan"], FILE_WITH_RULE);
    assert_eq!(success(&again), "nothing to do\n");
    // The other program goes on, and no plan says so.
    ipvsadm(&lab, "-d -t 10.0.0.1:80 -r 10.2.0.3:8080");
    ipvsadm(&lab, "-A -t [fd00::1]:80 -s rr");
    assert_eq!(
        success(&lab.with_file(&["plan"], FILE_WITH_RULE)),
        "nothing to do\n"
    );
    let shown = success(&lab.ipvs_bpf(&["show"]));
    assert_eq!(shown.matches("default (by rule)").count(), 2, "{shown}");
    let json = success(&lab.ipvs_bpf(&["show", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let services = json["services"].as_array().unwrap();
    let by_rule = |address: &str| {
        let mut found = services
            .iter()
            .filter(|service| service["address"] == address);
        found.next().unwrap()["by_rule"].as_bool().unwrap()
    };
    assert!(by_rule("tcp://10.0.0.1:80") && by_rule("tcp://[fd00::1]:80"));
    assert!(!by_rule("tcp://10.0.0.9:80"));
    // What is saved asks for the same.
    let saved = success(&lab.ipvs_bpf(&["save"]));
    assert!(
        saved.contains("[[full_nat]]") && !saved.contains("tcp://10.0.0.1:80"),
        "{saved}"
    );
    assert_eq!(
        success(&lab.with_file(&["plan"], &saved)),
        "nothing to do\n"
    );
    // Nothing of ours removes what is another's.
    let target = ["tcp://10.0.0.1:80", "10.2.0.2:8080"];
    let drain = lab.ipvs_bpf(&[&["drain"], &target[..], &["--remove"]].concat());
    assert!(!drain.status.success());
    assert!(
        stderr(&drain).contains("is another program's: the rule for 10.0.0.1/32 tcp"),
        "{}",
        stderr(&drain)
    );
    success(&lab.ipvs_bpf(&["flush", "--yes"]));
    let left = lab.exec("director", &["ipvsadm", "-Sn"]);
    assert!(
        left.contains("-t 10.0.0.1:80") && !left.contains("10.0.0.9"),
        "{left}"
    );
    assert_eq!(peer(&lab.get(&["http://10.0.0.1/"])), "10.2.0.100");
    success(&lab.ipvs_bpf(&["down"]));
    let left = lab.exec("director", &["ipvsadm", "-Sn"]);
    assert!(left.contains("-t 10.0.0.1:80"), "{left}");
}

#[test]
fn rules_of_a_file_change_at_once_while_connections_live() {
    let lab = Lab::new();
    lab.apply(FILE_WITH_RULE);
    add_web(&lab);
    let mut talk = Talk::new(&lab, "tcp", WEB);
    let before = talk.ask();
    assert_eq!(before.peer, "10.2.0.100");
    // The pool is renamed, and the network goes to another rule.
    let renamed = FILE_WITH_RULE
        .replace("[local_ips.default]", "[local_ips.new]")
        .replace("snat = \"default\"", "snat = \"new\"")
        .replace(
            "[\"10.0.0.1\", \"fd00::/64\"]",
            "[\"10.0.0.0/29\", \"fd00::/64\"]",
        );
    lab.apply(&renamed);
    assert_eq!(
        success(&lab.with_file(&["plan"], &renamed)),
        "nothing to do\n"
    );
    assert_eq!(talk.ask(), before);
    assert_eq!(peer(&lab.get(&["http://10.0.0.1/"])), "10.2.0.100");
    assert_eq!(native(&lab), 0, "{}", read(&lab, "stats"));
    // Without the rule the service is nobody's, and the file decides on all services.
    let without = renamed.replacen("[[full_nat]]\naddresses = [\"10.0.0.0/29\", \"fd00::/64\"]\nprotocols = [\"tcp\"]\nsnat = \"new\"\n", "", 1);
    assert_ne!(without, renamed);
    let applied = lab.apply(&without);
    assert!(applied.contains("- tcp://10.0.0.1:80"), "{applied}");
    assert_eq!(read(&lab, "rules"), "");
}
