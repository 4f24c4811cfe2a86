// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs-bpf drain` under real traffic.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output};

use crate::download::Download;
use crate::full_nat::FILE;
use crate::lab::{Lab, eventually, stderr, success};
use crate::talk::Talk;

const WEB: &str = "tcp://10.0.0.1:80";
const NATIVE: &str = r#"
[[service]]
address = "tcp://10.0.0.1:80"
scheduler = "rr"
  [[service.server]]
  address = "10.2.0.2:8080"
  weight = 3
  [[service.server]]
  address = "10.2.0.3:8080"
"#;

/// The weight of a server according to ipvsadm.
fn weight(lab: &Lab, service: &str, server: &str) -> Option<u32> {
    let saved = lab.exec("director", &["ipvsadm", "-Sn"]);
    let line = saved
        .lines()
        .find(|line| line.contains(&format!("{service} -r {server} ")))?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let place = words.iter().position(|word| *word == "-w")?;
    words[place + 1].parse().ok()
}

fn weight_is_0(lab: &Lab, server: &str) {
    eventually("the weight is 0", || {
        weight(lab, "10.0.0.1:80", server) == Some(0)
    });
}

fn runs(child: &mut Child) -> bool {
    child.try_wait().unwrap().is_none()
}

fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    stderr(output)
}

fn route_home(lab: &Lab) {
    for server in ["server1", "server2"] {
        let words = ["ip", "route", "add", "default", "via", "10.2.0.1"];
        lab.exec(server, &words);
    }
}

/// Asks 16 clients. Returns how many were refused.
fn refused(lab: &Lab) -> usize {
    let clients = (0..16).map(|_| lab.try_exec("client", &["curl", "-sS", "http://10.0.0.1/"]));
    let failed = clients.filter(|output| !output.status.success());
    failed
        .inspect(|output| assert!(stderr(output).contains("onnect"), "{output:?}"))
        .count()
}

#[test]
fn a_scheduler_that_refuses_the_clients_of_a_drained_server_is_named() {
    let lab = Lab::new();
    let with = |flags: &str| {
        let scheduler = format!("scheduler = \"mh\"\nscheduler_flags = [{flags}]");
        FILE.replacen("scheduler = \"rr\"", &scheduler, 1)
    };
    lab.apply(&with("\"mh-port\""));
    let drained = lab.ipvs_bpf(&["drain", WEB, "10.2.0.2:8080"]);
    let text = stderr(&drained);
    let cure = "the scheduler mh refuses the clients that it maps to this server, until it is \
                removed (with scheduler_flags = [\"mh-fallback\"] they get another server)";
    assert!(drained.status.success() && text.contains(cure), "{text}");
    let some = refused(&lab);
    assert!((1..16).contains(&some), "{some}");

    let with_fallback = with("\"mh-port\", \"mh-fallback\"");
    success(&lab.with_file(&["apply", "--keep-weights"], &with_fallback));
    let drained = lab.ipvs_bpf(&["drain", WEB, "10.2.0.2:8080"]);
    assert!(!stderr(&drained).contains("refuses"), "{drained:?}");
    assert_eq!(refused(&lab), 0);
}

/// Drains a server during a download from it. New connections go to the other server.
/// When the download ends, the server is removed.
fn finishes_a_download(lab: &Lab) {
    let download = Download::begin(lab, "10.0.0.1");
    let server = download.server.clone();
    let mut drain = lab.spawn(&["drain", WEB, &server, "--remove"]);
    weight_is_0(lab, &server);
    let other = if server.starts_with("10.2.0.2") {
        "server2"
    } else {
        "server1"
    };
    for _ in 0..4 {
        let answer = lab.get(&["http://10.0.0.1/"]);
        assert!(answer.starts_with(other), "{answer}");
    }
    assert!(runs(&mut drain), "the download is not over");
    download.finish();
    let output = drain.wait_with_output().unwrap();
    let text = success(&output);
    assert!(text.contains("→ 0\n"), "{text}");
    assert!(
        text.contains("no connection is left") && text.contains("removed"),
        "{text}"
    );
    assert!(stderr(&output).contains("waiting for 1 connection to end"));
    assert_eq!(weight(lab, "10.0.0.1:80", &server), None);
    lab.get(&["http://10.0.0.1/"]);
}

#[test]
fn a_drain_lets_a_full_nat_download_finish_and_then_removes_the_server() {
    let lab = Lab::new();
    lab.apply(FILE);
    finishes_a_download(&lab);
    let sessions = lab.sessions();
    assert!(!sessions.is_empty(), "the test proves nothing");
}

#[test]
fn a_drain_lets_a_native_download_finish_and_then_removes_the_server() {
    let lab = Lab::new();
    lab.apply(NATIVE);
    route_home(&lab);
    finishes_a_download(&lab);
}

