// SPDX-License-Identifier: GPL-2.0-only
//! The errors of the receiver.

use std::io;
use std::path::PathBuf;

use aya::programs::ProgramError;

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
    #[error(
        "no cgroup file system of version 2 is mounted; the receiver's programs are attached to \
         its root: mount -t cgroup2 none /sys/fs/cgroup"
    )]
    NoCgroup,
    #[error(
        "another program is attached to the root cgroup exclusively: \
         `bpftool cgroup show` with its path names it; detach it, or have it attached with \
         BPF_F_ALLOW_MULTI"
    )]
    Exclusive,
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
    #[error(transparent)]
    Pins(#[from] crate::datapath::Error),
}

impl Error {
    /// The kernel answers EPERM if another program is attached exclusively.
    pub(super) fn attach(name: &'static str, source: ProgramError) -> Self {
        match &source {
            ProgramError::SyscallError(error)
                if error.io_error.kind() == io::ErrorKind::PermissionDenied =>
            {
                Error::Exclusive
            }
            _ => Error::Attach { name, source },
        }
    }
}
