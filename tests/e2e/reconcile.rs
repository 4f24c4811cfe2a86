// SPDX-License-Identifier: GPL-2.0-only
//! `plan` and `apply` with a kernel that other programs change too.

use crate::failed_steps::refused_as;
use crate::full_nat::FILE;
use crate::lab::{Lab, ipvs_bpf, stderr, success};

/// Everything in which a change would leave a trace.
fn fingerprint(lab: &Lab) -> String {
    let files = "cat /proc/net/ip_vs_bpf/map /proc/net/ip_vs_bpf/services \
                 /proc/net/ip_vs_bpf/local_ips; ipvsadm -Sn; \
                 for d in eth0 eth1; do for h in ingress egress; do tc filter show dev $d $h; done; done";
    lab.exec("director", &["sh", "-c", files])
}

#[test]
fn a_second_apply_has_nothing_to_do_and_touches_nothing() {
    let lab = Lab::new();
    let first = lab.apply(FILE);
    assert!(first.contains("+ tcp://10.0.0.1:80 rr"), "{first}");
    let before = fingerprint(&lab);
    assert_eq!(lab.apply(FILE), "nothing to do\n");
    assert_eq!(fingerprint(&lab), before);
    let plan = lab.with_file(&["plan"], FILE);
    assert_eq!(plan.status.code(), Some(0));
}

#[test]
fn plan_finds_changes_by_hand_and_apply_reverts_them() {
    let lab = Lab::new();
    lab.apply(FILE);
    let web = "10.0.0.1:80";
    let ipvsadm = |words: &[&str]| lab.exec("director", &[&["ipvsadm"], words].concat());
    ipvsadm(&["-a", "-t", web, "-r", "10.2.0.4:8080", "-m"]);
    ipvsadm(&["-d", "-t", web, "-r", "10.2.0.3:8080"]);
    ipvsadm(&["-e", "-t", web, "-r", "10.2.0.2:8080", "-m", "-w", "9"]);
    let plan = lab.with_file(&["plan"], FILE);
    assert_eq!(plan.status.code(), Some(2), "there are changes");
    let text = String::from_utf8(plan.stdout).unwrap();
    for line in [
        "- 10.2.0.4:8080",
        "+ 10.2.0.3:8080",
        "~ 10.2.0.2:8080 weight 9 → 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    lab.apply(FILE);
    let saved = ipvsadm(&["-Sn"]);
    assert!(saved.contains("-r 10.2.0.3:8080 -m -w 1"), "{saved}");
    assert!(saved.contains("-r 10.2.0.2:8080 -m -w 1"), "{saved}");
    assert!(!saved.contains("10.2.0.4"), "{saved}");
    lab.get(&["http://10.0.0.1/"]);
}

#[test]
fn a_dry_run_changes_nothing() {
    let lab = Lab::new();
    let output = lab.with_file(&["apply", "--dry-run"], FILE);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(lab.exec("director", &["ipvsadm", "-Sn"]), "");
    let filters = lab.exec(
        "director",
        &["tc", "filter", "show", "dev", "eth0", "ingress"],
    );
    assert_eq!(filters, "");
}

#[test]
fn a_bad_file_is_reported_with_its_line_and_changes_nothing() {
    let lab = Lab::new();
    lab.apply(FILE);
    let before = fingerprint(&lab);
    let output = lab.with_file(
        &["apply"],
        &FILE.replace("udp://10.0.0.1:7", "udp://10.0.0.1:70000"),
    );
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(
        message.contains("70000") && message.contains('^'),
        "{message}"
    );
    assert_eq!(fingerprint(&lab), before);
}

#[test]
fn an_interface_that_is_missing_is_named_and_everything_else_is_applied() {
    let lab = Lab::new();
    let file = FILE.replace("\"eth1\"]", "\"eth1\", \"late0\"]");
    let run = |words: &[&str], status| {
        let output = lab.with_file(words, &file);
        assert_eq!(output.status.code(), Some(status), "{words:?}: {output:?}");
        let said = stderr(&output);
        (String::from_utf8(output.stdout).unwrap(), said)
    };
    let named = "this host has no interface `late0`";
    let (planned, said) = run(&["plan"], 2);
    assert!(planned.contains("+ tcp://10.0.0.1:80 rr"), "{planned}");
    assert!(said.contains(named), "{said}");
    let (json, _) = run(&["plan", "--json"], 2);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["absent_interfaces"], serde_json::json!(["late0"]));
    let (found, _) = run(&["doctor"], 1);
    assert!(found.contains("late0 [interface-missing]"), "{found}");

    let (_, said) = run(&["apply"], 3);
    assert!(said.contains(named), "{said}");
    assert!(said.contains("everything else matches the file"), "{said}");
    lab.get(&["http://10.0.0.1/"]);
    assert_eq!(run(&["apply"], 3).0, "nothing to do\n");

    let link = ["ip", "link", "add", "late0", "type", "dummy"];
    lab.exec("director", &link);
    let (applied, said) = run(&["apply"], 0);
    assert!(applied.contains("late0"), "{applied}");
    assert_eq!(said, "");
    assert_eq!(run(&["plan"], 0).0, "nothing to do\n");
}

