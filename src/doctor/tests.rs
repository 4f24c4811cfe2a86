// SPDX-License-Identifier: GPL-2.0-only
//! Tests with facts that differ in one point from those of a healthy host.

use std::net::IpAddr;

use super::links::{Address, Link, Links, Neighbour};
use super::routes::{Route, Way};
use super::*;
use crate::director::HostPorts;
use crate::model::{
    Datapath, LocalIp, PortRange, Protocol, Server, Service, ServiceKey, SyncDaemon, SyncDaemons,
    Tunnel,
};
use crate::plan::Refusal;

const SERVER: &str = "10.2.0.2";
const LOCAL_IP: &str = "10.2.0.100";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn service(server: &str, forward: Forward) -> Service {
    let server_of = Server {
        weight: 1,
        forward,
        upper_threshold: 0,
        lower_threshold: 0,
    };
    Service {
        scheduler: "rr".to_owned(),
        scheduler_flags: [false; 3],
        persistence: None,
        one_packet: false,
        servers: [((ip(server), 80).into(), server_of)].into(),
    }
}

fn key(address: &str) -> ServiceKey {
    ServiceKey::Address {
        protocol: Protocol::Tcp,
        address: address.parse().unwrap(),
    }
}

fn wanted() -> State {
    let local_ip = LocalIp {
        pool: "default".to_owned(),
        address: ip(LOCAL_IP),
    };
    let ports = PortRange {
        first: 1024,
        last: 65_535,
    };
    State {
        datapath: Some(Datapath {
            interfaces: ["eth0".to_owned(), "eth1".to_owned()].into(),
            max_sessions: 1000,
            ..Datapath::default()
        }),
        local_ips: [(local_ip, ports)].into(),
        full_nat: [(key("10.0.0.1:80"), "default".into())].into(),
        services: [(key("10.0.0.1:80"), service(SERVER, Forward::Masq))].into(),
        ..State::default()
    }
}

/// The file wants the program of XDP at eth1, and these interfaces have it.
fn wants_xdp(facts: &mut Facts, at_xdp: &[&str]) {
    if let Some(datapath) = &mut facts.wanted.datapath {
        datapath.xdp.insert("eth1".to_owned());
    }
    facts.attachments.at_xdp = at_xdp.iter().map(|&name| name.to_owned()).collect();
}

fn healthy() -> Facts {
    let release = "6.1.0-56-amd64".to_owned();
    let link = |index, name: &str| Link {
        index,
        name: name.to_owned(),
        up: true,
        carrier: true,
        mtu: 1500,
        ethernet: true,
        merges: false,
        hardware: Vec::new(),
    };
    let address = |link, text: &str, length| Address {
        link,
        address: ip(text),
        length,
        duplicate: false,
    };
    let word = |text: &str| Some(text.to_owned());
    Facts {
        wanted: wanted(),
        file: None,
        running: Default::default(),
        listeners: Default::default(),
        kernel: kernel::Kernel {
            release: release.clone(),
            config: None,
            has_btf: true,
            has_bpf_fs: true,
            jit: word("1"),
        },
        module: module::Module {
            loaded: None,
            file: Some(module::File {
                release,
                source: "A".to_owned(),
                signed: false,
            }),
            place: "ip_vs_bpf".to_owned(),
            disabled: false,
            signed_only: false,
        },
        sysctls: sysctls::Sysctls {
            ip_forward: word("1"),
            ipv6_forwarding: word("0"),
            vs_conntrack: word("0"),
            rp_filter: [("all".to_owned(), 0), ("eth0".to_owned(), 0)].into(),
            local_ports: HostPorts::from_text("32768 60999", ""),
        },
        links: Links {
            links: vec![link(1, "lo"), link(2, "eth0"), link(3, "eth1")],
            addresses: vec![
                address(2, "10.1.0.1", 24),
                address(3, "10.2.0.1", 24),
                address(3, LOCAL_IP, 24),
            ],
            neighbours: Vec::new(),
        },
        attachments: interfaces::Attachments {
            attached: Some(["eth0".to_owned(), "eth1".to_owned()].into()),
            ..interfaces::Attachments::default()
        },
        local: ["10.0.0.1", "10.1.0.1", "10.2.0.1", LOCAL_IP]
            .map(|text| (ip(text), 32))
            .into_iter()
            .collect(),
        routing_rules: Vec::new(),
        routes: [(
            ip(SERVER),
            Route::Via(Way {
                link: 3,
                ..Way::default()
            }),
        )]
        .into(),
        firewall: Vec::new(),
        receiver: Default::default(),
        apps: Vec::new(),
    }
}

