// SPDX-License-Identifier: GPL-2.0-only
//! How the kernel's answers are interpreted.

use std::net::SocketAddr;

use ipvs_bpf::ipvs_netlink::attribute::{Address, Counter, Flags, Port, Value};
use ipvs_bpf::ipvs_netlink::destination::{self, DestAttribute};
use ipvs_bpf::ipvs_netlink::message::{CmdAttribute, Command};
use ipvs_bpf::ipvs_netlink::service::{self, SvcAttribute};
use ipvs_bpf::ipvs_netlink::statistics::StatsAttribute;
use ipvs_bpf::ipvs_netlink::{Connections, Error};
use ipvs_bpf::model::{Family, Forward, Server, ServiceKey};
use netlink_packet_core::DefaultNla;

use crate::encoding::{masq, plain, tcp};
use crate::scripted::{Request, Scripted, Step, ack, answering, done, dumped};

fn service(key: &ServiceKey) -> Vec<SvcAttribute> {
    service::all_attributes(key, &plain())
}

/// A kernel with one service and one server that have these attributes.
fn holding(
    service: Vec<SvcAttribute>,
    server: Vec<DestAttribute>,
) -> ipvs_bpf::ipvs_netlink::Ipvs<Scripted<impl FnMut(&Request) -> Vec<Step>>> {
    answering(move |command, sequence| {
        let (command, attribute) = match command {
            Command::GetService => (Command::NewService, CmdAttribute::Service(service.clone())),
            _ => (Command::NewDest, CmdAttribute::Dest(server.clone())),
        };
        vec![
            dumped(sequence, command, vec![attribute]),
            done(sequence, 0),
        ]
    })
}

fn server_of(service: &ServiceKey, server: Vec<DestAttribute>) -> (SocketAddr, Server) {
    let mut services = holding(self::service(service), server).services().unwrap();
    let mut service = services.remove(service).unwrap();
    service.servers.pop_first().unwrap()
}

#[test]
fn an_ipv6_server_of_an_ipv4_service_stays_ipv6() {
    let address = "[fd00::2]:0".parse().unwrap();
    let (read, _) = server_of(
        &tcp("10.0.0.1:80"),
        destination::all_attributes(address, &masq()),
    );
    assert_eq!(read, address);
}

#[test]
fn a_server_without_address_family_has_that_of_its_service() {
    for (service, address) in [
        ("10.0.0.1:80", "10.0.0.2:80"),
        ("[fd00::1]:80", "[fd00::2]:80"),
    ] {
        let address = address.parse().unwrap();
        let mut attributes = destination::all_attributes(address, &masq());
        attributes.retain(|attribute| !matches!(attribute, DestAttribute::AddrFamily(_)));
        assert_eq!(server_of(&tcp(service), attributes).0, address);
    }
}

#[test]
fn an_ipv4_address_is_the_first_four_of_its_16_bytes() {
    let mut attributes = service(&tcp("10.0.0.1:80"));
    for attribute in &mut attributes {
        if let SvcAttribute::Addr(Address(bytes)) = attribute {
            bytes[4..].fill(0xee);
        }
    }
    let server = destination::all_attributes("10.0.0.2:80".parse().unwrap(), &masq());
    let services = holding(attributes, server).services().unwrap();
    assert!(services.contains_key(&tcp("10.0.0.1:80")));
}

#[test]
fn the_kernels_hashed_bit_is_not_a_difference() {
    let key = tcp("10.0.0.1:80");
    let mut attributes = service(&key);
    for attribute in &mut attributes {
        if let SvcAttribute::Flags(Flags { flags, .. }) = attribute {
            *flags |= 0x0002;
        }
    }
    let address = "10.0.0.2:80".parse().unwrap();
    let services = holding(attributes, destination::all_attributes(address, &masq()))
        .services()
        .unwrap();
    let mut expected = plain();
    expected.servers.insert(address, masq());
    assert_eq!(services[&key], expected);
}

#[test]
fn a_firewall_mark_service_is_read_with_its_32_bits_and_family() {
    let key = ServiceKey::Fwmark {
        mark: 0xfedc_ba98,
        family: Family::Ipv6,
    };
    let address = "[fd00::2]:0".parse().unwrap();
    assert_eq!(
        server_of(&key, destination::all_attributes(address, &masq())),
        (address, masq())
    );
}

#[test]
fn connection_counts_do_not_roll_over_at_65536() {
    let key = tcp("10.0.0.1:80");
    let address = "10.0.0.2:80".parse().unwrap();
    let mut server = destination::all_attributes(address, &masq());
    server.extend([
        DestAttribute::ActiveConns(70_000),
        DestAttribute::InactConns(u32::MAX),
        DestAttribute::PersistConns(65_536),
    ]);
    let statistics = holding(service(&key), server)
        .services_with_statistics()
        .unwrap();
    assert_eq!(
        statistics[&key].1.servers[&address].connections,
        Connections {
            active: 70_000,
            inactive: u32::MAX,
            persistent: 65_536
        }
    );
}

