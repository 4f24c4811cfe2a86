// SPDX-License-Identifier: GPL-2.0-only
//! Unanswered sessions have a short lifetime and are the first to be replaced.

use crate::balance::{balanced, none_left};
use crate::full_nat::FILE;
use crate::lab::{Lab, eventually, success};
use crate::talk::Talk;

const WEB: (&str, u16) = ("10.0.0.1", 80);
const ECHO: (&str, u16) = ("10.0.0.1", 7);

/// Sends segments without a socket of the client: `segment(number, flags, seq, ack, port)`.
/// Each number is from another address and port. They go to that port of the VIP.
const FORGER: &str = r"
import socket, struct
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
to = socket.inet_aton('10.0.0.1')
def checksum(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff
def segment(number, flags, seq=0, ack=0, port=80):
    source = socket.inet_aton('198.18.%d.%d' % (number // 250, number % 250 + 1))
    def tcp(sum):
        return struct.pack('!HHIIBBHHH', 1024 + number, port, seq, ack, 0x50, flags, 8192, sum, 0)
    sum = checksum(source + to + struct.pack('!HH', 6, 20) + tcp(0))
    ip = struct.pack('!BBHHHBBH', 0x45, 0, 40, 0, 0, 64, 6, 0) + source + to
    raw.sendto(ip + tcp(sum), ('10.0.0.1', 0))
SYN, ACK = 2, 16
";

/// Routes the answers to forged segments to the client, which drops them.
fn forged_sources_are_routed(lab: &Lab) {
    let route = ["ip", "route", "add", "198.18.0.0/15", "via", "10.1.0.2"];
    lab.exec("director", &route);
}

fn forge(lab: &Lab, what: &str) -> String {
    lab.exec(
        "client",
        &["/usr/bin/python3", "-ISc", &format!("{FORGER}{what}")],
    )
}

/// The file with one server for each service, and with these ports.
fn few_ports(ports: &str) -> String {
    FILE.replace("  [[service.server]]\n  address = \"10.2.0.3:8080\"\n", "")
        .replace("  [[service.server]]\n  address = \"10.2.0.3:7\"\n", "")
        .replace(
            r#"addresses = ["10.2.0.100"]"#,
            &format!("addresses = [\"10.2.0.100\"]\nports = \"{ports}\""),
        )
}

/// The remaining seconds of each connection.
fn expires(lab: &Lab) -> Vec<u32> {
    let text = lab.exec("director", &["cat", "/proc/net/ip_vs_conn"]);
    let lines = text.lines().skip(1);
    let last = lines.map(|line| line.split_whitespace().nth(8).unwrap().parse().unwrap());
    last.collect()
}

#[test]
fn twenty_times_as_many_forged_syns_as_there_are_ports_keep_no_client_out() {
    let lab = Lab::new();
    forged_sources_are_routed(&lab);
    // Without cookies a server keeps a forged connection half open for a minute, and refuses
    // that port of the local IP to another client.
    let cookies = ["sysctl", "-qw", "net.ipv4.tcp_syncookies=2"];
    lab.exec("server1", &cookies);
    // Even on a slow host, no session ends before it is replaced.
    let long = "[timeouts]\ntcp_unanswered = \"1h\"\n";
    lab.apply(&(few_ports("4000-4499") + long));
    let served = forge(
        &lab,
        r"
served = 0
for client in range(200):
    for number in range(25):
        segment(client * 50 + number, SYN)
    try:
        s = socket.create_connection(('10.0.0.1', 80), timeout=30)
        for number in range(25, 50):
            segment(client * 50 + number, SYN)
        s.sendall(b'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
        served += s.recv(15).startswith(b'HTTP/1.1 200')
        s.close()
    except OSError as error:
        print(error)
print(served)
",
    );
    let last = served.lines().last().unwrap();
    assert!(last.parse::<u32>().unwrap() >= 190, "{served}");
    assert!(lab.counter("sessions_given_up") > 9000);
    assert!(balanced(&lab) <= 500);
    // This fails if a session remains.
    success(&lab.ipvs_bpf(&["down"]));
}

#[test]
fn unanswered_sessions_end_in_time_and_answered_ones_stay() {
    let lab = Lab::new();
    forged_sources_are_routed(&lab);
    lab.apply(FILE);
    forge(&lab, "segment(0, SYN)");
    lab.exec(
        "client",
        &["/bin/sh", "-c", "echo x >/dev/udp/10.0.0.1/5201 || true"],
    );
    assert!(
        expires(&lab).iter().all(|left| *left <= 10),
        "{:?}",
        expires(&lab)
    );
    none_left(&lab);
    let mut talks = [Talk::new(&lab, "tcp", WEB), Talk::new(&lab, "udp", ECHO)];
    for talk in &mut talks {
        talk.ask();
    }
    assert!(
        expires(&lab).iter().all(|left| *left > 60),
        "{:?}",
        expires(&lab)
    );
}

#[test]
fn a_blind_acknowledgement_is_not_an_answer() {
    let lab = Lab::new();
    forged_sources_are_routed(&lab);
    lab.apply(&few_ports("4000-4009"));
    forge(
        &lab,
        r"
for number in range(10):
    segment(number, SYN)
for number in range(10):
    segment(number, ACK, 1, 12345)
for number in range(10):
    segment(number, ACK, 1 << 31, 12345)
",
    );
    eventually("the sessions are there", || balanced(&lab) == 10);
    lab.get(&["http://10.0.0.1/"]);
    assert!(lab.counter("sessions_given_up") > 0);
    assert_eq!(lab.counter("refused_ports_exhausted"), 0);
}

#[test]
fn a_session_that_is_answered_gives_way_to_nobody() {
    let lab = Lab::new();
    forged_sources_are_routed(&lab);
    lab.apply(&few_ports("4000-4009"));
    let mut talks: Vec<Talk> = (0..9).map(|_| Talk::new(&lab, "tcp", WEB)).collect();
    forge(&lab, "for number in range(100): segment(number, SYN)");
    assert_eq!(lab.counter("sessions_given_up"), 99);
    assert_eq!(balanced(&lab), 10);
    // Each of them has its port, even those that have sent nothing yet.
    for talk in &mut talks {
        talk.ask();
    }
    talks.push(Talk::new(&lab, "tcp", WEB));
    talks[9].ask();
    assert_eq!(lab.counter("refused_ports_exhausted"), 0);
    forge(&lab, "segment(100, SYN)");
    assert_eq!(lab.counter("refused_ports_exhausted"), 1);
}

/// The connection of IPVS ends with the next tick of its timer. Until then it has no session.
#[test]
fn a_request_of_a_session_that_was_given_up_is_dropped_and_the_next_one_is_served() {
    let lab = Lab::new();
    forged_sources_are_routed(&lab);
    // See above.
    let cookies = ["sysctl", "-qw", "net.ipv4.tcp_syncookies=2"];
    lab.exec("server1", &cookies);
    let long = "[timeouts]\ntcp_unanswered = \"1h\"\n";
    lab.apply(&(few_ports("4000-4000") + long));
    // No RST comes back.
    let silent = ["ip", "route", "add", "blackhole", "10.2.0.100"];
    lab.exec("server1", &silent);
    let rounds = "for _ in range(100):\n    segment(0, SYN)\n    segment(1, SYN)";
    eventually("a SYN comes between both", || {
        forge(&lab, rounds);
        lab.counter("drop_no_session") > 0
    });
    let given_up = lab.counter("sessions_given_up");
    assert!(given_up > 0);
    assert_eq!(lab.counter("sessions_created"), given_up + 1);
    assert_eq!(lab.counter("refused_ports_exhausted"), 0);
    assert_eq!(balanced(&lab), 1);
    lab.exec(
        "server1",
        &["ip", "route", "del", "blackhole", "10.2.0.100"],
    );
    lab.get(&["http://10.0.0.1/"]);
}

#[test]
fn of_each_port_of_a_service_of_every_port_the_oldest_session_gives_way() {
    let lab = Lab::new();
    forged_sources_are_routed(&lab);
    let file = few_ports("4000-4002").replace(
        "10.0.0.1:80\"",
        "10.0.0.1:0\"\npersistence = { timeout = \"1h\" }",
    );
    let file = file.replace("10.2.0.2:8080", "10.2.0.2:0");
    // Even on a slow host, no session ends before it gives way.
    lab.apply(&(file + "[timeouts]\ntcp_unanswered = \"1h\"\n"));
    // No RST comes back.
    let silent = ["ip", "route", "add", "blackhole", "10.2.0.100"];
    lab.exec("server1", &silent);
    for number in 0..5 {
        // Others may have the ports below: ip_vs_ftp has port 21.
        let round = format!("for port in range(1001, 3001): segment({number}, SYN, port=port)");
        // A busy host loses some.
        eventually("each SYN of the round made a session", || {
            forge(&lab, &round);
            lab.counter("sessions_created") == (number + 1) * 2000
        });
    }
    assert_eq!(lab.counter("sessions_given_up"), 2 * 2000);
    assert_eq!(lab.counter("refused_ports_exhausted"), 0);
    assert_eq!(lab.counter("sessions"), 3 * 2000);
    let sessions = lab.sessions();
    for client in ["198.18.0.3", "198.18.0.4", "198.18.0.5"] {
        let its = sessions.iter().filter(|session| session.contains(client));
        assert_eq!(its.count(), 2000, "{client}");
    }
    // This fails if a session remains.
    success(&lab.ipvs_bpf(&["down"]));
}

#[test]
fn timeouts_of_unanswered_sessions_come_from_the_file_and_are_saved() {
    let lab = Lab::new();
    let file = format!("[timeouts]\ntcp_unanswered = \"5s\"\nsctp_unanswered = \"1m\"\n{FILE}");
    let text = lab.apply(&file);
    assert!(text.contains("timeout tcp_unanswered"), "{text}");
    let unanswered = ["cat", "/proc/net/ip_vs_bpf/unanswered"];
    assert_eq!(
        lab.exec("director", &unanswered),
        "tcp 5\nudp 30\nsctp 60\n"
    );
    assert_eq!(lab.apply(&file), "nothing to do\n");
    // Timeouts that a file does not list stay unchanged.
    assert_eq!(lab.apply(FILE), "nothing to do\n");
    let shown = success(&lab.ipvs_bpf(&["show", "--timeouts"]));
    assert!(shown.contains("udp_unanswered"), "{shown}");
    let saved = success(&lab.ipvs_bpf(&["save"]));
    assert!(saved.contains("sctp_unanswered = \"1m\""), "{saved}");
    assert_eq!(lab.apply(&saved), "nothing to do\n");
    forged_sources_are_routed(&lab);
    forge(&lab, "segment(0, SYN)");
    let left = expires(&lab);
    assert!(left.iter().all(|left| *left <= 5), "{left:?}");
}
