// SPDX-License-Identifier: GPL-2.0-only
//! The difference between two states, as steps in an order that can be carried out.
//!
//! # The order, and why
//!
//! | stage | |
//! | --- | --- |
//! | `sync_stopping` | sync daemons stop |
//! | `settings` | timeouts and sysctls of IPVS, and the receiver of clients' addresses, change |
//! | `start` | the datapath starts or changes, with its timeouts; programs are attached |
//! | `local_ips` | addresses are added, and change ports or pool |
//! | `full_nat` | services become full NAT, or change its settings |
//! | `rules` | rules are added, removed and change their pool, all at once |
//! | `ipvs` | services and servers are added and change |
//! | `ipvs_leaving` | weights fall to 0; servers, then services, are removed |
//! | `sync_starting` | sync daemons start |
//! | `native` | services stop being full NAT |
//! | `local_ips_leaving` | addresses are removed; `local_ips.rs` says which ones wait |
//! | `stop` | programs are detached, the datapath stops |
//!
//! IPVS decides at the first packet of a connection which module serves it, for the whole
//! life of the connection. If the module does not know a full-NAT service yet, a new
//! connection of it is native. The server's replies then bypass the director and the
//! connection stalls. So IPVS is the last to learn of such a service and the first to
//! forget it. Before IPVS has the service, or any change of it, the module has it listed
//! and its pool has an address. Removals mirror the additions for the same reason.
//!
//! Additions come before removals, for two reasons. If all servers of a service are
//! replaced, it always has one that takes connections. (Therefore a weight that falls to
//! 0 counts as a removal.) And if IPVS had a service before, it always has one. IPVS
//! registers its hooks, which the module calls, with the first service of a family, and
//! unregisters them with the last. Services and servers do not exclude each other, so the
//! new ones have room. Local IPs do exclude each other, because an address is in one
//! pool. Therefore a move is one step. The sync daemons exclude servers of another family
//! than their service's. So the daemons stop before such a server is added, and start
//! after the last one is removed. Settings change early, so that they hold for the first
//! connection and for the start of a daemon.
//!
//! If a service stays in IPVS and becomes full NAT (or native), only new connections
//! change. The existing connections keep their mode until they end.
//!
//! # What is compared
//!
//! Values are compared unchanged, because the kernel returns the values that it was
//! given. This was checked in Linux 6.1, `net/netfilter/ipvs/ip_vs_ctl.c`:
//!
//! * Forwarding method: `ip_vs_genl_fill_dest()` reports the bits that
//!   `__ip_vs_update_dest()` stored as requested. A server that is this host stays
//!   `Masq`; the transmitters detect it for each packet. `Local` appears only if it was
//!   requested, and is compared like any other method.
//! * Lower threshold: 0 stays 0 in a dump. The effective value, three quarters of the
//!   upper one, is stored separately in `l_threshold_val`.
//! * Thresholds and weights: every edit sends them, so no old value is left. A server
//!   that comes back from the trash gets all its values again.
//! * Tunnel: an edit without tunnel attributes stores zeroes. The tunnel that a dump
//!   reports for another method is not part of the model.
//! * Service flags: `HASHED` belongs to the kernel and is not part of the model. An edit
//!   keeps the flags outside its mask.
//! * Netmask and persistence timeout: stored as sent, including 0, and also without
//!   `PERSISTENT`. In that case the model has no persistence, so neither is compared. A
//!   timeout is stored in ticks of 32 bits: above `u32::MAX / HZ` seconds (4 294 967 at
//!   `HZ` = 1000) it is read back as another value.
//! * Scheduler and persistence engine: matched and reported by their whole names. An edit
//!   without an engine removes the old one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::goal::{Options, goal};
use super::local_ips::plan_local_ips;
use super::merge::{Entry, merge};
use super::refusal::{Refusal, refusals};
use super::step::Step;
use crate::model::{FullNat, Rule, Server, Service, ServiceKey, State, SyncState, Timeout};

/// The limit on IPVS steps in one slice. A signal waits for at most this many.
const AT_ONCE: usize = 128;

