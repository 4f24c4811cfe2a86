// SPDX-License-Identifier: GPL-2.0-only
//! Metrics for Prometheus: what there is ([`families`], pure), and its two
//! texts ([`Format`]).

mod counters;
mod family;
mod now;
mod servers;
mod text;
mod toa;

pub use now::{Now, families};
pub use text::{Format, text};
