// SPDX-License-Identifier: GPL-2.0-only
//! Bytes to what a packet says of itself. Never panics: hostile packets come in here.

pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const SCTP: u8 = 132;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// A packet's place of things. All offsets are within it, but for the transport header,
/// which may be cut short or missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub family: u8,
    /// The place of both addresses.
    pub addresses: [usize; 2],
    pub protocol: u8,
    pub transport: usize,
    /// The end by the IP header's length, at most that of the bytes.
    pub end: usize,
    /// A fragment, the first one included.
    pub fragment: bool,
}

/// Source and destination of a packet, of one protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ends {
    pub protocol: u8,
    /// Source and destination, adjacent.
    pub addresses: Vec<u8>,
    pub ports: [u16; 2],
}

impl Ends {
    /// The ends of what answers.
    pub fn reversed(&self) -> Self {
        let (source, destination) = self.addresses.split_at(self.addresses.len() / 2);
        Self {
            protocol: self.protocol,
            addresses: [destination, source].concat(),
            ports: [self.ports[1], self.ports[0]],
        }
    }
}

pub fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([pair[0], pair[1]]))
}

/// Reads a packet from its IP header on. `None`: not even that header is whole.
pub fn read(packet: &[u8]) -> Option<Read> {
    match packet.first()? >> 4 {
        4 => read4(packet),
        6 => read6(packet),
        _ => None,
    }
}

fn read4(packet: &[u8]) -> Option<Read> {
    let header = usize::from(packet[0] & 15) * 4;
    if header < 20 || packet.len() < header {
        return None;
    }
    Some(Read {
        family: 4,
        addresses: [12, 20],
        protocol: packet[9],
        transport: header,
        end: packet.len().min(word(packet, 2)?.into()).max(header),
        fragment: word(packet, 6)? & 0x3fff != 0,
    })
}

fn read6(packet: &[u8]) -> Option<Read> {
    if packet.len() < 40 {
        return None;
    }
    let mut read = Read {
        family: 6,
        addresses: [8, 40],
        protocol: packet[6],
        transport: 40,
        end: packet.len().min(40 + usize::from(word(packet, 4)?)),
        fragment: false,
    };
    while [0, 43, 44, 51, 60].contains(&read.protocol) {
        // The packet ends within its headers.
        let Some(header) = packet.get(read.transport..read.transport + 8) else {
            break;
        };
        let length = match read.protocol {
            44 => {
                read.fragment |= word(header, 2)? & 0xfff9 != 0;
                8
            }
            51 => (usize::from(header[1]) + 2) * 4,
            _ => (usize::from(header[1]) + 1) * 8,
        };
        if read.protocol == 44 && word(header, 2)? & 0xfff8 != 0 {
            break;
        }
        read.protocol = header[0];
        read.transport += length;
    }
    Some(read)
}

impl Read {
    pub fn addresses<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        &packet[self.addresses[0]..self.addresses[1]]
    }

    pub fn source<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        let addresses = self.addresses(packet);
        &addresses[..addresses.len() / 2]
    }

    pub fn destination<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        let addresses = self.addresses(packet);
        &addresses[addresses.len() / 2..]
    }

    pub fn has_ports(&self) -> bool {
        [TCP, UDP, SCTP].contains(&self.protocol)
    }

    pub fn ends(&self, packet: &[u8]) -> Option<Ends> {
        if !self.has_ports() {
            return None;
        }
        Some(Ends {
            protocol: self.protocol,
            addresses: self.addresses(packet).to_vec(),
            ports: [
                word(packet, self.transport)?,
                word(packet, self.transport + 2)?,
            ],
        })
    }

    /// The place of the 16-bit checksum of the transport header.
    pub fn check(&self) -> Option<usize> {
        match self.protocol {
            TCP => Some(self.transport + 16),
            UDP => Some(self.transport + 6),
            ICMP if self.family == 4 => Some(self.transport + 2),
            ICMPV6 if self.family == 6 => Some(self.transport + 2),
            _ => None,
        }
    }

    /// The type of an ICMP message of this family.
    pub fn icmp(&self, packet: &[u8]) -> Option<u8> {
        let own = if self.family == 4 { ICMP } else { ICMPV6 };
        if self.protocol != own || packet.len() < self.transport + 8 {
            return None;
        }
        packet.get(self.transport).copied()
    }

    /// The place of the packet that an ICMP error is about.
    pub fn quote(&self, packet: &[u8]) -> Option<usize> {
        let kind = self.icmp(packet)?;
        let error = match self.family {
            4 => [3, 4, 5, 11, 12].contains(&kind),
            _ => kind < 128,
        };
        error.then_some(self.transport + 8)
    }
}
