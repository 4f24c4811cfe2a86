// SPDX-License-Identifier: GPL-2.0-only
//! What has to be done so that a director becomes what its file says: two
//! [`State`](crate::model::State)s in, an ordered list of [`Step`]s out.
//!
//! Nothing here reads or writes anything but its arguments, and every walk is
//! linear in the size of the two states.

mod diff;
mod goal;
pub(crate) mod json;
mod local_ips;
mod merge;
mod order;
mod refusal;
mod settings;
mod step;
mod words;

pub use diff::Diff;
pub use goal::{Options, Prune, goal};
pub use order::{Plan, plan};
pub use refusal::Refusal;
pub use step::{Op, Place, Step};
