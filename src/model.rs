// SPDX-License-Identifier: GPL-2.0-only
//! The state of a director. The wanted state of a file and the actual state of a kernel
//! have the same types, so that the plan can compare them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::Serialize;

mod full_nat;
mod network;
mod port_secret;
mod rule;
mod scheduler_flags;
mod settings;
mod source_line;
mod toa;
mod unfit;

pub use full_nat::{ClientAddress, FullNat};
pub use network::{Network, are_every_address};
pub use port_secret::PortSecret;
pub use rule::Rule;
pub use scheduler_flags::{fallback_flag, refuses_at_weight_0, scheduler_flag, scheduler_flags};
pub use settings::{SyncDaemon, SyncDaemons, SyncState, Sysctls, Timeout, Timeouts};
pub use source_line::{SourceLine, SourceLines};
pub use toa::Toa;
pub use unfit::Unfit;

/// Everything that a file describes and `apply` reconciles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub timeouts: Timeouts,
    pub sysctls: Sysctls,
    /// `None`: the file does not mention the sync daemons, and they are left unchanged.
    pub sync: Option<SyncDaemons>,
    /// `None`: each director chooses local ports by a random key of its own.
    pub port_secret: Option<PortSecret>,
    /// The eBPF data plane, which is the fast path of full NAT. `None`: no data plane.
    pub datapath: Option<Datapath>,
    /// The SNAT local IPs, keyed by pool and address.
    pub local_ips: BTreeMap<LocalIp, PortRange>,
    /// The full-NAT services in the module. A service that is not in it is native.
    pub full_nat: BTreeMap<ServiceKey, FullNat>,
    /// Full NAT for services that other programs add to IPVS. No two rules overlap.
    pub rules: BTreeMap<Rule, FullNat>,
    /// The virtual services of IPVS with their servers.
    pub services: BTreeMap<ServiceKey, Service>,
    /// `None`: the file does not mention the receiver of clients' addresses, and it is
    /// left unchanged.
    pub toa: Option<Toa>,
    /// The services whose servers are managed by another program. Only a file can say
    /// this. The kernel does not know it, so it is never observed.
    pub external_servers: BTreeSet<ServiceKey>,
}

impl State {
    /// True if the state needs the module.
    pub fn needs_module(&self) -> bool {
        self.datapath.is_some()
            || !self.local_ips.is_empty()
            || !self.full_nat.is_empty()
            || !self.rules.is_empty()
    }

    /// The rule that makes a service of another program full NAT.
    pub fn rule_of(&self, key: &ServiceKey) -> Option<(&Rule, &FullNat)> {
        self.rules.iter().find(|(rule, _)| rule.covers(key))
    }
}

/// The eBPF data plane of one network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Datapath {
    /// Names of the interfaces that carry the programs.
    pub interfaces: BTreeSet<String>,
    /// Those of them that carry the program of XDP in their drivers, too.
    pub xdp: BTreeSet<String>,
    /// The number of sessions of each family that the session maps can hold.
    pub max_sessions: u32,
    /// True if the programs may forward packets of flows that IPVS has accepted.
    pub fast_path: bool,
    /// The programs are of another build, have no pins, or an earlier run was interrupted
    /// while it replaced them or took one from XDP. A file never asks for this.
    pub other_build: bool,
}

/// A local IP (LIP): an address of the director that full NAT uses as the source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LocalIp {
    pub pool: String,
    pub address: IpAddr,
}

/// A range of ports, both ends included. Host byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct PortRange {
    pub first: u16,
    pub last: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    Ipv4,
    Ipv6,
}

/// The identity of a virtual service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKey {
    /// Protocol, address and port (host byte order). Port 0 means every port.
    Address {
        protocol: Protocol,
        address: SocketAddr,
    },
    /// A firewall mark (32 bits) and the family of the packets that carry it.
    Fwmark { mark: u32, family: Family },
}

/// A virtual service of IPVS (`struct ip_vs_service`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The scheduler's name in the kernel (`wrr`).
    pub scheduler: String,
    /// `IP_VS_SVC_F_SCHED1..3`, in this order. Their meaning depends on the scheduler.
    pub scheduler_flags: [bool; 3],
    pub persistence: Option<Persistence>,
    /// `IP_VS_SVC_F_ONEPACKET`: every packet is scheduled separately.
    pub one_packet: bool,
    pub servers: BTreeMap<SocketAddr, Server>,
}