/// The steps of `apply` in order, or the reasons why it does nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// If there are any refusals, none of the steps may be carried out. The steps are
    /// then only for display.
    pub refusals: Vec<Refusal>,
    /// The services of the steps whose full NAT is the same before and after.
    pub stays_full_nat: BTreeMap<ServiceKey, FullNat>,
}

impl Plan {
    /// True if the kernel already has the wanted state.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.refusals.is_empty()
    }

    /// Returns the steps in slices, each of which is sent to the kernel at once. There
    /// are two kinds of slices. The first is one write to the module's `local_ips` or
    /// `services`, which takes effect as a whole. Only this lets two pools exchange their
    /// only addresses. The second is a sequence of IPVS steps. The kernel carries out
    /// later steps of it even if an earlier one fails, so a removal is never in one slice
    /// with its replacement.
    ///
    /// `Err`: the plan must not be carried out.
    pub fn transactions(&self) -> Result<impl Iterator<Item = &[Step]>, &[Refusal]> {
        if !self.refusals.is_empty() {
            return Err(&self.refusals);
        }
        let together = |a: &Step, b: &Step| {
            (a.is_local_ip() && b.is_local_ip())
                || (a.is_full_nat() && b.is_full_nat())
                || (a.is_rule() && b.is_rule())
                || (of_ipvs(a) && of_ipvs(b) && a.leaves() == b.leaves())
        };
        Ok(self.steps.chunk_by(together).flat_map(at_once))
    }
}

fn of_ipvs(step: &Step) -> bool {
    step.ipvs_service().is_some()
}

fn at_once(steps: &[Step]) -> std::slice::Chunks<'_, Step> {
    match steps {
        [step, ..] if of_ipvs(step) => steps.chunks(AT_ONCE),
        _ => steps.chunks(usize::MAX),
    }
}

/// The steps by stage, in order.
#[derive(Default)]
struct Stages {
    sync_stopping: Vec<Step>,
    settings: Vec<Step>,
    start: Vec<Step>,
    local_ips: Vec<Step>,
    full_nat: Vec<Step>,
    rules: Vec<Step>,
    ipvs: Vec<Step>,
    ipvs_leaving: Vec<Step>,
    sync_starting: Vec<Step>,
    native: Vec<Step>,
    local_ips_leaving: Vec<Step>,
    stop: Vec<Step>,
}

/// Returns the steps from `actual` to [`goal`]`(desired, actual, options)`.
pub fn plan(desired: &State, actual: &State, options: &Options) -> Plan {
    let goal = goal(desired, actual, options);
    let local_ips = plan_local_ips(&goal, actual);
    let full_nat = &local_ips.full_nat;
    let mut stages = Stages {
        local_ips: local_ips.before,
        local_ips_leaving: local_ips.after,
        ..Stages::default()
    };
    stages.settings(&goal, actual);
    stages.toa(&goal, actual);
    stages.sync(&goal, actual);
    stages.datapath(&goal, actual);
    stages.full_nat(&goal, full_nat);
    stages.rules(&goal, &local_ips.rules);
    stages.services(&goal, actual);

    let mut refusals = refusals(&goal, actual, &desired.external_servers);
    refusals.extend(local_ips.refusals);
    let steps: Vec<Step> = [
        stages.sync_stopping,
        stages.settings,
        stages.start,
        stages.local_ips,
        stages.full_nat,
        stages.rules,
        stages.ipvs,
        stages.ipvs_leaving,
        stages.sync_starting,
        stages.native,
        stages.local_ips_leaving,
        stages.stop,
    ]
    .into_iter()
    .flatten()
    .collect();
    Plan {
        stays_full_nat: stays_full_nat(&steps, &goal, full_nat),
        steps,
        refusals,
    }
}

fn stays_full_nat(
    steps: &[Step],
    goal: &State,
    full_nat: &BTreeMap<ServiceKey, FullNat>,
) -> BTreeMap<ServiceKey, FullNat> {
    steps
        .iter()
        .filter_map(Step::ipvs_service)
        .filter_map(|key| {
            let wanted = goal.full_nat.get(key)?;
            let stays = full_nat.get(key) == Some(wanted);
            stays.then(|| (key.clone(), wanted.clone()))
        })
        .collect()
}

