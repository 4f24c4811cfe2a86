// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs-bpf apply --follow`: compares the kernel with the file again and again, and
//! carries out what differs.

mod events;
mod file;
mod manager;
mod pace;
mod settling;
mod wake;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use self::events::{Cause, Event};
use self::file::{File, Reading};
use self::manager::Manager;
use self::pace::Pace;
use self::settling::Settling;
use self::wake::{Wake, Waker};
use super::apply::{carry_out, remove_older_module, verify};
use super::desired::Desired;
use super::{Error, lock, plan as planning};
use crate::cli::{Global, Reconcile};
use crate::config::{Failure, Report};
use crate::director::{self, Claim, FollowerState, LastApply, Lock};
use crate::output;
use crate::plan::{Options, Plan};

/// The most changes of one comparison that are printed for people.
const MOST: usize = 100;

pub(super) fn run(args: &Reconcile, global: &Global) -> Result<ExitCode, Error> {
    let path = &args.file.file;
    if path == Path::new("-") {
        return Err(Error::Usage(
            "standard input cannot be read again, so it cannot be followed; name a file".to_owned(),
        ));
    }
    let Some(claim) = Claim::take()? else {
        return Err(another(path));
    };
    let file = File::open(path)?;
    if !file.config().is_of_server() {
        let _lock = lock()?;
        remove_older_module(global)?;
    }
    let mut follower = Follower {
        global,
        options: planning::options(&args.kept),
        name: path.display().to_string(),
        waker: Waker::new().map_err(Error::Waiting)?,
        pace: Pace::new(Instant::now()),
        manager: Manager::default(),
        claim,
        published: None,
        file,
        settling: Settling::default(),
        host: None,
        causes: vec![Cause::Start],
        error: None,
        warnings: Vec::new(),
        absent: BTreeSet::new(),
        planned: 0,
        last_apply: None,
    };
    follower.print_file();
    if !follower.waker.watches_files() {
        let message = "there is no inotify instance left, so a change of the file is noticed only \
                       by a comparison every few seconds: raise `sysctl \
                       fs.inotify.max_user_instances`, then start this again";
        Event::Warning { message }.print(global.json);
    }
    follower.run()
}

fn another(path: &Path) -> Error {
    let followed = director::following().ok().flatten();
    let what = followed.map_or_else(|| "a file".to_owned(), |following| following.file);
    Error::Usage(format!(
        "another `apply --follow` follows {what} in this network namespace; two would undo each \
         other's changes: stop it before this one follows {}",
        path.display()
    ))
}

struct Follower<'a> {
    global: &'a Global,
    options: Options,
    /// The name of the file, as it was given.
    name: String,
    waker: Waker,
    pace: Pace,
    manager: Manager,
    claim: Claim,
    /// The last state that was published.
    published: Option<FollowerState>,
    file: File,
    settling: Settling,
    /// The interfaces of the host, and the file on such a host. `None`: the file is new.
    host: Option<(Vec<String>, Desired)>,
    /// The reasons of the next comparison. Without one it is for drift.
    causes: Vec<Cause>,
    /// The error of the last comparison, in the words that are compared.
    error: Option<String>,
    /// The warnings that were printed.
    warnings: Vec<String>,
    absent: BTreeSet<String>,
    /// The steps that the last comparison left.
    planned: usize,
    last_apply: Option<LastApply>,
}

