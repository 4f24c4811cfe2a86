// SPDX-License-Identifier: GPL-2.0-only
//! Interfaces, addresses, routes, ports and rules that break a director.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::thread;

use aya::Ebpf;
use aya::programs::tc::{TcAttachOptions, TcAttachType};
use aya::programs::{LinkOrder, SchedClassifier};
use nix::sched::{CloneFlags, setns};
use serde_json::Value;

use super::{found, named_and_mended, needed, only, running, script, six};
use crate::attached::take_off;
use crate::full_nat::FILE;
use crate::lab::{Lab, eventually, run, success};

const NATIVE: &str = r#"
[[service]]
address = "tcp://10.0.0.9:80"
scheduler = "rr"
  [[service.server]]
  address = "10.2.0.2:80"
"#;

const NO_FORWARDING: &str =
    "sysctl -qw net.ipv4.ip_forward=0\nsysctl -qw net.ipv6.conf.all.forwarding=0";

#[test]
fn forwarding_that_is_off_where_a_native_service_masquerades() {
    let lab = Lab::new();
    let back = ["ip", "route", "add", "10.1.0.0/24", "via", "10.2.0.1"];
    lab.exec("server1", &back);
    let file = NATIVE.replace("10.2.0.2:80", "10.2.0.2:8080");
    lab.apply(&file);
    script(&lab, NO_FORWARDING);
    let what = "net.ipv4.ip_forward is 0, and native IPv4 services forward by masq";
    let cure = only(&running(&lab), "error", "forwarding", what);
    assert_eq!(
        cure,
        only(&needed(&lab, &file), "error", "forwarding", what)
    );

    // The answers of the server are lost.
    let refused = || -> u64 {
        let words = lab.exec("director", &["nstat", "-asz", "IpInAddrErrors"]);
        let mut words = words
            .split_whitespace()
            .skip_while(|word| *word != "IpInAddrErrors");
        words.nth(1).unwrap().parse().unwrap()
    };
    let before = refused();
    let mut client = lab.command("client", &["curl", "-sS", "http://10.0.0.9/"]);
    let client = client
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    eventually("an answer is not forwarded", || refused() > before);
    script(&lab, &cure);
    success(&client.wait_with_output().unwrap());
    assert_eq!(running(&lab), [] as [Value; 0]);
}

#[test]
fn forwarding_that_is_off_is_nothing_to_full_nat_and_direct_routing() {
    let lab = Lab::new();
    script(&lab, NO_FORWARDING);
    let direct = NATIVE.replace("10.2.0.2:80\"", "10.2.0.2:80\"\n  forward = \"route\"");
    assert_eq!(needed(&lab, &direct), [] as [Value; 0]);
    for (file, url) in [
        (FILE.to_owned(), "http://10.0.0.1/"),
        (six(), "http://[fd00::1]/"),
    ] {
        assert_eq!(needed(&lab, &file), [] as [Value; 0]);
        lab.apply(&file);
        // This must work on the fast path too.
        lab.get(&[url, url]);
        assert_eq!(running(&lab), [] as [Value; 0]);
    }
    lab.apply(FILE);
    assert!(lab.udp("10.0.0.1", 7, "hello").contains("10.2.0.100"));
}

#[test]
fn many_addresses_that_are_missing_are_one_finding() {
    let lab = Lab::new();
    let vips: Vec<_> = (1..=2000)
        .map(|number| format!("10.9.{}.{}", number / 250, number % 250 + 1))
        .collect();
    let services = vips
        .iter()
        .map(|vip| format!("[[service]]\naddress = \"tcp://{vip}:80\"\nscheduler = \"rr\"\n"));
    let file: String = services.collect();
    let output = lab.with_file(&["doctor"], &file);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("[vip-not-local]").count(), 1, "{text}");
    assert!(text.contains(" and 1991 more\n"), "{text}");
    assert!(text.ends_with("\n2000 errors, 1 note\n"), "{text}");
    let findings = needed(&lab, &file);
    let about = findings
        .iter()
        .map(|finding| finding["about"].as_str().unwrap().to_owned());
    let (mut about, mut vips) = (about.collect::<Vec<_>>(), vips);
    about.sort();
    vips.sort();
    assert_eq!(about, vips);
}

