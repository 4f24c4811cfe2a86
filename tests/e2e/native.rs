// SPDX-License-Identifier: GPL-2.0-only
//! Native services of IPVS by direct routing and by tunnels, next to full NAT on the same
//! ports. The module leaves them alone.

use std::collections::BTreeSet;
use std::process::Command;

use crate::ipv6;
use crate::lab::{Lab, run};
use crate::talk::{Answer, Talk};

/// The VIP of each family, and the servers' network.
const FAMILIES: [(&str, &str); 2] = [("10.0.0.9", "10.2.0."), ("fd00::9", "fd00:2::")];
/// The servers of both have the service's port.
const KINDS: [(&str, u16); 2] = [("tcp", 8080), ("udp", 7)];

fn url(address: &str, port: u16) -> String {
    match address.contains(':') {
        true => format!("[{address}]:{port}"),
        false => format!("{address}:{port}"),
    }
}

/// The native services, as lines for ipvsadm and as a file without full NAT: the first server by
/// direct routing, the second by a tunnel.
fn services() -> (String, String) {
    let (mut lines, mut file) = (String::new(), String::new());
    for (vip, net) in FAMILIES {
        for (kind, port) in KINDS {
            let service = url(vip, port);
            let option = &kind[..1];
            lines += &format!("-A -{option} {service} -s rr\n");
            file += &format!("[[service]]\naddress = \"{kind}://{service}\"\nscheduler = \"rr\"\n");
            for (number, letter, forward) in [(2, "g", "route"), (3, "i", "tunnel")] {
                let server = url(&format!("{net}{number}"), port);
                lines += &format!("-a -{option} {service} -r {server} -{letter}\n");
                file += &format!(
                    "[[service.server]]\naddress = \"{server}\"\nforward = \"{forward}\"\n"
                );
            }
        }
    }
    (lines, file)
}

/// Gives the servers the VIP, which their answers have as their source. The answers pass the
/// director, which has the same address.
fn prepare(lab: &Lab) {
    run(Command::new("modprobe").args(["-a", "ipip", "ip6_tunnel"]));
    let answers = "ip address add 10.0.0.9/32 dev lo\n\
                   ip address add fd00::9/128 dev lo nodad\n\
                   ip route add default via 10.2.0.1 src 10.0.0.9\n\
                   ip route add default via fd00:2::1 src fd00::9\n";
    let tunnels = "ip link add in4 type ipip local 10.2.0.3\n\
                   ip link add in6 type ip6tnl mode ip6ip6 local fd00:2::3\n\
                   ip link set in4 up\n\
                   ip link set in6 up\n";
    lab.exec("server1", &["sh", "-ec", answers]);
    lab.exec("server2", &["sh", "-ec", &format!("{answers}{tunnels}")]);
    let accept = ["sysctl", "-qw", "net.ipv4.conf.eth1.accept_local=1"];
    lab.exec("director", &accept);
}

/// Begins two flows to each service. Each has another server, which sees the client.
fn begin(lab: &Lab) -> Vec<(Talk, Answer)> {
    let mut talks = Vec::new();
    for (vip, _) in FAMILIES {
        for (kind, port) in KINDS {
            let two = [(); 2].map(|()| {
                let mut talk = Talk::new(lab, kind, (vip, port));
                let answer = talk.ask();
                let client = if vip.contains(':') {
                    "fd00:1::"
                } else {
                    "10.1.0."
                };
                assert!(answer.peer.starts_with(client), "{answer:?}");
                (talk, answer)
            });
            let servers: BTreeSet<_> = two.iter().map(|(_, answer)| &*answer.server).collect();
            assert_eq!(servers.len(), 2, "{kind} {vip}");
            talks.extend(two);
        }
    }
    talks
}

#[test]
fn services_by_direct_routing_and_by_tunnels_are_the_same_before_with_and_after_full_nat() {
    let lab = Lab::new();
    prepare(&lab);
    let (lines, native) = services();
    let restore = format!("ipvsadm -R <<'END'\n{lines}END\n");
    lab.exec("director", &["sh", "-ec", &restore]);
    let mut talks = begin(&lab);
    let udp4 = "[[service]]\naddress = \"udp://10.0.0.1:7\"\nscheduler = \"rr\"\n\
                snat = \"default\"\n[[service.server]]\naddress = \"10.2.0.2:7\"\n";
    // The same port as a native service, too.
    let full_nat = ipv6::FILE.replace(":80\"", ":8080\"") + udp4;
    for (file, has_full_nat) in [(full_nat + &native, true), (native, false)] {
        let done = lab.apply(&file);
        assert!(
            !done.contains("10.0.0.9") && !done.contains("fd00::9"),
            "{done}"
        );
        for _ in 0..2 {
            talks.extend(begin(&lab));
            for (vip, net) in [("10.0.0.1", "10.2.0."), ("fd00::1", "fd00:2::")] {
                for (kind, port) in KINDS.into_iter().filter(|_| has_full_nat) {
                    let answer = Talk::new(&lab, kind, (vip, port)).ask();
                    assert_eq!(answer.peer, format!("{net}100"));
                }
            }
            for (talk, first) in &mut talks {
                assert_eq!(&talk.ask(), first);
            }
        }
        if has_full_nat {
            assert_eq!(lab.sessions().len(), 8);
        }
    }
    let left = lab.exec("director", &["ipvsadm", "-Sn"]);
    assert_eq!(left.lines().count(), 12, "{left}");
}
