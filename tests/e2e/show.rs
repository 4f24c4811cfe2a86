// SPDX-License-Identifier: GPL-2.0-only
//! `show` and `ipvsadm -Ln` of the same state, with real traffic.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::full_nat::FILE;
use crate::lab::{Lab, ipvs_bpf, stderr, success};

/// A service or server as ipvsadm names it, and its columns.
type Rows = Vec<(String, Vec<String>)>;

/// Native services beside those of full NAT: IPv6, a firewall mark, and one
/// with persistence and thresholds.
const NATIVE: &str = r#"
[[service]]
address = "udp://[fd00::1]:9"
scheduler = "rr"
  [[service.server]]
  address = "[fd00:2::2]:9"

[[service]]
address = "fwmark://7"
scheduler = "wrr"
  [[service.server]]
  address = "10.2.0.2:0"
  weight = 7
  [[service.server]]
  address = "10.2.0.3:0"

[[service]]
address = "tcp://10.0.0.9:80"
scheduler = "wlc"
persistence = { timeout = "5m" }
  [[service.server]]
  address = "10.2.0.2:8080"
  upper_threshold = 100
  lower_threshold = 70
  [[service.server]]
  address = "10.2.0.3:8080"
"#;

/// IPv6 addresses, a way back for native services, and the mark 7 on what goes
/// to port 7 of 10.0.0.9.
fn lay_out(lab: &Lab) {
    let ip = |host: &str, words: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        lab.exec(host, &[&["ip"], &words[..]].concat());
    };
    ip("client", "addr add fd00:1::2/64 dev eth0 nodad");
    ip("director", "addr add fd00:1::1/64 dev eth0 nodad");
    ip("director", "addr add fd00:2::1/64 dev eth1 nodad");
    ip("director", "addr add fd00::1/128 dev lo nodad");
    ip("server1", "addr add fd00:2::2/64 dev eth0 nodad");
    ip("client", "route add default via fd00:1::1");
    for server in ["server1", "server2"] {
        ip(server, "route add 10.1.0.0/24 via 10.2.0.1");
    }
    for rule in [
        "add table ip m",
        "add chain ip m c { type filter hook prerouting priority -150; }",
        "add rule ip m c ip daddr 10.0.0.9 udp dport 7 meta mark set 7",
    ] {
        lab.exec("director", &["nft", rule]);
    }
    lab.apply(&format!("{FILE}{NATIVE}"));
}

/// Some of everything; each kind another number of times.
fn traffic(lab: &Lab) {
    for _ in 0..3 {
        lab.get(&["http://10.0.0.1/"]);
        lab.udp("10.0.0.1", 7, "hello");
    }
    lab.get(&["http://10.0.0.1/bytes/300000"]);
    lab.get(&["http://10.0.0.9/"]);
    for _ in 0..2 {
        lab.udp("10.0.0.9", 7, "marked");
    }
    let script = "import socket\n\
                  s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n\
                  for n in range(5): s.sendto(b'x' * n, ('fd00::1', 9))";
    lab.exec("client", &["/usr/bin/python3", "-c", script]);
}

/// "TCP  10.0.0.1:80 wrr persistent 300" has no columns but what is at its end.
fn of_ipvsadm(text: &str, columns: usize) -> Rows {
    let lines = text.lines().skip(3);
    lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let name = match words[0] {
                "->" => words[1].to_owned(),
                "FWM" => format!("fwmark://{}", words[1]),
                protocol => format!("{}://{}", protocol.to_lowercase(), words[1]),
            };
            let server = words[0] == "->";
            let from = if server || columns == 5 {
                words.len() - columns
            } else {
                words.len()
            };
            (
                name,
                words[from..]
                    .iter()
                    .map(|word| (*word).to_owned())
                    .collect(),
            )
        })
        .collect()
}

fn of_show(text: &str, columns: usize) -> Rows {
    text.lines()
        .skip(1)
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let server = words[0] == "→";
            let name = words[usize::from(server)];
            let from = if server || columns == 5 {
                words.len() - columns
            } else {
                words.len()
            };
            let values = words[from..].iter().map(|word| (*word).to_owned());
            (name.to_owned(), values.collect())
        })
        .collect()
}