#[test]
fn a_pattern_alone_waits_for_its_first_interface() {
    let lab = Lab::new();
    let file = "[director]\ninterfaces = [\"late*\"]\n";
    let output = lab.with_file(&["apply"], file);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(stderr(&output).contains("no interface `late*`"));
    lab.exec("director", &["ip", "link", "add", "late0", "type", "dummy"]);
    lab.apply(file);
    assert_eq!(lab.apply(file), "nothing to do\n");
}

#[test]
fn an_interface_that_is_not_ethernet_is_refused_with_that_reason() {
    let lab = Lab::new();
    let tunnel = "ip link add tun0 type ipip local 10.2.0.1 remote 10.2.0.2";
    lab.exec("director", &tunnel.split(' ').collect::<Vec<_>>());
    let file = FILE.replace("\"eth1\"", "\"eth1\", \"tun0\"");
    let words = "the interface tun0 is not Ethernet";
    refused_as(&lab, &file, "not_ethernet", words);
}

#[test]
fn services_change_while_a_connection_lives() {
    let lab = Lab::new();
    lab.apply(FILE);
    // A connection that stays open across the change and is used after it.
    let script = "import socket, sys, time\n\
        s = socket.create_connection(('10.0.0.1', 80), timeout=120)\n\
        print('open', flush=True)\n\
        sys.stdin.readline()\n\
        s.sendall(b'GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n')\n\
        print(s.makefile().read())";
    let mut client = std::process::Command::new("ip")
        .args([
            "netns",
            "exec",
            &lab.namespace("client"),
            "/usr/bin/python3",
            "-ISc",
            script,
        ])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 5];
    std::io::Read::read_exact(client.stdout.as_mut().unwrap(), &mut first).unwrap();
    assert_eq!(&first, b"open\n");

    let changed = FILE.replace("addresses = [\"10.2.0.100\"]", "addresses = [\"10.2.0.1\"]");
    let text = lab.apply(&changed);
    assert!(text.contains("10.2.0.100"), "{text}");
    std::io::Write::write_all(client.stdin.as_mut().unwrap(), b"\n").unwrap();
    let answer = String::from_utf8(client.wait_with_output().unwrap().stdout).unwrap();
    assert!(
        answer.contains(" 10.2.0.100 "),
        "the old session keeps its local IP: {answer}"
    );
    let new = lab.get(&["http://10.0.0.1/"]);
    assert!(new.contains(" 10.2.0.1 "), "{new}");
}

#[test]
fn unprivileged_use_gets_one_clear_line() {
    let binary = ipvs_bpf().get_program().to_owned();
    let output = std::process::Command::new("setpriv")
        .args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "--",
        ])
        .arg(binary)
        .args(["apply", "-f", "/dev/null"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.contains("root"), "{message}");
}

#[test]
fn an_apply_whose_output_nobody_reads_is_carried_out_all_the_same() {
    let lab = Lab::new();
    let command = format!(
        "{} --netns {} apply -f - | true; exit ${{PIPESTATUS[0]}}",
        ipvs_bpf().get_program().display(),
        lab.namespace("director")
    );
    // This does not depend on whether other tests use the fast path: see
    // Lab::with_file().
    let file = FILE.replacen("[director]\n", "[director]\nfast_path = true\n", 1);
    let long = format!("{file}\n# {}", "long ".repeat(100_000));
    let mut child = std::process::Command::new("bash")
        .args(["-c", &command])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, long.as_bytes()).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
    assert_eq!(lab.apply(&file), "nothing to do\n");
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let lab = Lab::new();
    lab.apply(FILE);
    let command = format!(
        "set -o pipefail; {} --netns {} show | true",
        ipvs_bpf().get_program().display(),
        lab.namespace("director")
    );
    for _ in 0..5 {
        let output = std::process::Command::new("bash")
            .args(["-c", &command])
            .output()
            .unwrap();
        assert_eq!(success(&output), "");
        assert_eq!(stderr(&output), "");
    }
}
