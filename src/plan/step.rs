// SPDX-License-Identifier: GPL-2.0-only
//! One change of one kernel object.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use crate::model::{
    FullNat, Network, PortRange, PortSecret, Rule, Server, Service, ServiceKey, SyncDaemon,
    SyncState, Timeout,
};

/// One change of one kernel object. A change or removal carries the old value, so that it
/// can be shown.
///
/// A step's [`Display`](std::fmt::Display) is one line (`~ tcp://10.0.0.1:80 →
/// 10.2.0.2:8080 weight 1 → 3`); its JSON is described at its `Serialize`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The values are in seconds. An `old` of `None` is unknown, because IPVS is not
    /// loaded.
    ChangeTimeout {
        timeout: Timeout,
        old: Option<u32>,
        new: u32,
    },
    ChangeSysctl {
        name: String,
        old: Option<String>,
        new: String,
    },
    /// A running daemon cannot be changed: it is stopped and started again.
    StartDaemon {
        state: SyncState,
        new: SyncDaemon,
    },
    StopDaemon {
        state: SyncState,
        old: SyncDaemon,
    },

    /// Attach the receiver of clients' addresses, which trusts these local IPs.
    StartToa {
        trust: BTreeSet<Network>,
    },
    /// Trust other networks, or replace the programs of another build. Connections keep
    /// their addresses.
    ChangeToa {
        /// True if the programs are of another build or have lost pins.
        other_build: bool,
        old: BTreeSet<Network>,
        new: BTreeSet<Network>,
    },
    /// Detach the receiver. Servers then see the local IPs.
    StopToa {
        trust: BTreeSet<Network>,
    },

    /// Load the module, the maps and the programs, and register the maps with the module.
    /// Nothing is attached yet.
    StartDatapath {
        max_sessions: u32,
        fast_path: bool,
    },
    /// Give leases from now on, or let them run out. No connection breaks.
    ChangeFastPath {
        old: bool,
        new: bool,
    },
    /// Choose the ports of new sessions by this key. `None`: a random key.
    ChangePortSecret {
        old: Option<PortSecret>,
        new: Option<PortSecret>,
    },
    /// Load the programs of this build, with session maps for the new number of sessions.
    /// They replace the attached programs on all interfaces. Sessions continue.
    ChangeDatapath {
        /// True if the programs are of another build or have no pins. False if only the
        /// number changes.
        other_build: bool,
        old: u32,
        new: u32,
    },
    /// Attach the program to tc ingress of this interface.
    Attach {
        interface: String,
    },
    Detach {
        interface: String,
    },
    /// Attach the program of XDP to the driver of this interface. Many drivers reset their
    /// rings for it.
    AttachXdp {
        interface: String,
    },
    DetachXdp {
        interface: String,
    },
    /// Give the maps back and unload the programs and the module.
    ///
    /// The module refuses to give the maps back while there are sessions.
    StopDatapath {
        max_sessions: u32,
    },

    AddLocalIp {
        address: IpAddr,
        new: Assignment,
    },
    /// Change the ports, the pool, or both. The module's table is keyed by the address,
    /// so a move changes one entry. The address is always in exactly one pool.
    ChangeLocalIp {
        address: IpAddr,
        old: Assignment,
        new: Assignment,
    },
    RemoveLocalIp {
        address: IpAddr,
        old: Assignment,
    },
    /// Move an address together with services. The address is the only one of its family
    /// in the services' pool and the first one in the other pool.
    HandOver {
        address: IpAddr,
        old: Assignment,
        new: Assignment,
        services: Vec<ServiceKey>,
    },

    /// New connections of this service are full NAT.
    AddFullNat {
        service: ServiceKey,
        new: FullNat,
    },
    ChangeFullNat {
        service: ServiceKey,
        old: FullNat,
        new: FullNat,
    },
    /// New connections are native. Existing sessions keep their NAT.
    RemoveFullNat {
        service: ServiceKey,
        old: FullNat,
    },

    /// New connections of services that another program creates under the rule are full
    /// NAT.
    AddRule {
        rule: Rule,
        new: FullNat,
    },
    ChangeRule {
        rule: Rule,
        old: FullNat,
        new: FullNat,
    },
    /// New connections under the rule are native. Existing sessions keep their NAT.
    RemoveRule {
        rule: Rule,
        old: FullNat,
    },

    /// `new.servers` is empty, because each server is a separate step.
    AddService {
        service: ServiceKey,
        new: Service,
    },
    /// Change the service's own attributes; `servers` is empty in both.
    ChangeService {
        service: ServiceKey,
        old: Service,
        new: Service,
    },
    /// The kernel removes the servers in `old.servers` with their service.
    RemoveService {
        service: ServiceKey,
        old: Service,
    },

    AddServer {
        service: ServiceKey,
        server: SocketAddr,
        new: Server,
    },
    /// `IPVS_CMD_SET_DEST` edits every attribute of a server except its address. This
    /// includes the forwarding method.
    ChangeServer {
        service: ServiceKey,
        server: SocketAddr,
        old: Server,
        new: Server,
    },
    RemoveServer {
        service: ServiceKey,
        server: SocketAddr,
        old: Server,
    },
}

