// SPDX-License-Identifier: GPL-2.0-only
//! The events of a follower, printed as one line each for people, or as one JSON object per
//! line for programs. docs/guides/follow.md describes the objects. Fields may be added, but
//! are never renamed or removed.

use std::collections::BTreeSet;
use std::fmt;
use std::io;

use serde::Serialize;

use crate::config;
use crate::config::spelling::listed;
use crate::output;
use crate::plan::Step;

/// The reason of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Cause {
    Start,
    /// SIGHUP.
    Signal,
    /// The file changed.
    File,
    /// A link, an address or a route changed.
    Network,
    /// Nothing asked for it. So another program changed IPVS or the module, or the last
    /// comparison failed.
    Drift,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Start => "start",
            Cause::Signal => "signal",
            Cause::File => "file",
            Cause::Network => "network",
            Cause::Drift => "drift",
        })
    }
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event<'a> {
    /// The file was read.
    File {
        file: &'a str,
        services: usize,
        #[serde(flatten)]
        report: config::Report<'a>,
    },
    /// The file was read and has mistakes, so the earlier one stays in force.
    FileWrong {
        file: &'a str,
        #[serde(flatten)]
        report: config::Report<'a>,
        #[serde(skip)]
        text: &'a str,
    },
    /// A step was carried out.
    Change {
        cause: Cause,
        step: &'a Step,
    },
    /// All steps of a comparison were carried out, and the kernel is as the file says.
    Applied {
        cause: Cause,
        done: usize,
    },
    /// A comparison or a step failed.
    Failed {
        cause: Cause,
        done: usize,
        error: &'a str,
        retry_seconds: u64,
    },
    /// The first comparison without an error after one with it.
    Recovered {
        cause: Cause,
    },
    Warning {
        message: &'a str,
    },
    /// The interfaces that the file lists and the host lacks are others than before.
    Absent {
        interfaces: &'a BTreeSet<String>,
    },
    Ended {
        signal: &'a str,
    },
}

impl Event<'_> {
    /// Prints the event. Nobody has to read it.
    pub fn print(&self, json: bool) {
        let _ = match json {
            true => serde_json::to_string(self)
                .map_err(io::Error::from)
                .and_then(output::print),
            false => self.print_text(),
        };
    }

    fn print_text(&self) -> io::Result<()> {
        match self {
            Event::File { file, services, .. } => {
                let noun = if *services == 1 {
                    "service"
                } else {
                    "services"
                };
                output::print(format_args!("follows {file}: {services} {noun}"))
            }
            Event::FileWrong { text, .. } => {
                output::say(text);
                Ok(())
            }
            Event::Change { cause, step } => output::print(format_args!("{step} [{cause}]")),
            // Each of its steps has a line.
            Event::Applied { .. } => Ok(()),
            Event::Failed {
                error,
                retry_seconds,
                ..
            } => {
                output::say(format_args!(
                    "ipvs-bpf: {error}\nipvs-bpf: the next attempt is in {retry_seconds} s; \
                     the same error is not repeated"
                ));
                Ok(())
            }
            Event::Recovered { .. } => output::print("the kernel matches the file again"),
            Event::Warning { message } => {
                output::say(format_args!("ipvs-bpf: warning: {message}"));
                Ok(())
            }
            Event::Absent { interfaces } if interfaces.is_empty() => {
                output::print("all interfaces of the file exist")
            }
            Event::Absent { interfaces } => {
                let names = listed(interfaces.iter().map(String::as_str));
                output::print(format_args!("waiting for interface {names}"))
            }
            Event::Ended { signal } => output::print(format_args!(
                "ended by {signal}; services and connections stay"
            )),
        }
    }
}
