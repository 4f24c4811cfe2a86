// SPDX-License-Identifier: GPL-2.0-only
//! Our requests equal those of `ipvsadm`, and the answers of a kernel are parsed
//! correctly. The bytes are in `golden/`, with the commands that made them.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use ipvs_bpf::ipvs_netlink::info::Version;
use ipvs_bpf::ipvs_netlink::message::IpvsMessage;
use ipvs_bpf::ipvs_netlink::{Connections, Counters, Ipvs, Reason};
use ipvs_bpf::model::{
    Family, Forward, Netmask, Persistence, Protocol, Server, Service, ServiceKey, SyncDaemon,
    SyncDaemons, SyncState, Timeouts, Tunnel, TunnelChecksum,
};
use netlink_packet_core::{Emitable, ParseableParametrized};
use netlink_packet_generic::GenlHeader;
use netlink_packet_generic::constants::GENL_ID_CTRL;

use crate::encoding::tcp;
use crate::replay::{Replay, golden, header, messages, parsed};

fn udp(address: &str) -> ServiceKey {
    ServiceKey::Address {
        protocol: Protocol::Udp,
        address: address.parse().unwrap(),
    }
}

fn sctp(address: &str) -> ServiceKey {
    ServiceKey::Address {
        protocol: Protocol::Sctp,
        address: address.parse().unwrap(),
    }
}

fn fwmark(mark: u32, family: Family) -> ServiceKey {
    ServiceKey::Fwmark { mark, family }
}

fn scheduled(scheduler: &str) -> Service {
    Service {
        scheduler: scheduler.into(),
        scheduler_flags: [false; 3],
        persistence: None,
        one_packet: false,
        servers: BTreeMap::new(),
    }
}

