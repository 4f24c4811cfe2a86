// SPDX-License-Identifier: GPL-2.0-only
//! The file: TOML text → a checked [`Config`] → the [`State`](crate::model::State)
//! that it asks for. Every mistake of a file is found in one run and shown in
//! its line.

mod check;
mod desired;
mod diagnostics;
mod director;
mod file;
mod globals;
mod parse;
mod pools;
mod reader;
mod server;
mod service;
mod unsupported;
mod value;

pub use diagnostics::{Diagnostics, Mistake};
pub use file::{Failure, read};
pub use parse::{Config, parse};