#[test]
fn a_connection_that_one_side_has_closed_is_waited_for() {
    let lab = Lab::new();
    lab.apply(FILE);
    let download = Download::half_closed(&lab, "10.0.0.1");
    let listed = lab.exec("director", &["ipvsadm", "-Ln"]);
    let line = listed
        .lines()
        .find(|line| line.contains(&download.server))
        .unwrap();
    assert!(
        line.ends_with("0          1         "),
        "not active any more: {line:?}"
    );
    let mut drain = lab.spawn(&["drain", WEB, &download.server, "--remove"]);
    let mut said = BufReader::new(drain.stderr.as_mut().unwrap()).lines();
    let waits = |line: Result<String, _>| line.unwrap().contains("waiting for 1 connection");
    assert!(said.any(waits), "it waits");
    assert!(runs(&mut drain));
    download.finish();
    success(&drain.wait_with_output().unwrap());
}

#[test]
fn at_the_timeout_the_weight_stays_0_and_a_message_says_how_many_are_left() {
    let lab = Lab::new();
    lab.apply(NATIVE);
    route_home(&lab);
    let download = Download::begin(&lab, "10.0.0.1");
    let server = download.server.clone();
    let before = weight(&lab, "10.0.0.1:80", &server).unwrap();
    let output = lab.ipvs_bpf(&["drain", WEB, &server, "--remove", "--timeout", "1s"]);
    let message = failed(&output);
    assert!(message.contains("after 1s 1 connection left"), "{message}");
    let undo = format!(
        "`ipvs-bpf --netns {} weight {WEB} {server} {before}` restores it",
        lab.namespace("director")
    );
    assert!(message.contains(&undo), "{message}");
    weight_is_0(&lab, &server);

    let output = lab.ipvs_bpf(&["drain", WEB, &server, "--timeout", "0s", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["outcome"], "timeout");
    assert_eq!(json["weight_before"], 0);
    assert_eq!(json["left"]["connections"], 1);

    download.finish();
    let output = lab.ipvs_bpf(&["drain", WEB, &server, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&success(&output)).unwrap();
    assert_eq!(json["outcome"], "drained");
    assert_eq!(json["left"]["connections"], 0);
    assert_eq!(json["left"]["closed"], 1);
    weight_is_0(&lab, &server);
}

#[test]
fn ctrl_c_stops_the_waiting_and_says_how_to_take_the_drain_back() {
    let lab = Lab::new();
    lab.apply(NATIVE);
    route_home(&lab);
    let download = Download::begin(&lab, "10.0.0.1");
    let server = download.server.clone();
    let before = weight(&lab, "10.0.0.1:80", &server).unwrap().to_string();
    for (signal, status) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let drain = lab.spawn(&["drain", WEB, &server, "--remove"]);
        weight_is_0(&lab, &server);
        crate::lab::run(Command::new("kill").args([signal, &drain.id().to_string()]));
        let output = drain.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        let message = stderr(&output);
        assert!(
            message.contains("stopped waiting with 1 connection left")
                && message.contains("its weight is still 0")
                && message.contains(&format!("weight {WEB} {server} {before}`")),
            "{message}"
        );
        weight_is_0(&lab, &server);
        let text = success(&lab.ipvs_bpf(&["weight", WEB, &server, &before]));
        assert_eq!(text, format!("{WEB} → {server}: weight 0 → {before}\n"));
    }
    download.finish();
}

#[test]
fn udp_connections_are_waited_for_until_ipvs_forgets_them() {
    let lab = Lab::new();
    lab.apply(FILE);
    let mut talks: Vec<Talk> = (0..2)
        .map(|_| Talk::new(&lab, "udp", ("10.0.0.1", 7)))
        .collect();
    for talk in &mut talks {
        talk.ask();
    }
    lab.timeouts(["0", "0", "4"]);
    let service = "udp://10.0.0.1:7";
    let output = lab.ipvs_bpf(&["drain", service, "10.2.0.2:7", "--timeout", "0s"]);
    let message = failed(&output);
    assert!(message.contains("1 connection left"), "{message}");
    assert!(message.contains("no packet for 4s"), "{message}");
    // The new timeout applies from their last packet on.
    for talk in &mut talks {
        talk.ask();
    }
    let text = success(&lab.ipvs_bpf(&["drain", service, "10.2.0.2:7", "--remove"]));
    assert!(text.contains("weight 0 already"), "{text}");
    assert_eq!(weight(&lab, "10.0.0.1:7", "10.2.0.2:7"), None);
}

#[test]
fn the_last_server_and_persistence_are_pointed_out() {
    let lab = Lab::new();
    let persistent = NATIVE.replace("\"rr\"", "\"rr\"\npersistence = { timeout = \"5m\" }");
    lab.apply(&persistent);
    route_home(&lab);
    lab.get(&["http://10.0.0.1/"]);
    let connections = lab.exec("director", &["ipvsadm", "-Lnc"]);
    let server = if connections.contains("10.2.0.2:8080") {
        "10.2.0.2:8080"
    } else {
        "10.2.0.3:8080"
    };
    let output = lab.ipvs_bpf(&["drain", WEB, server]);
    let notes = stderr(&output);
    assert!(notes.contains("clients of the last 300s return"), "{notes}");
    assert!(notes.contains("expire_quiescent_template = 1"), "{notes}");
    assert!(!notes.contains("no other server"), "{notes}");
    success(&output);
    // As the note says, this client keeps coming. Later it stops.
    lab.get(&["http://10.0.0.1/"]);
    let came = |server: &str| {
        let connections = lab.exec("director", &["ipvsadm", "-Lnc"]);
        let to = |line: &&str| line.contains("TIME_WAIT") && line.ends_with(server);
        connections.lines().filter(to).count()
    };
    assert_eq!(came(server), 2);
    lab.exec(
        "director",
        &["sysctl", "-qw", "net.ipv4.vs.expire_quiescent_template=1"],
    );
    lab.get(&["http://10.0.0.1/"]);
    assert_eq!(came(server), 2);
    let notes = stderr(&lab.ipvs_bpf(&["drain", WEB, server]));
    assert!(!notes.contains("return to this server"), "{notes}");

    let other = if server.starts_with("10.2.0.2") {
        "10.2.0.3:8080"
    } else {
        "10.2.0.2:8080"
    };
    let notes = stderr(&lab.ipvs_bpf(&["drain", WEB, other]));
    assert!(notes.contains("no other server"), "{notes}");
}

#[test]
fn a_change_of_the_server_by_another_program_ends_the_drain_with_a_message() {
    let lab = Lab::new();
    lab.apply(NATIVE);
    route_home(&lab);
    let download = Download::begin(&lab, "10.0.0.1");
    let server = download.server.clone();
    let before = weight(&lab, "10.0.0.1:80", &server).unwrap();

    let drain = lab.spawn(&["drain", WEB, &server, "--remove"]);
    weight_is_0(&lab, &server);
    // This does not wait for the end of the drain.
    lab.apply(NATIVE);
    let message = failed(&drain.wait_with_output().unwrap());
    let words = format!("another program gave it the weight {before}, with 1 connection left");
    assert!(message.contains(&words), "{message}");
    assert_eq!(weight(&lab, "10.0.0.1:80", &server), Some(before));

    let drain = lab.spawn(&["drain", WEB, &server, "--remove"]);
    weight_is_0(&lab, &server);
    lab.exec(
        "director",
        &["ipvsadm", "-d", "-t", "10.0.0.1:80", "-r", &server],
    );
    let message = failed(&drain.wait_with_output().unwrap());
    assert!(message.contains("another program removed it"), "{message}");
    lab.apply(NATIVE);
    download.finish();
}

#[test]
fn a_missing_service_or_server_suggests_the_nearest_one() {
    let lab = Lab::new();
    lab.apply(NATIVE);
    let near = |arguments: &[&str]| failed(&lab.ipvs_bpf(arguments));
    let message = near(&["drain", "tcp://10.0.0.1:81", "10.2.0.2:8080"]);
    assert!(
        message.contains("did you mean `tcp://10.0.0.1:80`?"),
        "{message}"
    );
    let message = near(&["drain", WEB, "10.2.0.4:8081"]);
    assert!(
        message.contains("did you mean `10.2.0.2:8080`?"),
        "{message}"
    );
    let message = near(&["weight", WEB, "192.0.2.1:1", "5"]);
    assert!(
        message.contains("there are: `10.2.0.2:8080`, `10.2.0.3:8080`"),
        "{message}"
    );
    let message = near(&["zero", "udp://10.0.0.1:80"]);
    assert!(
        message.contains("did you mean `tcp://10.0.0.1:80`?"),
        "{message}"
    );
}

#[test]
fn on_a_terminal_a_drain_shows_a_bar() {
    let lab = Lab::new();
    lab.apply(NATIVE);
    route_home(&lab);
    let download = Download::begin(&lab, "10.0.0.1");
    let command = format!(
        "stty cols 100; {} --netns {} drain {WEB} {} --timeout 2s",
        crate::lab::ipvs_bpf().get_program().display(),
        lab.namespace("director"),
        download.server
    );
    let output = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("░") && text.contains("0/1"), "{text}");
    download.finish();
}

#[test]
fn a_drain_goes_on_when_nobody_reads_what_it_prints() {
    let lab = Lab::new();
    lab.apply(NATIVE);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = crate::lab::ipvs_bpf()
        .args(["--netns", &lab.namespace("director")])
        .args(["drain", WEB, "10.2.0.2:8080", "--remove"])
        .stdout(writer.try_clone().unwrap())
        .stderr(writer)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(weight(&lab, "10.0.0.1:80", "10.2.0.2:8080"), None);
}
