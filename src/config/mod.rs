// SPDX-License-Identifier: GPL-2.0-only
//! The file: TOML text → a checked [`Config`] → the [`State`](crate::model::State)
//! that it asks for. Every mistake of a file is found in one run and shown in
//! its line.

mod address;
pub mod argument;
mod check;
mod desired;
pub(crate) mod diagnostics;
mod director;
mod file;
mod foreign;
mod full_nat;
mod parse;
mod persistence;
mod pools;
mod reader;
mod record;
mod rules;
mod server;
mod service;
mod slip;
pub(crate) mod spelling;
mod sync;
mod syntax;
mod sysctl;
mod timeouts;
mod toa;
mod value;
mod warnings;
mod words;
pub mod write;

pub use diagnostics::Diagnostics;
pub use file::{Failure, read, read_text};
pub use parse::{Config, parse};
pub use record::Report;