#[test]
fn conntrack_of_ipvs_that_is_on() {
    named_and_mended(
        "sysctl -qw net.ipv4.vs.conntrack=1",
        "warning",
        "vs-conntrack",
        "net.ipv4.vs.conntrack is 1",
    );
}

#[test]
fn reverse_path_filters_that_are_strict_where_a_service_is_native() {
    let lab = Lab::new();
    script(&lab, "sysctl -qw net.ipv4.conf.eth1.rp_filter=1");
    assert_eq!(needed(&lab, FILE).len(), 0);
    let findings = needed(&lab, NATIVE);
    let cure = only(&findings, "note", "rp-filter", "strict at eth1");
    script(&lab, &cure);
    assert_eq!(needed(&lab, NATIVE).len(), 0);
}

#[test]
fn an_interface_that_is_down() {
    named_and_mended(
        "ip link set eth0 down",
        "error",
        "interface-down",
        "the interface eth0 is down",
    );
}

#[test]
fn an_interface_without_carrier() {
    let lab = Lab::new();
    lab.apply(FILE);
    lab.exec("client", &["ip", "link", "set", "eth0", "down"]);
    only(&running(&lab), "error", "interface-no-carrier", "eth0");
    lab.exec("client", &["ip", "link", "set", "eth0", "up"]);
    eventually("the carrier is back", || running(&lab).is_empty());
}

#[test]
fn an_interface_that_is_not_ethernet() {
    let lab = Lab::new();
    script(
        &lab,
        "ip link add tun0 type ipip local 10.2.0.1 remote 10.2.0.2 && ip link set tun0 up",
    );
    let file = FILE.replace("\"eth1\"]", "\"eth1\", \"tun0\"]");
    let findings = needed(&lab, &file);
    let what = "the interface tun0 is not Ethernet";
    found(&findings, "error", "interface-not-ethernet", what);
}

#[test]
fn a_program_that_was_taken_off_an_interface() {
    let lab = Lab::new();
    lab.apply(FILE);
    take_off(&lab, "eth1");
    let findings = needed(&lab, FILE);
    let cure = only(&findings, "warning", "interface-not-attached", "eth1");
    assert_eq!(cure, "ipvs-bpf apply");
    // Without the file, doctor cannot know that the route should exist.
    only(&running(&lab), "note", "server-other-interface", "by eth1");
    // Full NAT still works without it.
    lab.get(&["http://10.0.0.1/"]);
    lab.apply(FILE);
    assert_eq!(running(&lab).len(), 0);
}

#[test]
fn a_filter_of_another_program_before_ours() {
    let lab = Lab::new();
    script(&lab, "tc qdisc add dev eth1 clsact");
    let filter = |action: &str, priority: &str| {
        let pass = if action == "add" {
            "matchall action pass"
        } else {
            ""
        };
        let place = "dev eth1 ingress prio";
        script(
            &lab,
            &format!("tc filter {action} {place} {priority} {pass}"),
        );
    };
    // A filter after ours does not matter.
    filter("add", "60000");
    lab.apply(FILE);
    assert_eq!(running(&lab).len(), 0);
    filter("add", "7");
    let what = "at eth1, a filter of another program comes before ours: \
                matchall, priority 7";
    let findings = running(&lab);
    only(&findings, "warning", "filter-before", what);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    lab.get(&["http://10.0.0.1/"]);
    filter("del", "7");
    assert_eq!(running(&lab).len(), 0);
    lab.get(&["http://10.0.0.1/"]);
}

