// SPDX-License-Identifier: GPL-2.0-only
//! Completions from the kernel's state: services, servers and namespaces.

use std::path::Path;

use crate::lab::{Lab, eventually, success};

#[path = "../completions/bash.rs"]
mod bash;

/// The text that bash adds to the line on Tab, on that host.
fn complete(lab: &Lab, host: &str, line: &str) -> Vec<String> {
    let program = Path::new(env!("CARGO_BIN_EXE_ipvs-bpf")).parent().unwrap();
    let script = format!(
        "PATH={}:$PATH; source <(ipvs-bpf completions bash)",
        program.display()
    );
    let program = bash::program(&script, line);
    let output = lab.try_exec(host, &["bash", "--norc", "-c", &program]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(stderr, "", "{line}");
    let found = success(&output);
    found.lines().map(str::to_owned).collect()
}

#[test]
fn services_servers_and_namespaces_are_completed_from_what_runs() {
    let lab = Lab::new();
    for rule in [
        "-A -t 10.0.0.1:80 -s rr",
        "-a -t 10.0.0.1:80 -r 10.2.0.2:8080 -m",
        "-a -t 10.0.0.1:80 -r 10.2.0.3:8080 -m",
        "-A -t 10.0.0.1:443 -s rr",
        "-a -t 10.0.0.1:443 -r 10.2.0.4:8443 -m",
        "-A -f 7 -6 -s rr",
        "-a -f 7 -6 -r [fd00::2]:0 -g",
    ] {
        let words: Vec<&str> = ["ipvsadm"].into_iter().chain(rule.split(' ')).collect();
        lab.exec("director", &words);
    }
    // The completion gives up early on a busy host, so this retries.
    let offers = |host: &str, line: &str, wanted: &[&str]| {
        eventually(line, || complete(&lab, host, line) == wanted);
    };
    let director = |line: &str, wanted: &[&str]| offers("director", line, wanted);
    // Bash replaces only the text after the last colon, so only that is completed.
    director("ipvs-bpf drain tcp://10.0.0.1:", &["80", "443"]);
    director("ipvs-bpf weight tcp://10.0.0.1:4", &["443"]);
    director("ipvs-bpf zero f", &["fwmark6://7"]);
    director("ipvs-bpf show tcp:", &["//10.0.0.1:80", "//10.0.0.1:443"]);
    // The other service is on the line already.
    director(
        "ipvs-bpf show tcp://10.0.0.1:80 tcp",
        &["tcp://10.0.0.1:443"],
    );
    director(
        "ipvs-bpf drain tcp://10.0.0.1:80 1",
        &["10.2.0.2:8080", "10.2.0.3:8080"],
    );
    director("ipvs-bpf weight fwmark6://7 [fd00::", &["2]:0"]);
    director(
        "ipvs-bpf show --server 10.2.0.",
        &["10.2.0.2:8080", "10.2.0.3:8080", "10.2.0.4:8443"],
    );
    director(
        "ipvs-bpf show tcp://10.0.0.1:443 --server ",
        &["10.2.0.4:8443"],
    );

    // Completes in another namespace, given by name. If IPVS has nothing there, nothing
    // is offered.
    let name = lab.namespace("director");
    let line = format!("ipvs-bpf --netns {name} drain tcp://10.0.0.1:8");
    offers("client", &line, &["80"]);
    let line = format!("ipvs-bpf show --netns {}", &name[..name.len() - 1]);
    offers("client", &line, &[&name]);
    // The program runs there.
    offers("client", "ipvs-bpf drain --netn", &["--netns"]);
    for (host, line) in [
        ("client", "ipvs-bpf drain t"),
        ("director", "ipvs-bpf drain --netns nowhere t"),
    ] {
        assert_eq!(complete(&lab, host, line), [""], "{line}");
    }
}
