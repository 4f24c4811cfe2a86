// SPDX-License-Identifier: GPL-2.0-only
//! Full NAT for real clients and servers, the same for IPv4 and IPv6.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::full_nat::FILE;
use crate::lab::{Lab, eventually, success};
use crate::talk::answer;

/// The lab's addresses of one family.
struct Family {
    /// The option of `ip`.
    option: &'static str,
    vip: &'static str,
    native_vip: &'static str,
    local_ip: &'static str,
    clients: [&'static str; 2],
    servers: [&'static str; 2],
    /// The director's addresses: to clients and to servers.
    director: [&'static str; 2],
}

const FAMILIES: [Family; 2] = [
    Family {
        option: "-4",
        vip: "10.0.0.1",
        native_vip: "10.0.0.9",
        local_ip: "10.2.0.100",
        clients: ["10.1.0.2", "10.1.0.3"],
        servers: ["10.2.0.2", "10.2.0.3"],
        director: ["10.1.0.1", "10.2.0.1"],
    },
    Family {
        option: "-6",
        vip: "fd00::1",
        native_vip: "fd00::9",
        local_ip: "fd00:2::100",
        clients: ["fd00:1::2", "fd00:1::3"],
        servers: ["fd00:2::2", "fd00:2::3"],
        director: ["fd00:1::1", "fd00:2::1"],
    },
];

/// An address with a port, as URLs, the file and the output have it.
fn at(address: &str, port: u16) -> String {
    SocketAddr::new(address.parse().unwrap(), port).to_string()
}

/// A web page at that address.
fn url(address: &str, port: u16, path: &str) -> String {
    format!("http://{}/{path}", at(address, port))
}

impl Family {
    /// Services and servers of `full_nat::FILE` with the addresses of this family.
    fn file(&self) -> String {
        let [first, second] = self.servers;
        let mut file = FILE.replace("10.2.0.100", self.local_ip);
        for (old, new, ports) in [
            ("10.0.0.1", self.vip, &[80, 7, 5201][..]),
            ("10.2.0.2", first, &[8080, 7, 5201]),
            ("10.2.0.3", second, &[8080, 7]),
        ] {
            for port in ports {
                let quoted = |address: &str| format!("{}\"", at(address, *port));
                assert!(file.contains(&quoted(old)), "{file}");
                file = file.replace(&quoted(old), &quoted(new));
            }
        }
        file
    }

    /// The same, with one web server.
    fn one_server(&self) -> String {
        let second = at(self.servers[1], 8080);
        let server = format!("  [[service.server]]\n  address = \"{second}\"\n");
        let file = self.file();
        assert!(file.contains(&server), "{file}");
        file.replace(&server, "")
    }

    /// Reads the page of the service.
    fn get(&self, lab: &Lab, options: &[&str]) -> String {
        lab.get(&[options, &[&url(self.vip, 80, "")]].concat())
    }

    fn udp(&self, lab: &Lab, data: &str) -> String {
        lab.udp(self.vip, 7, data)
    }
}

#[test]
fn http_is_answered_by_servers_that_see_a_local_ip() {
    for family in FAMILIES {
        let lab = Lab::new();
        lab.apply(&family.file());
        let mut servers = BTreeSet::new();
        for _ in 0..4 {
            let answer = answer(&family.get(&lab, &[]));
            assert_eq!(answer.peer, family.local_ip);
            servers.insert(answer.server);
        }
        assert_eq!(servers.len(), 2, "{servers:?}");
    }
}

#[test]
fn udp_is_echoed() {
    for family in FAMILIES {
        let lab = Lab::new();
        lab.apply(&family.file());
        let mut servers = BTreeSet::new();
        for _ in 0..4 {
            let text = family.udp(&lab, "hello");
            assert!(text.ends_with(" hello\n"), "{text}");
            let answer = answer(&text);
            assert_eq!(answer.peer, family.local_ip);
            servers.insert(answer.server);
        }
        assert_eq!(servers.len(), 2, "{servers:?}");
    }
}

#[test]
fn conntrack_stays_empty() {
    for family in FAMILIES {
        let lab = Lab::new();
        lab.apply(&family.file());
        // Rules that match on the state make conntrack look at every packet.
        lab.exec("director", &["nft", "add table inet t"]);
        for hook in ["prerouting", "forward", "output", "postrouting"] {
            let chain =
                format!("add chain inet t {hook} {{ type filter hook {hook} priority 0; }}");
            lab.exec("director", &["nft", &chain]);
            let rule = format!("add rule inet t {hook} ct state new counter");
            lab.exec("director", &["nft", &rule]);
        }
        let tracked = || lab.exec("director", &["cat", "/proc/net/nf_conntrack"]);
        // Conntrack does look at packets: this one is tracked.
        let ping = ["ping", "-c", "1", "-W", "5", family.director[0]];
        lab.exec("client", &ping);
        assert!(
            tracked().contains("icmp"),
            "conntrack is off: the test proves nothing"
        );
        for _ in 0..4 {
            family.get(&lab, &[]);
            family.udp(&lab, "hello");
            // Fragmented. conntrack's defragmentation reassembles it.
            family.udp(&lab, &"x".repeat(4000));
        }
        let tracked = tracked();
        assert!(
            !tracked.contains("tcp") && !tracked.contains("udp"),
            "{tracked}"
        );
    }
}

#[test]
fn a_download_of_5_mb_arrives_intact() {
    for family in FAMILIES {
        let lab = Lab::new();
        lab.apply(&family.file());
        let sum = |host: &str, address: &str, port: u16| {
            let url = url(address, port, "bytes/5000000");
            let script = format!("curl -sS --fail --max-time 300 '{url}' | sha256sum");
            lab.exec(host, &["sh", "-c", &script])
        };
        assert_eq!(
            sum("client", family.vip, 80),
            sum("server1", family.servers[0], 8080)
        );
    }
}

#[test]
fn bulk_traffic_flows_in_both_directions() {
    for family in FAMILIES {
        let mut lab = Lab::new();
        lab.apply(&family.file());
        let server = ["iperf3", "--server", "--forceflush"];
        lab.start("server1", &server, "listening");
        // Sends large segments whose checksums a device would complete.
        let upload = ["iperf3", "--client", family.vip, "--bytes", "20M"];
        lab.exec("client", &upload);
        lab.exec("client", &[&upload[..], &["--reverse"]].concat());
    }
}

#[test]
fn two_clients_with_the_same_source_port_are_told_apart() {
    for family in FAMILIES {
        let lab = Lab::new();
        lab.apply(&family.one_server());
        let [first, second] = family.clients.map(|client| {
            let from = ["--interface", client, "--local-port", "4444"];
            answer(&family.get(&lab, &from))
        });
        assert_eq!(
            first.port, 4444,
            "the client's own port is taken where it is free"
        );
        assert_ne!(
            second.port, 4444,
            "one server and one local IP: the ports differ"
        );
        assert_eq!(first.peer, second.peer);
        assert_eq!(lab.sessions().len(), 2);
        assert_eq!(lab.counter("refused_ports_exhausted"), 0);
        assert!(lab.counter("port_collisions") >= 1);
    }
}

#[test]
fn when_every_port_is_taken_the_client_is_refused_at_once_and_it_is_counted() {
    for family in FAMILIES {
        let lab = Lab::new();
        let addresses = format!("addresses = [\"{}\"]", family.local_ip);
        let one_port = format!("{addresses}\nports = \"4000-4000\"");
        lab.apply(&family.file().replace(&addresses, &one_port));
        // With one port, each of the two servers gets one connection.
        for _ in 0..2 {
            family.get(&lab, &[]);
        }
        let url = url(family.vip, 80, "");
        let output = lab.try_exec("client", &["curl", "-sS", "--max-time", "120", &url]);
        // 7: failed to connect. A timeout would be 28.
        assert_eq!(output.status.code(), Some(7), "{output:?}");
        let refused = lab.counter("refused_ports_exhausted");
        // Over IPv6, the client's kernel misses an answer that arrives while it is still
        // sending, and sends again.
        assert!(refused == 1 || family.option == "-6" && refused > 1);
        assert_eq!(lab.counter("sessions"), 2);
    }
}

#[test]
fn sessions_end_with_their_connections_and_with_down() {
    for family in FAMILIES {
        let lab = Lab::new();
        lab.apply(&family.file());
        lab.exec("director", &["ipvsadm", "--set", "1", "1", "1"]);
        for _ in 0..3 {
            family.get(&lab, &[]);
            family.udp(&lab, "hello");
        }
        let sessions = lab.sessions();
        assert!(
            sessions.iter().any(|line| line.contains(family.local_ip)),
            "{sessions:?}"
        );
        // `ipvsadm --set` has no timeout for TIME_WAIT, so only the UDP sessions expire
        // within the second.
        eventually("UDP sessions end", || {
            lab.sessions().iter().all(|line| !line.starts_with("udp"))
        });
        // A TCP connection may end between two reads. The kernel may list one twice while
        // those of other tests come and go, because it finds its place by counting.
        eventually("sessions, IPVS and counter agree", || {
            let listed = lab.exec("director", &["ipvsadm", "-Lnc"]);
            let connections = listed
                .lines()
                .filter(|line| line.contains(family.vip))
                .count();
            let sessions = lab.sessions().len();
            sessions == connections && sessions == lab.counter("sessions") as usize
        });
        let text = success(&lab.ipvs_bpf(&["down"]));
        let service = format!("tcp://{}", at(family.vip, 80));
        assert!(text.contains(&service), "{text}");
        let qdiscs = lab.exec("director", &["tc", "qdisc", "show"]);
        assert!(!qdiscs.contains("clsact"), "{qdiscs}");
    }
}

#[test]
fn a_native_service_next_to_a_full_nat_one_on_the_same_port_stays_native() {
    for family in FAMILIES {
        let lab = Lab::new();
        lab.apply(&format!(
            "{}\n[[service]]\naddress = \"tcp://{}\"\nscheduler = \"rr\"\n  \
             [[service.server]]\n  address = \"{}\"\n",
            family.file(),
            at(family.native_vip, 80),
            at(family.servers[0], 8080)
        ));
        // A native server answers through the director.
        let [_, router] = family.director;
        let route = [
            "ip",
            family.option,
            "route",
            "add",
            "default",
            "via",
            router,
        ];
        lab.exec("server1", &route);
        let native = answer(&lab.get(&[&url(family.native_vip, 80, "")]));
        assert_eq!(
            native.peer, family.clients[0],
            "the server sees the client itself"
        );
        assert_eq!(answer(&family.get(&lab, &[])).peer, family.local_ip);
        let sessions = lab.sessions();
        assert_eq!(sessions.len(), 1, "{sessions:?}");
        assert_eq!(lab.counter("native_other_service"), 1);
    }
}

#[test]
fn show_lists_the_sessions_as_json() {
    for family in FAMILIES {
        let lab = Lab::new();
        lab.apply(&family.file());
        family.get(&lab, &["--local-port", "5555"]);
        let text = success(&lab.ipvs_bpf(&["show", "--sessions", "--json"]));
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let session = &json["sessions"][0];
        assert_eq!(session["client"], at(family.clients[0], 5555));
        assert_eq!(session["vip"], at(family.vip, 80));
        assert_eq!(session["local_ip"], at(family.local_ip, 5555));
        assert_eq!(session["protocol"], "tcp");
    }
}
