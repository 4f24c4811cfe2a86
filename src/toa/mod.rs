// SPDX-License-Identifier: GPL-2.0-only
//! The receiver of clients' addresses on a server: eBPF programs (`bpf/toa/`) that are
//! attached to a cgroup, and their maps. It needs neither IPVS nor the module.

pub mod abi;
pub mod cgroup;
mod counters;
mod error;
pub mod hooks;
mod object;
mod running;
mod trust;

pub use error::Error;
pub use object::{Loaded, load};
pub use running::{Counted, counted, missing_pins, observe, run, stop};