/// The pool and the ports of a local IP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub pool: String,
    pub ports: PortRange,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Add,
    Change,
    Remove,
}

impl Op {
    /// Returns the sign of a diff: `+`, `~` or `-`.
    pub fn sign(self) -> char {
        match self {
            Op::Add => '+',
            Op::Change => '~',
            Op::Remove => '-',
        }
    }
}

impl Step {
    pub fn op(&self) -> Op {
        match self {
            Step::StartDaemon { .. }
            | Step::StartToa { .. }
            | Step::StartDatapath { .. }
            | Step::Attach { .. }
            | Step::AttachXdp { .. }
            | Step::AddLocalIp { .. }
            | Step::AddFullNat { .. }
            | Step::AddRule { .. }
            | Step::AddService { .. }
            | Step::AddServer { .. } => Op::Add,
            Step::ChangeTimeout { .. }
            | Step::ChangeSysctl { .. }
            | Step::ChangeToa { .. }
            | Step::ChangeFastPath { .. }
            | Step::ChangePortSecret { .. }
            | Step::ChangeDatapath { .. }
            | Step::ChangeLocalIp { .. }
            | Step::HandOver { .. }
            | Step::ChangeFullNat { .. }
            | Step::ChangeRule { .. }
            | Step::ChangeService { .. }
            | Step::ChangeServer { .. } => Op::Change,
            Step::StopDaemon { .. }
            | Step::StopToa { .. }
            | Step::Detach { .. }
            | Step::DetachXdp { .. }
            | Step::StopDatapath { .. }
            | Step::RemoveLocalIp { .. }
            | Step::RemoveFullNat { .. }
            | Step::RemoveRule { .. }
            | Step::RemoveService { .. }
            | Step::RemoveServer { .. } => Op::Remove,
        }
    }

    /// True if the step loads the module.
    pub fn loads_module(&self) -> bool {
        matches!(self, Step::StartDatapath { .. } | Step::AddLocalIp { .. })
    }

    /// True if the step changes the module's table of local IPs, which is written
    /// together.
    pub fn is_local_ip(&self) -> bool {
        matches!(
            self,
            Step::AddLocalIp { .. } | Step::ChangeLocalIp { .. } | Step::RemoveLocalIp { .. }
        )
    }

    /// True if the step changes the module's table of full-NAT services.
    pub fn is_full_nat(&self) -> bool {
        matches!(
            self,
            Step::AddFullNat { .. } | Step::ChangeFullNat { .. } | Step::RemoveFullNat { .. }
        )
    }

    /// True if the step changes the module's list of rules, which is written as a whole.
    pub fn is_rule(&self) -> bool {
        matches!(
            self,
            Step::AddRule { .. } | Step::ChangeRule { .. } | Step::RemoveRule { .. }
        )
    }

    /// True if the step removes an object, or stops new connections to it.
    pub fn leaves(&self) -> bool {
        match self {
            Step::ChangeServer { old, new, .. } => old.weight > 0 && new.weight == 0,
            _ => self.op() == Op::Remove,
        }
    }

    /// Returns the IPVS service that the step changes, itself or one of its servers.
    pub fn ipvs_service(&self) -> Option<&ServiceKey> {
        match self {
            Step::AddService { service, .. }
            | Step::ChangeService { service, .. }
            | Step::RemoveService { service, .. }
            | Step::AddServer { service, .. }
            | Step::ChangeServer { service, .. }
            | Step::RemoveServer { service, .. } => Some(service),
            _ => None,
        }
    }
}
