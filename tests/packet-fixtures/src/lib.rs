// SPDX-License-Identifier: GPL-2.0-only
//! Packets with what has to become of them, as text: one file a group, in a folder a
//! subject. `docs/dev/packet-fixtures.md` describes the format.

pub mod build;
pub mod fixture;
pub mod fragment;
pub mod judge;
pub mod layer;
pub mod mutate;
pub mod read;
pub mod sum;
pub mod world;

#[cfg(test)]
mod tests;
