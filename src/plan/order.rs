// SPDX-License-Identifier: GPL-2.0-only
//! The difference between two states, in the order in which it can be carried
//! out.
//!
//! # The order, and why
//!
//! | stage | |
//! | --- | --- |
//! | `sync_stopping` | sync daemons stop |
//! | `settings` | timeouts and sysctls of IPVS, and the receiver of clients' addresses, change |
//! | `start` | the datapath starts or changes, with its timeouts; programs are attached |
//! | `local_ips` | addresses come, and change ports or pool |
//! | `full_nat` | services become full NAT, or change their pool |
//! | `rules` | rules come, go and change their pool, all at once |
//! | `ipvs` | services and servers come and change |
//! | `ipvs_leaving` | weights fall to 0; servers, then services, go |
//! | `sync_starting` | sync daemons start |
//! | `native` | services stop being full NAT |
//! | `local_ips_leaving` | addresses go; which of them wait until here: `local_ips.rs` |
//! | `stop` | programs are detached, the datapath stops |
//!
//! IPVS decides at a connection's birth which module serves it, for its whole
//! life. A full-NAT service's connection that is born before the module knows
//! the service is native: its server's replies bypass the director, and it
//! hangs. So IPVS gets to know such a service last and forgets it first: before
//! IPVS has it, or any change of it, the module has it listed, and its pool has an
//! address. The removals mirror the additions for the same reason.
//!
//! Additions come before removals, so that a service whose servers are all
//! replaced always has one that takes connections (hence a weight that falls to
//! 0 counts as a removal), and so that IPVS always has a service if it had one:
//! it registers its hooks, which the module calls, with the first service of a
//! family and unregisters them with the last. Services and servers do not
//! exclude each other, so the new ones find room. Local IPs do, since an
//! address is in one pool: that is why a move is one step. And the sync daemons
//! exclude servers of another family than their service's: they stop before
//! such a server comes, and start after the last one went. Settings change
//! early, so that the first connection and a daemon's start find them.
//!
//! A service that stays in IPVS and becomes full NAT (or native) changes for
//! new connections only; the others end as they were born.
//!
//! # What is compared
//!
//! Values as they are, because the kernel gives back what it was given. Read in
//! Linux 6.1, `net/netfilter/ipvs/ip_vs_ctl.c`:
//!
//! * Forwarding method: `ip_vs_genl_fill_dest()` reports the bits that
//!   `__ip_vs_update_dest()` stored as asked. A server that is this host stays
//!   `Masq`; the transmitters find that out for each packet. `Local` is seen
//!   only where somebody asked for it, and is a difference like any other.
//! * Lower threshold: 0 stays 0 in a dump; three quarters of the upper one is
//!   kept apart, in `l_threshold_val`.
//! * Thresholds and weights are sent with every edit, so none is left over. A
//!   server that comes back from the trash takes all its values anew.
//! * Tunnel: an edit without tunnel attributes stores zeroes; what a dump says
//!   about the tunnel of another method does not reach the model.
//! * Service flags: `HASHED` is the kernel's own and not part of the model. An
//!   edit keeps the flags outside its mask.
//! * Netmask and persistence timeout: stored as sent, 0 and all, also without
//!   `PERSISTENT`; there the model has no persistence, so neither is compared.
//!   A timeout is kept in ticks of 32 bits: above `u32::MAX / HZ` seconds
//!   (4 294 967 at `HZ` = 1000) it comes back as another one.
//! * Scheduler and persistence engine: matched by their whole names and
//!   reported by them; no engine in an edit takes the old one away.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::goal::{Options, goal};
use super::local_ips::plan_local_ips;
use super::merge::{Entry, merge};
use super::refusal::{Refusal, refusals};
use super::step::Step;
use crate::model::{Rule, Server, Service, ServiceKey, State, SyncState, Timeout};

/// Steps of IPVS in one slice: a signal waits for no more of them.
const AT_ONCE: usize = 128;

/// What `apply` does, in order, or why it does nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// With any of these none of the steps may be carried out: they are there
    /// to be shown.
    pub refusals: Vec<Refusal>,
    /// The services of the steps that are full NAT before and after, with their
    /// pools.
    pub stays_full_nat: BTreeMap<ServiceKey, String>,
}

impl Plan {
    /// The kernel is as it should be.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.refusals.is_empty()
    }

    /// The steps, cut into slices that travel to the kernel as one: what one
    /// write to the module's `local_ips` or `services` has to make effective
    /// together (two pools can exchange their only addresses no other way), or
    /// steps of IPVS, of which the kernel carries out later ones even if an
    /// earlier one fails. So what leaves is never in one slice with what comes
    /// to replace it.
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

/// The stages, in their order.
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

/// What turns `actual` into [`goal`]`(desired, actual, options)`.
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

    let mut refusals = refusals(&goal, actual);
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
    full_nat: &BTreeMap<ServiceKey, String>,
) -> BTreeMap<ServiceKey, String> {
    steps
        .iter()
        .filter_map(Step::ipvs_service)
        .filter_map(|key| {
            let pool = goal.full_nat.get(key)?;
            let stays = full_nat.get(key) == Some(pool);
            stays.then(|| (key.clone(), pool.clone()))
        })
        .collect()
}

/// The goal has what the kernel has, and more where the file says so.
fn timeouts(which: &[Timeout], goal: &State, actual: &State) -> Vec<Step> {
    let change = |&timeout| {
        let (old, new) = (actual.timeouts.get(timeout), goal.timeouts.get(timeout));
        let new = new.filter(|_| old != new)?;
        Some(Step::ChangeTimeout { timeout, old, new })
    };
    which.iter().filter_map(change).collect()
}

impl Stages {
    /// The goal has what the kernel has, and more where the file says so.
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

    /// It depends on nothing else.
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

    fn full_nat(&mut self, goal: &State, running: &BTreeMap<ServiceKey, String>) {
        for entry in merge(running, &goal.full_nat) {
            match entry {
                Entry::Added(service, pool) => self.full_nat.push(Step::AddFullNat {
                    service: service.clone(),
                    pool: pool.clone(),
                }),
                Entry::Kept(service, old, new) if old != new => {
                    self.full_nat.push(Step::ChangeFullNat {
                        service: service.clone(),
                        old: old.clone(),
                        new: new.clone(),
                    });
                }
                Entry::Kept(..) => {}
                Entry::Removed(service, pool) => self.native.push(Step::RemoveFullNat {
                    service: service.clone(),
                    pool: pool.clone(),
                }),
            }
        }
    }

    /// In one write, so that a network can go from one rule to another.
    fn rules(&mut self, goal: &State, running: &BTreeMap<Rule, String>) {
        for entry in merge(running, &goal.rules) {
            match entry {
                Entry::Added(rule, pool) => self.rules.push(Step::AddRule {
                    rule: rule.clone(),
                    pool: pool.clone(),
                }),
                Entry::Kept(rule, old, new) if old != new => self.rules.push(Step::ChangeRule {
                    rule: rule.clone(),
                    old: old.clone(),
                    new: new.clone(),
                }),
                Entry::Kept(..) => {}
                Entry::Removed(rule, pool) => self.rules.push(Step::RemoveRule {
                    rule: rule.clone(),
                    pool: pool.clone(),
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

/// A service's own attributes.
fn without_servers(service: &Service) -> Service {
    Service {
        scheduler: service.scheduler.clone(),
        scheduler_flags: service.scheduler_flags,
        persistence: service.persistence.clone(),
        one_packet: service.one_packet,
        servers: Default::default(),
    }
}
