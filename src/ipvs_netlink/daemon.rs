// SPDX-License-Identifier: GPL-2.0-only
//! The connection synchronisation daemons: `IPVS_DAEMON_ATTR_*`, to and from
//! [`SyncDaemon`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::attribute::attributes;
use super::error::Failure;
use crate::model::{SyncDaemon, SyncState};

attributes! {
    /// Every number here is in host byte order, even the port.
    pub enum DaemonAttribute {
        /// `IP_VS_STATE_MASTER` (1) or `IP_VS_STATE_BACKUP` (2).
        State(u32) = 1,
        McastIfn(String) = 2,
        SyncId(u32) = 3,
        SyncMaxlen(u16) = 4,
        McastGroup(Ipv4Addr) = 5,
        McastGroup6(Ipv6Addr) = 6,
        McastPort(u16) = 7,
        McastTtl(u8) = 8,
    }
}

const IP_VS_STATE_MASTER: u32 = 1;
const IP_VS_STATE_BACKUP: u32 = 2;

fn number(state: SyncState) -> u32 {
    match state {
        SyncState::Master => IP_VS_STATE_MASTER,
        SyncState::Backup => IP_VS_STATE_BACKUP,
    }
}

/// The attributes of `IPVS_CMD_NEW_DAEMON`. Values that are the kernel's default are left
/// out, as `ipvsadm` does: kernels before 4.3 do not know the attributes.
pub fn all_attributes(state: SyncState, daemon: &SyncDaemon) -> Vec<DaemonAttribute> {
    let mut attributes = vec![
        DaemonAttribute::State(number(state)),
        DaemonAttribute::McastIfn(daemon.interface.clone()),
        DaemonAttribute::SyncId(daemon.id.into()),
    ];
    attributes.extend(daemon.sync_maxlen.map(DaemonAttribute::SyncMaxlen));
    if daemon.port != SyncDaemon::PORT {
        attributes.push(DaemonAttribute::McastPort(daemon.port));
    }
    if daemon.ttl != SyncDaemon::TTL {
        attributes.push(DaemonAttribute::McastTtl(daemon.ttl));
    }
    if daemon.group != SyncDaemon::GROUP {
        attributes.push(match daemon.group {
            IpAddr::V4(group) => DaemonAttribute::McastGroup(group),
            IpAddr::V6(group) => DaemonAttribute::McastGroup6(group),
        });
    }
    attributes
}

/// The attributes of `IPVS_CMD_DEL_DAEMON`.
pub fn key(state: SyncState) -> Vec<DaemonAttribute> {
    vec![DaemonAttribute::State(number(state))]
}

/// A daemon from a dump. If group, port and TTL are missing (before Linux 4.3), they are
/// the only values that the kernel supports.
pub(super) fn read(attributes: Vec<DaemonAttribute>) -> Result<(SyncState, SyncDaemon), Failure> {
    let mut state = None;
    let mut interface = None;
    let mut id = None;
    let mut group = SyncDaemon::GROUP;
    let mut port = SyncDaemon::PORT;
    let mut ttl = SyncDaemon::TTL;
    let mut sync_maxlen = None;
    for attribute in attributes {
        match attribute {
            DaemonAttribute::State(value) => state = Some(value),
            DaemonAttribute::McastIfn(value) => interface = Some(value),
            DaemonAttribute::SyncId(value) => id = Some(value),
            DaemonAttribute::SyncMaxlen(value) => sync_maxlen = Some(value),
            DaemonAttribute::McastGroup(value) => group = value.into(),
            DaemonAttribute::McastGroup6(value) => group = value.into(),
            DaemonAttribute::McastPort(value) => port = value,
            DaemonAttribute::McastTtl(value) => ttl = value,
            DaemonAttribute::Other(_) => {}
        }
    }
    let missing = Failure::missing;
    let state = match state.ok_or_else(|| missing("IPVS_DAEMON_ATTR_STATE"))? {
        IP_VS_STATE_MASTER => SyncState::Master,
        IP_VS_STATE_BACKUP => SyncState::Backup,
        other => {
            let what = format!("a synchronisation daemon in the state {other}");
            return Err(Failure::Foreign(what));
        }
    };
    let id = id.ok_or_else(|| missing("IPVS_DAEMON_ATTR_SYNC_ID"))?;
    let daemon = SyncDaemon {
        interface: interface.ok_or_else(|| missing("IPVS_DAEMON_ATTR_MCAST_IFN"))?,
        // Sync messages have 8 bits for the id.
        id: u8::try_from(id)
            .map_err(|_| Failure::Foreign(format!("a synchronisation daemon of the id {id}")))?,
        group,
        port,
        ttl,
        sync_maxlen,
    };
    Ok((state, daemon))
}
