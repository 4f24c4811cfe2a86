// SPDX-License-Identifier: GPL-2.0-only
//! Malicious packets and writers, and frames that are not for us.

use std::process::Command;

use crate::full_nat::FILE;
use crate::ipv6;
use crate::lab::{Lab, eventually, run, success};
use crate::upheaval::AtEnd;

#[test]
fn packets_from_source_port_0_get_no_session_and_are_counted() {
    let lab = Lab::new();
    let others = "[[service]]\naddress = \"udp://10.0.0.1:7\"\nscheduler = \"rr\"\nsnat = \"default\"\n\
                  [[service.server]]\naddress = \"10.2.0.2:7\"\n\
                  [[service]]\naddress = \"sctp://10.0.0.1:9\"\nscheduler = \"rr\"\nsnat = \"default\"\n\
                [[service.server]]\naddress = \"10.2.0.2:9\"\n";
    lab.apply(&(ipv6::FILE.to_owned() + others));
    let flows = [
        ("udp", "10.1.0.2:0", "10.0.0.1:7"),
        ("tcp", "10.1.0.2:0", "10.0.0.1:80"),
        ("sctp", "10.1.0.2:0", "10.0.0.1:9"),
        ("udp", "[fd00:1::2]:0", "[fd00::1]:7"),
        ("tcp", "[fd00:1::2]:0", "[fd00::1]:80"),
    ];
    for (number, (protocol, from, to)) in (1..).zip(flows) {
        lab.exec(
            "client",
            &["lab/net/packets.py", "first", from, to, protocol, "20"],
        );
        eventually(
            &format!("each packet of {protocol} from {from} is counted"),
            || lab.counter("drop_source_port_0") == 20 * number,
        );
    }
    assert_eq!(lab.counter("sessions_created"), 0);
    lab.get(&["http://10.0.0.1/"]);
}

/// As the routing code does for 0.0.0.0.
#[test]
fn packets_from_the_unspecified_ipv6_address_get_no_session_and_are_counted() {
    let lab = Lab::new();
    lab.apply(ipv6::FILE);
    for (number, (protocol, to)) in (1..).zip([("udp", "[fd00::1]:7"), ("tcp", "[fd00::1]:80")]) {
        let words = [
            "lab/net/packets.py",
            "first",
            "[::]:4444",
            to,
            protocol,
            "5",
        ];
        lab.exec("client", &words);
        eventually("each packet is dropped", || {
            lab.counter("drop_refused_connection") == 5 * number
        });
        assert!(lab.counter("refused_unspecified_client") >= number);
    }
    assert_eq!(lab.counter("sessions_created"), 0);
}

/// LAND, which the routing of IPv4 refuses. An answer would come back as a request.
#[test]
fn packets_from_an_ipv6_address_of_the_director_get_no_session_and_are_counted() {
    let lab = Lab::new();
    lab.apply(ipv6::FILE);
    let any = "ip -6 route add local fd00:9::/64 dev lo";
    lab.exec("director", &["sh", "-ec", any]);
    let sources = ["[fd00::1]:7", "[fd00:2::1]:4444", "[fd00:9::1]:4444"];
    for (number, from) in (1..).zip(sources) {
        let words = [
            "lab/net/packets.py",
            "first",
            from,
            "[fd00::1]:7",
            "udp",
            "5",
        ];
        lab.exec("client", &words);
        eventually("each packet is dropped", || {
            lab.counter("drop_own_source") == 5 * number
        });
    }
    eventually("no session is left", || lab.sessions().is_empty());
}

