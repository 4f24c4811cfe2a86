// SPDX-License-Identifier: GPL-2.0-only
//! Views that ipvsadm does not have, or shows elsewhere.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use super::lay_out;
use crate::full_nat::FILE;
use crate::lab::{Lab, ipvs_bpf, run, success};
use crate::talk::answer;

#[test]
fn rates_of_a_watch_are_what_was_counted_between_two_looks() {
    let lab = Lab::new();
    lab.apply(FILE);
    let mut watch = ipvs_bpf()
        .args(["--netns", &lab.namespace("director")])
        .args(["show", "--watch=1", "--rate", "--json", "tcp://10.0.0.1:80"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut look = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let number = |of: &Value, kind: &str| {
        of["services"][0][kind]["incoming_packets"]
            .as_u64()
            .unwrap()
    };
    let mut before = look();
    // Waits until packets are seen to come, and then to stop.
    for moving in [true, false] {
        if moving {
            lab.get(&["http://10.0.0.1/bytes/100000"]);
        }
        loop {
            let now = look();
            let packets = number(&now, "totals") - number(&before, "totals");
            let rate = number(&now, "rates");
            // Looks have a fixed grid. After a late one the next may come soon.
            assert_eq!(packets > 0, rate > 0, "{packets} packets, {rate} a second");
            before = now;
            if (packets > 0) == moving {
                break;
            }
        }
    }
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn names_are_printed_where_they_are_found_and_a_dead_resolver_hurts_nobody() {
    let lab = Lab::new();
    lay_out(&lab);
    let folder = std::env::temp_dir().join(lab.namespace("names"));
    std::fs::create_dir(&folder).unwrap();
    // A name server accepts the queries and never answers. Waiting for each would take
    // minutes.
    std::fs::write(
        folder.join("resolv.conf"),
        "nameserver 10.1.0.2\noptions timeout:30 attempts:5\n",
    )
    .unwrap();
    std::fs::write(folder.join("hosts"), "10.2.0.2 web-1.example\n").unwrap();
    let script = format!(
        "mount --bind {0}/resolv.conf /etc/resolv.conf && mount --bind {0}/hosts /etc/hosts && \
         exec {1} show --names",
        folder.display(),
        env!("CARGO_BIN_EXE_ipvs-bpf")
    );
    let mut lab = lab;
    let silent = "import socket, time\n\
                  s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
                  s.bind(('', 53)); print('ready', flush=True); time.sleep(3600)";
    lab.start("client", &["/usr/bin/python3", "-ISc", silent], "ready");
    let text = run(&mut lab.command("director", &["timeout", "60", "sh", "-c", &script]));
    assert!(text.contains("tcp://10.0.0.1:http "), "{text}");
    assert!(text.contains("→ web-1.example:http-alt "), "{text}");
    assert!(text.contains("→ 10.2.0.3:http-alt "), "{text}");
    assert!(text.contains("udp://[fd00::1]:discard "), "{text}");
    let numbers = success(&lab.ipvs_bpf(&["show"]));
    assert!(numbers.contains("→ 10.2.0.2:8080 "), "{numbers}");
}

#[test]
fn settings_and_counters_are_shown() {
    let lab = Lab::new();
    lab.apply(FILE);
    lab.exec("director", &["ipvsadm", "--set", "901", "121", "301"]);
    let text = success(&lab.ipvs_bpf(&["show", "--timeouts"]));
    let words: Vec<&str> = text.split_whitespace().skip(2).collect();
    assert_eq!(words[..6], ["tcp", "901", "tcp_fin", "121", "udp", "301"]);
    assert_eq!(words[6..8], ["tcp_unanswered", "10"]);

    for (state, group) in [("master", "224.0.0.81"), ("backup", "224.0.0.82")] {
        let daemon = [
            "--start-daemon",
            state,
            "--mcast-interface",
            "eth0",
            "--syncid",
            "3",
        ];
        lab.exec(
            "director",
            &[&["ipvsadm"], &daemon[..], &["--mcast-group", group]].concat(),
        );
    }
    let json = |view: &str| -> Value {
        serde_json::from_str(&success(&lab.ipvs_bpf(&["show", view, "--json"]))).unwrap()
    };
    let daemons = &json("--daemon")["daemons"];
    assert_eq!(
        (&daemons[0]["state"], &daemons[0]["group"]),
        (&"master".into(), &"224.0.0.81".into())
    );
    assert_eq!(
        (&daemons[1]["state"], &daemons[1]["group"]),
        (&"backup".into(), &"224.0.0.82".into())
    );
    assert_eq!(
        (&daemons[0]["interface"], &daemons[0]["id"]),
        (&"eth0".into(), &3.into())
    );
    for state in ["master", "backup"] {
        lab.exec("director", &["ipvsadm", "--stop-daemon", state]);
    }
    assert_eq!(json("--daemon")["daemons"], Value::Array(Vec::new()));

    lab.get(&["http://10.0.0.1/"]);
    let counters = json("--counters");
    let counters = counters["counters"].as_array().unwrap();
    let value = |source: &str, name: &str| {
        let found = counters
            .iter()
            .find(|c| c["source"] == source && c["name"] == name);
        found.unwrap()["value"].as_u64().unwrap()
    };
    assert_eq!(
        value("module", "sessions_created"),
        lab.counter("sessions_created")
    );
    assert_eq!(value("module", "sessions"), 1);
    assert_eq!(value("ebpf", "rewrite_failed"), 0);
    let known = |c: &&Value| c["meaning"].is_string();
    assert_eq!(counters.iter().filter(known).count(), counters.len());
}

#[test]
fn a_drop_is_shown_with_what_to_do_about_it_and_fits_the_terminal() {
    let lab = Lab::new();
    lab.apply(FILE);
    lab.get(&["http://10.0.0.1/"]);
    for destination in ["10.2.0.0/24", "fd00:2::/64"] {
        lab.exec("director", &["ip", "route", "del", destination]);
    }
    let refused = lab.try_exec(
        "client",
        &["curl", "-sS", "--max-time", "5", "http://10.0.0.1/"],
    );
    assert!(!refused.status.success());
    assert!(lab.counter("drop_no_route") > 0);

    let cure = "give the director a route to the server: `ip route get` with the server's \
                address. The sender gets an ICMP error";
    let text = success(&lab.ipvs_bpf(&["show", "--counters"]));
    assert!(
        text.contains(&format!("        what to do: {cure}\n")),
        "{text}"
    );
    assert_eq!(text.matches("what to do:").count(), 1, "{text}");
    let json = success(&lab.ipvs_bpf(&["show", "--counters", "--json"]));
    let json: Value = serde_json::from_str(&json).unwrap();
    let cure_of = |name: &str| {
        let mut counters = json["counters"].as_array().unwrap().iter();
        counters.find(|c| c["name"] == name).unwrap()["cure"].clone()
    };
    assert_eq!(cure_of("drop_no_route"), cure);
    assert!(cure_of("refused_no_memory").is_string());
    assert_eq!(cure_of("sessions_created"), Value::Null);

    let line = format!(
        "stty cols 80; {} --netns {} show --counters",
        env!("CARGO_BIN_EXE_ipvs-bpf"),
        lab.namespace("director")
    );
    let mut terminal = std::process::Command::new("script");
    terminal.env("TERM", "xterm");
    let screen = run(terminal.args(["-qec", &line, "/dev/null"])).replace('\r', "");
    println!("{screen}");
    assert!(screen.lines().all(|line| line.chars().count() <= 80));
    let note = "        what to do: give the director a route to the server: `ip route get` with\n\
                \x20       the server's address. The sender gets an ICMP error\n";
    assert!(screen.contains(note), "{screen}");
}

#[test]
fn a_client_of_udp_is_found_by_the_local_ip_and_port_that_its_server_saw() {
    let lab = Lab::new();
    lab.apply(FILE);
    let seen = answer(&lab.udp("10.0.0.1", 7, "hello"));
    let local_ip = format!("{}:{}", seen.peer, seen.port);
    let shown = success(&lab.ipvs_bpf(&["show", "--sessions", "--json"]));
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let mut sessions = shown["sessions"].as_array().unwrap().iter();
    let session = sessions.find(|of| of["protocol"] == "udp" && of["local_ip"] == *local_ip);
    let client = session.expect(&local_ip)["client"].as_str().unwrap();
    assert!(client.starts_with("10.1.0.2:"), "{client}");
}