/// Attaches a program by tcx that ends the processing of every packet. It is detached
/// when the result is dropped. `None`: this kernel has no tcx.
fn attach_by_tcx(lab: &Lab, interface: &str) -> Option<Ebpf> {
    const ENDS: &str =
        r#"__attribute__((section("classifier"), used)) int ends(void *skb) { return 0; }"#;
    let object = format!("/tmp/{}ends.o", lab.namespace(""));
    let compile = format!("echo '{ENDS}' | clang -target bpf -O2 -g -c -x c - -o {object}");
    run(Command::new("sh").args(["-ec", &compile]));
    let mut ebpf = Ebpf::load_file(object).unwrap();
    let program: &mut SchedClassifier = ebpf.program_mut("ends").unwrap().try_into().unwrap();
    program.load().unwrap();
    let order = TcAttachOptions::TcxOrder(LinkOrder::first());
    let namespace = File::open(format!("/run/netns/{}", lab.namespace("director"))).unwrap();
    // Each thread has its own network namespace.
    let attached = thread::scope(|scope| {
        let attach = || {
            setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
            program.attach_with_options(interface, TcAttachType::Ingress, order)
        };
        scope.spawn(attach).join().unwrap()
    });
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split('.').map(|number| number.parse::<u32>());
    let version = (
        numbers.next().unwrap().unwrap(),
        numbers.next().unwrap().unwrap(),
    );
    if version < (6, 6) {
        assert!(attached.is_err());
        return None;
    }
    attached.unwrap();
    Some(ebpf)
}

#[test]
fn a_program_of_tcx_before_ours() {
    let lab = Lab::new();
    lab.apply(FILE);
    let Some(attached) = attach_by_tcx(&lab, "eth1") else {
        assert_eq!(running(&lab).len(), 0);
        return;
    };
    let what = "at eth1, an eBPF program that is attached by tcx comes before ours: \
                ends, id ";
    let findings = running(&lab);
    only(&findings, "warning", "program-before", what);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    lab.get(&["http://10.0.0.1/"]);
    drop(attached);
    assert_eq!(running(&lab).len(), 0);
    lab.get(&["http://10.0.0.1/"]);
}

#[test]
fn a_vip_that_is_not_local() {
    named_and_mended(
        "ip address del 10.0.0.1/32 dev lo",
        "error",
        "vip-not-local",
        "the VIP 10.0.0.1 is not an address of this host",
    );
}

#[test]
fn a_local_ip_that_is_not_local() {
    named_and_mended(
        "ip address del 10.2.0.100/24 dev eth1",
        "error",
        "local-ip-not-local",
        "the local IP 10.2.0.100 is not an address of this host",
    );
}

#[test]
fn a_local_ip_that_another_host_has() {
    let lab = Lab::new();
    script(&lab, "ip address del 10.2.0.100/24 dev eth1");
    lab.exec(
        "server1",
        &["ip", "address", "add", "10.2.0.100/24", "dev", "eth0"],
    );
    script(&lab, "ping -qc 1 -W 10 10.2.0.100");
    let what = "the local IP 10.2.0.100 is in use by another host";
    only(&needed(&lab, FILE), "error", "local-ip-not-unique", what);
    // The same if this host has the address too.
    script(
        &lab,
        "ip neigh flush all; ip address add 10.2.0.100/24 dev eth1",
    );
    eventually("it is found", || {
        let findings = needed(&lab, FILE);
        findings
            .iter()
            .any(|of| of["check"] == "local-ip-not-unique")
    });
    lab.exec(
        "server1",
        &["ip", "address", "del", "10.2.0.100/24", "dev", "eth0"],
    );
    assert_eq!(needed(&lab, FILE).len(), 0);
}

#[test]
fn a_local_ip_of_ipv6_that_another_host_has() {
    let lab = Lab::new();
    let other = "ip -6 address add fd00:2::77/64 dev eth0 nodad";
    lab.exec("server1", &["sh", "-ec", other]);
    script(
        &lab,
        "sysctl -qw net.ipv6.conf.all.accept_dad=1 net.ipv6.conf.eth1.accept_dad=1
         ip -6 address add fd00:2::77/64 dev eth1",
    );
    let file = six().replace("fd00:2::100", "fd00:2::77");
    eventually("the kernel has noticed", || {
        let findings = needed(&lab, &file);
        findings
            .iter()
            .any(|of| of["check"] == "local-ip-not-unique")
    });
}