/// Both, of a moment in which ipvsadm says the same before and after.
fn both(lab: &Lab, view: &[&str], columns: usize) -> (Rows, Rows) {
    let ipvsadm = || {
        let words = [&["ipvsadm", "-Ln"], view].concat();
        of_ipvsadm(&lab.exec("director", &words), columns)
    };
    for _ in 0..20 {
        let before = ipvsadm();
        let text = success(&lab.ipvs_bpf(&[&["show"], view].concat()));
        if ipvsadm() == before {
            return (sorted(before), sorted(of_show(&text, columns)));
        }
    }
    panic!("ipvsadm never says the same twice");
}

/// ipvsadm and we have another order of services; servers stay with theirs.
fn sorted(rows: Rows) -> Rows {
    let mut services: BTreeMap<String, Rows> = BTreeMap::new();
    let mut service = String::new();
    for row in rows {
        if row.0.contains("://") {
            service = row.0.clone();
        }
        services.entry(service.clone()).or_default().push(row);
    }
    services
        .into_values()
        .flat_map(|mut rows| {
            rows[1..].sort();
            rows
        })
        .collect()
}

#[test]
pub fn totals_rates_thresholds_and_connections_are_those_of_ipvsadm() {
    let lab = Lab::new();
    lay_out(&lab);
    traffic(&lab);
    let (theirs, ours) = both(&lab, &["--stats", "--exact"], 5);
    assert_eq!(ours, theirs);
    // 6 services and 10 servers.
    assert_eq!(ours.len(), 16, "{ours:?}");
    let silent = ours.iter().filter(|(_, columns)| columns[1] == "0");
    let silent: Vec<&str> = silent.map(|(name, _)| name.as_str()).collect();
    // Of one connection only one server knows; and nobody runs iperf3.
    assert_eq!(silent.len(), 3, "{ours:?}");
    assert!(ours.iter().any(|row| row.1[4].len() > 5), "{ours:?}");

    let (theirs, ours) = both(&lab, &["--rate"], 5);
    assert_eq!(ours, theirs);
    assert!(ours.iter().any(|row| row.1[1] != "0"), "no rate: {ours:?}");

    for view in ["--thresholds", "--persistent-conn"] {
        let (theirs, ours) = both(&lab, &[view], 4);
        assert_eq!(ours, theirs, "{view}");
    }
    let (_, ours) = both(&lab, &["--thresholds"], 4);
    assert!(
        ours.iter()
            .any(|row| row.1.starts_with(&["100".to_owned(), "70".to_owned()]))
    );
    let (_, ours) = both(&lab, &["--persistent-conn"], 4);
    assert!(
        ours.iter()
            .any(|row| row.1.get(1).is_some_and(|count| count == "1"))
    );

    // Forward, Weight, ActiveConn, InActConn; ipvsadm writes "Masq".
    let (theirs, ours) = both(&lab, &[], 4);
    let small = |(name, columns): (String, Vec<String>)| {
        (
            name,
            columns
                .iter()
                .map(|word| word.to_lowercase())
                .collect::<Vec<_>>(),
        )
    };
    let theirs: Vec<_> = theirs.into_iter().map(small).collect();
    assert_eq!(ours, theirs);
}

