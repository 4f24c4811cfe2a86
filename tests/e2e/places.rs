// SPDX-License-Identifier: GPL-2.0-only
//! Clients and servers in unusual places: behind the director, and on it.

use crate::balance::balanced;
use crate::full_nat::FILE;
use crate::lab::{Lab, stderr};
use crate::talk::{Talk, answer};

const GET: [&str; 5] = ["curl", "-sS", "--fail", "--max-time", "120"];

#[test]
fn a_real_server_is_a_client_of_its_own_service() {
    let lab = Lab::new();
    lab.apply(FILE);
    lab.exec(
        "server1",
        &["ip", "route", "add", "10.0.0.1", "via", "10.2.0.1"],
    );
    let mut servers = Vec::new();
    for _ in 0..4 {
        let text = lab.exec("server1", &[&GET[..], &["http://10.0.0.1/"]].concat());
        assert_eq!(answer(&text).peer, "10.2.0.100");
        servers.push(answer(&text).server);
        let mut talk = Talk::from(&lab, "server1", "udp", ("", 0), ("10.0.0.1", 7));
        assert_eq!(talk.ask().peer, "10.2.0.100");
    }
    servers.sort();
    servers.dedup();
    assert_eq!(servers, ["server1", "server2"], "itself, and the other one");
    assert_eq!(lab.counter("sessions_created"), 8);
    balanced(&lab);
}

#[test]
fn a_client_on_the_director_itself_is_served() {
    let lab = Lab::new();
    lab.apply(FILE);
    for source in ["10.0.0.1", "10.1.0.1", "10.2.0.1"] {
        for _ in 0..2 {
            let words = [&GET[..], &["--interface", source, "http://10.0.0.1/"]].concat();
            let answer = answer(&lab.exec("director", &words));
            assert_eq!(answer.peer, "10.2.0.100");
            let mut talk = Talk::from(&lab, "director", "udp", (source, 0), ("10.0.0.1", 7));
            assert_eq!(talk.ask().peer, "10.2.0.100");
        }
    }
    assert_eq!(lab.counter("sessions_created"), 12);
    balanced(&lab);
    let sum = "curl -sS --fail --max-time 300 http://10.0.0.1/bytes/1000000 | sha256sum";
    let got = lab.exec("director", &["sh", "-c", sum]);
    let sum = sum.replace("10.0.0.1", "10.2.0.2:8080");
    assert_eq!(lab.exec("server1", &["sh", "-c", &sum]), got);
}

#[test]
fn a_server_on_the_director_itself_is_served_natively_and_the_plan_says_so() {
    let mut lab = Lab::new();
    lab.serve("director");
    let local = FILE
        .replace("10.2.0.3:8080", "10.2.0.1:8080")
        // The source of an echo is the address that the route to the client uses.
        .replace("10.2.0.3:7", "10.1.0.1:7");
    let plan = lab.with_file(&["plan"], &local);
    let said = stderr(&plan);
    for server in ["10.2.0.1:8080", "10.1.0.1:7"] {
        let mut lines = said.lines();
        let line = lines.find(|line| line.contains(server)).expect(&said);
        assert!(
            line.contains("warning") && line.contains("native"),
            "{line}"
        );
    }
    let plan = lab.with_file(&["plan", "--json"], &local);
    let json: serde_json::Value = serde_json::from_slice(&plan.stdout).unwrap();
    assert_eq!(json["warnings"].as_array().unwrap().len(), 2, "{json}");

    lab.apply(&local);
    let mut peers = Vec::new();
    for _ in 0..4 {
        let web = answer(&lab.get(&["http://10.0.0.1/"]));
        peers.push((web.server, web.peer));
        let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
        let echo = talk.ask();
        peers.push((echo.server, echo.peer));
    }
    peers.sort();
    peers.dedup();
    let seen = |server: &str, peer: &str| (server.to_owned(), peer.to_owned());
    assert_eq!(
        peers,
        [seen("director", "10.1.0.2"), seen("server1", "10.2.0.100")]
    );
    assert_eq!(lab.counter("native_server_is_local"), 4);
    assert_eq!(lab.counter("sessions_created"), 4);
}
