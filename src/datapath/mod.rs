// SPDX-License-Identifier: GPL-2.0-only
//! The eBPF side of a director: its programs, its maps, and the interfaces where they are
//! attached. Everything here works in the network namespace of the caller.

pub mod abi;
mod attach;
mod build;
mod clsact;
mod counters;
mod earlier;
mod error;
pub mod ethtool;
mod filters;
mod live_namespaces;
mod object;
mod pins;
mod tcx;
mod xdp;

pub use attach::{
    attach, attached_interfaces, claim_qdiscs, detach, interfaces_with_leftovers,
    interfaces_with_our_qdisc, interfaces_with_program,
};
pub(crate) use build::Build;
pub use build::{is_pinned, is_this as is_of_this_build};
pub use counters::counters;
pub use earlier::{Earlier, Foreign, Program, earlier};
pub use error::Error;
pub use object::{replace, start};
pub use pins::Pins;
pub use xdp::{attach_xdp, attached_xdp, detach_xdp, interfaces_with_xdp, unfit};
