// SPDX-License-Identifier: GPL-2.0-only
//! An `apply` that stops before its end: the messages it prints, and that another run
//! completes the work.

use std::fmt::Write;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::process::Stdio;

use crate::full_nat::FILE;
use crate::lab::{Lab, eventually, ipvs_bpf, stderr, success};

/// A file with `count` services, each with one server.
pub fn large(count: usize) -> String {
    let mut file = String::new();
    for number in 0..count {
        let (high, low) = (number / 200, number % 200 + 1);
        write!(
            file,
            "[[service]]\naddress = \"tcp://10.0.{high}.{low}:80\"\nscheduler = \"rr\"\n\
             [[service.server]]\naddress = \"10.2.0.2:8080\"\n"
        )
        .unwrap();
    }
    file
}

/// Waits until ipvsadm lists this many services. While those of other namespaces come and
/// go, the kernel may skip or repeat some, because it finds its place by counting.
fn has_services(lab: &Lab, count: usize) {
    eventually(&format!("{count} services are listed"), || {
        let saved = lab.exec("director", &["ipvsadm", "-Sn"]);
        saved.lines().filter(|line| line.starts_with("-A")).count() == count
    });
}

/// Plan and apply must refuse the file, doctor must report the reason, and nothing may
/// change.
pub fn refused_as(lab: &Lab, file: &str, reason: &str, words: &str) {
    for command in [&["plan"][..], &["apply"]] {
        let output = lab.with_file(command, file);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {output:?}");
        assert!(stderr(&output).contains("nothing was changed"));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(&format!("! {words}")), "{command:?}: {text}");
    }
    let plan = lab.with_file(&["plan", "--json"], file);
    let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).unwrap();
    assert_eq!(plan["refusals"][0]["reason"], reason, "{plan}");
    let doctor = lab.with_file(&["doctor", "--json"], file);
    assert_eq!(doctor.status.code(), Some(1), "{doctor:?}");
    let found = String::from_utf8(doctor.stdout).unwrap();
    assert!(found.contains(words), "{found}");
    has_services(lab, 0);
}

#[test]
fn a_kernel_that_cannot_be_read_is_worth_another_attempt() {
    let lab = Lab::new();
    lab.apply(FILE);
    let strange = std::env::temp_dir().join(lab.namespace("strange"));
    fs::write(&strange, [0xff]).unwrap();
    let script = "mount --bind $1 /proc/sys/net/ipv4/vs/conntrack; exec $0 apply -f -";
    let cli = ipvs_bpf();
    let words = [cli.get_program(), strange.as_os_str()].map(|word| word.to_str().unwrap());
    let mut apply = lab.command("director", &[&["sh", "-ec", script], &words[..]].concat());
    let mut apply = apply
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let file = apply.stdin.take().unwrap();
    (&file).write_all(FILE.as_bytes()).unwrap();
    drop(file);
    let output = apply.wait_with_output().unwrap();
    fs::remove_file(strange).unwrap();
    assert!(stderr(&output).contains("vs/conntrack"), "{output:?}");
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    success(&lab.with_file(&["plan"], FILE));
}

#[test]
fn a_step_that_fails_is_named_with_what_was_done_and_what_is_left() {
    let lab = Lab::new();
    // IPVS steps are sent 128 at a time, and each one fails alone. The kernel does not
    // accept a broadcast address as a server.
    let file = large(100).replacen("10.2.0.2:8080", "10.2.0.255:8080", 20);
    let file = file.replacen("10.2.0.255:8080", "10.2.0.2:8080", 19);
    let output = lab.with_file(&["apply"], &file);
    assert_eq!(output.status.code(), Some(4));
    let message = stderr(&output);
    let lines: Vec<&str> = message.lines().collect();
    for line in [
        "carried out: 127 of 200 steps",
        "  + tcp://10.0.0.64:80 → 10.2.0.2:8080 weight 1",
        "not carried out: 73",
        "  + tcp://10.0.0.20:80 → 10.2.0.255:8080 weight 1",
        "  + tcp://10.0.0.65:80 rr",
        "  … (63 after)",
        "run `ipvs-bpf apply` again to continue from here",
    ] {
        assert!(lines.contains(&line), "{line}\n{message}");
    }
    let failed = "ipvs-bpf: cannot add the server 10.2.0.255:8080 to the service \
                  tcp://10.0.0.20:80: the kernel rejects it as invalid";
    assert!(message.contains(failed), "{message}");
    // It stops there.
    has_services(&lab, 64);
    let text = lab.apply(&large(100));
    assert!(
        text.ends_with("73 to add, 0 to change, 0 to remove\n"),
        "{text}"
    );
    assert_eq!(lab.apply(&large(100)), "nothing to do\n");
}

