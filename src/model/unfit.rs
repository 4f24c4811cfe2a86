// SPDX-License-Identifier: GPL-2.0-only
//! Interfaces where the program of XDP would not work correctly.

/// Why the program of XDP must not be attached to an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Another program is attached there.
    Taken { id: u32, name: String },
    /// Only the generic mode is possible: this kind of interface has no driver.
    Virtual(String),
    /// Its packets come in by its members, so no flow comes in by it.
    Bond,
    /// Its packets come in by this bond or bridge.
    Port(String),
    /// This VLAN is on top, and the program cannot see the tags of its frames.
    Tags { vlan: String, by_hardware: bool },
}
