// SPDX-License-Identifier: GPL-2.0-only
//! Tests for the tables of services, on fixed values.

use std::net::SocketAddr;

use super::super::tests::{json, text};
use super::*;
use crate::director::RunningDataPlane;
use crate::ipvs_netlink::Connections;
use crate::kmod::proc::LocalIpLine;
use crate::model::{Family, LocalIp, Netmask, Persistence, PortRange, Protocol};

fn query(kind: Kind, watch: bool) -> Query {
    Query {
        kind,
        filter: Filter::default(),
        sort: None,
        reverse: false,
        exact: false,
        names: false,
        json: false,
        watch,
    }
}

fn counters(scale: u64) -> Counters {
    Counters {
        connections: scale,
        incoming_packets: 6 * scale,
        outgoing_packets: 5 * scale,
        incoming_bytes: 400 * scale,
        outgoing_bytes: 123_456_789_012,
        connections_per_second: 2,
        incoming_packets_per_second: 12,
        outgoing_packets_per_second: 10,
        incoming_bytes_per_second: 800,
        outgoing_bytes_per_second: 1_234_567_890,
    }
}

fn web() -> RunningService {
    let key = ServiceKey::Address {
        protocol: Protocol::Tcp,
        address: "10.0.0.1:80".parse().unwrap(),
    };
    let address = "10.2.0.2:8080".parse().unwrap();
    let server = Server {
        weight: 3,
        forward: Forward::Masq,
        upper_threshold: 1000,
        lower_threshold: 800,
    };
    let connections = Connections {
        active: 70_000,
        inactive: 12,
        persistent: 1,
    };
    let of_server = ServerStatistics {
        connections,
        counters: counters(100),
    };
    RunningService {
        key,
        service: Service {
            scheduler: "wrr".to_owned(),
            scheduler_flags: [false; 3],
            persistence: None,
            one_packet: false,
            servers: [(address, server)].into(),
        },
        statistics: ServiceStatistics {
            counters: counters(100),
            servers: [(address, of_server)].into(),
        },
        full_nat: Some("default".into()),
        by_rule: false,
        sessions: Some(70_012),
    }
}

fn marked() -> RunningService {
    let tunnel = |forward| Server {
        weight: 0,
        forward,
        upper_threshold: 0,
        lower_threshold: 0,
    };
    let gue = Tunnel::Gue {
        port: 6080,
        checksum: TunnelChecksum::Remote,
    };
    let gre = Tunnel::Gre {
        checksum: TunnelChecksum::Full,
    };
    RunningService {
        key: ServiceKey::Fwmark {
            mark: 7,
            family: Family::Ipv6,
        },
        service: Service {
            scheduler: "sh".to_owned(),
            scheduler_flags: [true, false, true],
            persistence: Some(Persistence {
                timeout: 300,
                netmask: Netmask::V6(64),
                engine: Some("sip".to_owned()),
            }),
            one_packet: true,
            servers: [
                (
                    "[fd00:2::2]:0".parse().unwrap(),
                    tunnel(Forward::Tunnel(gue)),
                ),
                (
                    "[fd00:2::3]:0".parse().unwrap(),
                    tunnel(Forward::Tunnel(gre)),
                ),
                ("[fd00:2::4]:0".parse().unwrap(), tunnel(Forward::Route)),
            ]
            .into(),
        },
        statistics: ServiceStatistics::default(),
        full_nat: None,
        by_rule: false,
        sessions: None,
    }
}

fn shown(kind: Kind, watch: bool) -> String {
    text(&grid(&[web(), marked()], &query(kind, watch)))
}

