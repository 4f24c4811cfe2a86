// SPDX-License-Identifier: GPL-2.0-only
//! The things that `--keep-weights`, `--no-prune` and `--only-listed` leave unchanged,
//! and the warnings of a plan.

use std::process::{Command, Stdio};

use crate::lab::{Lab, ipvs_bpf, stderr, success};

const FILE: &str = r#"
[[service]]
address = "tcp://10.0.0.1:80"
scheduler = "wrr"
  [[service.server]]
  address = "10.2.0.2:8080"
  weight = 5
  [[service.server]]
  address = "10.2.0.3:8080"
"#;

/// Manual changes: a drained server, a server added to the listed service, and a service
/// of another tool.
fn others(lab: &Lab) {
    let web = "10.0.0.1:80";
    for line in [
        format!("-e -t {web} -r 10.2.0.2:8080 -m -w 0"),
        format!("-a -t {web} -r 10.2.0.4:8080 -m"),
        "-A -t 10.0.0.1:443 -s rr".to_owned(),
        "-a -t 10.0.0.1:443 -r 10.2.0.9:443 -m".to_owned(),
    ] {
        let words: Vec<&str> = std::iter::once("ipvsadm").chain(line.split(' ')).collect();
        lab.exec("director", &words);
    }
}

fn apply(lab: &Lab, options: &[&str]) -> String {
    success(&lab.with_file(&[&["apply"], options].concat(), FILE));
    let again = lab.with_file(&[&["apply"], options].concat(), FILE);
    assert_eq!(success(&again), "nothing to do\n");
    lab.exec("director", &["ipvsadm", "-Sn"])
}

#[test]
fn without_options_the_file_decides_everything() {
    let lab = Lab::new();
    lab.apply(FILE);
    others(&lab);
    let saved = apply(&lab, &[]);
    assert!(saved.contains("10.2.0.2:8080 -m -w 5"), "{saved}");
    assert!(!saved.contains("10.2.0.4"), "{saved}");
    assert!(!saved.contains("443"), "{saved}");
}

#[test]
fn keep_weights_leaves_a_drained_server_drained() {
    let lab = Lab::new();
    lab.apply(FILE);
    others(&lab);
    let saved = apply(&lab, &["--keep-weights"]);
    assert!(saved.contains("10.2.0.2:8080 -m -w 0"), "{saved}");
    assert!(!saved.contains("10.2.0.4"), "{saved}");
}

#[test]
fn only_listed_keeps_other_programs_services_and_decides_its_own() {
    let lab = Lab::new();
    lab.apply(FILE);
    others(&lab);
    let saved = apply(&lab, &["--only-listed"]);
    assert!(saved.contains("10.2.0.2:8080 -m -w 5"), "{saved}");
    assert!(!saved.contains("10.2.0.4"), "{saved}");
    assert!(saved.contains("-t 10.0.0.1:443 -r 10.2.0.9:443"), "{saved}");
}

#[test]
fn no_prune_removes_nothing() {
    let lab = Lab::new();
    lab.apply(FILE);
    others(&lab);
    let saved = apply(&lab, &["--no-prune"]);
    assert!(saved.contains("10.2.0.2:8080 -m -w 5"), "{saved}");
    assert!(saved.contains("10.2.0.4:8080"), "{saved}");
    assert!(saved.contains("-t 10.0.0.1:443 -r 10.2.0.9:443"), "{saved}");
    let both = lab.with_file(&["plan", "--no-prune", "--only-listed"], FILE);
    assert_eq!(both.status.code(), Some(1), "they exclude each other");
}

#[test]
fn the_plan_is_coloured_on_a_terminal_and_nowhere_else() {
    let lab = Lab::new();
    let path = std::env::temp_dir().join("ipvs-bpf-colour.toml");
    std::fs::write(&path, FILE).unwrap();
    let plan = format!(
        "{} --netns {} plan -f {}",
        ipvs_bpf().get_program().display(),
        lab.namespace("director"),
        path.display()
    );
    let on_a_terminal = |variables: &str| {
        let command = format!("env {variables} {plan}");
        let output = Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stdout).unwrap()
    };
    let coloured = on_a_terminal("-u NO_COLOR");
    let green = "\x1b[32m+ 10.2.0.2:8080 weight 5\x1b[0m";
    assert!(coloured.contains(green), "{coloured:?}");
    assert!(!on_a_terminal("NO_COLOR=1").contains('\x1b'));
    let piped = lab.with_file(&["plan"], FILE);
    assert!(!String::from_utf8(piped.stdout).unwrap().contains('\x1b'));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn plan_warns_of_a_vip_until_it_is_an_address_of_the_host() {
    let lab = Lab::new();
    let away = FILE.replace("tcp://10.0.0.1:80", "tcp://10.0.0.77:80");
    let ipv6 = "[[service]]\naddress = \"tcp://[fd00::77]:80\"\nscheduler = \"rr\"\nserver = [{ address = \"[fd00:2::2]:80\" }]\n";
    let plan = lab.with_file(&["plan"], ipv6);
    assert!(stderr(&plan).contains("the VIP fd00::77"), "{plan:?}");
    let add = "ip address add fd00::77/128 dev lo";
    lab.exec("director", &add.split(' ').collect::<Vec<_>>());
    assert_eq!(stderr(&lab.with_file(&["plan"], ipv6)), "");
    let mark = "[[service]]\naddress = \"fwmark://7\"\nscheduler = \"rr\"\nserver = [{ address = \"10.2.0.2:0\" }]\n";
    assert_eq!(stderr(&lab.with_file(&["plan"], mark)), "");

    let warned = |output: &std::process::Output| stderr(output).contains("the VIP 10.0.0.77");
    let plan = lab.with_file(&["plan"], &away);
    assert_eq!(plan.status.code(), Some(2), "a warning is not an error");
    assert!(warned(&plan), "{}", stderr(&plan));
    let apply = lab.with_file(&["apply"], &away);
    success(&apply);
    assert!(warned(&apply), "{}", stderr(&apply));
    let json = lab.with_file(&["plan", "--json"], &away);
    let document: serde_json::Value = serde_json::from_str(&success(&json)).unwrap();
    assert!(
        document["warnings"][0]
            .as_str()
            .unwrap()
            .contains("10.0.0.77")
    );
    assert_eq!(document["steps"].as_array().unwrap().len(), 0);

    // As the warning suggests, with a whole network.
    lab.exec(
        "director",
        &["ip", "address", "add", "10.0.0.77/32", "dev", "lo"],
    );
    assert_eq!(stderr(&lab.with_file(&["plan"], &away)), "");
    lab.exec(
        "director",
        &["ip", "address", "del", "10.0.0.77/32", "dev", "lo"],
    );
    assert!(warned(&lab.with_file(&["plan"], &away)));
    let network = "ip route add local 10.0.0.64/26 dev lo";
    lab.exec("director", &network.split(' ').collect::<Vec<_>>());
    assert_eq!(stderr(&lab.with_file(&["plan"], &away)), "");
}
