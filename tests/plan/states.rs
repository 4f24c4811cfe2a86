// SPDX-License-Identifier: GPL-2.0-only
//! Random states with few names, so that two states often share some.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use ipvs_bpf::model::{
    ClientAddress, Datapath, Family, Forward, FullNat, LocalIp, Netmask, Network, Persistence,
    PortRange, PortSecret, Protocol, Rule, Server, Service, ServiceKey, State, SyncDaemon,
    SyncDaemons, Timeout, Timeouts, Toa, Tunnel, TunnelChecksum,
};
use proptest::collection::{btree_map, btree_set};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::kernel::{has_address, has_daemons};

/// States that a valid file or a kernel can have. If something needs the datapath, the
/// state has one. Each address is in one pool. A full-NAT service has a pool with an
/// address and servers that masquerade.
pub fn state() -> impl Strategy<Value = State> {
    (
        (
            timeouts(),
            proptest::option::of(toa()),
            proptest::option::of(port_secret()),
        ),
        btree_map(sysctl(), sysctl_value(), 0..3),
        proptest::option::of(sync()),
        proptest::option::weighted(
            0.8,
            (
                btree_set(interface(), 1..4),
                btree_set(interface(), 0..3),
                any::<bool>(),
            ),
        ),
        btree_map(local_ip(), (pool(), ports()), 0..6),
        (
            btree_map(service_key(), full_nat(), 0..5),
            btree_map(rule(), full_nat(), 0..3),
        ),
        btree_map(service_key(), service(), 0..5),
    )
        .prop_map(
            |(
                (timeouts, toa, port_secret),
                sysctls,
                sync,
                datapath,
                local_ips,
                (full_nat, rules),
                services,
            )| {
                let mut state = State {
                    timeouts,
                    port_secret,
                    sysctls,
                    sync,
                    toa,
                    datapath: datapath.map(|(interfaces, xdp, fast_path)| Datapath {
                        xdp: interfaces.intersection(&xdp).cloned().collect(),
                        interfaces,
                        max_sessions: 1024,
                        fast_path,
                        other_build: false,
                    }),
                    services,
                    ..State::default()
                };
                for (address, (pool, ports)) in local_ips {
                    state.local_ips.insert(LocalIp { pool, address }, ports);
                }
                state.full_nat = full_nat;
                only_tcp_is_told(&mut state);
                state.rules = rules;
                let with_addresses = state.clone();
                state
                    .full_nat
                    .retain(|key, its| has_address(&with_addresses, &its.pool, key.family()));
                state
                    .rules
                    .retain(|rule, its| has_address(&with_addresses, &its.pool, rule.family()));
                masquerade(&mut state);
                part_families(&mut state);
                without_unneeded_module(&mut state);
                state
            },
        )
}

fn only_tcp_is_told(state: &mut State) {
    for (key, full_nat) in &mut state.full_nat {
        if !matches!(
            key,
            ServiceKey::Address {
                protocol: Protocol::Tcp,
                ..
            }
        ) {
            full_nat.client_address = None;
        }
    }
}

fn full_nat() -> impl Strategy<Value = FullNat> {
    (pool(), any::<bool>()).prop_map(|(pool, is_told)| FullNat {
        pool,
        client_address: is_told.then_some(ClientAddress::Toa),
    })
}

/// The module is unloaded when nothing needs it, and its timeouts disappear with it.
pub fn without_unneeded_module(state: &mut State) {
    for timeout in Timeout::UNANSWERED {
        if !state.needs_module() {
            state.timeouts.set(timeout, None);
        }
    }
    if !state.needs_module() {
        state.port_secret = None;
    }
}

