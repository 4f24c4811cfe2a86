// SPDX-License-Identifier: GPL-2.0-only
//! The errors between this program and the kernel's IPVS. Each says what was asked and
//! why it failed.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use nix::errno::Errno;
use thiserror::Error;

use crate::model::{ServiceKey, SyncState};

/// Displayed as one sentence: what failed, why, and how to fix it if that is known.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused the operation and changed nothing.
    #[error("cannot {operation}: {reason}{}", KernelMessage(message))]
    Refused {
        operation: Box<Operation>,
        reason: Reason,
        /// The kernel's own message (extended acknowledgement), if there is one.
        message: Option<String>,
    },
    /// The result of the change is unknown and must be read back.
    #[error(
        "cannot tell whether it was possible to {operation}: the kernel's answer was lost; \
         trying again is safe"
    )]
    Lost { operation: Box<Operation> },
    /// Every attempt at a dump was disturbed by concurrent changes.
    #[error(
        "cannot {operation}: other programs keep changing IPVS, in this network namespace or in \
         another; try again later"
    )]
    Inconsistent { operation: Box<Operation> },
    #[error("cannot {operation}: the kernel's answer cannot be read: {fault}")]
    Malformed {
        operation: Box<Operation>,
        fault: String,
    },
    /// The kernel has an object that this program does not know. It can neither compare
    /// nor keep it.
    #[error(
        "cannot {operation}: the kernel has {what}, which this build does not know; remove it \
         with the tool that added it"
    )]
    Foreign {
        operation: Box<Operation>,
        what: String,
    },
    #[error("cannot {operation}: the netlink socket failed: {source}")]
    Socket {
        operation: Box<Operation>,
        source: io::Error,
    },
}

/// An operation that the kernel was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    FindFamily,
    GetInfo,
    ListServices,
    GetService {
        service: ServiceKey,
    },
    ListServers {
        service: ServiceKey,
    },
    AddService {
        service: ServiceKey,
        scheduler: String,
        engine: Option<String>,
    },
    ChangeService {
        service: ServiceKey,
        scheduler: String,
        engine: Option<String>,
    },
    RemoveService {
        service: ServiceKey,
    },
    AddServer {
        service: ServiceKey,
        server: SocketAddr,
    },
    ChangeServer {
        service: ServiceKey,
        server: SocketAddr,
    },
    RemoveServer {
        service: ServiceKey,
        server: SocketAddr,
    },
    Flush,
    /// Zeroes the counters of one service, or of all.
    Zero {
        service: Option<ServiceKey>,
    },
    GetTimeouts,
    SetTimeouts,
    ListDaemons,
    StartDaemon {
        state: SyncState,
        interface: String,
    },
    StopDaemon {
        state: SyncState,
    },
}

/// The reason of a refusal: the kernel's errno, interpreted for the operation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Reason {
    #[error("the kernel has no IPVS: `modprobe ip_vs` loads it")]
    NoFamily,
    #[error("it needs the capability CAP_NET_ADMIN of the host: run it as root")]
    NotPermitted,
    #[error("the service exists already")]
    ServiceExists,
    #[error("there is no such service")]
    NoSuchService,
    #[error("the service has that server already")]
    ServerExists,
    #[error("the service has no such server")]
    NoSuchServer,
    #[error(
        "the kernel has no scheduler `{scheduler}`, and loading a module ip_vs_{scheduler} did not \
         add it: choose another one, or install the module"
    )]
    NoScheduler { scheduler: String },
    #[error(
        "the kernel lacks the scheduler `{scheduler}` or the persistence engine `{engine}`, and \
         loading ip_vs_{scheduler} and ip_vs_pe_{engine} did not add them: choose another one, or \
         install the module"
    )]
    NoSchedulerOrEngine { scheduler: String, engine: String },
    /// A name must have 1 to 15 bytes and no NUL.
    #[error("{name:?} is not a valid name for a scheduler or a persistence engine")]
    BadName { name: String },
    #[error("a firewall mark cannot be 0: use 1 or more")]
    FwmarkZero,
    #[error("the kernel has no IPVS for this address family (IPv6 may be off)")]
    NoAddressFamily,
    #[error("the weight is above 2147483647, or the lower threshold above the upper one")]
    OutOfRange,
    #[error(
        "the kernel rejects it as invalid: the persistence netmask of an IPv6 service is a prefix \
         of 1 to 128, and the scheduler may refuse the service"
    )]
    InvalidService,
    #[error(
        "the kernel rejects it as invalid: the address must be unicast or the host's own, the \
         upper threshold at most 2147483647, a GUE port not 0, and a server of the other \
         address family needs a tunnel and a stopped synchronisation daemon"
    )]
    InvalidServer,
    #[error("a timeout is longer than this kernel can count (2147483647 ticks)")]
    TimeoutTooLong,
    #[error("it is already running")]
    DaemonRuns,
    #[error("it is not running")]
    DaemonRunsNot,
    #[error("there is no such interface in this network namespace")]
    NoInterface,
    #[error("the interface is down, or leads to no multicast group")]
    NoMulticast,
    #[error(
        "the kernel rejects it as invalid: the group must be a multicast address, and no service \
         may have a server of the other address family"
    )]
    InvalidDaemon,
    #[error("the module ip_vs is being unloaded")]
    Unloading,
    #[error("the kernel is out of memory")]
    OutOfMemory,
    #[error("{text} ({0:?})", text = .0.desc())]
    Other(Errno),
}

