// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs-bpf drain`: waits, and reports the result.

use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::signals::Signals;
use super::{Error, lock, weight};
use crate::cli::{self, Global};
use crate::director;
use crate::director::drain::{Caution, Drain, Left, Look, StartedDrain};
use crate::model::fallback_flag;
use crate::output::{self, Progress};
use nix::sys::signal::Signal;

/// The shortest time between two looks. A look may take at most a tenth of the
/// time, because there can be millions of connections to count.
const PAUSE: Duration = Duration::from_millis(500);
const SHARE: u32 = 10;

/// The output of `drain --json`.
#[derive(Serialize)]
struct Report {
    service: String,
    server: String,
    /// The weight before the drain. It is 0 if the server was already draining.
    weight_before: u32,
    /// "drained", "removed", "timeout" or "interrupted". After an action of
    /// another program, "weight" or "gone".
    outcome: &'static str,
    /// The current weight.
    /// Null: the server does not exist any more.
    weight: Option<u32>,
    /// The connections that were left at the last look.
    left: Left,
    seconds: u64,
}

#[derive(Clone, Copy)]
enum Outcome {
    /// No connection is left.
    Drained,
    /// No connection is left, and the server was removed.
    Removed,
    Timeout,
    Interrupted(Signal),
    /// Another program gave the server this weight.
    Weight(u32),
    /// Another program removed the server or its service.
    Gone,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Outcome::Drained => "drained",
            Outcome::Removed => "removed",
            Outcome::Timeout => "timeout",
            Outcome::Interrupted(_) => "interrupted",
            Outcome::Weight(_) => "weight",
            Outcome::Gone => "gone",
        }
    }

    fn weight(self) -> Option<u32> {
        match self {
            Outcome::Removed | Outcome::Gone => None,
            Outcome::Weight(weight) => Some(weight),
            Outcome::Drained | Outcome::Timeout | Outcome::Interrupted(_) => Some(0),
        }
    }
}

pub(super) fn run(args: &cli::Drain, global: &Global) -> Result<ExitCode, Error> {
    let target = &args.target;
    let lock = lock()?;
    // From now on, a signal must not end the command without a report of what
    // is left.
    let signals = Signals::note()?;
    let begun = Drain::begin(&target.service, target.server, args.remove)?;
    drop(lock);
    let began = Instant::now();
    let weight_before = begun.weight_before;
    // A reader that closes the output does not affect the drain.
    let mut printed = Ok(());
    if !global.json {
        let (service, server) = (&target.service, target.server);
        printed = output::print(weight::change(service, server, weight_before, 0));
    }
    for caution in &begun.cautions {
        output::say(format_args!("note: {}", message(caution)));
    }
    let words = Words::new(args, global, weight_before);
    let mut left = Left::default();
    let outcome = wait(begun, args, global, &signals, &mut left)
        .map_err(|source| Error::Drain(words.failed(&source)))?;
    let report = Report {
        service: target.service.to_string(),
        server: target.server.to_string(),
        weight_before,
        outcome: outcome.name(),
        weight: outcome.weight(),
        left,
        seconds: began.elapsed().as_secs(),
    };
    if global.json {
        printed = output::print_json(&report);
    }
    finish(outcome, &left, &words, global, printed)
}

fn finish(
    outcome: Outcome,
    left: &Left,
    words: &Words,
    global: &Global,
    mut printed: io::Result<()>,
) -> Result<ExitCode, Error> {
    match words.ended(outcome, left) {
        Ok(text) => {
            if !global.json && printed.is_ok() {
                printed = output::print(text);
            }
            printed?;
            Ok(ExitCode::SUCCESS)
        }
        Err(words) => Err(match outcome {
            Outcome::Interrupted(signal) => Error::Stopped { words, signal },
            _ => Error::Drain(words),
        }),
    }
}

fn wait(
    begun: StartedDrain,
    args: &cli::Drain,
    global: &Global,
    signals: &Signals,
    left: &mut Left,
) -> Result<Outcome, director::Error> {
    let mut drain = begun.drain;
    let mut progress = Progress::new(!global.json);
    let began = Instant::now();
    let timeout = args
        .timeout
        .map(|seconds| Duration::from_secs(seconds.into()));
    loop {
        let looked = Instant::now();
        let mut look = drain.look()?;
        if let Look::Left(Left { connections: 0, .. }) = look {
            if !args.remove {
                *left = update(look, *left);
                return Ok(Outcome::Drained);
            }
            // If another process holds the lock, the next look tries again.
            if let Some(last) = drain.remove()? {
                look = last;
                if let Look::Left(Left { connections: 0, .. }) = last {
                    *left = update(last, *left);
                    return Ok(Outcome::Removed);
                }
            }
        }
        *left = update(look, *left);
        match look {
            Look::Weight(weight) => return Ok(Outcome::Weight(weight)),
            Look::Gone => return Ok(Outcome::Gone),
            Look::Left(left) => progress.left(left.connections, &waiting(&left)),
        }
        let mut pause = PAUSE.max(looked.elapsed() * SHARE);
        if let Some(timeout) = timeout {
            let remaining = timeout.saturating_sub(began.elapsed());
            if remaining.is_zero() {
                return Ok(Outcome::Timeout);
            }
            pause = pause.min(remaining);
        }
        if let Some(signal) = signals.within(pause) {
            return Ok(Outcome::Interrupted(signal));
        }
    }
}