#[test]
pub fn the_connections_are_those_of_ipvsadm() {
    let lab = Lab::new();
    lay_out(&lab);
    lab.exec(
        "director",
        &[
            "ipvsadm",
            "-A",
            "-u",
            "10.0.0.9:5060",
            "-s",
            "rr",
            "-p",
            "60",
            "--pe",
            "sip",
        ],
    );
    lab.exec(
        "director",
        &[
            "ipvsadm",
            "-a",
            "-u",
            "10.0.0.9:5060",
            "-r",
            "10.2.0.2:7",
            "-m",
        ],
    );
    traffic(&lab);
    lab.udp(
        "10.0.0.9",
        5060,
        "OPTIONS sip:a SIP/2.0\\r\\nCall-ID: one-call@example\\r\\n\\r\\n",
    );
    // Protocol, state, client, VIP, server and the engine's words → seconds.
    let theirs = || -> BTreeMap<String, i64> {
        let text = lab.exec("director", &["ipvsadm", "-Lnc", "--persistent-conn"]);
        let lines = text.lines().skip(2);
        lines
            .map(|line| {
                let mut words: Vec<&str> = line.split_whitespace().collect();
                let (minutes, seconds) = words.remove(1).split_once(':').unwrap();
                let time = minutes.parse::<i64>().unwrap() * 60 + seconds.parse::<i64>().unwrap();
                (words.join(" ").to_lowercase(), time)
            })
            .collect()
    };
    let before = theirs();
    let text = success(&lab.ipvs_bpf(&["show", "--connections", "--exact"]));
    let after = theirs();
    let ours: BTreeMap<String, i64> = text
        .lines()
        .skip(1)
        .map(|line| {
            let mut words: Vec<&str> = line.split_whitespace().collect();
            let time = words.remove(1).parse().unwrap();
            (words.join(" ").to_lowercase(), time)
        })
        .collect();
    assert!(before.keys().eq(ours.keys()), "{before:#?}\n{ours:#?}");
    for (connection, time) in &ours {
        let most = before[connection];
        let least = after.get(connection).copied().unwrap_or(0);
        assert!(
            (least..=most).contains(time),
            "{connection}: {least} {time} {most}"
        );
    }
    let words = text.to_lowercase();
    for part in [
        "fd00:1::2",
        "assured",
        "time_wait",
        "sip",
        "one-call@example",
    ] {
        assert!(words.contains(part), "{part}:\n{text}");
    }

    let lines = |arguments: &[&str]| {
        let text = success(&lab.ipvs_bpf(&[&["show", "--connections"], arguments].concat()));
        text.lines().count() - 1
    };
    assert_eq!(lines(&["udp://[fd00::1]:9"]), 1);
    assert_eq!(lines(&["tcp://10.0.0.1:80"]), 4);
    assert_eq!(
        lines(&["tcp://10.0.0.1:80", "--server", "10.2.0.2:8080"]),
        2
    );
    assert_eq!(lines(&["tcp://10.0.0.1:5201"]), 0, "there is none now");
    let output = lab.ipvs_bpf(&["show", "--connections", "tcp://10.0.0.1:81"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("did you mean"), "{output:?}");
}

/// Connections from so many ports of each of the client's addresses, which
/// live as long as the test on a slow machine.
fn flood(lab: &Lab, ports: u32) {
    lab.exec("director", &["ipvsadm", "--set", "0", "0", "7200"]);
    let script = format!(
        "import socket, time\n\
         for source in ('10.1.0.2', '10.1.0.3'):\n\
        \x20 for port in range(10000, 10000 + {ports}):\n\
        \x20   s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
        \x20   s.bind((source, port)); s.sendto(b'', ('10.0.0.1', 9)); s.close()\n\
        \x20   if port % 100 == 0: time.sleep(0.001)"
    );
    lab.exec("client", &["/usr/bin/python3", "-c", &script]);
}

#[test]
fn more_than_65_536_connections_are_counted_and_listed() {
    const PORTS: u32 = 36_000;
    let lab = Lab::new();
    let file = FILE
        .replace("max_sessions = 10_000", "max_sessions = 100_000")
        .replace("udp://10.0.0.1:7\"", "udp://10.0.0.1:9\"");
    lab.apply(&file);
    flood(&lab, PORTS);
    let json = |arguments: &[&str]| -> Value {
        let words = [&["show", "--json"], arguments].concat();
        serde_json::from_str(&success(&lab.ipvs_bpf(&words))).unwrap()
    };
    let service = "udp://10.0.0.1:9";
    let shown = &json(&[service])["services"][0];
    assert_eq!(shown["totals"]["connections"], 2 * PORTS);
    assert_eq!(shown["sessions"], 2 * PORTS);
    let servers = shown["servers"].as_array().unwrap();
    let inactive = servers
        .iter()
        .map(|server| server["inactive_connections"].as_u64().unwrap());
    assert_eq!(inactive.sum::<u64>(), u64::from(2 * PORTS));
    let (theirs, ours) = both(&lab, &["--stats"], 5);
    assert_eq!(ours, theirs);

    let count = |name: &str, arguments: &[&str]| json(arguments)[name].as_array().unwrap().len();
    let all = usize::try_from(2 * PORTS).unwrap();
    assert_eq!(count("sessions", &["--sessions", service]), all);
    assert_eq!(count("connections", &["--connections", service]), all);
    let local_ip = &json(&["--local-ips"])["local_ips"][0];
    assert_eq!(local_ip["sessions"], 2 * PORTS);
    // Two servers in turn.
    assert_eq!(local_ip["busiest_server"]["sessions"], PORTS);
}

#[test]
fn one_server_has_more_than_65_536_connections() {
    const PORTS: u32 = 35_000;
    let lab = Lab::new();
    let director = |words: &[&str]| lab.exec("director", &[&["ipvsadm"], words].concat());
    director(&["-A", "-u", "10.0.0.1:9", "-s", "rr"]);
    director(&["-a", "-u", "10.0.0.1:9", "-r", "10.2.0.2:9", "-m"]);
    flood(&lab, PORTS);
    let text = success(&lab.ipvs_bpf(&["show", "--json"]));
    let json: Value = serde_json::from_str(&text).unwrap();
    let server = &json["services"][0]["servers"][0];
    assert_eq!(server["inactive_connections"], 2 * PORTS);
    let (theirs, ours) = both(&lab, &[], 4);
    assert_eq!(ours[1].1[3], (2 * PORTS).to_string());
    assert_eq!(ours[1].1[3], theirs[1].1[3]);
}

#[test]
fn large_numbers_are_shortened_as_ipvsadm_does() {
    let mut lab = Lab::new();
    lab.apply(FILE);
    lab.start(
        "server1",
        &["iperf3", "--server", "--forceflush"],
        "listening",
    );
    lab.exec(
        "client",
        &["iperf3", "--client", "10.0.0.1", "--bytes", "110M"],
    );
    let (theirs, ours) = both(&lab, &["--stats"], 5);
    assert_eq!(ours, theirs);
    assert!(ours.iter().any(|row| row.1[3].ends_with('K')), "{ours:?}");
}

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
    // Until packets are seen to come, and then to stay away.
    for moving in [true, false] {
        if moving {
            lab.get(&["http://10.0.0.1/bytes/100000"]);
        }
        loop {
            let now = look();
            let packets = number(&now, "totals") - number(&before, "totals");
            let rate = number(&now, "rates");
            // Looks are about a second apart, or more on a busy machine.
            assert!(rate <= packets * 2, "{packets} packets, {rate} a second");
            assert!(
                packets == 0 || rate > 0,
                "{packets} packets, {rate} a second"
            );
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
    // Someone takes the questions and never answers; asked in earnest, each
    // would take minutes.
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
    lab.start("client", &["/usr/bin/python3", "-c", silent], "ready");
    let text = lab.exec("director", &["timeout", "60", "sh", "-c", &script]);
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
    assert_eq!(words, ["tcp", "901", "tcp_fin", "121", "udp", "301"]);

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
    assert!(value("ebpf", "snat") >= 3);
    assert!(value("ebpf", "replies") >= 3);
    let known = |c: &&Value| c["meaning"].is_string();
    assert_eq!(counters.iter().filter(known).count(), counters.len());
}

#[test]
fn tables_are_sorted_by_any_column() {
    let lab = Lab::new();
    lay_out(&lab);
    traffic(&lab);
    let text = success(&lab.ipvs_bpf(&["show", "--stats", "--sort", "outbytes"]));
    let rows = of_show(&text, 5);
    let services = rows.iter().filter(|row| row.0.contains("://"));
    let bytes: Vec<u64> = services.map(|row| row.1[4].parse().unwrap()).collect();
    assert!(bytes.is_sorted_by(|a, b| a >= b), "{text}");
    assert_eq!(rows[0].0, "tcp://10.0.0.1:80", "{text}");
    let output = lab.ipvs_bpf(&["show", "--stats", "--sort", "weight"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("it has: service, conns, "),
        "{output:?}"
    );
    let text = success(&lab.ipvs_bpf(&["show", "--sort", "weight", "--reverse"]));
    assert_eq!(text.lines().count(), 17, "{text}");
    let last = text.lines().rev().find(|line| line.contains("://"));
    assert!(last.unwrap().starts_with("fwmark://7 "), "{text}");
}