/// States that a kernel with IPVS can have: every setting has a value.
pub fn running() -> impl Strategy<Value = State> {
    state().prop_map(|mut state| {
        for timeout in Timeout::ALL {
            if !state.needs_module() && Timeout::UNANSWERED.contains(&timeout) {
                continue;
            }
            let seconds = state.timeouts.get(timeout).unwrap_or(60);
            state.timeouts.set(timeout, Some(seconds));
        }
        for name in SYSCTLS {
            let value = || "0".to_owned();
            state.sysctls.entry(name.to_owned()).or_insert_with(value);
        }
        state.toa.get_or_insert_default();
        let daemons = state.sync.get_or_insert_default();
        for daemon in [&mut daemons.master, &mut daemons.backup]
            .into_iter()
            .flatten()
        {
            daemon.sync_maxlen.get_or_insert(1472);
        }
        part_families(&mut state);
        state
    })
}

fn port_secret() -> impl Strategy<Value = PortSecret> {
    select(vec!["1", "2"]).prop_map(|digit| PortSecret::from_hex(&digit.repeat(32)).unwrap())
}

/// The same, but the pool of an address depends only on the address. So no address moves
/// between two such states.
pub fn state_with_fixed_pools() -> impl Strategy<Value = State> {
    running().prop_map(|mut state| {
        state.local_ips = std::mem::take(&mut state.local_ips)
            .into_iter()
            .map(|(ip, ports)| {
                let odd = match ip.address {
                    IpAddr::V4(address) => address.to_bits() & 1,
                    IpAddr::V6(address) => (address.to_bits() & 1) as u32,
                };
                let pool = if odd == 1 { "a" } else { "b" }.to_owned();
                (LocalIp { pool, ..ip }, ports)
            })
            .collect();
        let with_addresses = state.clone();
        state
            .full_nat
            .retain(|key, its| has_address(&with_addresses, &its.pool, key.family()));
        state
            .rules
            .retain(|rule, its| has_address(&with_addresses, &its.pool, rule.family()));
        state
    })
}

fn masquerade(state: &mut State) {
    for key in state.full_nat.keys() {
        if let Some(service) = state.services.get_mut(key) {
            for server in service.servers.values_mut() {
                server.forward = Forward::Masq;
            }
        }
    }
}

/// A sync daemon excludes a server of another family than its service's.
fn part_families(state: &mut State) {
    if state.sync.as_ref().is_some_and(has_daemons) {
        for (key, service) in &mut state.services {
            let family = key.family();
            let same = |server: &SocketAddr| Family::of(server.ip()) == family;
            service.servers.retain(|server, _| same(server));
        }
    }
}

/// The receiver of a file or of a kernel.
fn toa() -> impl Strategy<Value = Toa> {
    let network = (
        select(vec!["10.2.0.0", "fd00:2::"]),
        select(vec![24_u8, 32]),
    );
    let network =
        network.prop_map(|(address, length)| Network::containing(address.parse().unwrap(), length));
    btree_set(network, 0..3).prop_map(|trust| Toa {
        trust,
        other_build: false,
    })
}

fn timeouts() -> impl Strategy<Value = Timeouts> {
    let seconds = || proptest::option::of(select(vec![60, 900]));
    (
        (seconds(), seconds(), seconds()),
        (seconds(), seconds(), seconds()),
    )
        .prop_map(|((tcp, tcp_fin, udp), unanswered)| Timeouts {
            tcp,
            tcp_fin,
            udp,
            tcp_unanswered: unanswered.0,
            udp_unanswered: unanswered.1,
            sctp_unanswered: unanswered.2,
        })
}

const SYSCTLS: [&str; 3] = ["drop_entry", "expire_nodest_conn", "sync_threshold"];

fn sysctl() -> impl Strategy<Value = String> {
    select(SYSCTLS.to_vec()).prop_map(str::to_owned)
}

fn sysctl_value() -> impl Strategy<Value = String> {
    select(vec!["0", "1", "2", "3 50"]).prop_map(str::to_owned)
}

fn sync() -> impl Strategy<Value = SyncDaemons> {
    let daemon = || proptest::option::weighted(0.3, sync_daemon());
    (daemon(), daemon()).prop_map(|(master, backup)| SyncDaemons { master, backup })
}

fn sync_daemon() -> impl Strategy<Value = SyncDaemon> {
    (
        interface(),
        0..2_u8,
        select(vec![None, Some(1400), Some(1472)]),
    )
        .prop_map(|(interface, id, sync_maxlen)| SyncDaemon {
            interface,
            id,
            group: SyncDaemon::GROUP,
            port: SyncDaemon::PORT,
            ttl: SyncDaemon::TTL,
            sync_maxlen,
        })
}