/// A user can create network namespaces and is root in them.
#[test]
fn root_of_a_user_namespace_configures_nothing_unless_the_administrator_allows_it() {
    let lab = Lab::alone();
    lab.apply(FILE);
    let write = "cat /proc/net/ip_vs_bpf/stats >/dev/null && \
                 echo + p 10.0.0.9 1-2 >/proc/net/ip_vs_bpf/local_ips";
    let user = "setpriv --reuid 65534 --regid 65534 --clear-groups \
                unshare --map-root-user unshare --net sh -ec";
    let as_user = || {
        let script = format!("{user} \"{write}\"");
        lab.try_exec("director", &["sh", "-c", &script])
    };
    assert!(!as_user().status.success());
    let parameter = |value: &str| {
        let script = format!("echo {value} >/sys/module/ip_vs_bpf/parameters/userns");
        lab.exec("director", &["sh", "-ec", &script]);
    };
    let _off = AtEnd("echo 0 >/sys/module/ip_vs_bpf/parameters/userns".to_owned());
    parameter("1");
    success(&as_user());
}

#[test]
fn services_of_several_ports_go_one_by_one() {
    let lab = Lab::new();
    let service = |port: u16| {
        format!(
            "[[service]]\naddress = \"tcp://10.0.0.1:{port}\"\nscheduler = \"rr\"\nsnat = \"default\"\n\
             [[service.server]]\naddress = \"10.2.0.2:8080\"\n"
        )
    };
    let head = FILE.split("[[service]]").next().unwrap();
    let file = |ports: &[u16]| {
        ports
            .iter()
            .fold(head.to_owned(), |file, port| file + &service(*port))
    };
    let apps = || lab.exec("director", &["cat", "/proc/net/ip_vs_app"]);
    lab.apply(&file(&[80, 81, 82, 83]));
    for ports in [&[80, 81, 83][..], &[80, 81], &[81]] {
        lab.apply(&file(ports));
        eventually("IPVS has the others", || {
            let apps = apps();
            (80..84)
                .all(|port| apps.contains(&format!("ip_vs_bpf_6_{port}")) == ports.contains(&port))
        });
        lab.get(&[&format!("http://10.0.0.1:{}/", ports[0])]);
    }
}

/// Docker and kubeadm load br_netfilter. Two hosts are behind a bridge of the director,
/// and one of them has the VIP too.
#[test]
fn frames_that_a_bridge_passes_on_to_another_host_are_left_alone() {
    let lab = Lab::alone();
    lab.apply(FILE);
    // `modprobe -r` also removes `bridge`, and with it the switches of other tests.
    let _unloaded = AtEnd("rmmod br_netfilter".to_owned());
    run(Command::new("modprobe").arg("br_netfilter"));
    let key = "net.bridge.bridge-nf-call-iptables=1";
    lab.exec("director", &["sysctl", "-qw", key]);
    let (a, b, director) = (
        lab.namespace("host-a"),
        lab.namespace("host-b"),
        lab.namespace("director"),
    );
    let hosts = format!(
        "ip -n {director} link add br9 type bridge forward_delay 0 mcast_snooping 0\n\
         ip -n {director} link set br9 up\n\
         for host in {a} {b}; do\n\
         ip netns add $host\n\
         ip -n $host link add eth0 type veth peer name p$host netns {director}\n\
         ip -n $host link set lo up\n\
         ip -n $host link set eth0 up\n\
         ip -n {director} link set p$host master br9 up\n\
         done\n\
         ip -n {a} addr add 10.8.0.1/24 dev eth0\n\
         ip -n {b} addr add 10.8.0.2/24 dev eth0\n\
         ip -n {b} addr add 10.0.0.1/32 dev lo\n\
         ip -n {a} route add 10.0.0.1/32 via 10.8.0.2"
    );
    let _removed = AtEnd(format!("ip netns del {a} && ip netns del {b}"));
    run(Command::new("sh").args(["-ec", &hosts]));
    let created = lab.counter("sessions_created");
    let mut there = lab.spawn_at("host-b", &["nc", "-lk", "-s", "10.0.0.1", "-p", "80"]);
    // No other host would accept it.
    eventually("the other host answers", || {
        let connect = ["nc", "-z", "-w", "5", "10.0.0.1", "80"];
        lab.try_exec("host-a", &connect).status.success()
    });
    assert_eq!(lab.counter("sessions_created"), created);
    let _ = there.kill();
    let _ = there.wait();
}
