// SPDX-License-Identifier: GPL-2.0-only
//! The same client address and port, used again at once and with two services.

use crate::balance::balanced;
use crate::full_nat::FILE;
use crate::lab::{Lab, eventually};
use crate::talk::{Answer, Talk, answer};

/// Counts the SYNs that arrive at a host.
const SYNS: &str = "nft -f - <<'END'
table ip syns {
	counter seen { }
	chain input { type filter hook input priority 0; tcp flags & (syn | ack) == syn counter name seen; }
	chain output { type filter hook output priority 0; tcp flags & (syn | ack) == syn counter name seen; }
}
END
";

fn syns(lab: &Lab, host: &str) -> u64 {
    let words = ["nft", "-j", "list", "counter", "ip", "syns", "seen"];
    let json: serde_json::Value = serde_json::from_str(&lab.exec(host, &words)).unwrap();
    let mut objects = json["nftables"].as_array().unwrap().iter();
    let counter = objects.find_map(|object| object.get("counter"));
    counter.unwrap()["packets"].as_u64().unwrap()
}

/// Makes several requests from one port. The server closes each connection first, so that
/// the client can reuse its port at once. The port is free as soon as the server's last
/// ACK has arrived, so this waits for it.
const REUSE: &str = r"
import errno, socket, sys, time
for _ in range(int(sys.argv[1])):
    while True:
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.settimeout(120)
        try:
            s.bind(('10.1.0.2', 6000))
            s.connect(('10.0.0.1', 80))
            break
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
                raise
        time.sleep(0.001)
    s.sendall(b'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    text = b''
    while data := s.recv(1000):
        text += data
    s.close()
    print(text.decode().split('\r\n\r\n')[1].strip())
";

pub fn requests_from_one_port(lab: &Lab, number: usize) -> Vec<Answer> {
    let words = ["/usr/bin/python3", "-ISc", REUSE, &number.to_string()];
    let text = lab.exec("client", &words);
    let answers: Vec<_> = text.lines().map(answer).collect();
    assert_eq!(answers.len(), number);
    answers
}

fn reuse(lab: &Lab) -> Vec<Answer> {
    for host in ["client", "server1", "server2"] {
        lab.exec(host, &["sh", "-ec", SYNS]);
    }
    let answers = requests_from_one_port(lab, 8);
    let connections = lab.exec("director", &["ipvsadm", "-Lnc"]);
    assert!(connections.contains("TIME_WAIT"), "{connections}");
    // A busy host retransmits some SYNs that were not lost.
    eventually("every SYN came to a server", || {
        syns(lab, "client") == syns(lab, "server1") + syns(lab, "server2")
    });
    assert_eq!(balanced(lab), 1);
    answers
}

#[test]
fn a_port_that_is_used_again_at_once_connects_at_once() {
    let lab = Lab::new();
    lab.apply(FILE);
    lab.exec(
        "director",
        &["sysctl", "-qw", "net.ipv4.vs.conn_reuse_mode=1"],
    );
    let mut servers: Vec<_> = reuse(&lab).into_iter().map(|a| a.server).collect();
    servers.sort();
    servers.dedup();
    assert_eq!(servers, ["server1", "server2"], "each is scheduled");
    assert!(lab.counter("sessions_created") >= 8);
}

#[test]
fn a_port_that_is_used_again_at_once_stays_with_its_server_without_conn_reuse_mode() {
    let lab = Lab::new();
    lab.apply(FILE);
    lab.exec(
        "director",
        &["sysctl", "-qw", "net.ipv4.vs.conn_reuse_mode=0"],
    );
    let answers = reuse(&lab);
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
    assert_eq!(lab.counter("sessions_created"), 1);
}

/// Two services with the same single server.
const TWO_VIPS: &str = r#"
[director]
interfaces = ["eth0", "eth1"]
max_sessions = 1000
[local_ips.default]
addresses = ["10.2.0.100"]
[[service]]
address = "tcp://10.0.0.1:80"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "10.2.0.2:8080"
[[service]]
address = "tcp://10.0.0.9:80"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "10.2.0.2:8080"
[[service]]
address = "udp://10.0.0.1:7"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "10.2.0.2:7"
[[service]]
address = "udp://10.0.0.9:7"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "10.2.0.2:7"
"#;

#[test]
fn one_client_port_at_two_services_that_share_a_server_is_two_connections() {
    let lab = Lab::new();
    lab.apply(TWO_VIPS);
    for (kind, port) in [("tcp", 80), ("udp", 7)] {
        let source = ("10.1.0.2", 6001);
        let talk = |vip| Talk::from(&lab, "client", kind, source, (vip, port));
        let mut one = talk("10.0.0.1");
        let mut two = talk("10.0.0.9");
        let (first, second) = (one.ask(), two.ask());
        assert_eq!(first.port, 6001);
        assert_ne!(second.port, 6001);
        // Alternates: a connected socket accepts answers from its own VIP only.
        for _ in 0..3 {
            assert_eq!(one.ask(), first);
            assert_eq!(two.ask(), second);
        }
    }
    assert_eq!(lab.sessions().len(), 4);
}
