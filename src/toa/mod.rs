// SPDX-License-Identifier: GPL-2.0-only
//! The receiver of clients' addresses, at a server: its eBPF programs (`bpf/toa/`), which
//! are attached to a cgroup, and their maps. It needs neither IPVS nor the module.

pub mod abi;
mod counters;
mod error;
mod object;
mod trust;

pub use error::Error;
pub use object::{Loaded, load};
pub use trust::MOST_NETWORKS;