/// The goal has every value of the kernel, changed where the file lists one.
fn timeouts(which: &[Timeout], goal: &State, actual: &State) -> Vec<Step> {
    let change = |&timeout| {
        let (old, new) = (actual.timeouts.get(timeout), goal.timeouts.get(timeout));
        let new = new.filter(|_| old != new)?;
        Some(Step::ChangeTimeout { timeout, old, new })
    };
    which.iter().filter_map(change).collect()
}

impl Stages {
    /// The goal has every value of the kernel, changed where the file lists one.
    fn settings(&mut self, goal: &State, actual: &State) {
        self.settings.extend(timeouts(&Timeout::IPVS, goal, actual));
        for (name, new) in &goal.sysctls {
            let old = actual.sysctls.get(name);
            if old != Some(new) {
                self.settings.push(Step::ChangeSysctl {
                    name: name.clone(),
                    old: old.cloned(),
                    new: new.clone(),
                });
            }
        }
    }

    /// The receiver depends on nothing else.
    fn toa(&mut self, goal: &State, actual: &State) {
        let running = actual.toa.clone().unwrap_or_default();
        let wanted = goal.toa.clone().unwrap_or_default();
        let step = match (running.is_running(), wanted.is_running()) {
            (false, true) => Step::StartToa {
                trust: wanted.trust,
            },
            (true, false) => Step::StopToa {
                trust: running.trust,
            },
            (true, true) if running != wanted => Step::ChangeToa {
                other_build: running.other_build,
                old: running.trust,
                new: wanted.trust,
            },
            _ => return,
        };
        self.settings.push(step);
    }

    fn sync(&mut self, goal: &State, actual: &State) {
        let running = actual.sync.clone().unwrap_or_default();
        let wanted = goal.sync.clone().unwrap_or_default();
        for state in SyncState::ALL {
            let (old, new) = (running.get(state), wanted.get(state));
            if old == new {
                continue;
            }
            if let Some(old) = old.cloned() {
                self.sync_stopping.push(Step::StopDaemon { state, old });
            }
            if let Some(new) = new.cloned() {
                self.sync_starting.push(Step::StartDaemon { state, new });
            }
        }
    }

    fn datapath(&mut self, goal: &State, actual: &State) {
        let none = BTreeSet::new();
        let (running, wanted) = (&actual.datapath, &goal.datapath);
        let attached = running.as_ref().map_or(&none, |d| &d.interfaces);
        let listed = wanted.as_ref().map_or(&none, |d| &d.interfaces);

        if let (None, Some(datapath)) = (running, wanted) {
            self.start.push(Step::StartDatapath {
                max_sessions: datapath.max_sessions,
                fast_path: datapath.fast_path,
            });
        }
        self.start
            .extend(timeouts(&Timeout::UNANSWERED, goal, actual));
        if let (Some(running), Some(wanted)) = (running, wanted)
            && running.fast_path != wanted.fast_path
        {
            self.start.push(Step::ChangeFastPath {
                old: running.fast_path,
                new: wanted.fast_path,
            });
        }
        if goal.needs_module() && goal.port_secret != actual.port_secret {
            self.start.push(Step::ChangePortSecret {
                old: actual.port_secret,
                new: goal.port_secret,
            });
        }
        if let (Some(running), Some(wanted)) = (running, wanted)
            && (running.other_build || running.max_sessions != wanted.max_sessions)
        {
            self.start.push(Step::ChangeDatapath {
                other_build: running.other_build,
                old: running.max_sessions,
                new: wanted.max_sessions,
            });
        }
        for interface in listed.difference(attached) {
            self.start.push(Step::Attach {
                interface: interface.clone(),
            });
        }
        for interface in attached.difference(listed) {
            self.stop.push(Step::Detach {
                interface: interface.clone(),
            });
        }
        if let (Some(datapath), None) = (running, wanted) {
            self.stop.push(Step::StopDatapath {
                max_sessions: datapath.max_sessions,
            });
        }
    }

