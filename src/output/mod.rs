// SPDX-License-Identifier: GPL-2.0-only
//! The output of the commands: tables for people, JSON for programs.

pub mod file;
pub mod grid;
pub mod names;
mod notes;
mod numbers;
mod progress;
pub mod table;
mod terminal;

pub use progress::Progress;
pub use terminal::{colour, print, print_json, say, unless_nobody_reads, width};
