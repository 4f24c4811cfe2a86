// SPDX-License-Identifier: GPL-2.0-only
//! The IPVS settings of the whole network namespace: timeouts, sysctls, and the daemons
//! that synchronise connections with another director.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// How long a connection lives without a packet, in seconds. In a file, `None` means that
/// the timeout is left unchanged. In the observed state, it means that the kernel does
/// not have it: the protocol or full NAT is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// In the state ESTABLISHED.
    pub tcp: Option<u32>,
    /// In the state FIN_WAIT.
    pub tcp_fin: Option<u32>,
    pub udp: Option<u32>,
    /// The timeout of a full-NAT session until it is answered
    /// (`kmod/session/unanswered.c`).
    pub tcp_unanswered: Option<u32>,
    pub udp_unanswered: Option<u32>,
    pub sctp_unanswered: Option<u32>,
}

/// One of [`Timeouts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timeout {
    Tcp,
    TcpFin,
    Udp,
    TcpUnanswered,
    UdpUnanswered,
    SctpUnanswered,
}

/// `net.ipv4.vs.*` by name. A value has the kernel's format, with one space between its
/// words. A sysctl that a file does not list is left unchanged.
pub type Sysctls = BTreeMap<String, String>;

/// `struct ipvs_sync_daemon_cfg`: a kernel daemon that sends the connections of this
/// director or receives those of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncDaemon {
    pub interface: String,
    /// A backup accepts messages with its id. With id 0 it accepts all.
    pub id: u8,
    pub group: IpAddr,
    /// UDP, host byte order.
    pub port: u16,
    /// The hop limit if the group is IPv6.
    pub ttl: u8,
    /// The bytes of a message without its IP and UDP headers. `None`: the kernel derives
    /// it from the interface's MTU when the daemon starts.
    pub sync_maxlen: Option<u16>,
}

/// Both daemons of a namespace. They can run at the same time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncDaemons {
    pub master: Option<SyncDaemon>,
    pub backup: Option<SyncDaemon>,
}

/// `IP_VS_STATE_MASTER`, `IP_VS_STATE_BACKUP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SyncState {
    Master,
    Backup,
}

impl Timeouts {
    pub fn get(&self, timeout: Timeout) -> Option<u32> {
        match timeout {
            Timeout::Tcp => self.tcp,
            Timeout::TcpFin => self.tcp_fin,
            Timeout::Udp => self.udp,
            Timeout::TcpUnanswered => self.tcp_unanswered,
            Timeout::UdpUnanswered => self.udp_unanswered,
            Timeout::SctpUnanswered => self.sctp_unanswered,
        }
    }

    pub fn set(&mut self, timeout: Timeout, seconds: Option<u32>) {
        *match timeout {
            Timeout::Tcp => &mut self.tcp,
            Timeout::TcpFin => &mut self.tcp_fin,
            Timeout::Udp => &mut self.udp,
            Timeout::TcpUnanswered => &mut self.tcp_unanswered,
            Timeout::UdpUnanswered => &mut self.udp_unanswered,
            Timeout::SctpUnanswered => &mut self.sctp_unanswered,
        } = seconds;
    }
}

impl Timeout {
    /// The timeouts of IPVS itself.
    pub const IPVS: [Timeout; 3] = [Timeout::Tcp, Timeout::TcpFin, Timeout::Udp];
    /// The timeouts of the module. They exist only with the datapath.
    pub const UNANSWERED: [Timeout; 3] = [
        Timeout::TcpUnanswered,
        Timeout::UdpUnanswered,
        Timeout::SctpUnanswered,
    ];
    pub const ALL: [Timeout; 6] = [
        Timeout::Tcp,
        Timeout::TcpFin,
        Timeout::Udp,
        Timeout::TcpUnanswered,
        Timeout::UdpUnanswered,
        Timeout::SctpUnanswered,
    ];

    /// The name in the configuration file.
    pub fn name(self) -> &'static str {
        match self {
            Timeout::Tcp => "tcp",
            Timeout::TcpFin => "tcp_fin",
            Timeout::Udp => "udp",
            Timeout::TcpUnanswered => "tcp_unanswered",
            Timeout::UdpUnanswered => "udp_unanswered",
            Timeout::SctpUnanswered => "sctp_unanswered",
        }
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl SyncDaemon {
    /// `IP_VS_SYNC_GROUP`.
    pub const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 81));
    /// `IP_VS_SYNC_PORT`.
    pub const PORT: u16 = 8848;
    pub const TTL: u8 = 1;
}

impl SyncDaemons {
    pub fn get(&self, state: SyncState) -> Option<&SyncDaemon> {
        match state {
            SyncState::Master => self.master.as_ref(),
            SyncState::Backup => self.backup.as_ref(),
        }
    }

    pub fn set(&mut self, state: SyncState, daemon: Option<SyncDaemon>) {
        *match state {
            SyncState::Master => &mut self.master,
            SyncState::Backup => &mut self.backup,
        } = daemon;
    }
}

impl SyncState {
    pub const ALL: [SyncState; 2] = [SyncState::Master, SyncState::Backup];
}

/// The name in the configuration file.
impl fmt::Display for SyncState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SyncState::Master => "master",
            SyncState::Backup => "backup",
        })
    }
}