impl Reason {
    fn is_absence(&self) -> bool {
        matches!(
            self,
            Reason::NoSuchService | Reason::NoSuchServer | Reason::DaemonRunsNot
        )
    }

    /// Follows `ip_vs_genl_set_cmd()` and the functions it calls, and `genl_rcv_msg()`.
    fn of(operation: &Operation, errno: Errno) -> Self {
        use Operation as Op;
        match (errno, operation) {
            (Errno::EPERM | Errno::EACCES, _) => Reason::NotPermitted,
            (Errno::ENOMEM, _) => Reason::OutOfMemory,
            (Errno::ENOPROTOOPT, _) => Reason::Unloading,
            (Errno::ESRCH, Op::StopDaemon { .. }) => Reason::DaemonRunsNot,
            (Errno::ESRCH, _) => Reason::NoSuchService,
            (Errno::EEXIST, Op::StartDaemon { .. }) => Reason::DaemonRuns,
            (Errno::ENODEV, Op::StartDaemon { .. }) => Reason::NoInterface,
            (Errno::ENETUNREACH | Errno::EADDRNOTAVAIL, Op::StartDaemon { .. }) => {
                Reason::NoMulticast
            }
            (Errno::EINVAL, Op::StartDaemon { .. }) => Reason::InvalidDaemon,
            (Errno::EINVAL, Op::SetTimeouts) => Reason::TimeoutTooLong,
            (Errno::EAFNOSUPPORT, _) => Reason::NoAddressFamily,
            (Errno::EEXIST, Op::AddService { .. }) => Reason::ServiceExists,
            (Errno::EEXIST, Op::AddServer { .. }) => Reason::ServerExists,
            (
                Errno::ENOENT,
                Op::AddService {
                    scheduler, engine, ..
                }
                | Op::ChangeService {
                    scheduler, engine, ..
                },
            ) => match engine.clone() {
                None => Reason::NoScheduler {
                    scheduler: scheduler.clone(),
                },
                Some(engine) => Reason::NoSchedulerOrEngine {
                    scheduler: scheduler.clone(),
                    engine,
                },
            },
            (Errno::ENOENT, Op::ChangeServer { .. } | Op::RemoveServer { .. }) => {
                Reason::NoSuchServer
            }
            // The family was removed together with its module.
            (Errno::ENOENT, _) => Reason::NoFamily,
            (Errno::ERANGE, Op::AddServer { .. } | Op::ChangeServer { .. }) => Reason::OutOfRange,
            (Errno::EINVAL, Op::AddServer { .. } | Op::ChangeServer { .. }) => {
                Reason::InvalidServer
            }
            (Errno::EINVAL, Op::AddService { .. } | Op::ChangeService { .. }) => {
                Reason::InvalidService
            }
            (errno, _) => Reason::Other(errno),
        }
    }
}

