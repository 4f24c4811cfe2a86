// SPDX-License-Identifier: GPL-2.0-only
//! The encoding of requests.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipvs_bpf::ipvs_netlink::attribute::Value;
use ipvs_bpf::ipvs_netlink::service::SvcAttribute;
use ipvs_bpf::ipvs_netlink::{destination, service};
use ipvs_bpf::model::{
    Family, Forward, Netmask, Persistence, Protocol, Server, Service, ServiceKey, Tunnel,
    TunnelChecksum,
};

use crate::scripted::attribute;

pub fn plain() -> Service {
    Service {
        scheduler: "wrr".into(),
        scheduler_flags: [false; 3],
        persistence: None,
        one_packet: false,
        servers: BTreeMap::new(),
    }
}

pub fn tcp(address: &str) -> ServiceKey {
    ServiceKey::Address {
        protocol: Protocol::Tcp,
        address: address.parse().unwrap(),
    }
}

pub fn masq() -> Server {
    Server {
        weight: 1,
        forward: Forward::Masq,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

fn bytes(value: &impl Value) -> Vec<u8> {
    let mut bytes = vec![0; value.length()];
    value.emit_into(&mut bytes);
    bytes
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[test]
fn the_port_of_a_service_is_big_endian() {
    let bytes = bytes(&service::key(&tcp("10.0.0.1:8080")));
    assert!(contains(&bytes, &attribute(4, &[0x1f, 0x90])));
}

#[test]
fn the_port_of_a_tunnel_is_big_endian() {
    let server = Server {
        forward: Forward::Tunnel(Tunnel::Gue {
            port: 6080,
            checksum: TunnelChecksum::Remote,
        }),
        ..masq()
    };
    let bytes = bytes(&destination::all_attributes(
        "10.0.0.2:80".parse().unwrap(),
        &server,
    ));
    assert!(contains(&bytes, &attribute(14, &[0x17, 0xc0])));
    assert!(contains(&bytes, &attribute(15, &2u16.to_ne_bytes())));
}

#[test]
fn a_firewall_mark_has_32_bits_and_a_family() {
    let key = ServiceKey::Fwmark {
        mark: 0x1234_5678,
        family: Family::Ipv6,
    };
    let expected = [
        attribute(1, &10u16.to_ne_bytes()),
        attribute(5, &0x1234_5678u32.to_ne_bytes()),
    ];
    assert_eq!(bytes(&service::key(&key)), expected.concat());
}

#[test]
fn an_ipv6_persistence_prefix_of_0_is_sent_too() {
    let service = Service {
        persistence: Some(Persistence {
            timeout: 300,
            netmask: Netmask::V6(0),
            engine: None,
        }),
        ..plain()
    };
    let attributes = service::all_attributes(&tcp("[fd00::1]:80"), &service);
    assert!(attributes.contains(&SvcAttribute::Netmask([0; 4])));
}

#[test]
fn an_ipv4_netmask_is_in_network_order_and_an_ipv6_prefix_in_host_order() {
    let persistent = |netmask| Service {
        persistence: Some(Persistence {
            timeout: 300,
            netmask,
            engine: None,
        }),
        ..plain()
    };
    let v4 = persistent(Netmask::V4(Ipv4Addr::new(255, 255, 254, 0)));
    let v4 = bytes(&service::all_attributes(&tcp("10.0.0.1:80"), &v4));
    assert!(contains(&v4, &attribute(9, &[255, 255, 254, 0])));
    let v6 = bytes(&service::all_attributes(
        &tcp("[fd00::1]:80"),
        &persistent(Netmask::V6(64)),
    ));
    assert!(contains(&v6, &attribute(9, &64u32.to_ne_bytes())));
}

#[test]
fn an_ipv4_address_is_16_bytes_long() {
    let mut address = [0; 16];
    address[..4].copy_from_slice(&[10, 0, 0, 1]);
    let service = bytes(&service::key(&tcp("10.0.0.1:80")));
    assert!(contains(&service, &attribute(3, &address)));
    let server = bytes(&destination::key("10.0.0.1:80".parse().unwrap()));
    assert!(contains(&server, &attribute(1, &address)));
}

#[test]
fn a_server_always_says_its_address_family() {
    for (address, family) in [("10.0.0.2:80", 2u16), ("[fd00::2]:80", 10)] {
        let address = address.parse().unwrap();
        let family = attribute(11, &family.to_ne_bytes());
        assert!(contains(&bytes(&destination::key(address)), &family));
        assert!(contains(
            &bytes(&destination::all_attributes(address, &masq())),
            &family
        ));
    }
}

#[test]
fn flags_are_sent_with_a_mask_that_clears_the_others() {
    let service = Service {
        scheduler_flags: [true, false, true],
        one_packet: true,
        ..plain()
    };
    let bytes = bytes(&service::all_attributes(&tcp("10.0.0.1:80"), &service));
    let flags = [0x2cu32.to_ne_bytes(), u32::MAX.to_ne_bytes()].concat();
    assert!(contains(&bytes, &attribute(7, &flags)));
}
