// SPDX-License-Identifier: GPL-2.0-only
//! The connection synchronisation daemon: `IPVS_DAEMON_ATTR_*`.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::attribute::attributes;

attributes! {
    /// Every number here is in host byte order, the port too.
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
