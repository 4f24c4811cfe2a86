// SPDX-License-Identifier: GPL-2.0-only
//! Packets and writers that mean harm.

use crate::full_nat::FILE;
use crate::ipv6;
use crate::lab::{Lab, eventually, success};

#[test]
fn what_comes_from_source_port_0_becomes_no_session_and_is_counted() {
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
            &["lab/packets", "first", from, to, protocol, "20"],
        );
        eventually(
            &format!("each packet of {protocol} from {from} is counted"),
            || lab.counter("drop_source_port_0") == 20 * number,
        );
    }
    assert_eq!(lab.counter("sessions_created"), 0);
    lab.get(&["http://10.0.0.1/"]);
}

/// A user may have network namespaces of its own, and is root in them.
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
    parameter("1");
    success(&as_user());
    parameter("0");
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
