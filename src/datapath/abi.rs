// SPDX-License-Identifier: GPL-2.0-only
//! The values of the eBPF maps: the mirror of `kmod/ip_vs_bpf_abi.h`, compared with it by
//! `tests/abi_layout.rs`. Fields named `*_be` are in network byte order, the others in
//! host byte order.

use aya::Pod;

/// `struct ipvs_bpf_tuple4`: a flow as it is on the wire.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuple4 {
    pub saddr_be: u32,
    pub daddr_be: u32,
    pub sport_be: u16,
    pub dport_be: u16,
    pub protocol: u8,
    pub pad: [u8; 3],
}

/// `struct ipvs_bpf_tuple6`: the same for IPv6.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuple6 {
    pub saddr_be: [u32; 4],
    pub daddr_be: [u32; 4],
    pub sport_be: u16,
    pub dport_be: u16,
    pub protocol: u8,
    pub pad: [u8; 3],
}

/// `IPVS_BPF_ORIGINAL`: client → VIP.
pub const ORIGINAL: u8 = 0;
/// `IPVS_BPF_REPLY`: real server → local IP.
pub const REPLY: u8 = 1;

/// `struct ipvs_bpf_lease`: the fast path of one direction of a session. `until` is in
/// jiffies of the kernel. 0: there is no lease.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    pub until: u64,
    /// Bytes, and packets in the lower [`PACKET_BITS`].
    pub forwarded: u64,
    pub iif: u32,
    pub ifindex: u32,
    pub mtu: u16,
    /// One's complement sums of 16-bit words in network byte order. They are what the
    /// translation adds to the checksum of the IPv4 header and to that of the transport
    /// header.
    pub header: u16,
    pub transport: u16,
    /// The sum of the incoming addresses and the protocol.
    pub pseudo: u16,
    /// The first 12 bytes of the frame.
    pub macs: [u32; 3],
    pub generation: u32,
    /// The destination of incoming frames.
    pub to: [u8; 6],
    /// 1: the egress interface takes frames from XDP.
    pub xdp: u16,
}

/// `IPVS_BPF_PACKET_BITS`.
pub const PACKET_BITS: u32 = 26;

/// `IPVS_BPF_COUNTERS_ROOM`: the entries of the map `counters`.
pub const COUNTERS_ROOM: usize = 64;

/// `struct ipvs_bpf_slot4`: a flow with a lease, and the packet that full NAT makes of
/// it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot4 {
    pub from: Tuple4,
    pub saddr_be: u32,
    pub daddr_be: u32,
    pub sport_be: u16,
    pub dport_be: u16,
    /// The time of the last packet: the lower half of `bpf_jiffies64()`.
    pub last: u32,
    pub lease: Lease,
}

/// `struct ipvs_bpf_slot6`: the same for IPv6.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot6 {
    pub from: Tuple6,
    pub saddr_be: [u32; 4],
    pub daddr_be: [u32; 4],
    pub sport_be: u16,
    pub dport_be: u16,
    /// The time of the last packet: the lower half of `bpf_jiffies64()`.
    pub last: u32,
    pub lease: Lease,
}

/// `IPVS_BPF_SLOTS`.
pub const SLOTS: usize = 4;

/// `struct ipvs_bpf_set4`: the value of the array map `flows4`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set4 {
    /// Odd while the module writes the set.
    pub sequence: u32,
    pub pad: u32,
    pub slot: [Slot4; SLOTS],
}

/// `struct ipvs_bpf_set6`: the value of the array map `flows6`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set6 {
    /// Odd while the module writes the set.
    pub sequence: u32,
    pub pad: u32,
    pub slot: [Slot6; SLOTS],
}

/// `IPVS_BPF_PORTS`.
pub const PORTS: usize = 16;

/// `struct ipvs_bpf_control`: the value of the array map `control`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Control {
    pub seed: u64,
    /// The number of sets in each of the two maps.
    pub sets: u32,
    /// The generation of the valid leases.
    pub generation: u32,
    /// The index of a bond in the upper half, that of one of its ports in the lower half.
    pub ports: [u64; PORTS],
}

macro_rules! counters {
    ($($name:ident = $value:literal => $c_name:literal, $meaning:literal, $cure:expr;)*) => {
        /// `enum ipvs_bpf_counter`: the index into the per-CPU array map `counters`.
        /// Counts the packets that the programs forwarded or refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Counter { $($name = $value,)* }

        impl Counter {
            pub const ALL: &[Counter] = &[$(Counter::$name,)*];

            /// Its name in the C header.
            pub fn c_name(self) -> &'static str {
                match self { $(Counter::$name => $c_name,)* }
            }

            /// The name without the prefix, in lower case.
            pub fn name(self) -> String {
                let name = self.c_name();
                name.strip_prefix("IPVS_BPF_").unwrap_or(name).to_lowercase()
            }

            pub fn meaning(self) -> &'static str {
                match self { $(Counter::$name => $meaning,)* }
            }

            /// `None`: the counter does not mean trouble.
            pub fn cure(self) -> Option<&'static str> {
                match self { $(Counter::$name => $cure,)* }
            }
        }
    };
}

counters! {
    RewriteFailed = 0 => "IPVS_BPF_REWRITE_FAILED", "packets dropped: the kernel refused a write",
        Some("capture the packet: its headers are cut off, or the kernel is out of memory");
    XdpPackets = 1 => "IPVS_BPF_XDP_PACKETS", "packets forwarded at XDP",
        None;
}

// SAFETY: plain integers in C layout, without implicit padding. Every byte pattern is a
// valid value, and no value has uninitialised bytes.
unsafe impl Pod for Tuple4 {}
// SAFETY: as above.
unsafe impl Pod for Tuple6 {}
// SAFETY: as above.
unsafe impl Pod for Lease {}
// SAFETY: as above.
unsafe impl Pod for Set4 {}
// SAFETY: as above.
unsafe impl Pod for Set6 {}
// SAFETY: as above.
unsafe impl Pod for Control {}