#[test]
fn json_reports_a_failed_step_in_the_same_document() {
    let lab = Lab::new();
    let file = large(3).replacen("10.2.0.2:8080", "10.2.0.255:8080", 1);
    let output = lab.with_file(&["apply", "--json"], &file);
    assert_eq!(output.status.code(), Some(4));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["done"], 5);
    assert_eq!(document["steps"].as_array().unwrap().len(), 6);
    assert!(document["error"].as_str().unwrap().contains("10.2.0.255"));
    let output = lab.with_file(&["apply", "--json"], &large(3));
    let document: serde_json::Value = serde_json::from_str(&success(&output)).unwrap();
    assert_eq!(document["done"], 1);
    assert!(document["error"].is_null());
}

#[test]
fn plan_sees_another_modules_application_at_the_port() {
    let lab = Lab::new();
    crate::lab::run(std::process::Command::new("modprobe").arg("ip_vs_ftp"));
    let ftp = FILE.replace("tcp://10.0.0.1:80", "tcp://10.0.0.1:21");
    refused_as(
        &lab,
        &ftp,
        "port_taken",
        "the IPVS application ftp holds the port of tcp://10.0.0.1:21",
    );
    lab.apply(FILE);
    assert_eq!(lab.apply(FILE), "nothing to do\n");
    lab.get(&["http://10.0.0.1/"]);
}

/// Sends the signal while the steps are carried out, after the hundredth and before the
/// last. The program is ahead of the output read here by at most the size of a pipe,
/// about 1900 lines.
fn stopped_by(signal: &str, status: i32) {
    const COUNT: usize = 1500;
    let lab = Lab::new();
    let path = std::env::temp_dir().join(format!("ipvs-bpf-large-{signal}.toml"));
    std::fs::write(&path, large(COUNT)).unwrap();
    let file = path.to_str().unwrap();

    let mut child = lab.spawn(&["-v", "apply", "-f", file]);
    let mut output = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    let mut lines = Vec::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        // Before the first step it may wait for the lock. It also warns of VIPs that are
        // not addresses of the host.
        lines.extend((line.starts_with('+') || !lines.is_empty()).then_some(line));
        if lines.len() == 100 {
            let pid = child.id().to_string();
            crate::lab::run(std::process::Command::new("kill").args([&format!("-{signal}"), &pid]));
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(status));
    reader.join().unwrap().unwrap();

    let message = lines.join("\n");
    let said = format!("ipvs-bpf: stopped by SIG{signal}");
    let at = lines.iter().position(|line| *line == said);
    let at = at.unwrap_or_else(|| panic!("{}", &message[message.len().saturating_sub(2000)..]));
    // Every step that had begun was finished and counted.
    let done = format!("carried out: {at} of {} steps", 2 * COUNT);
    assert_eq!(lines[at + 1], done);
    assert!((100..2 * COUNT).contains(&at), "{at}");
    has_services(&lab, at.div_ceil(2));

    // The lock is free, and the next run does the rest.
    let rest = lab.ipvs_bpf(&["apply", "-f", file]);
    let summary = format!("{} to add, 0 to change, 0 to remove\n", 2 * COUNT - at);
    assert!(success(&rest).ends_with(&summary), "{summary}");
    let again = lab.ipvs_bpf(&["plan", "-f", file]);
    assert_eq!(success(&again), "nothing to do\n");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn ctrl_c_ends_an_apply_between_two_steps_and_the_next_one_does_the_rest() {
    stopped_by("INT", 130);
}

#[test]
fn sigterm_ends_an_apply_between_two_steps_and_the_next_one_does_the_rest() {
    stopped_by("TERM", 143);
}

#[test]
fn a_refusal_and_a_warning_name_the_file_and_line_that_a_person_wrote() {
    let lab = Lab::new();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let service = "[[service]]\naddress = [\n  \"tcp://10.0.0.1:80\",\n  \
                   \"tcp://10.7.0.1:80\",\n]\nscheduler = \"quantum\"\n";
    fs::write(path("lb.toml"), "include = \"web.toml\"\n").unwrap();
    fs::write(path("web.toml"), service).unwrap();
    let plan = lab.ipvs_bpf(&["plan", "-f", &path("lb.toml")]);
    assert_eq!(plan.status.code(), Some(1), "{plan:?}");
    let said = stderr(&plan);
    let text = String::from_utf8(plan.stdout).unwrap();
    // The first of the two services with that scheduler.
    let place = format!(" ({}:3)", path("web.toml"));
    let refusal = text
        .lines()
        .find(|line| line.starts_with("! tcp://10.0.0.1:80"));
    assert!(refusal.expect(&text).ends_with(&place), "{text}");
    let vip = "the VIP 10.7.0.1 is not configured on this host";
    let warning = said.lines().find(|line| line.contains(vip)).expect(&said);
    assert!(
        warning.ends_with(&format!(" ({}:4)", path("web.toml"))),
        "{said}"
    );
    let json = lab.ipvs_bpf(&["plan", "--json", "-f", &path("lb.toml")]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let place = serde_json::json!({ "file": path("web.toml"), "line": 3 });
    assert_eq!(json["refusals"][0]["place"], place, "{json}");
}