#[test]
fn a_local_ip_that_only_a_router_could_send_here() {
    let lab = Lab::new();
    let file = FILE.replace("10.2.0.100", "192.0.2.1");
    let findings = needed(&lab, &file);
    found(&findings, "note", "local-ip-routed", "192.0.2.1");
}

#[test]
fn a_server_without_a_route() {
    let lab = Lab::new();
    let file = FILE.replace("10.2.0.3:", "10.9.0.3:");
    let what = "there is no route to the server 10.9.0.3: Network is unreachable";
    let cure = only(&needed(&lab, &file), "error", "server-no-route", what);
    script(&lab, &cure.replace("ROUTER", "10.2.0.3"));
    assert_eq!(needed(&lab, &file).len(), 0);
    for kind in ["blackhole", "prohibit", "unreachable"] {
        for (file, server) in [(FILE, "10.2.0.3"), (&six(), "fd00:2::3")] {
            script(&lab, &format!("ip route add {kind} {server}"));
            let what = format!("there is no route to the server {server}: ");
            only(&needed(&lab, file), "error", "server-no-route", &what);
            script(&lab, &format!("ip route del {kind} {server}"));
        }
    }
}

#[test]
fn a_server_that_does_not_answer_arp() {
    let lab = Lab::new();
    let file = FILE.replace("10.2.0.3:", "10.2.0.77:");
    assert_eq!(needed(&lab, &file).len(), 0);
    eventually("its neighbour has failed", || {
        lab.try_exec("director", &["ping", "-qc", "1", "-W", "4", "10.2.0.77"]);
        !needed(&lab, &file).is_empty()
    });
    let what = "the server 10.2.0.77 does not answer ARP";
    only(&needed(&lab, &file), "error", "server-unreachable", what);
}

#[test]
fn a_server_behind_an_interface_without_our_programs() {
    let lab = Lab::new();
    // The other end must be on another host: this one would answer its own ARP requests.
    script(
        &lab,
        &format!(
            "ip link add eth9 type veth peer name other9 netns {}
             ip link set eth9 up
             ip address add 10.9.0.1/24 dev eth9
             ip address add 10.9.0.100/24 dev eth9",
            lab.namespace("server2")
        ),
    );
    lab.exec("server2", &["ip", "link", "set", "other9", "up"]);
    let file = FILE
        .replace("10.2.0.3:", "10.9.0.3:")
        .replace("\"10.2.0.100\"", "\"10.2.0.100\", \"10.9.0.100\"");
    let what =
        "the route to the server 10.9.0.3 leaves by eth9, which is not in [director] interfaces";
    found(&needed(&lab, &file), "note", "server-other-interface", what);
    let mended = file.replace("\"eth1\"]", "\"eth1\", \"eth9\"]");
    let findings = needed(&lab, &mended);
    // The network of each server contains only one of the local IPs.
    assert!(
        findings.iter().all(|of| of["check"] == "server-way-back"),
        "{findings:#?}"
    );
}

#[test]
fn a_local_ip_that_is_foreign_to_the_network_of_the_server() {
    let lab = Lab::new();
    script(&lab, "ip address add 10.5.0.1/32 dev lo");
    let file = FILE.replace("10.2.0.100", "10.5.0.1");
    let what = "the local IP 10.5.0.1 is not in the network of eth1";
    let cure = only(&needed(&lab, &file), "note", "server-way-back", what);
    // The finding is right: with that route, a server answers.
    lab.apply(&file);
    let get = ["curl", "-sf", "-m", "2", "http://10.0.0.1/"];
    assert!(!lab.try_exec("client", &get).status.success());
    let route = cure.strip_prefix("on the server: ").unwrap();
    let route = route.replace("an address of eth1", "10.2.0.1");
    for server in ["server1", "server2"] {
        lab.exec(server, &["sh", "-ec", &route]);
    }
    assert!(lab.get(&["http://10.0.0.1/"]).contains(" 10.5.0.1 "));
}

#[test]
fn a_server_that_is_this_host() {
    let lab = Lab::new();
    let file = FILE.replace("10.2.0.3:", "10.2.0.1:");
    let what = "the server 10.2.0.1 is this host";
    only(&needed(&lab, &file), "note", "server-local", what);
}

