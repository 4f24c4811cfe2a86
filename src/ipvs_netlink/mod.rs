// SPDX-License-Identifier: GPL-2.0-only
//! The generic-netlink family `IPVS` (`include/uapi/linux/ip_vs.h`,
//! `net/netfilter/ipvs/ip_vs_ctl.c`): its messages, and a handle that exchanges them with
//! the kernel.

mod answer;
pub mod attribute;
pub mod change;
mod conversation;
pub mod daemon;
pub mod destination;
pub mod error;
mod extended_ack;
mod family;
pub mod handle;
pub mod info;
mod listing;
pub mod message;
pub mod service;
mod settings;
pub mod socket;
pub mod statistics;

pub use change::Change;
pub use error::{Error, Operation, Reason, unless_absent};
pub use handle::Ipvs;
pub use info::Info;
pub use statistics::{Connections, Counters, ServerStatistics, ServiceStatistics};
