// SPDX-License-Identifier: GPL-2.0-only
//! The text of ipvsadm: what `ipvsadm -Sn` prints and people keep in scripts
//! → a state ([`import`]), and a state → what `ipvsadm -R` reads ([`export`]).
//! The grammar is that of ipvsadm 1.31.

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
mod words;

pub use export::{Exported, export};
pub use import::import;
pub use names::Names;
