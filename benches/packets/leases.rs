// SPDX-License-Identifier: GPL-2.0-only
//! The fast path without the module. This writes the flows, and leases that never end.
//! The module normally gives the leases, but here only the program is measured.

use aya::maps::{Array, MapData};
use aya::{Ebpf, EbpfLoader, Pod};
use ipvs_bpf::datapath::abi::{Control, Lease, Set4, Set6, Slot4, Slot6, Tuple4, Tuple6};
use std::net::{IpAddr, SocketAddr};

use crate::flow::{
    CLIENT_MAC, DIRECTOR_CLIENT_MAC, DIRECTOR_SERVER_MAC, FAMILIES, Family, Flow, Protocol,
    SERVER_MAC, SERVER_PORT, server,
};
use crate::namespace::Namespace;
use crate::network::{CLIENT_SIDE, SERVER_SIDE};
use crate::path::Path;
use crate::programs::{Place, at, leave};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/ipvs_bpf.o"));

const ALLOWED: &str = "root may load eBPF programs and write their maps";

/// A director that only has the program. It knows this many UDP flows of each family.
pub fn set_up(director: &Namespace, flows: u32) {
    let mut object = EbpfLoader::new()
        .map_max_entries("flows4", sets(flows))
        .map_max_entries("flows6", sets(flows))
        .load(OBJECT)
        .expect(ALLOWED);
    director.within(|| {
        for interface in ["eth0", "eth1"] {
            at(&mut object, "ipvs_ingress", interface, Place::Last);
        }
    });
    let mut control: Array<_, Control> = array(&mut object, ".data.control");
    let mut flows4: Array<_, Set4> = array(&mut object, "flows4");
    let mut flows6: Array<_, Set6> = array(&mut object, "flows6");
    let of_all = Control {
        sets: sets(flows),
        seed: SEED,
        ..Control::default()
    };
    control.set(0, of_all, 0).expect(ALLOWED);
    for family in FAMILIES {
        for number in 0..flows {
            for translation in translations(family, number) {
                match family {
                    Family::Ipv4 => put(&mut flows4, &of_all, translation.of_ipv4()),
                    Family::Ipv6 => put(&mut flows6, &of_all, translation.of_ipv6()),
                }
            }
        }
    }
    leave(object);
}

/// A number like those that the module draws. With 0 all flows fall into few sets.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Enough sets that none is full: the benchmark measures flows that have a lease.
fn sets(flows: u32) -> u32 {
    (8 * flows).max(64)
}

fn array<V: Pod>(object: &mut Ebpf, name: &str) -> Array<MapData, V> {
    let map = object.take_map(name).expect(name);
    Array::try_from(map).expect(name)
}

/// A set of either family.
trait Set: Pod {
    type Slot: Copy;
    fn slots(&mut self) -> &mut [Self::Slot];
    fn is_free(slot: &Self::Slot) -> bool;
    fn words(slot: &Self::Slot) -> Vec<u64>;
}

impl Set for Set4 {
    type Slot = Slot4;
    fn slots(&mut self) -> &mut [Slot4] {
        &mut self.slot
    }
    fn is_free(slot: &Slot4) -> bool {
        slot.from.protocol == 0
    }
    fn words(slot: &Slot4) -> Vec<u64> {
        words_of(&slot.from)
    }
}

impl Set for Set6 {
    type Slot = Slot6;
    fn slots(&mut self) -> &mut [Slot6] {
        &mut self.slot
    }
    fn is_free(slot: &Slot6) -> bool {
        slot.from.protocol == 0
    }
    fn words(slot: &Slot6) -> Vec<u64> {
        words_of(&slot.from)
    }
}

fn words_of<T: Pod>(tuple: &T) -> Vec<u64> {
    let bytes: Vec<u8> = bytes_of(tuple).to_vec();
    let words = bytes.chunks_exact(8);
    words
        .map(|word| u64::from_ne_bytes(word.try_into().expect("eight bytes")))
        .collect()
}

fn bytes_of<T: Pod>(value: &T) -> &[u8] {
    // SAFETY: the value is plain data without padding, and the slice has its length.
    unsafe { std::slice::from_raw_parts((&raw const *value).cast(), size_of::<T>()) }
}

/// `ipvs_bpf_set()` in `kmod/ip_vs_bpf_hash.h`.
fn set_of(control: &Control, words: &[u64]) -> u32 {
    let by_upper_half = |sum: u64| sum.wrapping_mul(sum >> 32);
    let hash = words.iter().fold(control.seed, |hash, word| {
        by_upper_half(hash.wrapping_add(*word))
    });
    let hash = by_upper_half(hash);
    let folded = hash as u32 ^ (hash >> 32) as u32;
    ((u64::from(folded) * u64::from(control.sets)) >> 32) as u32
}

fn put<S: Set>(table: &mut Array<MapData, S>, control: &Control, slot: S::Slot) {
    let index = set_of(control, &S::words(&slot));
    let mut set = table.get(&index, 0).expect(ALLOWED);
    let free = set.slots().iter_mut().find(|slot| S::is_free(slot));
    *free.expect("a set has room") = slot;
    table.set(index, set, 0).expect(ALLOWED);
}

/// One direction of a flow: source and destination before and after the translation, and
/// the outgoing interface.
struct Translation {
    old: [SocketAddr; 2],
    new: [SocketAddr; 2],
    macs: [[u8; 6]; 2],
    iif: u32,
    ifindex: u32,
}

