// SPDX-License-Identifier: GPL-2.0-only
//! Prints a plan for people: a diff grouped by object, independent of the order
//! of the steps.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use super::display::{facts, full_nat};
use super::step::{Op, Step};
use super::transactions::Plan;
use crate::model::{FullNat, ServiceKey};

const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const RESET: &str = "\x1b[0m";

/// Prints a plan; see [`Plan::diff`].
pub struct Diff<'a> {
    plan: &'a Plan,
    colour: bool,
}

impl Plan {
    /// Returns the lines of the diff, with servers indented below their
    /// service. The refusals follow, then a summary that counts the lines. The
    /// text ends without a newline.
    pub fn diff(&self, colour: bool) -> Diff<'_> {
        Diff { plan: self, colour }
    }
}

/// Without colour.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diff(false).fmt(f)
    }
}

/// One line. A line without an operation is context: an object that does not
/// change.
struct Line {
    op: Option<Op>,
    indented: bool,
    text: String,
}

/// The steps for one service.
#[derive(Default)]
struct Service<'a> {
    step: Option<&'a Step>,
    full_nat: Option<&'a Step>,
    servers: Vec<(&'a SocketAddr, &'a Step)>,
}

impl Plan {
    /// Returns the number of changes in the summary. A new full-NAT service
    /// counts as one change.
    pub fn changes(&self) -> usize {
        lines(self).iter().filter(|line| line.op.is_some()).count()
    }
}

impl fmt::Display for Diff<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.plan.is_empty() {
            return f.write_str("nothing to do");
        }
        let (mut add, mut change, mut remove) = (0, 0, 0);
        for line in lines(self.plan) {
            match line.op {
                Some(Op::Add) => add += 1,
                Some(Op::Change) => change += 1,
                Some(Op::Remove) => remove += 1,
                None => {}
            }
            self.line(f, &line)?;
        }
        for refusal in &self.plan.refusals {
            let (red, reset) = self.codes(RED);
            let said = self.plan.places.say(refusal, &refusal.subject());
            writeln!(f, "{red}! {said}{reset}")?;
        }
        write!(f, "{add} to add, {change} to change, {remove} to remove")?;
        match self.plan.refusals.len() {
            0 => Ok(()),
            1 => f.write_str("; refused for the reason above"),
            n => write!(f, "; refused for the {n} reasons above"),
        }
    }
}

impl Diff<'_> {
    fn line(&self, f: &mut fmt::Formatter<'_>, line: &Line) -> fmt::Result {
        let indent = if line.indented { "    " } else { "" };
        let Some(op) = line.op else {
            return writeln!(f, "{indent}  {}", line.text);
        };
        let (colour, reset) = self.codes(match op {
            Op::Add => GREEN,
            Op::Change => YELLOW,
            Op::Remove => RED,
        });
        writeln!(f, "{indent}{colour}{} {}{reset}", op.sign(), line.text)
    }

    fn codes(&self, colour: &'static str) -> (&'static str, &'static str) {
        if self.colour {
            (colour, RESET)
        } else {
            ("", "")
        }
    }
}

fn lines(plan: &Plan) -> Vec<Line> {
    let mut settings = Vec::new();
    let mut datapath = Vec::new();
    let mut local_ips = Vec::new();
    let mut rules = Vec::new();
    let mut services: BTreeMap<&ServiceKey, Service> = BTreeMap::new();
    for step in &plan.steps {
        match step {
            Step::ChangeTimeout { .. }
            | Step::ChangeSysctl { .. }
            | Step::StopDaemon { .. }
            | Step::StartToa { .. }
            | Step::ChangeToa { .. }
            | Step::StopToa { .. }
            | Step::StartDaemon { .. } => settings.push(step),
            Step::StartDatapath { .. }
            | Step::ChangeDatapath { .. }
            | Step::StopDatapath { .. }
            | Step::ChangeFastPath { .. }
            | Step::ChangePortSecret { .. }
            | Step::Attach { .. }
            | Step::AttachXdp { .. }
            | Step::DetachXdp { .. }
            | Step::Detach { .. } => datapath.push(step),
            Step::AddLocalIp { address, .. }
            | Step::ChangeLocalIp { address, .. }
            | Step::RemoveLocalIp { address, .. }
            | Step::HandOver { address, .. } => local_ips.push((address, step)),
            Step::AddRule { .. } | Step::ChangeRule { .. } | Step::RemoveRule { .. } => {
                rules.push(step);
            }
            Step::AddFullNat { service, .. }
            | Step::ChangeFullNat { service, .. }
            | Step::RemoveFullNat { service, .. } => {
                services.entry(service).or_default().full_nat = Some(step);
            }
            Step::AddService { service, .. }
            | Step::ChangeService { service, .. }
            | Step::RemoveService { service, .. } => {
                services.entry(service).or_default().step = Some(step);
            }
            Step::AddServer {
                service, server, ..
            }
            | Step::ChangeServer {
                service, server, ..
            }
            | Step::RemoveServer {
                service, server, ..
            } => services
                .entry(service)
                .or_default()
                .servers
                .push((server, step)),
        }
    }
    local_ips.sort_by_key(|(address, _)| *address);

    let mut lines: Vec<Line> = settings
        .into_iter()
        .chain(datapath)
        .chain(local_ips.into_iter().map(|(_, step)| step))
        .chain(rules)
        .map(|step| line(step, false))
        .collect();
    for (key, service) in services {
        let stays = plan.stays_full_nat.get(key);
        service_lines(key, service, stays, &mut lines);
    }
    lines
}

fn line(step: &Step, indented: bool) -> Line {
    Line {
        op: Some(step.op()),
        indented,
        text: facts(step),
    }
}

/// `stays`: the full NAT of the service, if it is the same before and after.
fn service_lines(
    key: &ServiceKey,
    service: Service,
    stays: Option<&FullNat>,
    lines: &mut Vec<Line>,
) {
    let mut head = Line {
        op: service.step.map(Step::op),
        indented: false,
        text: key.to_string(),
    };
    if let Some(step) = service.step {
        head.text += &format!(" {}", facts(step));
    }
    if let Some(stays) = stays {
        let comma = if service.step.is_some() { "," } else { "" };
        head.text += &format!("{comma} {}", full_nat(stays));
    }
    // Parts that are added or removed together are one change for a reader.
    let together = service
        .full_nat
        .filter(|full_nat| head.op == Some(full_nat.op()));
    if let Some(full_nat) = together {
        head.text += &format!(", {}", facts(full_nat));
    }
    lines.push(head);
    if together.is_none() {
        lines.extend(service.full_nat.map(|full_nat| line(full_nat, true)));
    }
    let mut servers = service.servers;
    servers.sort_by_key(|(address, _)| *address);
    lines.extend(servers.into_iter().map(|(_, step)| line(step, true)));
}
