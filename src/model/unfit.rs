// SPDX-License-Identifier: GPL-2.0-only
//! Interfaces where the program of XDP would not work correctly.

/// Why the program of XDP must not be attached to an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Another program is attached there.
    Taken { id: u32, name: String },
    /// Only the generic mode is possible: this kind of interface has no driver.
    Virtual(String),
    /// The kernel has no native XDP for bonds of this mode.
    Bond { mode: String },
    /// An XDP program of its own is at this port of the bond.
    PortTaken(String),
    /// Its packets come in by this bond or bridge.
    Port(String),
    /// This VLAN is on top, and the program cannot see the tags of its frames: the device,
    /// which may be a port of a bond, removes them, or as a veth it never has them.
    Tags {
        vlan: String,
        device: String,
        by_hardware: bool,
    },
}