impl Follower<'_> {
    fn run(&mut self) -> Result<ExitCode, Error> {
        self.waker.watch(&self.file.folders());
        loop {
            if let Some(signal) = self.waker.end() {
                self.manager.stopping();
                let signal = signal.as_str();
                Event::Ended { signal }.print(self.global.json);
                return Ok(ExitCode::SUCCESS);
            }
            let patience = self.pace.patience(Instant::now());
            if patience.is_zero() {
                self.round();
            } else {
                let wake = self.waker.wait(patience).map_err(Error::Waiting)?;
                self.note_wake(&wake);
            }
        }
    }

    fn note_wake(&mut self, wake: &Wake) {
        let now = Instant::now();
        if wake.reload {
            self.manager.reloading();
            self.file.forget_mistakes();
            self.causes.push(Cause::Signal);
            self.pace.at_once(now);
        }
        for path in &wake.completed {
            self.settling.completed(path);
        }
        if wake.file {
            self.causes.push(Cause::File);
            self.pace.notified(now);
        }
        if wake.network {
            self.causes.push(Cause::Network);
            self.pace.notified(now);
        }
    }

    /// Compares once. After a signal that ends the process, the caller sees it.
    fn round(&mut self) {
        let began = Instant::now();
        let lock = match Lock::try_take() {
            Ok(Some(lock)) => Ok(lock),
            Ok(None) => return self.pace.busy(began),
            Err(error) => Err(Error::from(error)),
        };
        let causes = std::mem::take(&mut self.causes);
        let mut done = 0;
        let result = lock.and_then(|_lock| self.compare(&causes, &mut done));
        if let Err(Error::Signal { .. }) = result {
            return;
        }
        let cause = of(&causes);
        if done > 0 || result.is_err() {
            self.last_apply = Some(LastApply {
                seconds: now(),
                success: result.is_ok(),
            });
        }
        let wait = self.pace.ended(began, Instant::now(), result.is_err());
        match &result {
            Ok(()) => {
                if done > 0 {
                    Event::Applied { cause, done }.print(self.global.json);
                }
                if self.error.take().is_some() {
                    Event::Recovered { cause }.print(self.global.json);
                }
                self.planned = 0;
            }
            Err(error) => {
                if let Error::NotConverged { left, .. } = error {
                    self.planned = *left;
                }
                let words = match error {
                    // How far it came is another thing each time.
                    Error::Step { source, .. } => source.to_string(),
                    error => error.to_string(),
                };
                if self.error.as_ref() != Some(&words) {
                    let failed = Event::Failed {
                        cause,
                        done,
                        error: &error.to_string(),
                        retry_seconds: wait.as_secs(),
                    };
                    failed.print(self.global.json);
                }
                self.error = Some(words);
            }
        }
        self.publish_status(&causes, result.is_ok());
    }

    /// Reads what changed, plans, and carries the plan out. `done`: the steps that were
    /// carried out.
    fn compare(&mut self, causes: &[Cause], done: &mut usize) -> Result<(), Error> {
        let asked = causes.contains(&Cause::Signal);
        let changes = self.file.changes();
        if asked || causes.contains(&Cause::File) || !changes.is_empty() {
            if asked || self.settling.is_settled(&changes, Instant::now()) {
                self.read_file(asked);
            } else {
                // The next comparison looks again.
                self.causes.push(Cause::File);
            }
        }
        let interfaces = director::interfaces()?;
        let (known, desired) = match self.host.take() {
            Some((known, desired)) if known == interfaces => (known, desired),
            _ => {
                let desired = Desired::of(self.file.config(), &interfaces);
                (interfaces, desired)
            }
        };
        let result = self.reconcile(causes, &desired, done);
        if result.is_ok() {
            self.print_absent(&desired.absent);
        }
        self.host = Some((known, desired));
        result
    }

    fn reconcile(
        &mut self,
        causes: &[Cause],
        desired: &Desired,
        done: &mut usize,
    ) -> Result<(), Error> {
        let cause = of(causes);
        if !causes.is_empty() {
            self.print_warnings(desired.warnings());
        }
        let before = desired.observe()?;
        let plan = planning::on_this_host(&before, &desired.state, &self.options, self.global)?;
        self.planned = plan.steps.len();
        if !plan.refusals.is_empty() {
            let reasons = plan.refusals.iter();
            let reasons = reasons.map(|it| desired.places.say(it, &it.subject()));
            let reasons: Vec<String> = reasons.collect();
            return Err(Error::RefusedBecause(reasons.join("; ")));
        }
        if plan.steps.is_empty() {
            return Ok(());
        }
        let mut carried_out = Vec::new();
        let waker = &mut self.waker;
        let result = carry_out(&plan, self.global, &mut carried_out, || waker.end());
        *done = carried_out.iter().filter(|&&done| done).count();
        self.planned -= *done;
        print_changes(&plan, &carried_out, cause, self.global.json);
        result?;
        verify(before, &plan, desired, &self.options)
    }

    fn read_file(&mut self, asked: bool) {
        let reading = self.file.read_again(asked);
        self.waker.watch(&self.file.folders());
        match reading {
            Reading::Same if asked && self.file.is_valid() => self.print_file(),
            Reading::Same => {}
            Reading::Unsettled => self.causes.push(Cause::File),
            Reading::New => {
                self.host = None;
                self.print_file();
            }
            Reading::Wrong(failure) => self.print_mistakes(&failure),
        }
    }

    /// Says that the file is followed, with the warnings about its text.
    fn print_file(&self) {
        let config = self.file.config();
        let interfaces = director::interfaces().unwrap_or_default();
        let warnings = config.warnings_on(&interfaces);
        let event = Event::File {
            file: &self.name,
            services: config.on_any_host().services.len(),
            report: Report::of_warnings(warnings.as_ref()),
        };
        event.print(self.global.json);
        if !self.global.json {
            super::desired::warn(warnings);
        }
    }

    fn print_mistakes(&self, failure: &Failure) {
        let shown = match failure {
            Failure::Mistakes(diagnostics) => {
                diagnostics.render(output::colour(&std::io::stderr()))
            }
            Failure::NotRead(why) => format!("ipvs-bpf: {why}"),
        };
        let text = format!(
            "{shown}\nipvs-bpf: {}: nothing was changed; the previous version stays in force until \
             the mistakes are fixed",
            self.name
        );
        let event = Event::FileWrong {
            file: &self.name,
            report: Report::of_failure(failure),
            text: &text,
        };
        event.print(self.global.json);
    }

    /// Prints the warnings that were not there before.
    fn print_warnings(&mut self, warnings: Vec<String>) {
        for message in &warnings {
            if !self.warnings.contains(message) {
                Event::Warning { message }.print(self.global.json);
            }
        }
        self.warnings = warnings;
    }

    fn print_absent(&mut self, absent: &BTreeSet<String>) {
        if *absent != self.absent {
            let interfaces = absent;
            Event::Absent { interfaces }.print(self.global.json);
            self.absent = absent.clone();
        }
    }

    /// Tells the service manager and other processes.
    fn publish_status(&mut self, causes: &[Cause], succeeded: bool) {
        let mut status = match &self.error {
            Some(error) => format!("failed, will be tried again: {error}"),
            None => format!("the kernel matches {}", self.name),
        };
        if !self.file.is_valid() {
            status = format!("{} has mistakes; {status}", self.name);
        }
        if !self.absent.is_empty() {
            let names: Vec<&str> = self.absent.iter().map(String::as_str).collect();
            status = format!("{status}; waiting for {}", names.join(", "));
        }
        self.manager.status(&status);
        // A reload has ended, whatever came of it. A start ends with success alone.
        if succeeded || causes.contains(&Cause::Signal) {
            self.manager.ready();
        }
        let following = FollowerState {
            file: self.name.clone(),
            file_valid: self.file.is_valid(),
            planned_changes: self.planned as u64,
            last_apply: self.last_apply,
        };
        if self.published.as_ref() != Some(&following) && self.claim.publish(&following).is_ok() {
            self.published = Some(following);
        }
    }
}

/// The reason that is named: the one that a person gave, if there is one.
fn of(causes: &[Cause]) -> Cause {
    [Cause::Start, Cause::Signal, Cause::File, Cause::Network]
        .into_iter()
        .find(|cause| causes.contains(cause))
        .unwrap_or(Cause::Drift)
}

fn print_changes(plan: &Plan, carried_out: &[bool], cause: Cause, json: bool) {
    let steps = plan.steps.iter().zip(carried_out);
    let steps: Vec<_> = steps.filter(|(_, done)| **done).map(|(s, _)| s).collect();
    let shown = if json { steps.len() } else { MOST };
    for &step in steps.iter().take(shown) {
        Event::Change { cause, step }.print(json);
    }
    if let Some(more) = steps.len().checked_sub(shown).filter(|more| *more > 0) {
        let _ = output::print(format_args!("… and {more} more [{cause}]"));
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}
