// SPDX-License-Identifier: GPL-2.0-only
//! Counters and rates of services and servers: `IPVS_STATS_ATTR_*`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use netlink_packet_core::{DecodeError, NLA_F_NESTED, NlasIterator, Parseable};
use serde::Serialize;

use super::attribute::{Counter, Value, attributes};
use super::error::Failure;

attributes! {
    /// The same numbers are in `*_STATS` and `*_STATS64`, in different widths.
    pub enum StatsAttribute {
        Conns(Counter) = 1,
        Inpkts(Counter) = 2,
        Outpkts(Counter) = 3,
        Inbytes(Counter) = 4,
        Outbytes(Counter) = 5,
        Cps(Counter) = 6,
        Inpps(Counter) = 7,
        Outpps(Counter) = 8,
        Inbps(Counter) = 9,
        Outbps(Counter) = 10,
    }
}

/// A nest of [`StatsAttribute`], not parsed. Most lists of services and servers do not
/// need it, and it is the larger part of each message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats(Vec<u8>);

impl From<Vec<StatsAttribute>> for Stats {
    fn from(attributes: Vec<StatsAttribute>) -> Self {
        let mut bytes = vec![0; attributes.length()];
        attributes.emit_into(&mut bytes);
        Stats(bytes)
    }
}

impl Value for Stats {
    const TYPE_FLAGS: u16 = NLA_F_NESTED;

    fn length(&self) -> usize {
        self.0.len()
    }

    fn emit_into(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.0);
    }

    fn parse_from(bytes: &[u8]) -> Result<Self, DecodeError> {
        Ok(Stats(bytes.to_vec()))
    }
}

/// The counters of a service or server since it was added or zeroed, and the kernel's
/// estimate of its current rates (over about two seconds).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// The number of connections scheduled.
    pub connections: u64,
    pub incoming_packets: u64,
    pub outgoing_packets: u64,
    pub incoming_bytes: u64,
    pub outgoing_bytes: u64,
    pub connections_per_second: u64,
    pub incoming_packets_per_second: u64,
    pub outgoing_packets_per_second: u64,
    pub incoming_bytes_per_second: u64,
    pub outgoing_bytes_per_second: u64,
}

/// The current connections of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Connections {
    pub active: u32,
    pub inactive: u32,
    /// The number of persistence templates.
    pub persistent: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceStatistics {
    pub counters: Counters,
    pub servers: BTreeMap<SocketAddr, ServerStatistics>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ServerStatistics {
    pub connections: Connections,
    pub counters: Counters,
}

impl Counters {
    /// Absent attributes count as 0.
    pub(super) fn read(stats: &Option<Stats>) -> Result<Self, Failure> {
        let mut counters = Counters::default();
        let bytes = stats.as_ref().map_or(&[][..], |stats| &stats.0);
        for attribute in NlasIterator::new(bytes) {
            let attribute = attribute.and_then(|attribute| StatsAttribute::parse(&attribute));
            let attribute = attribute.map_err(|error| Failure::Malformed(error.to_string()))?;
            let (place, value) = match attribute {
                StatsAttribute::Conns(value) => (&mut counters.connections, value),
                StatsAttribute::Inpkts(value) => (&mut counters.incoming_packets, value),
                StatsAttribute::Outpkts(value) => (&mut counters.outgoing_packets, value),
                StatsAttribute::Inbytes(value) => (&mut counters.incoming_bytes, value),
                StatsAttribute::Outbytes(value) => (&mut counters.outgoing_bytes, value),
                StatsAttribute::Cps(value) => (&mut counters.connections_per_second, value),
                StatsAttribute::Inpps(value) => (&mut counters.incoming_packets_per_second, value),
                StatsAttribute::Outpps(value) => (&mut counters.outgoing_packets_per_second, value),
                StatsAttribute::Inbps(value) => (&mut counters.incoming_bytes_per_second, value),
                StatsAttribute::Outbps(value) => (&mut counters.outgoing_bytes_per_second, value),
                StatsAttribute::Other(_) => continue,
            };
            *place = value.get();
        }
        Ok(counters)
    }
}