#[test]
fn mtus_that_differ_along_the_path() {
    let lab = Lab::new();
    lab.apply(FILE);
    script(&lab, "ip link set eth1 mtu 1400");
    let what = "packets to the server 10.2.0.2 may have 1400 bytes, packets at eth0 1500";
    only(&running(&lab), "warning", "mtu", what);
    script(&lab, "ip link set eth1 mtu 1500");
    assert_eq!(running(&lab).len(), 0);
    script(&lab, "ip route add 10.2.0.2 dev eth1 mtu 1300");
    let what = "packets to the server 10.2.0.2 may have 1300 bytes";
    only(&running(&lab), "warning", "mtu", what);
}

#[test]
fn a_tunnel_that_has_less_room_than_the_packets_of_clients() {
    let lab = Lab::new();
    let file = NATIVE
        .replace(":80\"\n", ":80\"\n  forward = \"tunnel\"\n")
        .replacen("  forward = \"tunnel\"\n", "", 1);
    let what = "the tunnel to the server 10.2.0.2 has room for 1480 bytes";
    let cure = only(&needed(&lab, &file), "note", "mtu-tunnel", what);
    assert!(cure.starts_with("ip link set eth1 mtu 1520"), "{cure}");
}

#[test]
fn local_ports_of_the_host_that_take_most_of_a_local_ip() {
    named_and_mended(
        "sysctl -qw net.ipv4.ip_local_port_range='1024 65000'",
        "warning",
        "local-ports",
        "63977 of the 64512 ports of the local IP 10.2.0.100 are the host's own",
    );
    let lab = Lab::new();
    script(&lab, "sysctl -qw net.ipv4.ip_local_port_range='1024 65000'");
    script(
        &lab,
        "sysctl -qw net.ipv4.ip_local_reserved_ports=1024-65000",
    );
    let findings = needed(&lab, FILE);
    let of_ports = |finding: &Value| finding["check"] == "local-ports";
    assert!(!findings.iter().any(of_ports), "{findings:#?}");
}

#[test]
fn a_rule_that_drops_what_conntrack_has_not_seen() {
    // The finding is right: no packet gets through.
    let lab = Lab::new();
    lab.apply(FILE);
    let rule = "nft -f - <<END
        table inet strict {
            chain early {
                type filter hook prerouting priority -450
                ct state established,invalid counter drop
            }
        }
END";
    script(&lab, rule);
    let get = ["curl", "-sf", "-m", "2", "http://10.0.0.1/"];
    assert!(!lab.try_exec("client", &get).status.success());
    named_and_mended(
        rule,
        "error",
        "firewall-before",
        "the chain inet strict early (prerouting, priority -450) drops packets of ct state invalid",
    );
}

#[test]
fn a_rule_that_drops_answers_of_native_services() {
    let lab = Lab::new();
    script(
        &lab,
        "nft add table inet strict
         nft add chain inet strict late '{ type filter hook forward priority 0; }'
         nft add rule inet strict late ct state invalid drop",
    );
    assert_eq!(needed(&lab, FILE).len(), 0, "full NAT passes it");
    let what = "the chain inet strict late (forward, priority 0)";
    let cure = only(&needed(&lab, NATIVE), "warning", "firewall-forward", what);
    script(&lab, cure.split(';').next().unwrap());
    assert_eq!(needed(&lab, NATIVE).len(), 0);
}

#[test]
fn a_port_that_another_application_of_ipvs_holds() {
    let lab = Lab::new();
    run(Command::new("modprobe").arg("ip_vs_ftp"));
    let file = FILE.replace("tcp://10.0.0.1:80", "tcp://10.0.0.1:21");
    let what = "the IPVS application ftp holds the port of tcp://10.0.0.1:21";
    let cure = only(&needed(&lab, &file), "error", "port-of-other-app", what);
    assert!(cure.starts_with("modprobe -r ip_vs_ftp"), "{cure}");
    assert_eq!(lab.with_file(&["apply"], &file).status.code(), Some(1));
}
