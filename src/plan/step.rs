// SPDX-License-Identifier: GPL-2.0-only
//! One thing to do to one object of the kernel.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use crate::model::{
    Network, PortRange, Rule, Server, Service, ServiceKey, SyncDaemon, SyncState, Timeout,
};

/// One change of one kernel object. What is changed or removed carries its old
/// value, so that it can be shown.
///
/// A step's [`Display`](std::fmt::Display) is one line (`~ tcp://10.0.0.1:80 →
/// 10.2.0.2:8080 weight 1 → 3`); its JSON is described at its `Serialize`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Seconds. An `old` that is `None` is not known: IPVS is not loaded.
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
    /// A running daemon takes no changes: it is stopped, and started anew.
    StartDaemon {
        state: SyncState,
        new: SyncDaemon,
    },
    StopDaemon {
        state: SyncState,
        old: SyncDaemon,
    },

    /// Attach the receiver of clients' addresses, which believes these local IPs.
    StartToa {
        trust: BTreeSet<Network>,
    },
    /// Believe others, or take over from the programs of another build. Connections keep
    /// the addresses that they have.
    ChangeToa {
        /// The programs are of another build or have lost pins.
        other_build: bool,
        old: BTreeSet<Network>,
        new: BTreeSet<Network>,
    },
    /// Servers see the local IPs again.
    StopToa {
        trust: BTreeSet<Network>,
    },

    /// Load the module, the maps and the programs, and register the maps with
    /// the module. Attaches nothing yet.
    StartDatapath {
        max_sessions: u32,
        fast_path: bool,
    },
    /// No connection breaks: leases are given from now on, or run out.
    ChangeFastPath {
        old: bool,
        new: bool,
    },
    /// Load the programs of this build, with session maps for so many sessions,
    /// and put them in the place of those that are attached, wherever these are.
    /// Sessions go on.
    ChangeDatapath {
        /// The programs are of another build or have no pins; else only the number changes.
        other_build: bool,
        old: u32,
        new: u32,
    },
    /// Attach both programs to this interface.
    Attach {
        interface: String,
    },
    Detach {
        interface: String,
    },
    /// Give the maps back and unload the programs and the module.
    ///
    /// The module refuses to give the maps back while sessions live.
    StopDatapath {
        max_sessions: u32,
    },

    AddLocalIp {
        address: IpAddr,
        new: Place,
    },
    /// Other ports, another pool, or both. The module's table is keyed by the
    /// address, so a move is one change of one entry and the address is never
    /// in no pool or in two.
    ChangeLocalIp {
        address: IpAddr,
        old: Place,
        new: Place,
    },
    RemoveLocalIp {
        address: IpAddr,
        old: Place,
    },
    /// The address is the only one of its family in a pool that these services
    /// use, and the first of another one: all of them change their pool at once.
    HandOver {
        address: IpAddr,
        old: Place,
        new: Place,
        services: Vec<ServiceKey>,
    },

    /// From now on, new connections of this service are full NAT.
    AddFullNat {
        service: ServiceKey,
        pool: String,
    },
    ChangeFullNat {
        service: ServiceKey,
        old: String,
        new: String,
    },
    /// New connections are native again; sessions that live keep their NAT.
    RemoveFullNat {
        service: ServiceKey,
        pool: String,
    },

    /// From now on, new connections of services that another program makes there are
    /// full NAT.
    AddRule {
        rule: Rule,
        pool: String,
    },
    ChangeRule {
        rule: Rule,
        old: String,
        new: String,
    },
    /// New connections there are native; sessions that live keep their NAT.
    RemoveRule {
        rule: Rule,
        pool: String,
    },

    /// `new.servers` is empty: each server is a step of its own.
    AddService {
        service: ServiceKey,
        new: Service,
    },
    /// The service's own attributes; `servers` is empty in both.
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
    /// `IPVS_CMD_SET_DEST` edits everything about a server but its address,
    /// the forwarding method included.
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

/// Where a local IP serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
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
    /// As in a diff: `+`, `~`, `-`.
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
            | Step::AddLocalIp { .. }
            | Step::AddFullNat { .. }
            | Step::AddRule { .. }
            | Step::AddService { .. }
            | Step::AddServer { .. } => Op::Add,
            Step::ChangeTimeout { .. }
            | Step::ChangeSysctl { .. }
            | Step::ChangeToa { .. }
            | Step::ChangeFastPath { .. }
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
            | Step::StopDatapath { .. }
            | Step::RemoveLocalIp { .. }
            | Step::RemoveFullNat { .. }
            | Step::RemoveRule { .. }
            | Step::RemoveService { .. }
            | Step::RemoveServer { .. } => Op::Remove,
        }
    }

    /// The module has to be there from this step on.
    pub fn loads_module(&self) -> bool {
        matches!(self, Step::StartDatapath { .. } | Step::AddLocalIp { .. })
    }

    /// Changes the module's table of local IPs, together with others.
    pub fn is_local_ip(&self) -> bool {
        matches!(
            self,
            Step::AddLocalIp { .. } | Step::ChangeLocalIp { .. } | Step::RemoveLocalIp { .. }
        )
    }

    /// Changes the module's table of full-NAT services.
    pub fn is_full_nat(&self) -> bool {
        matches!(
            self,
            Step::AddFullNat { .. } | Step::ChangeFullNat { .. } | Step::RemoveFullNat { .. }
        )
    }

    /// Changes the module's list of rules, which is written as a whole.
    pub fn is_rule(&self) -> bool {
        matches!(
            self,
            Step::AddRule { .. } | Step::ChangeRule { .. } | Step::RemoveRule { .. }
        )
    }

    /// Takes something away, or makes it take no more connections.
    pub fn leaves(&self) -> bool {
        match self {
            Step::ChangeServer { old, new, .. } => old.weight > 0 && new.weight == 0,
            _ => self.op() == Op::Remove,
        }
    }

    /// The service of IPVS that this changes, or one of whose servers it changes.
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
