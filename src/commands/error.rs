// SPDX-License-Identifier: GPL-2.0-only
//! Errors of commands, and their exit statuses.

use std::io;

use nix::sys::signal::Signal;

use crate::config;
use crate::director;
use crate::output;

use super::progress::Progress;
use super::{ABSENT, FAILED};

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("this needs root: it configures IPVS, eBPF and a kernel module; try `sudo ipvs-bpf …`")]
    NotRoot,
    #[error(transparent)]
    Config(#[from] config::Failure),
    #[error(transparent)]
    Director(#[from] director::Error),
    #[error("{source}\n{progress}")]
    Step {
        source: Box<director::Error>,
        progress: Progress,
    },
    /// The kernel could not be read before a step of `apply`. This may pass.
    #[error(transparent)]
    Unread(director::Error),
    /// The same after the steps.
    #[error("every step was carried out, but the kernel cannot be read to check that: {0}")]
    Unverified(director::Error),
    #[error("stopped by {signal}\n{progress}")]
    Signal { signal: Signal, progress: Progress },
    #[error("the plan cannot be carried out; nothing was changed")]
    Refused,
    /// The same where the plan was not printed. The text has the reasons.
    #[error("the plan cannot be carried out; nothing was changed: {0}")]
    RefusedBecause(String),
    #[error("waiting for changes: {0}")]
    Waiting(io::Error),
    #[error(
        "the kernel differs from the file although every step succeeded; is another program changing it?\n{plan}"
    )]
    NotConverged {
        /// The steps that are left.
        plan: String,
        /// Their number.
        left: usize,
    },
    #[error(
        "this host has no interface {0}; everything else matches the file: run `apply` again when \
         it exists"
    )]
    Absent(String),
    #[error(transparent)]
    Write(#[from] output::file::Refusal),
    #[error(
        "a file cannot describe parts of the running state, so they were written as comments; \
         applying the file removes them"
    )]
    Unsaid,
    /// An object that `show` was asked for does not exist.
    #[error("{0}")]
    NotThere(String),
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Connections(#[from] crate::ip_vs_conn::Error),
    #[error("the terminal: {0}")]
    Terminal(io::Error),
    /// The weight was set, but the drain did not complete. The text says how to
    /// continue.
    #[error("{0}")]
    Drain(String),
    /// A signal ended the drain.
    #[error("{words}")]
    Stopped { words: String, signal: Signal },
    #[error("nothing was removed")]
    Declined,
    #[error("flush would remove {0}; there is no terminal for the question: pass --yes")]
    NotAsked(String),
    #[error("writing the output: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    pub fn exit_status(&self) -> u8 {
        match self {
            // The status that a shell reports for a process killed by a signal.
            Error::Signal { signal, .. } | Error::Stopped { signal, .. } => {
                128_u8.saturating_add(*signal as u8)
            }
            Error::Absent(_) => ABSENT,
            Error::Step { .. }
            | Error::NotConverged { .. }
            | Error::Unread(_)
            | Error::Unverified(_) => FAILED,
            _ => 1,
        }
    }
}