/// Returns what is left. If this look does not know it, returns the previous
/// result.
fn update(look: Look, before: Left) -> Left {
    match look {
        Look::Left(left) => left,
        Look::Weight(_) | Look::Gone => before,
    }
}

fn waiting(left: &Left) -> String {
    let connections = connections(left.connections);
    match left.closed {
        0 => format!("waiting for {connections} to end"),
        closed => format!("waiting for {connections} to end; {closed} closed"),
    }
}

fn connections(count: u32) -> String {
    match count {
        1 => "1 connection".to_owned(),
        count => format!("{count} connections"),
    }
}

fn message(caution: &Caution) -> String {
    match caution {
        Caution::LastServer => "no other server of the service has a weight above 0, so new \
             clients are refused"
            .to_owned(),
        Caution::Refuses { scheduler } => format!(
            "the scheduler {scheduler} refuses the clients that it maps to this server, until it \
             is removed{}",
            fallback_flag(scheduler).map_or(String::new(), |flag| {
                format!(" (with scheduler_flags = [\"{flag}\"] they get another server)")
            })
        ),
        Caution::Persistent { timeout } => format!(
            "the service is persistent: clients of the last {timeout}s return to this server; \
             with net.ipv4.vs.expire_quiescent_template = 1 they go to other servers"
        ),
        Caution::Udp { timeout } => format!(
            "a UDP connection ends when it has had no packet for {}",
            match timeout {
                Some(seconds) => format!("{seconds}s, IPVS's timeout for UDP"),
                None => "IPVS's timeout for UDP".to_owned(),
            }
        ),
    }
}

/// The words of the final report.
struct Words {
    /// "10.2.0.2:8080 of tcp://10.0.0.1:80".
    server: String,
    /// The command that undoes the drain.
    undo: String,
    timeout: u32,
}

impl Words {
    fn new(args: &cli::Drain, global: &Global, weight_before: u32) -> Self {
        let (service, server) = (&args.target.service, args.target.server);
        let netns = match &global.netns {
            Some(name) => format!("--netns {name} "),
            None => String::new(),
        };
        let undo = match weight_before {
            0 => "it was 0 before".to_owned(),
            weight => {
                format!("`ipvs-bpf {netns}weight {service} {server} {weight}` restores it")
            }
        };
        Words {
            server: format!("{server} of {service}"),
            undo,
            timeout: args.timeout.unwrap_or_default(),
        }
    }

    /// Returns the report. `Err`: the drain did not complete.
    fn ended(&self, outcome: Outcome, left: &Left) -> Result<String, String> {
        let Words {
            server,
            undo,
            timeout,
        } = self;
        let connections = connections(left.connections);
        let closed = match left.closed {
            0 => String::new(),
            closed => format!(" ({closed} closed, not expired yet)"),
        };
        match outcome {
            Outcome::Drained => Ok(format!(
                "drained: no connection is left{closed}; its weight is 0, {undo}"
            )),
            Outcome::Removed => Ok(format!(
                "drained: no connection is left{closed}; removed, and `apply` adds it again if \
                 its file lists it"
            )),
            Outcome::Timeout => Err(format!(
                "{server}: after {timeout}s {connections} left{closed}; its weight stays 0, {undo}"
            )),
            Outcome::Interrupted(_) => Err(format!(
                "{server}: stopped waiting with {connections} left{closed}; its weight is still \
                 0, {undo}"
            )),
            Outcome::Weight(weight) => Err(format!(
                "{server}: another program gave it the weight {weight}, with {connections} left; \
                 if that was `apply`, run it with --keep-weights, or write weight = 0 into the file"
            )),
            Outcome::Gone => Err(format!(
                "{server}: another program removed it, with {connections} left"
            )),
        }
    }

    fn failed(&self, source: &director::Error) -> String {
        let Words { server, undo, .. } = self;
        format!("{source}\n{server}: stopped waiting; its weight is 0, {undo}")
    }
}
