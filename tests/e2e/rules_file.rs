// SPDX-License-Identifier: GPL-2.0-only
//! The rules of a file in `plan`, `apply`, `show`, `flush` and `down`.

use crate::lab::{Lab, stderr, success};
use crate::rules::{WEB, add_web, ipvsadm, native, peer, read};
use crate::talk::Talk;

/// The file's own service next to those of the rule.
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
        applied.contains("other programs' services at 10.0.0.1/32 tcp full NAT from pool"),
        "{applied}"
    );
    assert!(!applied.contains("tcp://10.0.0.1:80"), "{applied}");
    assert_eq!(peer(&lab.get(&["http://10.0.0.1/"])), "10.2.0.100");
    assert_eq!(peer(&lab.get(&["http://10.0.0.9/"])), "10.2.0.100");
    let again = lab.with_file(&["plan"], FILE_WITH_RULE);
    assert_eq!(success(&again), "nothing to do\n");
    // The other program continues to change its service, and this is not in any plan.
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
    // The saved file asks for the same state.
    let saved = success(&lab.ipvs_bpf(&["save"]));
    assert!(
        saved.contains("[[full_nat]]") && !saved.contains("tcp://10.0.0.1:80"),
        "{saved}"
    );
    assert_eq!(
        success(&lab.with_file(&["plan"], &saved)),
        "nothing to do\n"
    );
    // No command of ours removes a service of another program.
    let target = ["tcp://10.0.0.1:80", "10.2.0.2:8080"];
    let drain = lab.ipvs_bpf(&[&["drain"], &target[..], &["--remove"]].concat());
    assert!(!drain.status.success());
    assert!(
        stderr(&drain).contains("belongs to another program, by the rule for 10.0.0.1/32 tcp"),
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
    // Renames the pool, and moves the network to another rule.
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
    // Without the rule the service would be pruned as unknown, so nothing is changed.
    let without = renamed.replacen("[[full_nat]]\naddresses = [\"10.0.0.0/29\", \"fd00::/64\"]\nprotocols = [\"tcp\"]\nsnat = \"new\"\n", "", 1);
    assert_ne!(without, renamed);
    let refused = lab.with_file(&["apply"], &without);
    assert_eq!(refused.status.code(), Some(1));
    let reason = "! without the rule for 10.0.0.0/29 tcp, apply would remove another program's \
                  tcp://10.0.0.1:80: keep the rule, stop that program first, or list";
    let printed = String::from_utf8(refused.stdout).unwrap();
    assert!(printed.contains(reason), "{printed}");
    assert_eq!(talk.ask(), before);
    assert_eq!(peer(&lab.get(&["http://10.0.0.1/"])), "10.2.0.100");
    // The other program removes the service. Then the rule can be removed.
    ipvsadm(&lab, "-D -t 10.0.0.1:80");
    let applied = lab.apply(&without);
    assert!(
        applied.contains("- other programs' services at 10.0.0.0/29 tcp"),
        "{applied}"
    );
    assert_eq!(read(&lab, "rules"), "");
}

#[test]
fn a_service_by_mark_with_another_programs_servers_is_full_nat_by_the_rule_for_its_vips() {
    let lab = Lab::new();
    let mark = "nft -f - <<'END'\n\
        table ip marks {\n\
        chain early { type filter hook prerouting priority -450; ip daddr 10.0.0.9 meta mark set 7; }\n\
        }\nEND\n";
    lab.exec("director", &["sh", "-ec", mark]);
    let (file, _) = FILE_WITH_RULE.split_once("[[service]]").unwrap();
    let file = file.replace("\"10.0.0.1\"", "\"10.0.0.1\", \"10.0.0.9\"");
    let service = "[[service]]\naddress = \"fwmark://7\"\nscheduler = \"rr\"\n";
    let file = format!("{file}{service}servers = \"external\"\n");
    lab.apply(&file);
    ipvsadm(&lab, "-a -f 7 -r 10.2.0.2:8080 -m");
    for port in [80, 81] {
        let address = format!("http://10.0.0.9:{port}/");
        assert_eq!(peer(&lab.get(&[&address])), "10.2.0.100");
    }
    assert_eq!(success(&lab.with_file(&["plan"], &file)), "nothing to do\n");
    assert_eq!(native(&lab), 0, "{}", read(&lab, "stats"));
}
