// SPDX-License-Identifier: GPL-2.0-only
//! Random states that a file can ask for, with every kind of value.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipvs_bpf::model::{
    Family, Forward, Netmask, Persistence, Protocol, Server, Service, ServiceKey, State, Tunnel,
    TunnelChecksum,
};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Only native services, which the text of ipvsadm can describe. `schedulers` and
/// `engines` are those available.
pub fn native(
    schedulers: &'static [&'static str],
    engines: &'static [&'static str],
) -> impl Strategy<Value = State> {
    let services = key().prop_flat_map(move |key| {
        let service = service(&key, schedulers, engines);
        (Just(key), service)
    });
    proptest::collection::vec(services, 0..6).prop_map(|services| State {
        services: services.into_iter().collect(),
        ..State::default()
    })
}

fn port() -> impl Strategy<Value = u16> {
    prop_oneof![select(vec![0, 1, 53, 80, 443, 65_535]), any::<u16>()]
}

fn ipv4(network: u32) -> impl Strategy<Value = IpAddr> {
    (1_u32..0xfffe).prop_map(move |low| IpAddr::V4((network + low).into()))
}

fn ipv6(network: u128) -> impl Strategy<Value = IpAddr> {
    prop_oneof![1_u128..0xffff, 1_u128..1 << 64]
        .prop_map(move |low| IpAddr::V6((network + low).into()))
}

fn key() -> impl Strategy<Value = ServiceKey> {
    let protocol = select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Sctp]);
    let address = prop_oneof![ipv4(0x0a00_0000), ipv6(0xfd00_0001 << 96)];
    prop_oneof![
        4 => (protocol, address, port()).prop_map(|(protocol, address, port)| ServiceKey::Address {
            protocol,
            address: SocketAddr::new(address, port),
        }),
        1 => (1..=u32::MAX, any::<bool>()).prop_map(|(mark, ipv6)| ServiceKey::Fwmark {
            mark,
            family: if ipv6 { Family::Ipv6 } else { Family::Ipv4 },
        }),
    ]
}

fn service(
    key: &ServiceKey,
    schedulers: &'static [&'static str],
    engines: &'static [&'static str],
) -> impl Strategy<Value = Service> + use<> {
    let is_wild = matches!(key, ServiceKey::Address { address, .. } if address.port() == 0);
    let one_packet = match key {
        ServiceKey::Address { protocol, .. } => *protocol == Protocol::Udp,
        ServiceKey::Fwmark { .. } => true,
    };
    let persistence = persistence(key.family(), engines);
    let persistence = if is_wild {
        persistence.prop_map(Some).boxed()
    } else {
        option::weighted(0.3, persistence).boxed()
    };
    let servers =
        server(key).prop_flat_map(move |(address, forward)| (Just(address), properties(forward)));
    (
        select(schedulers),
        any::<[bool; 3]>(),
        persistence,
        any::<bool>(),
        btree_map_of(servers),
    )
        .prop_map(
            move |(scheduler, scheduler_flags, persistence, packet, servers)| Service {
                scheduler: scheduler.to_owned(),
                scheduler_flags,
                persistence,
                one_packet: one_packet && packet,
                servers,
            },
        )
}

fn btree_map_of(
    servers: impl Strategy<Value = (SocketAddr, Server)>,
) -> impl Strategy<Value = BTreeMap<SocketAddr, Server>> {
    proptest::collection::vec(servers, 0..6).prop_map(|servers| servers.into_iter().collect())
}

fn persistence(
    family: Family,
    engines: &'static [&'static str],
) -> impl Strategy<Value = Persistence> {
    let timeout = prop_oneof![select(vec![1, 60, 300, 360, 3_661]), 1..=2_678_400_u32];
    let netmask = match family {
        Family::Ipv4 => prop_oneof![
            (0..=32_u32).prop_map(|length| u32::MAX.checked_shl(32 - length).unwrap_or(0)),
            any::<u32>(),
        ]
        .prop_map(|mask| Netmask::V4(Ipv4Addr::from_bits(mask)))
        .boxed(),
        Family::Ipv6 => (1..=128_u8).prop_map(Netmask::V6).boxed(),
    };
    let engine = option::of(select(engines)).prop_map(|engine| engine.map(str::to_owned));
    (timeout, netmask, engine).prop_map(|(timeout, netmask, engine)| Persistence {
        timeout,
        netmask,
        engine,
    })
}

/// Only tunnels can reach a server of the other family, and only masq can change the
/// port.
fn server(key: &ServiceKey) -> impl Strategy<Value = (SocketAddr, Forward)> + use<> {
    let vip_port = match key {
        ServiceKey::Address { address, .. } => Some(address.port()),
        ServiceKey::Fwmark { .. } => None,
    };
    let family = key.family();
    (
        ipv4(0x0a04_0000),
        ipv6(0xfd00_0002 << 96),
        any::<bool>(),
        port(),
        forward(),
    )
        .prop_map(move |(v4, v6, other, port, forward)| {
            let is_tunnel = matches!(forward, Forward::Tunnel(_));
            let address = match (family, other && is_tunnel) {
                (Family::Ipv4, false) | (Family::Ipv6, true) => v4,
                _ => v6,
            };
            let port = match (&forward, vip_port) {
                (Forward::Masq, _) | (_, None) => port,
                (_, Some(vip_port)) => vip_port,
            };
            (SocketAddr::new(address, port), forward)
        })
}

fn forward() -> impl Strategy<Value = Forward> {
    let plain = select(vec![TunnelChecksum::None, TunnelChecksum::Full]);
    let any = select(vec![
        TunnelChecksum::None,
        TunnelChecksum::Full,
        TunnelChecksum::Remote,
    ]);
    prop_oneof![
        3 => Just(Forward::Masq),
        2 => Just(Forward::Route),
        1 => Just(Forward::Tunnel(Tunnel::Ipip)),
        1 => (1..=u16::MAX, any).prop_map(|(port, checksum)| {
            Forward::Tunnel(Tunnel::Gue { port, checksum })
        }),
        1 => plain.prop_map(|checksum| Forward::Tunnel(Tunnel::Gre { checksum })),
    ]
}

/// Weights in the range of ipvsadm 1.31.
fn properties(forward: Forward) -> impl Strategy<Value = Server> {
    let most = i32::MAX as u32;
    let thresholds = prop_oneof![
        Just((0, 0)),
        (1..=most).prop_map(|upper| (upper, 0)),
        (1..=most, 1..=most).prop_map(|(a, b)| (a.max(b), a.min(b))),
    ];
    let weight = prop_oneof![select(vec![0, 1]), 0..=65_535_u32];
    (weight, thresholds).prop_map(move |(weight, (upper_threshold, lower_threshold))| Server {
        weight,
        forward: forward.clone(),
        upper_threshold,
        lower_threshold,
    })
}