fn interface() -> impl Strategy<Value = String> {
    select(vec!["eth0", "eth1", "eth2"]).prop_map(str::to_owned)
}

fn pool() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "c"]).prop_map(str::to_owned)
}

fn local_ip() -> impl Strategy<Value = IpAddr> {
    let addresses = [
        "10.2.0.1", "10.2.0.2", "10.2.0.3", "10.2.0.4", "fd00::1", "fd00::2",
    ];
    select(addresses.map(|address| address.parse().unwrap()).to_vec())
}

fn ports() -> impl Strategy<Value = PortRange> {
    select(vec![(1024, 65535), (1024, 2047)]).prop_map(|(first, last)| PortRange { first, last })
}

fn service_key() -> impl Strategy<Value = ServiceKey> {
    let address = |protocol, address: &str| ServiceKey::Address {
        protocol,
        address: address.parse().unwrap(),
    };
    let mark = |family| ServiceKey::Fwmark { mark: 7, family };
    select(vec![
        address(Protocol::Tcp, "10.0.0.1:80"),
        address(Protocol::Udp, "10.0.0.1:80"),
        address(Protocol::Tcp, "10.0.0.1:443"),
        address(Protocol::Tcp, "[fd00::a]:80"),
        mark(Family::Ipv4),
        mark(Family::Ipv6),
    ])
}

/// A rule that covers none of the services in the file.
fn rule() -> impl Strategy<Value = Rule> {
    let network = |address: &str, length| Network {
        address: address.parse().unwrap(),
        length,
    };
    let rule = |network| Rule {
        networks: [network].into(),
        protocols: Protocol::ALL.into(),
        ports: Vec::new(),
        interfaces: Default::default(),
    };
    select(vec![
        rule(network("10.8.0.0", 24)),
        rule(network("10.9.0.1", 32)),
        rule(network("fd00:8::", 64)),
    ])
}

fn service() -> impl Strategy<Value = Service> {
    (
        select(vec!["rr", "wrr", "sh"]),
        any::<bool>(),
        proptest::option::of(persistence()),
        servers(),
    )
        .prop_map(|(scheduler, flag, persistence, servers)| Service {
            scheduler: scheduler.to_owned(),
            scheduler_flags: [flag, false, false],
            persistence,
            one_packet: false,
            servers,
        })
}

fn persistence() -> impl Strategy<Value = Persistence> {
    (select(vec![0, 300]), select(vec![None, Some("sip")])).prop_map(|(timeout, engine)| {
        Persistence {
            timeout,
            netmask: Netmask::whole(Family::Ipv4),
            engine: engine.map(str::to_owned),
        }
    })
}

fn servers() -> impl Strategy<Value = BTreeMap<SocketAddr, Server>> {
    let addresses: Vec<SocketAddr> = [
        "10.3.0.1:80",
        "10.3.0.2:80",
        "10.3.0.3:80",
        "10.3.0.3:81",
        "[fd00::b]:80",
    ]
    .map(|address| address.parse().unwrap())
    .to_vec();
    let count = addresses.len();
    (
        subsequence(addresses, 0..=count),
        proptest::collection::vec(server(), count),
    )
        .prop_map(|(addresses, servers)| addresses.into_iter().zip(servers).collect())
}

fn server() -> impl Strategy<Value = Server> {
    let forwards = vec![
        Forward::Masq,
        Forward::Masq,
        Forward::Route,
        Forward::Local,
        Forward::Tunnel(Tunnel::Gue {
            port: 6080,
            checksum: TunnelChecksum::Remote,
        }),
    ];
    (
        0..3_u32,
        select(forwards),
        select(vec![(0, 0), (100, 0), (100, 50)]),
    )
        .prop_map(|(weight, forward, (upper, lower))| Server {
            weight,
            forward,
            upper_threshold: upper,
            lower_threshold: lower,
        })
}