const PROTOCOL: u8 = 17;
const MTU: u16 = 1500;

fn translations(family: Family, number: u32) -> [Translation; 2] {
    let protocol = Protocol::Udp;
    let flow = Flow {
        family,
        protocol,
        number,
    };
    let client = SocketAddr::from(flow.client());
    let vip = SocketAddr::from(Path::FastAlone.destination(family));
    let local_ip = SocketAddr::from(Path::FastAlone.peer(family, flow.client()));
    let server = SocketAddr::from((server(family), SERVER_PORT));
    [
        Translation {
            old: [client, vip],
            new: [local_ip, server],
            macs: [SERVER_MAC, DIRECTOR_SERVER_MAC],
            iif: CLIENT_SIDE,
            ifindex: SERVER_SIDE,
        },
        Translation {
            old: [server, local_ip],
            new: [vip, client],
            macs: [CLIENT_MAC, DIRECTOR_CLIENT_MAC],
            iif: SERVER_SIDE,
            ifindex: CLIENT_SIDE,
        },
    ]
}

fn bytes(address: &SocketAddr) -> Vec<u8> {
    match address.ip() {
        IpAddr::V4(ip) => ip.octets().into(),
        IpAddr::V6(ip) => ip.octets().into(),
    }
}

/// The 32-bit words of an address, in network byte order.
fn words<const N: usize>(address: &SocketAddr) -> [u32; N] {
    let bytes = bytes(address);
    let mut words = bytes.chunks_exact(4).map(|word| {
        let word: [u8; 4] = word.try_into().expect("four bytes");
        u32::from_ne_bytes(word)
    });
    std::array::from_fn(|_| words.next().expect("an address of the family"))
}

/// The one's complement sum of 16-bit words in network byte order (RFC 1071).
fn sum(words: impl IntoIterator<Item = u16>) -> u16 {
    let sum = words.into_iter().map(u64::from).sum::<u64>();
    let folded = (0..3).fold(sum, |sum, _| (sum & 0xffff) + (sum >> 16));
    folded as u16
}

fn halves(address: &SocketAddr) -> Vec<u16> {
    let bytes = bytes(address);
    let halves = bytes.chunks_exact(2).map(|half| {
        let half: [u8; 2] = half.try_into().expect("two bytes");
        u16::from_ne_bytes(half)
    });
    halves.collect()
}

impl Translation {
    fn lease(&self) -> Lease {
        let taken = self.old.iter().flat_map(halves).map(|half| !half);
        let given = self.new.iter().flat_map(halves);
        let addresses: Vec<u16> = taken.chain(given).collect();
        let ports = self.old.map(|end| !end.port().to_be()).into_iter();
        let ports = ports.chain(self.new.map(|end| end.port().to_be()));
        let one_hop = !0x0100u16.to_be();
        // The length in the IPv6 header is also part of the pseudo-header.
        let less_header = self.old[0].is_ipv4().then_some(!20u16.to_be());
        let incoming = self.old.iter().flat_map(halves);
        let macs: Vec<u8> = self.macs.concat();
        let mut macs = macs.chunks_exact(4).map(|word| {
            let word: [u8; 4] = word.try_into().expect("four bytes");
            u32::from_ne_bytes(word)
        });
        Lease {
            until: u64::MAX,
            iif: self.iif,
            ifindex: self.ifindex,
            macs: std::array::from_fn(|_| macs.next().expect("twelve bytes")),
            mtu: MTU,
            header: sum(addresses.iter().copied().chain([one_hop])),
            transport: sum(addresses.iter().copied().chain(ports)),
            pseudo: sum(incoming
                .chain([u16::from(PROTOCOL).to_be()])
                .chain(less_header)),
            ..Lease::default()
        }
    }

    fn of_ipv4(&self) -> Slot4 {
        let [[saddr_be], [daddr_be]] = self.old.each_ref().map(words::<1>);
        let [sport_be, dport_be] = self.old.map(|end| end.port().to_be());
        let tuple = Tuple4 {
            saddr_be,
            daddr_be,
            sport_be,
            dport_be,
            protocol: PROTOCOL,
            pad: [0; 3],
        };
        let [[saddr_be], [daddr_be]] = self.new.each_ref().map(words::<1>);
        let [sport_be, dport_be] = self.new.map(|end| end.port().to_be());
        Slot4 {
            from: tuple,
            saddr_be,
            daddr_be,
            sport_be,
            dport_be,
            last: 0,
            lease: self.lease(),
        }
    }

    fn of_ipv6(&self) -> Slot6 {
        let [saddr_be, daddr_be] = self.old.each_ref().map(words::<4>);
        let [sport_be, dport_be] = self.old.map(|end| end.port().to_be());
        let tuple = Tuple6 {
            saddr_be,
            daddr_be,
            sport_be,
            dport_be,
            protocol: PROTOCOL,
            pad: [0; 3],
        };
        let [saddr_be, daddr_be] = self.new.each_ref().map(words::<4>);
        let [sport_be, dport_be] = self.new.map(|end| end.port().to_be());
        Slot6 {
            from: tuple,
            saddr_be,
            daddr_be,
            sport_be,
            dport_be,
            last: 0,
            lease: self.lease(),
        }
    }
}