impl Operation {
    fn removes(&self) -> bool {
        matches!(
            self,
            Operation::RemoveService { .. }
                | Operation::RemoveServer { .. }
                | Operation::StopDaemon { .. }
        )
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operation::FindFamily => write!(f, "find IPVS in the kernel"),
            Operation::GetInfo => write!(f, "read the version of IPVS"),
            Operation::ListServices => write!(f, "list the services"),
            Operation::GetService { service } => write!(f, "read the service {service}"),
            Operation::ListServers { service } => {
                write!(f, "list the servers of the service {service}")
            }
            Operation::AddService { service, .. } => write!(f, "add the service {service}"),
            Operation::ChangeService { service, .. } => write!(f, "change the service {service}"),
            Operation::RemoveService { service } => write!(f, "remove the service {service}"),
            Operation::AddServer { service, server } => {
                write!(f, "add the server {server} to the service {service}")
            }
            Operation::ChangeServer { service, server } => {
                write!(f, "change the server {server} of the service {service}")
            }
            Operation::RemoveServer { service, server } => {
                write!(f, "remove the server {server} from the service {service}")
            }
            Operation::Flush => write!(f, "remove all services"),
            Operation::Zero { service: None } => write!(f, "set all counters to zero"),
            Operation::Zero {
                service: Some(service),
            } => write!(f, "set the counters of the service {service} to zero"),
            Operation::GetTimeouts => write!(f, "read the timeouts"),
            Operation::SetTimeouts => write!(f, "set the timeouts"),
            Operation::ListDaemons => write!(f, "list the synchronisation daemons"),
            Operation::StartDaemon { state, interface } => {
                let interface = interface.escape_debug();
                write!(f, "start the {state} synchronisation daemon at {interface}")
            }
            Operation::StopDaemon { state } => {
                write!(f, "stop the {state} synchronisation daemon")
            }
        }
    }
}

struct KernelMessage<'a>(&'a Option<String>);

impl fmt::Display for KernelMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(message) => write!(f, " (the kernel says: {message})"),
            None => Ok(()),
        }
    }
}

impl Error {
    /// The reason, if the kernel refused the operation.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Error::Refused { reason, .. } => Some(reason),
            _ => None,
        }
    }
}

/// Nothing to remove is not an error: another program was faster.
pub fn unless_absent(removed: Result<(), Error>) -> Result<(), Error> {
    match removed {
        Err(Error::Refused {
            operation, reason, ..
        }) if operation.removes() && reason.is_absence() => Ok(()),
        removed => removed,
    }
}

/// An error that does not yet name its operation.
#[derive(Debug)]
pub(super) enum Failure {
    Kernel {
        errno: Errno,
        message: Option<String>,
    },
    Refused(Reason),
    Lost,
    Inconsistent,
    Malformed(String),
    Foreign(String),
    Socket(io::Error),
}

impl Failure {
    pub fn missing(attribute: &str) -> Self {
        Failure::Malformed(format!("{attribute} is missing"))
    }

    pub fn during(self, operation: Operation) -> Error {
        let operation = Box::new(operation);
        match self {
            Failure::Kernel { errno, message } => Error::Refused {
                reason: Reason::of(&operation, errno),
                operation,
                message,
            },
            Failure::Refused(reason) => Error::Refused {
                operation,
                reason,
                message: None,
            },
            Failure::Lost => Error::Lost { operation },
            Failure::Inconsistent => Error::Inconsistent { operation },
            Failure::Malformed(fault) => Error::Malformed { operation, fault },
            Failure::Foreign(what) => Error::Foreign { operation, what },
            Failure::Socket(source) => Error::Socket { operation, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_removal_may_find_nothing() {
        let service: ServiceKey = ServiceKey::Fwmark {
            mark: 7,
            family: crate::model::Family::Ipv4,
        };
        let refused = |operation: &Operation, errno| {
            let failure = Failure::Kernel {
                errno,
                message: None,
            };
            unless_absent(Err(failure.during(operation.clone())))
        };
        let remove = Operation::RemoveService {
            service: service.clone(),
        };
        let remove_server = Operation::RemoveServer {
            service: service.clone(),
            server: ([10, 2, 0, 2], 80).into(),
        };
        let add_server = Operation::AddServer {
            service,
            server: ([10, 2, 0, 2], 80).into(),
        };
        assert!(refused(&remove, Errno::ESRCH).is_ok());
        assert!(refused(&remove_server, Errno::ESRCH).is_ok(), "the service");
        assert!(refused(&remove_server, Errno::ENOENT).is_ok(), "the server");
        assert!(refused(&remove, Errno::EPERM).is_err());
        assert!(refused(&add_server, Errno::ESRCH).is_err());
        assert!(unless_absent(Ok(())).is_ok());
    }
}
