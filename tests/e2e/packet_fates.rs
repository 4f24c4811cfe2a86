// SPDX-License-Identifier: GPL-2.0-only
//! Counters of the module and of the kernel that say what became of a packet that was not
//! translated: it was forwarded, delivered to this host, or dropped. Each packet is counted
//! at least once.

use std::collections::BTreeMap;
use std::fs;

use packet_fixtures::fixture::Side;
use packet_fixtures::read::{SCTP, TCP, read};
use packet_fixtures::world::World;

use crate::packet_fixtures::SERVICES;
use crate::packet_wire::Wire;

/// `/proc/net/snmp` and `netstat`: the name of the line, then that of the counter.
const OF_IPV4: [&str; 13] = [
    "Ip:InHdrErrors",
    "Ip:InAddrErrors",
    "Ip:ForwDatagrams",
    "Ip:InUnknownProtos",
    "Ip:InDiscards",
    "Ip:InDelivers",
    "Ip:OutNoRoutes",
    "Ip:ReasmReqds",
    "Ip:FragFails",
    "IpExt:InNoRoutes",
    "IpExt:InTruncatedPkts",
    "TcpExt:IPReversePathFilter",
    // Counted once more as a whole.
    "Ip:ReasmOKs",
];

/// `/proc/net/snmp6`
const OF_IPV6: [&str; 9] = [
    "Ip6InHdrErrors",
    "Ip6InTooBigErrors",
    "Ip6InNoRoutes",
    "Ip6InAddrErrors",
    "Ip6InUnknownProtos",
    "Ip6InTruncatedPkts",
    "Ip6InDiscards",
    "Ip6InDelivers",
    "Ip6OutForwDatagrams",
];

/// `/proc/net/stat/rt_cache`: addresses that no packet may have.
const OF_ROUTES: [&str; 2] = ["in_martian_dst", "in_martian_src"];

pub type Fates = BTreeMap<String, i64>;

fn file(name: &str) -> String {
    fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap()
}

/// The counters, in the network namespace of the calling thread.
pub fn counted(wire: &Wire) -> Fates {
    let mut fates = Fates::new();
    for name in ["snmp", "netstat"] {
        let text = file(name);
        let lines: Vec<_> = text.lines().collect();
        for pair in lines.chunks(2) {
            let mut words = pair.iter().map(|line| line.split_whitespace());
            let (names, values) = (words.next().unwrap(), words.next().unwrap());
            let mut of = "";
            for (name, value) in names.zip(values) {
                if of.is_empty() {
                    of = name;
                    continue;
                }
                let name = format!("{of}{name}");
                if OF_IPV4.contains(&name.as_str()) {
                    fates.insert(name, value.parse().unwrap());
                }
            }
        }
    }
    for line in file("snmp6").lines() {
        let (name, value) = line.split_once(char::is_whitespace).unwrap();
        if OF_IPV6.contains(&name) {
            fates.insert(name.to_owned(), value.trim().parse().unwrap());
        }
    }
    let text = file("stat/rt_cache");
    let (names, processors) = text.split_once('\n').unwrap();
    for line in processors.lines() {
        for (name, value) in names.split_whitespace().zip(line.split_whitespace()) {
            if OF_ROUTES.contains(&name) {
                *fates.entry(name.to_owned()).or_default() +=
                    i64::from_str_radix(value, 16).unwrap();
            }
        }
    }
    for (name, value) in wire.counters() {
        if name.starts_with("drop_") || name == "rewrite_failed" {
            fates.insert(name, value as i64);
        }
    }
    fates
}

/// How much they have grown. `markers` came in between, each of which is counted once.
pub fn grown(before: &Fates, after: &Fates, markers: u32) -> (i64, Fates) {
    let mut fates = Fates::new();
    let mut sum = -i64::from(markers);
    for (name, value) in after {
        let grown = value - before.get(name).copied().unwrap_or_default();
        if grown != 0 {
            sum += if name == "Ip:ReasmOKs" { -grown } else { grown };
            fates.insert(name.clone(), grown);
        }
    }
    (sum, fates)
}

/// True if a counter says what became of the frame, if nothing did that is translated. The
/// module counts what it drops. The kernel itself drops these without a counter:
/// - frames for other hosts, and of another type;
/// - packets for groups of hosts that this one is not of;
/// - a source route (ip_input.c: ip_rcv_options());
/// - most extension headers of IPv6: fragments (nf_conntrack_reasm.c), type 4 of routing
///   headers (exthdrs.c: ipv6_srh_rcv()), and what IPVS cannot read;
/// - a transport header that is cut off, which IPVS drops (ip_vs_proto_tcp.c:
///   tcp_conn_schedule()), also for addresses and ports that are of no service;
/// - a wrong checksum in what a server sends to the client directly, for which IPVS answers
///   (ip_vs_proto_sctp.c: sctp_snat_handler()).
pub fn is_counted(wire: &Wire, side: Side, frame: &[u8], packet: &[u8], world: &World) -> bool {
    let family = match frame.get(12..14) {
        Some([0x08, 0x00]) => 4,
        Some([0x86, 0xdd]) => 6,
        _ => return false,
    };
    if frame[..6] != wire.macs(side)[0] {
        return false;
    }
    let Some(read) = read(packet).filter(|read| read.family == family) else {
        return true;
    };
    let group = match family {
        4 => read.destination(packet)[0] >> 4 == 14,
        _ => read.destination(packet)[0] == 0xff,
    };
    let skipped = &packet[read.addresses[1]..read.transport.clamp(read.addresses[1], packet.len())];
    let refused = match family {
        4 => has_source_route(skipped),
        _ => read.fragment || !skipped.is_empty(),
    };
    let least = match read.protocol {
        TCP => 20,
        SCTP => 16,
        _ => 8,
    };
    let is = |address: &[u8], name| address == world.octets(name, family);
    let of_service = read.ends(packet).is_some_and(|ends| {
        let service = |row: &(u8, u16, u16)| (row.0, row.1) == (ends.protocol, ends.ports[1]);
        is(read.destination(packet), "vip") && SERVICES.iter().any(service)
    });
    let direct = is(read.source(packet), "server") && is(read.destination(packet), "client");
    !group && !refused && !direct && (of_service || read.transport + least <= read.end)
}

fn has_source_route(options: &[u8]) -> bool {
    options.iter().any(|byte| [131, 137].contains(byte))
}
