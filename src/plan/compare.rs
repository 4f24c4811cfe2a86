// SPDX-License-Identifier: GPL-2.0-only
//! Compares two states, part by part, and puts the steps into their stages.
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

use super::merge::{Entry, merge};
use super::order::Stages;
use super::step::Step;
use crate::model::{FullNat, Rule, Server, Service, ServiceKey, State, SyncState, Timeout};

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
    pub fn settings(&mut self, goal: &State, actual: &State) {
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
    pub fn toa(&mut self, goal: &State, actual: &State) {
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

    pub fn sync(&mut self, goal: &State, actual: &State) {
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

    pub fn datapath(&mut self, goal: &State, actual: &State) {
        let none = BTreeSet::new();
        let (running, wanted) = (&actual.datapath, &goal.datapath);
        let attached = running.as_ref().map_or(&none, |d| &d.interfaces);
        let listed = wanted.as_ref().map_or(&none, |d| &d.interfaces);
        let at_xdp = running.as_ref().map_or(&none, |d| &d.xdp);
        let to_xdp = wanted.as_ref().map_or(&none, |d| &d.xdp);

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
        for interface in to_xdp.difference(at_xdp) {
            self.start.push(Step::AttachXdp {
                interface: interface.clone(),
            });
        }
        for interface in at_xdp.difference(to_xdp) {
            self.stop.push(Step::DetachXdp {
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

    pub fn full_nat(&mut self, goal: &State, running: &BTreeMap<ServiceKey, FullNat>) {
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
    pub fn rules(&mut self, goal: &State, running: &BTreeMap<Rule, FullNat>) {
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

    pub fn services(&mut self, goal: &State, actual: &State) {
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
