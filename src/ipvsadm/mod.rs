// SPDX-License-Identifier: GPL-2.0-only
//! The text of ipvsadm, with the grammar of ipvsadm 1.31. [`import`] reads what
//! `ipvsadm -Sn` prints and people keep in scripts, and returns a state.
//! [`export`] writes a state as text for `ipvsadm -R`.

mod address;
mod command;
mod export;
mod import;
mod names;
mod option;
mod server;
mod service;
mod settings;
mod shell;
mod table;
mod tokens;

pub use export::{Exported, export};
pub use import::import;
pub use names::Names;