    fn full_nat(&mut self, goal: &State, running: &BTreeMap<ServiceKey, FullNat>) {
        for entry in merge(running, &goal.full_nat) {
            match entry {
                Entry::Added(service, new) => self.full_nat.push(Step::AddFullNat {
                    service: service.clone(),
                    new: new.clone(),
                }),
                Entry::Kept(service, old, new) if old != new => {
                    self.full_nat.push(Step::ChangeFullNat {
                        service: service.clone(),
                        old: old.clone(),
                        new: new.clone(),
                    });
                }
                Entry::Kept(..) => {}
                Entry::Removed(service, old) => self.native.push(Step::RemoveFullNat {
                    service: service.clone(),
                    old: old.clone(),
                }),
            }
        }
    }

    /// All rules change in one write, so that a network can move between rules.
    fn rules(&mut self, goal: &State, running: &BTreeMap<Rule, FullNat>) {
        for entry in merge(running, &goal.rules) {
            match entry {
                Entry::Added(rule, new) => self.rules.push(Step::AddRule {
                    rule: rule.clone(),
                    new: new.clone(),
                }),
                Entry::Kept(rule, old, new) if old != new => self.rules.push(Step::ChangeRule {
                    rule: rule.clone(),
                    old: old.clone(),
                    new: new.clone(),
                }),
                Entry::Kept(..) => {}
                Entry::Removed(rule, old) => self.rules.push(Step::RemoveRule {
                    rule: rule.clone(),
                    old: old.clone(),
                }),
            }
        }
    }

    fn services(&mut self, goal: &State, actual: &State) {
        for entry in merge(&actual.services, &goal.services) {
            match entry {
                Entry::Added(key, new) => {
                    self.ipvs.push(Step::AddService {
                        service: key.clone(),
                        new: without_servers(new),
                    });
                    for (address, server) in &new.servers {
                        self.ipvs.push(add_server(key, address, server));
                    }
                }
                Entry::Kept(key, old, new) => {
                    let (old_alone, new_alone) = (without_servers(old), without_servers(new));
                    if old_alone != new_alone {
                        self.ipvs.push(Step::ChangeService {
                            service: key.clone(),
                            old: old_alone,
                            new: new_alone,
                        });
                    }
                    self.servers(key, old, new);
                }
                Entry::Removed(key, old) => self.ipvs_leaving.push(Step::RemoveService {
                    service: key.clone(),
                    old: old.clone(),
                }),
            }
        }
    }

    fn servers(&mut self, key: &ServiceKey, old: &Service, new: &Service) {
        let mut changed = Vec::new();
        let mut removed = Vec::new();
        for entry in merge(&old.servers, &new.servers) {
            match entry {
                Entry::Added(address, server) => self.ipvs.push(add_server(key, address, server)),
                Entry::Kept(address, old, new) if old != new => {
                    let step = Step::ChangeServer {
                        service: key.clone(),
                        server: *address,
                        old: old.clone(),
                        new: new.clone(),
                    };
                    if step.leaves() {
                        self.ipvs_leaving.push(step);
                    } else {
                        changed.push(step);
                    }
                }
                Entry::Kept(..) => {}
                Entry::Removed(address, server) => removed.push(Step::RemoveServer {
                    service: key.clone(),
                    server: *address,
                    old: server.clone(),
                }),
            }
        }
        self.ipvs.append(&mut changed);
        self.ipvs_leaving.append(&mut removed);
    }
}

fn add_server(service: &ServiceKey, server: &SocketAddr, new: &Server) -> Step {
    Step::AddServer {
        service: service.clone(),
        server: *server,
        new: new.clone(),
    }
}

/// Returns the service's own attributes, without its servers.
fn without_servers(service: &Service) -> Service {
    Service {
        scheduler: service.scheduler.clone(),
        scheduler_flags: service.scheduler_flags,
        persistence: service.persistence.clone(),
        one_packet: service.one_packet,
        servers: Default::default(),
    }
}
