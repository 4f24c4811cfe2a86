// SPDX-License-Identifier: GPL-2.0-only
//! The part of a lease that is for the program at XDP: the address that frames are sent to,
//! and if the way out takes frames. No program runs at XDP here.

use aya::maps::{Array, Map, MapData};
use ipvs_bpf::datapath::abi::{Lease, Set4};

use crate::balance::pins;
use crate::fast_path::{fast, warm};
use crate::lab::{Lab, eventually};
use crate::talk::Talk;

/// Linux 6.3 lets a device tell what it takes.
pub fn devices_announce_xdp() -> bool {
    kernel_is_since(6, 3)
}

/// True if the kernel is this version or a newer one.
pub fn kernel_is_since(major: u32, minor: u32) -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split('.').map(|number| number.parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next().unwrap(), numbers.next().unwrap());
    version >= (major, minor)
}

pub fn switch(lab: &Lab, word: &str) {
    let write = format!("echo {word} >/proc/net/ip_vs_bpf/xdp");
    lab.exec("director", &["sh", "-c", &write]);
}

fn mac(lab: &Lab, interface: &str) -> [u8; 6] {
    let file = format!("/sys/class/net/{interface}/address");
    let text = lab.exec("director", &["cat", &file]);
    let bytes: Vec<u8> = text
        .trim()
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    bytes.try_into().unwrap()
}

/// The last lease of requests: of the flow to port 7.
fn lease(lab: &Lab) -> Option<Lease> {
    let map = MapData::from_pin(pins(lab).join("flows4")).unwrap();
    let map = Array::<_, Set4>::try_from(Map::Array(map)).unwrap();
    let slots = map.iter().flat_map(|set| set.unwrap().slot);
    let mut requests = slots.filter(|slot| slot.from.dport_be == 7_u16.to_be());
    requests.next().map(|slot| slot.lease)
}

/// Sends requests until the lease is that of the present state.
fn renewed(lab: &Lab, talk: &mut Talk, what: &str, is: impl Fn(&Lease) -> bool) {
    eventually(what, || {
        talk.ask();
        lease(lab).is_some_and(|lease| is(&lease))
    });
}

/// The peer of a veth polls with GRO, and then takes frames. The switch has it.
fn peer_polls(lab: &Lab, on: bool) {
    let word = if on { "on" } else { "off" };
    lab.exec("switch", &["ethtool", "-K", "director", "gro", word]);
}

#[test]
fn a_lease_is_for_xdp_where_that_is_on_and_the_way_out_takes_frames() {
    let lab = Lab::new();
    lab.apply(&fast());
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    warm(&lab, &mut talk);
    let without = lease(&lab).unwrap();
    assert_eq!((without.to, without.xdp), ([0; 6], 0));
    peer_polls(&lab, true);
    switch(&lab, "on");
    let us = mac(&lab, "eth0");
    let takes = u16::from(devices_announce_xdp());
    renewed(&lab, &mut talk, "a lease for XDP", |lease| {
        (lease.to, lease.xdp) == (us, takes)
    });
    // The change of the peer ends the lease.
    for on in [false, true] {
        peer_polls(&lab, on);
        let takes = u16::from(on && devices_announce_xdp());
        renewed(&lab, &mut talk, "the lease follows the device", |lease| {
            (lease.to, lease.xdp) == (us, takes)
        });
    }
    // The address of the interface changes, and the client learns it.
    let new = [2, 0, 0, 0, 7, 7];
    lab.exec(
        "director",
        &["ip", "link", "set", "eth0", "address", "02:00:00:00:07:07"],
    );
    lab.exec("client", &["ip", "neighbour", "flush", "dev", "eth0"]);
    renewed(&lab, &mut talk, "the lease follows the address", |lease| {
        lease.to == new
    });
    switch(&lab, "off");
    renewed(&lab, &mut talk, "a lease without XDP", |lease| {
        (lease.to, lease.xdp) == ([0; 6], 0)
    });
}

/// Puts a bridge, a bond or a VLAN on top of eth1, as the way to the servers.
pub fn way_over(lab: &Lab, kind: &str) {
    let over: &[&str] = match kind {
        "vlan" => &["link add link eth1 name over0 type vlan id 7"],
        "bond" => &[
            "link set eth1 down",
            "link add over0 type bond mode active-backup",
            "link set eth1 master over0",
        ],
        _ => &[
            "link add over0 type bridge forward_delay 0",
            "link set eth1 master over0",
        ],
    };
    for words in over {
        let words: Vec<&str> = words.split(' ').collect();
        lab.exec("director", &[&["ip"], &words[..]].concat());
    }
    if kind == "vlan" {
        for server in ["server1", "server2"] {
            for words in [
                "link add link eth0 name tagged type vlan id 7",
                "addr flush dev eth0",
                "link set tagged up",
                if server == "server1" {
                    "addr add 10.2.0.2/24 dev tagged"
                } else {
                    "addr add 10.2.0.3/24 dev tagged"
                },
            ] {
                let words: Vec<&str> = words.split(' ').collect();
                lab.exec(server, &[&["ip"], &words[..]].concat());
            }
        }
    }
    for words in [
        "addr flush dev eth1",
        "link set over0 up",
        "addr add 10.2.0.1/24 dev over0",
        "addr add 10.2.0.100/24 dev over0",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        lab.exec("director", &[&["ip"], &words[..]].concat());
    }
}

#[test]
fn a_lease_out_of_a_bridge_a_bond_or_a_vlan_is_not_for_xdp() {
    for kind in ["bridge", "bond", "vlan"] {
        let lab = Lab::new();
        lab.apply(&fast());
        peer_polls(&lab, true);
        switch(&lab, "on");
        way_over(&lab, kind);
        let us = mac(&lab, "eth0");
        let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
        renewed(&lab, &mut talk, "a lease", |lease| {
            (lease.to, lease.xdp) == (us, 0)
        });
    }
}
