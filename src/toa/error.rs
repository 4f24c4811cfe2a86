// SPDX-License-Identifier: GPL-2.0-only
//! What can go wrong with the receiver.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the receiver's eBPF programs could not be loaded: {0}")]
    Load(#[from] aya::EbpfError),
    #[error("the receiver's eBPF object has no {0}; it is not of this build")]
    Missing(&'static str),
    #[error(
        "this kernel is Linux {kernel}, and clients' addresses at a server need 5.10 or newer: \
         boot a newer kernel, or remove [toa] from the file"
    )]
    OldKernel { kernel: String },
    #[error("eBPF program {name}: {source}")]
    Program {
        name: &'static str,
        source: aya::programs::ProgramError,
    },
    #[error("eBPF map {name}: {source}")]
    Map {
        name: &'static str,
        source: aya::maps::MapError,
    },
    #[error("attaching {name} to the cgroup: {source}")]
    Attach {
        name: &'static str,
        source: aya::programs::ProgramError,
    },
    #[error("the link of {name}: {source}")]
    Link {
        name: &'static str,
        source: aya::programs::links::LinkError,
    },
    #[error("pinning {path}: {source}")]
    Pin {
        path: PathBuf,
        source: aya::pin::PinError,
    },
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
}