#[test]
fn a_healthy_host_has_no_findings() {
    assert_eq!(findings(&healthy()), []);
}

fn native(facts: &mut Facts) {
    facts.wanted.full_nat.clear();
}

fn strict(facts: &mut Facts) {
    facts.sysctls.rp_filter.insert("eth0".to_owned(), 1);
}

fn rule(hook: &str, priority: i64) -> firewall::Rule {
    firewall::Rule {
        family: "inet".to_owned(),
        table: "t".to_owned(),
        chain: "c".to_owned(),
        handle: 4,
        hook: hook.to_owned(),
        priority,
    }
}

fn way(facts: &mut Facts) -> &mut Way {
    match facts.routes.get_mut(&ip(SERVER)) {
        Some(Route::Via(way)) => way,
        other => panic!("{other:?}"),
    }
}

/// A change that breaks the host, and all resulting findings.
type Case = (fn(&mut Facts), &'static [&'static str]);

const CASES: &[Case] = &[
    (
        |facts| {
            facts.file = Some(Compared {
                absent: ["bond0".to_owned()].into(),
                ..Compared::default()
            })
        },
        &["interface-missing"],
    ),
    (
        |facts| {
            facts.running.unserved = facts.wanted.full_nat.keys().cloned().collect();
        },
        &["service-missing"],
    ),
    (|facts| facts.running.lost_pins = true, &["pins-missing"]),
    (
        |facts| {
            facts.file = Some(Compared {
                refusals: vec![
                    Refusal::NoSysctl {
                        name: "x".to_owned(),
                    },
                    // The checks of the module report this refusal.
                    Refusal::NoModule {
                        place: "x".to_owned(),
                    },
                ],
                changes: 1,
                begun: true,
                ..Compared::default()
            })
        },
        &["plan-refused", "kernel-differs"],
    ),
    (|facts| facts.kernel.jit = None, &[]),
    (
        |facts| facts.kernel.config = Some([("CONFIG_IP_VS".to_owned(), "m".to_owned())].into()),
        &["kernel-config"; 7],
    ),
    (
        |facts| {
            facts.module.loaded = Some(module::Loaded {
                version: "9".to_owned(),
                source: "B".to_owned(),
            })
        },
        &["module-version", "module-build"],
    ),
    (
        |facts| facts.module.signed_only = true,
        &["module-signature"],
    ),
    (
        |facts| {
            facts.module.signed_only = true;
            facts.module.file.as_mut().unwrap().signed = true;
        },
        &[],
    ),
    (|facts| facts.sysctls.ip_forward = None, &[]),
    (|facts| facts.sysctls.ip_forward = Some("0".to_owned()), &[]),
    (strict, &["rp-filter"]),
    (
        |facts| {
            strict(facts);
            native(facts);
        },
        &["rp-filter"],
    ),
    (
        |facts| {
            strict(facts);
            facts.wanted.services.clear();
            facts.wanted.full_nat.clear();
        },
        &[],
    ),
    (
        |facts| {
            strict(facts);
            // The larger value is effective.
            facts.sysctls.rp_filter.insert("all".to_owned(), 2);
        },
        &[],
    ),
    (
        |facts| {
            // Without a carrier the interface is down too, but one finding is enough.
            facts.links.links[1].up = false;
            facts.links.links[1].carrier = false;
        },
        &["interface-down"],
    ),
    (|facts| facts.attachments.attached = None, &[]),
    (|facts| wants_xdp(facts, &[]), &["xdp-not-attached"]),
    (|facts| wants_xdp(facts, &["eth1"]), &[]),
    (
        |facts| {
            wants_xdp(facts, &[]);
            facts.attachments.attached = None;
        },
        &[],
    ),
    (
        |facts| {
            wants_xdp(facts, &[]);
            let unfit = interfaces::UnfitForXdp {
                interface: "eth1".to_owned(),
                refusal: "it is a bond".to_owned(),
            };
            facts.attachments.unfit_for_xdp.push(unfit);
        },
        &["xdp-unfit"],
    ),
    (
        |facts| {
            facts.local = [(ip("10.0.0.1"), 32)].into_iter().collect();
            facts.links.addresses.pop();
        },
        &["local-ip-not-local"],
    ),
    (
        |facts| {
            facts.local = [(ip("10.0.0.1"), 32)].into_iter().collect();
            facts.links.addresses.clear();
        },
        &["local-ip-routed", "server-way-back"],
    ),
    (
        |facts| {
            // A neighbour with an address of this host belongs to another interface.
            facts.links.neighbours.push(Neighbour {
                link: 2,
                address: ip(LOCAL_IP),
                answers: true,
            });
        },
        &[],
    ),
    (
        |facts| facts.links.addresses[2].duplicate = true,
        &["local-ip-not-unique"],
    ),
    (
        |facts| {
            facts.links.neighbours.push(Neighbour {
                link: 3,
                address: ip(SERVER),
                answers: false,
            });
        },
        &["server-unreachable"],
    ),
    (
        |facts| {
            facts.links.neighbours.push(Neighbour {
                link: 2,
                address: ip(SERVER),
                answers: false,
            });
        },
        &[],
    ),
    (
        |facts| {
            // The router has to answer, and has to know the way back.
            way(facts).gateway = Some(ip("10.2.0.9"));
            facts.links.neighbours.push(Neighbour {
                link: 3,
                address: ip(SERVER),
                answers: false,
            });
            facts.links.addresses.pop();
        },
        &[],
    ),
    (|facts| way(facts).mtu = Some(1400), &["mtu"]),
    (|facts| facts.links.links[1].mtu = 1400, &[]),
    (
        |facts| {
            native(facts);
            let forward = Forward::Tunnel(Tunnel::Ipip);
            facts.wanted.services = [(key("10.0.0.1:80"), service(SERVER, forward))].into();
        },
        &["mtu-tunnel"],
    ),
    (
        |facts| {
            for ports in facts.wanted.local_ips.values_mut() {
                *ports = PortRange {
                    first: 61_000,
                    last: 65_535,
                };
            }
        },
        &[],
    ),
    (
        |facts| facts.sysctls.local_ports = HostPorts::from_text("1024 40000", ""),
        &["local-ports"],
    ),
    (
        |facts| facts.sysctls.local_ports = HostPorts::from_text("1024 40000", "30000-40000"),
        &[],
    ),
    (
        |facts| facts.firewall = vec![rule("prerouting", -399), rule("forward", 0)],
        &[],
    ),
    (
        |facts| facts.firewall = vec![rule("prerouting", -400)],
        &["firewall-before"],
    ),
    (
        |facts| {
            native(facts);
            facts.firewall = vec![
                rule("prerouting", -400),
                rule("forward", 0),
                rule("forward", 100),
            ];
        },
        &["firewall-forward"],
    ),
    (
        |facts| {
            native(facts);
            facts.sysctls.vs_conntrack = Some("1".to_owned());
            facts.firewall = vec![rule("forward", 0)];
        },
        &["vs-conntrack"],
    ),
];

