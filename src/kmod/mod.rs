// SPDX-License-Identifier: GPL-2.0-only
//! The companion module `ip_vs_bpf`: loading it, and its files under
//! `/proc/net/ip_vs_bpf`.

pub mod counters;
mod error;
mod map_holder;
pub mod module;
pub mod proc;
mod sessions;
mod text;

pub use error::Error;
pub use sessions::{Directions, Session, each_session, sessions};
