// SPDX-License-Identifier: GPL-2.0-only
//! The errors between the CLI and the module.

use std::io;
use std::path::PathBuf;

use super::module;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("the module ip_vs_bpf was unloaded in the meantime: {path} is gone")]
    Unloaded { path: PathBuf },
    /// The module's own message about why it refused a write.
    #[error("the module ip_vs_bpf refused: {reason}")]
    Refused { reason: String },
    #[error(
        "{path} reads \"{line}\", which this build does not understand: {}",
        module::versions()
    )]
    Unreadable { path: PathBuf, line: String },
    #[error("the program that hands a map to the module could not be loaded: {0}")]
    Carrier(io::Error),
    #[error("the module {name} could not be loaded: {reason}")]
    Load { name: String, reason: String },
    #[error("the module ip_vs_bpf could not be unloaded: {0}")]
    Unload(io::Error),
}