#[test]
fn each_break_is_found_and_nothing_else() {
    for (number, (breaks, expected)) in CASES.iter().enumerate() {
        let mut facts = healthy();
        breaks(&mut facts);
        let found = findings(&facts);
        let checks: Vec<&str> = found.iter().map(|finding| finding.check).collect();
        assert_eq!(checks, *expected, "case {number}: {found:#?}");
    }
}

/// The standby director of a pair: the other one has the VIP and the local IP.
fn standby() -> Facts {
    let mut facts = healthy();
    facts.local = [(ip("10.1.0.1"), 32), (ip("10.2.0.1"), 32)]
        .into_iter()
        .collect();
    facts.links.addresses.pop();
    facts
}

#[test]
fn addresses_that_a_standby_director_lacks_are_notes_and_nothing_adds_them() {
    let by_file: fn(&mut Facts) = |facts| {
        facts.wanted.sync = Some(SyncDaemons {
            master: None,
            backup: Some(SyncDaemon {
                interface: "eth1".to_owned(),
                id: 51,
                group: ip("224.0.0.81"),
                port: 8848,
                ttl: 1,
                sync_maxlen: None,
            }),
        });
    };
    let by_daemon: fn(&mut Facts) = |facts| facts.running.syncs = true;
    let answers: fn(&mut Facts) = |facts| {
        facts.links.neighbours.push(Neighbour {
            link: 3,
            address: ip(LOCAL_IP),
            answers: true,
        });
    };
    let no_network: fn(&mut Facts) = |facts| facts.links.addresses.clear();
    for pair in [by_file, by_daemon] {
        for (change, check) in [
            ((|_| {}) as fn(&mut Facts), "local-ip-not-local"),
            (answers, "local-ip-not-unique"),
            (no_network, "local-ip-routed"),
        ] {
            let mut facts = standby();
            change(&mut facts);
            let alone = findings(&facts);
            let has_error = alone.iter().any(|of| of.severity == Severity::Error);
            assert!(has_error, "{alone:#?}");
            pair(&mut facts);
            let found = findings(&facts);
            for check in ["vip-not-local", check] {
                assert!(found.iter().any(|of| of.check == check), "{found:#?}");
            }
            for finding in &found {
                assert_eq!(finding.severity, Severity::Note, "{finding:#?}");
                assert!(!finding.cure.contains("address add"), "{finding:#?}");
            }
        }
    }
}