fn persistent(scheduler: &str, timeout: u32, netmask: Netmask, engine: Option<&str>) -> Service {
    Service {
        persistence: Some(Persistence {
            timeout,
            netmask,
            engine: engine.map(Into::into),
        }),
        ..scheduled(scheduler)
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn server(forward: Forward, weight: u32) -> Server {
    Server {
        weight,
        forward,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

const IPIP: Forward = Forward::Tunnel(Tunnel::Ipip);

fn gue(port: u16, checksum: TunnelChecksum) -> Forward {
    Forward::Tunnel(Tunnel::Gue { port, checksum })
}

fn gre(checksum: TunnelChecksum) -> Forward {
    Forward::Tunnel(Tunnel::Gre { checksum })
}

/// The state after all requests of `changes.hex`, written by hand from its comments.
fn state() -> BTreeMap<ServiceKey, Service> {
    let with = |mut service: Service, servers: Vec<(&str, Server)>| {
        for (text, server) in servers {
            service.servers.insert(address(text), server);
        }
        service
    };
    let thresholds = |server: Server, upper_threshold, lower_threshold| Server {
        upper_threshold,
        lower_threshold,
        ..server
    };
    let whole = Netmask::whole;
    BTreeMap::from([
        (
            tcp("10.0.0.1:80"),
            with(
                persistent(
                    "wlc",
                    300,
                    Netmask::V4(Ipv4Addr::new(255, 255, 255, 0)),
                    None,
                ),
                vec![
                    (
                        "10.0.0.2:8080",
                        thresholds(server(Forward::Masq, 0), 1000, 10),
                    ),
                    ("10.0.0.3:80", server(Forward::Route, 2_147_483_647)),
                    ("10.0.0.4:80", server(IPIP, 1)),
                    ("10.0.0.5:80", server(gue(6080, TunnelChecksum::None), 1)),
                    ("10.0.0.6:80", server(gue(6081, TunnelChecksum::Remote), 1)),
                    ("10.0.0.7:80", server(gre(TunnelChecksum::Full), 1)),
                    ("[fd00::8]:80", server(IPIP, 1)),
                ],
            ),
        ),
        (
            udp("10.0.0.1:53"),
            with(
                Service {
                    scheduler_flags: [true, true, false],
                    ..scheduled("sh")
                },
                vec![("10.0.0.2:53", server(Forward::Masq, 1))],
            ),
        ),
        (
            udp("10.0.0.1:5353"),
            Service {
                one_packet: true,
                ..scheduled("rr")
            },
        ),
        (
            udp("10.0.0.1:5060"),
            persistent("rr", 60, whole(Family::Ipv4), Some("sip")),
        ),
        (
            sctp("10.0.0.1:132"),
            Service {
                scheduler_flags: [true, false, true],
                ..scheduled("mh")
            },
        ),
        (
            tcp("[fd00::1]:443"),
            with(
                persistent("wrr", 600, Netmask::V6(64), None),
                vec![(
                    "[fd00::2]:8443",
                    thresholds(server(Forward::Masq, 5), 4_294_967, 2),
                )],
            ),
        ),
        (
            fwmark(305_419_896, Family::Ipv4),
            with(
                scheduled("wrr"),
                vec![("10.0.0.2:0", server(Forward::Route, 1))],
            ),
        ),
        (
            fwmark(7, Family::Ipv6),
            with(
                persistent("lc", 360, whole(Family::Ipv6), None),
                vec![("[fd00::2]:0", server(Forward::Route, 1))],
            ),
        ),
    ])
}

#[test]
fn every_change_is_the_bytes_that_ipvsadm_sends() {
    let mut ipvs = Ipvs::over(Replay::exactly("changes.hex")).unwrap();
    let state = state();
    let web = tcp("10.0.0.1:80");
    let backend = address("10.0.0.2:8080");
    ipvs.add_service(&web, &scheduled("wrr")).unwrap();
    ipvs.change_service(&web, &state[&web]).unwrap();
    ipvs.add_server(&web, backend, &server(Forward::Masq, 3))
        .unwrap();
    ipvs.change_server(&web, backend, &state[&web].servers[&backend])
        .unwrap();
    for (address, server) in &state[&web].servers {
        if *address != backend {
            ipvs.add_server(&web, *address, server).unwrap();
        }
    }
    for key in [
        udp("10.0.0.1:53"),
        udp("10.0.0.1:5353"),
        udp("10.0.0.1:5060"),
        sctp("10.0.0.1:132"),
        tcp("[fd00::1]:443"),
        fwmark(305_419_896, Family::Ipv4),
        fwmark(7, Family::Ipv6),
    ] {
        ipvs.add_service(&key, &state[&key]).unwrap();
        for (address, server) in &state[&key].servers {
            ipvs.add_server(&key, *address, server).unwrap();
        }
    }
    let any_port = tcp("10.0.0.9:0");
    let service = persistent("rr", 300, Netmask::whole(Family::Ipv4), None);
    let backend = address("10.0.0.2:0");
    ipvs.add_service(&any_port, &service).unwrap();
    ipvs.add_server(&any_port, backend, &server(Forward::Masq, 1))
        .unwrap();
    ipvs.remove_server(&any_port, backend).unwrap();
    ipvs.remove_service(&any_port).unwrap();
    // These were all changes: `exactly` takes them one by one.
    assert_eq!(golden("changes.hex").len(), 25);
}

#[test]
fn zero_and_flush_are_the_bytes_that_ipvsadm_sends() {
    let mut ipvs = Ipvs::over(Replay::exactly("zero_and_flush.hex")).unwrap();
    ipvs.zero(None).unwrap();
    ipvs.zero(Some(&tcp("10.0.0.1:80"))).unwrap();
    ipvs.flush().unwrap();
}

fn daemon(sync_maxlen: Option<u16>) -> SyncDaemon {
    SyncDaemon {
        interface: "vip0".into(),
        id: 9,
        group: SyncDaemon::GROUP,
        port: SyncDaemon::PORT,
        ttl: SyncDaemon::TTL,
        sync_maxlen,
    }
}

#[test]
fn daemons_are_started_listed_and_stopped_as_by_ipvsadm() {
    let mut ipvs = Ipvs::over(Replay::exactly("daemon.hex")).unwrap();
    let backup = SyncDaemon {
        group: "ff02::81".parse().unwrap(),
        port: 8849,
        ttl: 2,
        ..daemon(Some(1400))
    };
    ipvs.start_daemon(SyncState::Master, &daemon(None)).unwrap();
    ipvs.start_daemon(SyncState::Backup, &backup).unwrap();
    let expected = SyncDaemons {
        master: Some(daemon(Some(1472))),
        backup: Some(backup),
    };
    assert_eq!(ipvs.daemons().unwrap(), expected);
    ipvs.stop_daemon(SyncState::Master).unwrap();
    ipvs.stop_daemon(SyncState::Backup).unwrap();
    assert_eq!(golden("daemon.hex").len(), 5);
}

#[test]
fn timeouts_are_the_bytes_that_ipvsadm_sends_and_prints() {
    let mut ipvs = Ipvs::over(Replay::exactly("config.hex")).unwrap();
    let timeouts = Timeouts {
        tcp: Some(800),
        tcp_fin: Some(100),
        udp: Some(200),
        ..Timeouts::default()
    };
    ipvs.set_timeouts(&timeouts).unwrap();
    assert_eq!(ipvs.timeouts().unwrap(), timeouts);
}

#[test]
fn the_dump_equals_what_ipvsadm_configured() {
    let mut ipvs = Ipvs::over(Replay::of(&["service.hex", "services.hex"])).unwrap();
    // The file connect.hex also has a dump, with no services.
    assert_eq!(ipvs.services().unwrap(), BTreeMap::new());
    assert_eq!(ipvs.services().unwrap(), state());
}

#[test]
fn the_version_is_that_which_ipvsadm_prints() {
    let mut ipvs = Ipvs::over(Replay::of(&[])).unwrap();
    let info = ipvs.info().unwrap();
    assert_eq!(
        info.version,
        Version {
            major: 1,
            minor: 2,
            patch: 1
        }
    );
    assert_eq!(info.version.to_string(), "1.2.1");
    assert_eq!(info.connection_table_size, 4096);
}

#[test]
fn counters_are_those_that_ipvsadm_prints() {
    let mut ipvs = Ipvs::over(Replay::exactly("statistics.hex")).unwrap();
    let statistics = ipvs.services_with_statistics().unwrap();
    let (_, web) = &statistics[&tcp("10.0.0.1:80")];
    let backend = &web.servers[&address("127.0.0.1:8000")];

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/netlink/golden/statistics.hex");
    let text = fs::read_to_string(path).unwrap();
    let printed = |row: &str, at: usize| -> Vec<u64> {
        let lines = text.lines().filter(|line| line.contains(row));
        let numbers = lines.map(|line| {
            let words = line.split_whitespace().rev().map_while(|w| w.parse().ok());
            let mut numbers: Vec<u64> = words.collect();
            numbers.reverse();
            numbers
        });
        numbers.collect::<Vec<_>>()[at].clone()
    };
    let sums = |counters: &Counters| {
        vec![
            counters.connections,
            counters.incoming_packets,
            counters.outgoing_packets,
            counters.incoming_bytes,
            counters.outgoing_bytes,
        ]
    };
    assert!(web.counters.connections > 0);
    assert_eq!(sums(&web.counters), printed("TCP  10.0.0.1:80", 0));
    assert_eq!(sums(&backend.counters), printed("-> 127.0.0.1:8000", 0));
    let Connections {
        active, inactive, ..
    } = backend.connections;
    // Weight, active, inactive.
    assert_eq!(
        printed("-> 127.0.0.1:8000", 1),
        [1, active.into(), inactive.into()]
    );
}

#[test]
fn a_refusal_by_the_kernel_means_what_ipvsadm_says_it_means() {
    let mut ipvs = Ipvs::over(Replay::exactly("refusals.hex")).unwrap();
    let (web, none) = (tcp("10.0.0.1:80"), tcp("10.0.0.1:81"));
    let route = server(Forward::Route, 1);
    let reasons = [
        ipvs.add_service(&web, &scheduled("wrr")),
        ipvs.add_service(&none, &scheduled("quantum")),
        ipvs.change_service(&none, &scheduled("wrr")),
        ipvs.remove_service(&none),
        ipvs.add_server(&none, address("10.0.0.2:80"), &server(Forward::Masq, 1)),
        ipvs.add_server(&web, address("10.0.0.3:80"), &route),
        ipvs.change_server(&web, address("10.0.0.99:80"), &route),
        ipvs.remove_server(&web, address("10.0.0.99:80")),
        ipvs.add_server(&web, address("224.0.0.1:80"), &route),
    ]
    .map(|result| result.unwrap_err().reason().unwrap().clone());
    assert_eq!(
        reasons,
        [
            Reason::ServiceExists,
            Reason::NoScheduler {
                scheduler: "quantum".into()
            },
            Reason::NoSuchService,
            Reason::NoSuchService,
            Reason::NoSuchService,
            Reason::ServerExists,
            Reason::NoSuchServer,
            Reason::NoSuchServer,
            Reason::InvalidServer,
        ]
    );
}

#[test]
fn every_captured_message_is_known_whole_and_built_again_the_same() {
    let mut seen = 0;
    for name in [
        "connect.hex",
        "changes.hex",
        "services.hex",
        "service.hex",
        "refusals.hex",
        "daemon.hex",
        "config.hex",
        "zero_and_flush.hex",
        "statistics.hex",
    ] {
        for exchange in golden(name) {
            let answers = exchange.answers.iter().flat_map(|answer| messages(answer));
            for (asked, message) in std::iter::once((true, exchange.request.as_slice()))
                .chain(answers.map(|answer| (false, answer)))
                .filter(|(_, message)| header(message).message_type > GENL_ID_CTRL)
            {
                let read = parsed(message);
                assert!(!format!("{read:?}").contains("Other"), "{read:?}");
                let mut built = vec![0; read.buffer_len()];
                read.emit(&mut built);
                if asked {
                    assert_eq!(built, message[20..]);
                }
                // The kernel leaves out NLA_F_NESTED.
                assert_eq!(built.len(), message[20..].len());
                let head = GenlHeader {
                    cmd: message[16],
                    version: message[17],
                };
                assert_eq!(IpvsMessage::parse_with_param(&built, head).unwrap(), read);
                seen += 1;
            }
        }
    }
    assert!(seen > 70, "{seen}");
}
