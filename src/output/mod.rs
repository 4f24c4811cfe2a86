// SPDX-License-Identifier: GPL-2.0-only
//! What the commands print: tables for people, JSON for programs.

pub mod file;
pub mod json;
pub mod tables;
mod terminal;

pub use terminal::{colour, print, say};
