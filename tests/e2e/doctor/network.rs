// SPDX-License-Identifier: GPL-2.0-only
//! Sysctls, addresses, ports and firewall rules that break a director.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::{found, ipv6_file, named_and_fixed, needed, only, running, script};
use crate::full_nat::FILE;
use crate::lab::{Lab, eventually, run, success};

pub(super) const NATIVE: &str = r#"
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
        (ipv6_file(), "http://[fd00::1]/"),
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
    named_and_fixed(
        "sysctl -qw net.ipv4.vs.conntrack=1",
        "warning",
        "vs-conntrack",
        "net.ipv4.vs.conntrack is 1",
    );
}

#[test]
fn reverse_path_filters_that_are_strict() {
    let lab = Lab::new();
    let strict = "sysctl -qw net.ipv4.conf.eth1.rp_filter=1";
    for file in [FILE, NATIVE] {
        script(&lab, strict);
        let cure = only(&needed(&lab, file), "note", "rp-filter", "strict at eth1");
        script(&lab, &cure);
        assert_eq!(needed(&lab, file).len(), 0);
    }
    script(&lab, strict);
    assert_eq!(needed(&lab, &ipv6_file()).len(), 0);
}

#[test]
fn a_vip_that_is_not_local() {
    named_and_fixed(
        "ip address del 10.0.0.1/32 dev lo",
        "error",
        "vip-not-local",
        "the VIP 10.0.0.1 is not an address of this host",
    );
}

#[test]
fn a_local_ip_that_is_not_local() {
    named_and_fixed(
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
    let file = ipv6_file().replace("fd00:2::100", "fd00:2::77");
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
fn local_ports_of_the_host_that_take_most_of_a_local_ip() {
    named_and_fixed(
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
    drop(lab);
    named_and_fixed(
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

/// Full NAT works as if the rule were not there.
#[test]
fn rules_for_the_interface_that_packets_came_in_at() {
    let lab = Lab::new();
    lab.apply(FILE);
    script(
        &lab,
        "ip rule add iif lo lookup main pref 100\n\
         ip route add table 101 blackhole 10.2.0.0/24\n\
         ip rule add iif eth0 lookup 101 pref 101\n\
         ip -6 rule add iif eth1 lookup 101 pref 102",
    );
    let found = running(&lab);
    assert_eq!(found.len(), 2, "{found:#?}");
    only(
        &found,
        "note",
        "rule-iif",
        "the rule 101 of `ip rule` is for packets that came in at eth0",
    );
    only(&found, "note", "rule-iif", "the rule 102 of `ip -6 rule`");
    assert!(lab.get(&["http://10.0.0.1/"]).contains(" 10.2.0.100 "));
}