#[test]
fn stats64_is_preferred_and_an_unknown_attribute_in_it_passed_over() {
    let key = tcp("10.0.0.1:80");
    let address = "10.0.0.2:80".parse().unwrap();
    let mut server = destination::all_attributes(address, &masq());
    server.extend([
        DestAttribute::Stats64(
            vec![
                StatsAttribute::Other(DefaultNla::new(11, vec![])),
                StatsAttribute::Conns(Counter::U64(1 << 40)),
                StatsAttribute::Other(DefaultNla::new(200, vec![1, 2, 3])),
                StatsAttribute::Outbps(Counter::U64(1 << 41)),
            ]
            .into(),
        ),
        DestAttribute::Stats(vec![StatsAttribute::Conns(Counter::U32(5))].into()),
        DestAttribute::Other(DefaultNla::new(99, vec![0; 40])),
    ]);
    let mut service = service(&key);
    service.extend([
        SvcAttribute::Stats64(vec![StatsAttribute::Conns(Counter::U64(1 << 42))].into()),
        SvcAttribute::Stats(vec![StatsAttribute::Conns(Counter::U32(6))].into()),
    ]);
    let statistics = holding(service, server).services_with_statistics().unwrap();
    let counters = statistics[&key].1.servers[&address].counters;
    assert_eq!(counters.connections, 1 << 40);
    assert_eq!(counters.outgoing_bytes_per_second, 1 << 41);
    assert_eq!(statistics[&key].1.counters.connections, 1 << 42);
}

#[test]
fn a_kernel_without_stats64_has_counters_too() {
    let key = tcp("10.0.0.1:80");
    let address = "10.0.0.2:80".parse().unwrap();
    let stats = vec![
        StatsAttribute::Inpkts(Counter::U32(7)),
        StatsAttribute::Inbytes(Counter::U64(1 << 33)),
    ];
    let mut service = service(&key);
    service.push(SvcAttribute::Stats(stats.clone().into()));
    let mut server = destination::all_attributes(address, &masq());
    server.push(DestAttribute::Stats(stats.into()));
    let statistics = holding(service, server).services_with_statistics().unwrap();
    for counters in [
        statistics[&key].1.counters,
        statistics[&key].1.servers[&address].counters,
    ] {
        assert_eq!(counters.incoming_packets, 7);
        assert_eq!(counters.incoming_bytes, 1 << 33);
    }
}

#[test]
fn an_attribute_that_is_unknown_is_kept_as_it_came() {
    let attribute = SvcAttribute::Other(DefaultNla::new(77, vec![1, 2, 3]));
    let nest = vec![attribute, SvcAttribute::Port(Port(80))];
    let mut bytes = vec![0; nest.length()];
    nest.emit_into(&mut bytes);
    assert_eq!(Vec::<SvcAttribute>::parse_from(&bytes).unwrap(), nest);
}

#[test]
fn a_scheduler_that_nobody_knows_is_read_by_its_name() {
    let key = tcp("10.0.0.1:80");
    let mut attributes = service(&key);
    for attribute in &mut attributes {
        if let SvcAttribute::SchedName(name) = attribute {
            *name = "quantum".into();
        }
    }
    let server = destination::all_attributes("10.0.0.2:80".parse().unwrap(), &masq());
    let services = holding(attributes, server).services().unwrap();
    assert_eq!(services[&key].scheduler, "quantum");
}

#[test]
fn a_value_that_the_model_lacks_is_an_error_that_names_it() {
    let key = tcp("10.0.0.1:80");
    let address = "10.0.0.2:80".parse().unwrap();
    let server = destination::all_attributes(address, &masq());

    let mut gre = service(&key);
    for attribute in &mut gre {
        if let SvcAttribute::Protocol(number) = attribute {
            *number = 47;
        }
    }
    let error = holding(gre, server.clone()).services().unwrap_err();
    assert!(matches!(error, Error::Foreign { .. }), "{error:?}");
    assert!(error.to_string().contains("protocol 47"), "{error}");

    let mut bypass = server;
    for attribute in &mut bypass {
        if let DestAttribute::FwdMethod(method) = attribute {
            *method = 4;
        }
    }
    let error = holding(service(&key), bypass).services().unwrap_err();
    assert!(error.to_string().contains("forwarding method 4"), "{error}");
    assert!(error.to_string().contains("10.0.0.2:80"), "{error}");
}

#[test]
fn tunnel_attributes_of_a_server_without_tunnel_mean_nothing() {
    let address = "10.0.0.2:80".parse().unwrap();
    let mut attributes = destination::all_attributes(address, &masq());
    for attribute in &mut attributes {
        match attribute {
            DestAttribute::TunType(kind) => *kind = 9,
            DestAttribute::TunFlags(flags) => *flags = 0xffff,
            _ => {}
        }
    }
    let (_, server) = server_of(&tcp("10.0.0.1:80"), attributes);
    assert_eq!(server.forward, Forward::Masq);
}

#[test]
fn a_service_without_servers_is_not_lost() {
    let key = tcp("10.0.0.1:80");
    let mut ipvs = answering(|command, sequence| match command {
        Command::GetService => {
            let service = CmdAttribute::Service(service(&tcp("10.0.0.1:80")));
            let entry = dumped(sequence, Command::NewService, vec![service]);
            vec![entry, ack(sequence)]
        }
        _ => vec![done(sequence, 0)],
    });
    assert_eq!(ipvs.services().unwrap()[&key], plain());
}
