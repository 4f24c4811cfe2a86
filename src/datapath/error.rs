// SPDX-License-Identifier: GPL-2.0-only
//! The errors of programs, maps and interfaces.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the eBPF programs could not be loaded: {0}")]
    Load(#[from] aya::EbpfError),
    #[error("the eBPF object has no {0}; it is not of this build")]
    Missing(&'static str),
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
    #[error("pinning {path}: {source}")]
    Pin {
        path: PathBuf,
        source: aya::pin::PinError,
    },
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error(
        "{path} is not a folder of this user: another user made it, who could replace pins; \
         remove it, and mount the BPF file system with mode=0700"
    )]
    ForeignFolder { path: PathBuf },
    #[error("interface {interface}: {source}")]
    Interface {
        interface: String,
        source: aya::programs::tc::TcError,
    },
    #[error("the programs at interface {interface} cannot be listed: {source}{}", cure(.source))]
    List {
        interface: String,
        source: io::Error,
    },
    #[error("interface {interface}: {source}")]
    Attach {
        interface: String,
        source: aya::programs::ProgramError,
    },
    #[error("interface {interface} at XDP: {reason}")]
    Xdp { interface: String, reason: String },
    #[error("interface {interface}: {source}")]
    Link {
        interface: String,
        source: aya::programs::links::LinkError,
    },
    #[error("interface {0} does not exist")]
    NoInterface(String),
    #[error(
        "interface {0} is not Ethernet, which the fast path needs; leave it out of [director] interfaces"
    )]
    NotEthernet(String),
    #[error("asking the kernel for its interfaces and tc filters: {0}")]
    Rtnetlink(io::Error),
    #[error(transparent)]
    Module(#[from] crate::kmod::Error),
}

fn cure(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; it needs the capability CAP_NET_ADMIN of the host: run it as root"
        }
        _ => "",
    }
}

impl Error {
    /// Adds the path of the file on which an operation failed.
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::File { path, source }
    }
}
