// SPDX-License-Identifier: GPL-2.0-only
//! Random states with full NAT that a file can ask for.

use std::net::IpAddr;

use ipvs_bpf::model::{
    ClientAddress, Datapath, Family, Forward, FullNat, LocalIp, PortRange, Protocol, ServiceKey,
    State,
};
use proptest::collection::btree_set;
use proptest::prelude::*;

use super::states::native;

/// States with full NAT. They have a pool of local IPs that no service uses as its
/// address.
pub fn full_nat() -> impl Strategy<Value = State> {
    (
        native(&["rr", "wrr", "maglev"], &["sip"]),
        btree_set(interface(), 1..4),
        prop_oneof![Just(65_536_u32), 1..=(1_u32 << 24)],
        pool(),
        btree_set(local_ip(), 1..40),
        ports(),
        any::<u16>(),
        any::<bool>(),
    )
        .prop_map(
            |(mut state, interfaces, max_sessions, pool, addresses, ports, which, fast_path)| {
                state.datapath = Some(Datapath {
                    xdp: interfaces
                        .iter()
                        .take(usize::from(which % 3))
                        .cloned()
                        .collect(),
                    interfaces,
                    max_sessions,
                    fast_path,
                    other_build: false,
                });
                for address in addresses {
                    let pool = pool.clone();
                    state.local_ips.insert(LocalIp { pool, address }, ports);
                }
                let keys: Vec<ServiceKey> = state.services.keys().cloned().collect();
                for (index, key) in keys.into_iter().enumerate() {
                    if which >> index & 1 == 1 && fits_full_nat(&mut state, &key) {
                        let is_told = is_tcp(&key) && which >> 15 == 1;
                        let full_nat = FullNat {
                            pool: pool.clone(),
                            client_address: is_told.then_some(ClientAddress::Toa),
                        };
                        state.full_nat.insert(key, full_nat);
                    }
                }
                state
            },
        )
}

fn is_tcp(key: &ServiceKey) -> bool {
    matches!(
        key,
        ServiceKey::Address {
            protocol: Protocol::Tcp,
            ..
        }
    )
}

/// Changes the service to one that full NAT supports, if possible.
fn fits_full_nat(state: &mut State, key: &ServiceKey) -> bool {
    let (is_wide, fits) = match key {
        ServiceKey::Fwmark { family, .. } => (true, *family == Family::Ipv4),
        ServiceKey::Address { protocol, address } => (
            address.port() == 0,
            *protocol != Protocol::Sctp && address.is_ipv4(),
        ),
    };
    let Some(service) = state.services.get_mut(key).filter(|_| fits) else {
        return false;
    };
    if !is_wide {
        service.persistence = None;
    }
    service.one_packet = false;
    service
        .servers
        .retain(|server, _| server.is_ipv4() && (is_wide || server.port() != 0));
    for server in service.servers.values_mut() {
        server.forward = Forward::Masq;
    }
    true
}

fn interface() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{2,4}[0-9]", "[a-z0-9.@*\\[\\]?\"'!_-]{1,15}"]
        .prop_filter("no name", |name| name != "." && name != "..")
}

fn pool() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_][a-zA-Z0-9_-]{0,14}"
}

/// Adjacent addresses are frequent, so that ranges occur.
fn local_ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        4 => (0_u32..64).prop_map(|low| IpAddr::V4((0x0a02_0000 + low).into())),
        1 => any::<u16>().prop_map(|low| IpAddr::V4((0x0a03_0000 + u32::from(low)).into())),
    ]
}

fn ports() -> impl Strategy<Value = PortRange> {
    prop_oneof![
        Just((1024, 65_535)),
        (1_u16..=65_535, 1_u16..=65_535).prop_map(|(a, b)| (a.min(b), a.max(b)))
    ]
    .prop_map(|(first, last)| PortRange { first, last })
}
