// SPDX-License-Identifier: GPL-2.0-only
//! `show --watch`: repeats the view. On a terminal it is a live view, elsewhere
//! the tables are printed one after the other.

use std::io::{self, IsTerminal};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::super::Error;
use super::live;
use super::query::{Look, Query};
use super::resolver::Resolver;
use super::services::Before;
use super::{look, text};
use crate::output;

/// The state that one look keeps for the next ones.
pub(super) struct Watch<'a> {
    pub query: &'a Query,
    pub interval: Duration,
    pub resolver: Resolver,
    before: Option<Before>,
    next: Instant,
}

pub(super) fn run(query: &Query, interval: Duration) -> Result<(), Error> {
    let mut watch = Watch {
        query,
        interval,
        resolver: Resolver::new(),
        before: None,
        next: Instant::now(),
    };
    // A problem at the first look is an error, not a view.
    let first = watch.look()?;
    match first {
        Look::Grid(grid) if io::stdout().is_terminal() => live::run(watch, grid),
        first => print(watch, first),
    }
}

impl Watch<'_> {
    pub fn look(&mut self) -> Result<Look, Error> {
        let now = Instant::now();
        self.next += self.interval;
        if self.next < now {
            // The look took longer than the interval.
            self.next = now + self.interval;
        }
        look(self.query, &mut self.before)
    }

    /// Returns the time until the next look.
    pub fn pause(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }
}

/// Prints until the reader closes the output or a signal arrives.
fn print(mut watch: Watch, first: Look) -> Result<(), Error> {
    output::print(text(watch.query, first, &mut watch.resolver))?;
    loop {
        sleep(watch.pause());
        match watch.look() {
            Ok(look) => {
                let text = text(watch.query, look, &mut watch.resolver);
                if watch.query.json {
                    output::print(text)?;
                } else {
                    output::print(format_args!("\n{text}"))?;
                }
            }
            // The object existed before and may appear again.
            Err(error @ Error::NotThere(_)) => output::say(format_args!("ipvs-bpf: {error}")),
            Err(error) => return Err(error),
        }
    }
}