#[test]
fn a_local_ip_that_both_directors_have_is_an_error() {
    let mut facts = healthy();
    facts.running.syncs = true;
    facts.links.addresses[2].duplicate = true;
    let found = findings(&facts);
    assert_eq!(found[0].check, "local-ip-not-unique");
    assert_eq!(found[0].severity, Severity::Error);
}

#[test]
fn the_options_of_tc_are_a_note_where_the_kernel_has_tcx() {
    let severities = |release: &str| {
        let mut facts = healthy();
        facts.kernel.release = release.to_owned();
        facts.kernel.config = Some(
            ["BPF_SYSCALL", "IP_VS", "IP_VS_PROTO_TCP", "NETFILTER"]
                .map(|name| (format!("CONFIG_{name}"), "y".to_owned()))
                .into(),
        );
        let all = findings(&facts).into_iter();
        let of_config = all.filter(|finding| finding.check == "kernel-config");
        of_config
            .map(|finding| finding.severity)
            .collect::<Vec<_>>()
    };
    use super::Severity::{Error, Note};
    assert_eq!(severities("6.5.0"), [Error; 4]);
    assert_eq!(severities("6.6.0"), [Error, Note, Note, Note]);
}

#[test]
fn errors_come_first() {
    let mut facts = healthy();
    facts.kernel.has_btf = false;
    facts.kernel.jit = Some("0".to_owned());
    facts.links.links[1].up = false;
    let severities: Vec<Severity> = findings(&facts)
        .iter()
        .map(|finding| finding.severity)
        .collect();
    assert_eq!(
        severities,
        [Severity::Error, Severity::Warning, Severity::Note]
    );
}
