// SPDX-License-Identifier: GPL-2.0-only
//! Metrics for Prometheus: the families ([`families`], pure) and their two text formats
//! ([`Format`]).

mod counters;
mod family;
mod follow;
mod servers;
mod snapshot;
mod text;
mod toa;

pub use snapshot::{Snapshot, families};
pub use text::{Format, text};