#[test]
fn services_are_shown_with_all_that_they_are() {
    snapbox::assert_data_eq!(
        shown(Kind::Services, false),
        snapbox::str![[r#"
Service            Scheduler                                        Full NAT  Forward                  Weight  ActiveConn  InActConn
tcp://10.0.0.1:80  wrr                                              default
  → 10.2.0.2:8080                                                             masq                          3       70000         12
fwmark6://7        sh sh-fallback flag-3 persistent 300 pe sip ops  -
  → [fd00:2::2]:0                                                             tunnel gue 6080 remcsum       0           0          0
  → [fd00:2::3]:0                                                             tunnel gre csum               0           0          0
  → [fd00:2::4]:0                                                             route                         0           0          0

"#]]
    );
}

#[test]
fn totals_have_the_columns_of_ipvsadm() {
    snapbox::assert_data_eq!(
        shown(Kind::Stats, false),
        snapbox::str![[r#"
Service            Conns  InPkts  OutPkts  InBytes  OutBytes
tcp://10.0.0.1:80    100     600      500    40000      123G
  → 10.2.0.2:8080    100     600      500    40000      123G
fwmark6://7            0       0        0        0         0
  → [fd00:2::2]:0      0       0        0        0         0
  → [fd00:2::3]:0      0       0        0        0         0
  → [fd00:2::4]:0      0       0        0        0         0

"#]]
    );
}

#[test]
fn rates_thresholds_and_persistence_templates_have_the_columns_of_ipvsadm() {
    snapbox::assert_data_eq!(
        text(&grid(&[web()], &query(Kind::Rate, false))),
        snapbox::str![[r#"
Service            CPS  InPPS  OutPPS  InBPS  OutBPS
tcp://10.0.0.1:80    2     12      10    800   1234M
  → 10.2.0.2:8080    2     12      10    800   1234M

"#]]
    );
    snapbox::assert_data_eq!(
        text(&grid(&[web()], &query(Kind::Thresholds, false))),
        snapbox::str![[r#"
Service            Uthreshold  Lthreshold  ActiveConn  InActConn
tcp://10.0.0.1:80
  → 10.2.0.2:8080        1000         800       70000         12

"#]]
    );
    snapbox::assert_data_eq!(
        text(&grid(&[web()], &query(Kind::PersistentConn, false))),
        snapbox::str![[r#"
Service            Weight  PersistConn  ActiveConn  InActConn
tcp://10.0.0.1:80
  → 10.2.0.2:8080       3            1       70000         12

"#]]
    );
}

#[test]
fn the_live_view_has_what_moves() {
    snapbox::assert_data_eq!(
        text(&grid(&[web()], &query(Kind::Services, true))),
        snapbox::str![[r#"
Service            Full NAT  Sessions  Weight  ActiveConn  InActConn  CPS  InPPS  OutPPS  InBPS  OutBPS
tcp://10.0.0.1:80  default      70012                                   2     12      10    800   1234M
  → 10.2.0.2:8080                           3       70000         12    2     12      10    800   1234M

"#]]
    );
}

#[test]
fn the_json_has_the_documented_shape() {
    let mut marked = marked();
    marked.service.servers = marked.service.servers.into_iter().take(1).collect();
    let data_plane = RunningDataPlane {
        local_ips: vec![LocalIpLine {
            local_ip: LocalIp {
                pool: "default".to_owned(),
                address: "10.2.0.100".parse().unwrap(),
            },
            ports: PortRange {
                first: 1024,
                last: 65_535,
            },
            sessions: 70_012,
        }],
        max_sessions: Some(10_000),
        interfaces: Some(["eth0".to_owned(), "eth1".to_owned()].into()),
        xdp: ["eth1".to_owned()].into(),
    };
    let services = [web(), marked];
    json("show", &Document::new(&services, &data_plane));
}

#[test]
fn rates_are_those_between_two_looks() {
    let mut before = Before {
        at: Instant::now(),
        statistics: BTreeMap::new(),
    };
    let old = web();
    before
        .statistics
        .insert(old.key.clone(), old.statistics.clone());
    let mut services = [web(), marked()];
    services[0].statistics.counters.incoming_bytes += 1000;
    // The counter was reset in between, and then counted 50.
    services[0].statistics.counters.connections = 50;
    for server in services[0].statistics.servers.values_mut() {
        server.counters.incoming_packets += 5;
    }
    between(&before, &mut services, Duration::from_millis(500));
    let counters = services[0].statistics.counters;
    assert_eq!(counters.incoming_bytes_per_second, 2000);
    assert_eq!(counters.outgoing_bytes_per_second, 0);
    assert_eq!(counters.connections_per_second, 100);
    for server in services[0].statistics.servers.values() {
        assert_eq!(server.counters.incoming_packets_per_second, 10);
        assert_eq!(server.counters.outgoing_packets_per_second, 0);
    }
    // The service is new.
    assert_eq!(services[1].statistics, ServiceStatistics::default());
    between(&before, &mut services, Duration::ZERO);
}

#[test]
fn a_filter_keeps_what_it_names_and_nothing_unknown() {
    let filter = |services: &[&RunningService], servers: &[&str]| Filter {
        services: services.iter().map(|now| now.key.clone()).collect(),
        servers: servers.iter().map(|text| text.parse().unwrap()).collect(),
    };
    let left = |filter: &Filter| {
        let mut services = vec![web(), marked()];
        let all = services.iter().map(|now| now.key.clone()).collect();
        let named = &filter.services;
        services.retain(|now| named.is_empty() || named.contains(&now.key));
        filtered(&mut services, filter, || Ok(all)).map(|()| {
            let addresses = services.iter().flat_map(|now| now.service.servers.keys());
            addresses.map(SocketAddr::to_string).collect::<Vec<_>>()
        })
    };
    assert_eq!(left(&filter(&[], &[])).unwrap().len(), 4);
    assert_eq!(left(&filter(&[&web()], &[])).unwrap(), ["10.2.0.2:8080"]);
    let one = filter(&[], &["[fd00:2::3]:0"]);
    assert_eq!(left(&one).unwrap(), ["[fd00:2::3]:0"]);
    let elsewhere = filter(&[&web()], &["[fd00:2::3]:0"]);
    assert_eq!(
        left(&elsewhere).unwrap_err().to_string(),
        "there is no server [fd00:2::3]:0; there are: `10.2.0.2:8080`"
    );
    let mut other = web();
    other.key = ServiceKey::Address {
        protocol: Protocol::Tcp,
        address: "10.0.0.1:81".parse().unwrap(),
    };
    assert_eq!(
        left(&filter(&[&other], &[])).unwrap_err().to_string(),
        "there is no service tcp://10.0.0.1:81; did you mean `tcp://10.0.0.1:80`?"
    );
}