/// `ipvsadm -p`: a client's later connections go to the same server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Persistence {
    /// In seconds.
    pub timeout: u32,
    pub netmask: Netmask,
    /// The persistence engine (`sip`), if any.
    pub engine: Option<String>,
}

/// The part of a client's address that persistence compares: a mask for IPv4 (the kernel
/// allows any), a prefix length for IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Netmask {
    V4(Ipv4Addr),
    V6(u8),
}

/// A real server of a service (`struct ip_vs_dest`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// 0: the server gets no new connections.
    pub weight: u32,
    pub forward: Forward,
    /// The server gets no new connections above this number. 0: no limit.
    pub upper_threshold: u32,
    /// The server gets connections again below this number. 0: three quarters of the
    /// upper.
    pub lower_threshold: u32,
}

/// How packets reach a real server (`IP_VS_CONN_F_FWD_MASK`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forward {
    Masq,
    Route,
    Tunnel(Tunnel),
    /// The server is this host (`IP_VS_CONN_F_LOCALNODE`). Only the kernel chooses this.
    Local,
}

/// `IP_VS_CONN_F_TUNNEL_TYPE_*` with its port and checksum flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tunnel {
    Ipip,
    Gue { port: u16, checksum: TunnelChecksum },
    Gre { checksum: TunnelChecksum },
}

/// `IP_VS_TUNNEL_ENCAP_FLAG_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelChecksum {
    None,
    Full,
    Remote,
}

impl Protocol {
    /// The protocols that full NAT supports.
    pub const ALL: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];

    /// The protocol's number in the IP header.
    pub fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
        }
    }

    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            6 => Some(Protocol::Tcp),
            17 => Some(Protocol::Udp),
            132 => Some(Protocol::Sctp),
            _ => None,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        })
    }
}

impl Family {
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        }
    }

    /// The length of an address.
    pub fn bits(self) -> u8 {
        match self {
            Family::Ipv4 => 32,
            Family::Ipv6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::Ipv4 => "IPv4",
            Family::Ipv6 => "IPv6",
        })
    }
}

impl Forward {
    /// The name in the configuration file.
    pub fn name(&self) -> &'static str {
        match self {
            Forward::Masq => "masq",
            Forward::Route => "route",
            Forward::Tunnel(_) => "tunnel",
            Forward::Local => "local",
        }
    }

    /// The tunnel, if packets are sent through one.
    pub fn tunnel(&self) -> Option<Tunnel> {
        match self {
            Forward::Tunnel(tunnel) => Some(*tunnel),
            _ => None,
        }
    }
}

impl ServiceKey {
    /// `None`: the service is a firewall mark, which keeps the port of each packet.
    pub fn port(&self) -> Option<u16> {
        match self {
            ServiceKey::Address { address, .. } => Some(address.port()),
            ServiceKey::Fwmark { .. } => None,
        }
    }

    pub fn family(&self) -> Family {
        match self {
            ServiceKey::Address { address, .. } => Family::of(address.ip()),
            ServiceKey::Fwmark { family, .. } => *family,
        }
    }
}

/// The name in the configuration file: `tcp://10.0.0.1:80`, `fwmark://7`, `fwmark6://7`.
impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceKey::Address { protocol, address } => write!(f, "{protocol}://{address}"),
            ServiceKey::Fwmark {
                mark,
                family: Family::Ipv4,
            } => write!(f, "fwmark://{mark}"),
            ServiceKey::Fwmark {
                mark,
                family: Family::Ipv6,
            } => write!(f, "fwmark6://{mark}"),
        }
    }
}

impl fmt::Display for LocalIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in pool \"{}\"", self.address, self.pool)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl PortRange {
    pub fn count(self) -> u32 {
        (u32::from(self.last) + 1).saturating_sub(self.first.into())
    }

    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// The ports that are in both ranges. If there are none, the last is before the
    /// first.
    pub fn common(self, other: PortRange) -> PortRange {
        PortRange {
            first: self.first.max(other.first),
            last: self.last.min(other.last),
        }
    }
}

impl Netmask {
    /// The mask that compares the whole address, the kernel's default.
    pub fn whole(family: Family) -> Self {
        match family {
            Family::Ipv4 => Netmask::V4(Ipv4Addr::BROADCAST),
            Family::Ipv6 => Netmask::V6(128),
        }
    }
}
