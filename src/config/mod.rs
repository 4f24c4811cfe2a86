// SPDX-License-Identifier: GPL-2.0-only
//! The configuration file: TOML text → a checked [`Config`] → the
//! [`State`](crate::model::State) that it asks for. One run finds every mistake
//! and shows it in its line.

mod address;
pub mod argument;
mod check;
mod client_address;
mod defaults;
mod desired;
pub(crate) mod diagnostics;
mod director;
mod file;
mod foreign;
mod full_nat;
mod groups;
mod include;
mod parse;
mod persistence;
mod pools;
mod reader;
mod record;
mod rule_checks;
mod rules;
mod server;
mod service;
mod slip;
mod sources;
pub(crate) mod spelling;
mod sync;
mod synonyms;
mod syntax;
mod sysctl;
mod timeouts;
mod toa;
mod value;
mod warnings;
pub mod write;

pub use diagnostics::Diagnostics;
pub use file::{Failure, read, read_text, read_with_sources};
pub use parse::{Config, parse};
pub use record::Report;
pub use sources::{Sources, Stamp, stamp, watched_paths};
