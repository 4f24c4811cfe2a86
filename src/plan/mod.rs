// SPDX-License-Identifier: GPL-2.0-only
//! The steps that bring a director to the state of its file. The input is two
//! [`State`](crate::model::State)s, the output an ordered list of [`Step`]s.
//!
//! The functions here only read their arguments, and every walk is linear in
//! the size of the two states.

mod compare;
mod diff;
mod display;
mod goal;
pub(crate) mod json;
mod local_ips;
mod merge;
mod order;
mod refusal;
mod settings;
mod step;
mod transactions;

pub use diff::Diff;
pub use goal::{Options, Prune, goal, with_others};
pub use order::plan;
pub use refusal::Refusal;
pub use step::{Assignment, Op, Step};
pub use transactions::Plan;
