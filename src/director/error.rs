// SPDX-License-Identifier: GPL-2.0-only
//! The errors of everything between us and the kernel.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::{error, io, iter};

use crate::ipvs_netlink::Reason;
use crate::model::{Rule, ServiceKey};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Ipvs(#[from] crate::ipvs_netlink::Error),
    #[error(transparent)]
    Module(#[from] crate::kmod::Error),
    #[error(transparent)]
    Datapath(#[from] crate::datapath::Error),
    #[error(transparent)]
    Toa(#[from] crate::toa::Error),
    #[error(transparent)]
    Connections(#[from] crate::ip_vs_conn::Error),
    #[error("no network namespace \"{name}\": {source}; `ip netns list` lists them")]
    Namespace { name: String, source: io::Error },
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path} reads {text:?}, which this build does not understand", path = path.display())]
    Unreadable { path: PathBuf, text: String },
    #[error("cannot write {value:?} to {path}: {reason}", path = path.display())]
    Sysctl {
        path: PathBuf,
        value: String,
        reason: String,
    },
    #[error("the local routes cannot be read, so the VIPs were not checked against them: {0}")]
    LocalRoutes(io::Error),
    #[error("there is no virtual service {service}; {near}")]
    NoSuchService { service: ServiceKey, near: String },
    #[error(
        "{service} belongs to another program, by the rule for {rule}; remove the server there"
    )]
    OthersService {
        service: ServiceKey,
        rule: Box<Rule>,
    },
    #[error("the service {service} has no server {server}; {near}")]
    NoSuchServer {
        service: ServiceKey,
        server: SocketAddr,
        near: String,
    },
    #[error("listing the interfaces: {0}")]
    Interfaces(io::Error),
    #[error("{0} sessions are left after their services were removed; run `ipvs-bpf down` again")]
    SessionsRemain(u32),
    #[error(
        "the loaded module has version {version}, which this ipvs-bpf cannot work with{}",
        way_out(*.sessions)
    )]
    OlderModule { version: String, sessions: u64 },
    #[error(
        "the loaded module has version {version}, which this ipvs-bpf cannot work with, \
         and another network namespace uses it: run `ipvs-bpf down` there, then repeat this command"
    )]
    OlderModuleInUse { version: String },
}

impl Error {
    /// Adds the path of the file on which an operation failed.
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::File { path, source }
    }

    /// True if the user lacks rights. Another attempt would fail, too.
    pub fn is_denied(&self) -> bool {
        if let Error::Ipvs(error) = self {
            return error.reason() == Some(&Reason::NotPermitted);
        }
        let error: &(dyn error::Error + 'static) = self;
        iter::successors(Some(error), |error| error.source())
            .filter_map(|error| error.downcast_ref::<io::Error>())
            .any(|error| error.kind() == io::ErrorKind::PermissionDenied)
    }
}

/// How to get rid of an older module.
fn way_out(sessions: u64) -> String {
    match sessions {
        0 => ": `ipvs-bpf apply` replaces it".to_owned(),
        _ => format!(
            ", and has {sessions} sessions: `ipvs-bpf apply` replaces it when it has none, and \
             `ipvs-bpf down` ends them"
        ),
    }
}
