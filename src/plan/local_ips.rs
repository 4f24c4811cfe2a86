// SPDX-License-Identifier: GPL-2.0-only
//! The steps for local IPs, and their time: before the full-NAT services change, or
//! after.
//!
//! Additions and new ports come before, removals come after. The difficult case is
//! an address that moves from one pool to another. The module refuses to empty a
//! pool that a listed service draws from, and a service can enter only a pool that
//! has an address. So a move comes before, unless it takes the last address of a
//! pool in use. That move waits until the services have left the pool. If the
//! destination needs the address before that, the address is handed over together
//! with the services of its old pool. Services that are to use another pool change
//! to it afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::merge::{Entry, merge};
use super::refusal::Refusal;
use super::step::{Assignment, Step};
use crate::model::{Family, FullNat, Rule, ServiceKey, State};

#[derive(Default)]
pub(super) struct LocalIps {
    pub before: Vec<Step>,
    pub after: Vec<Step>,
    pub refusals: Vec<Refusal>,
    /// The full-NAT services after the `before` steps, with their pools.
    pub full_nat: BTreeMap<ServiceKey, FullNat>,
    /// The rules after the `before` steps, with their pools.
    pub rules: BTreeMap<Rule, FullNat>,
}

/// A pool as one service sees it: only addresses of its own family matter.
type Pool<'a> = (&'a str, Family);

struct Move<'a> {
    address: IpAddr,
    old: &'a Assignment,
    new: &'a Assignment,
}

impl<'a> Move<'a> {
    fn from(&self) -> Pool<'a> {
        (&self.old.pool, Family::of(self.address))
    }

    fn to(&self) -> Pool<'a> {
        (&self.new.pool, Family::of(self.address))
    }

    fn step(&self) -> Step {
        Step::ChangeLocalIp {
            address: self.address,
            old: self.old.clone(),
            new: self.new.clone(),
        }
    }

    /// Moves the address and its services. A change of ports is a separate step.
    fn hand_over(&self, services: &[ServiceKey]) -> Vec<Step> {
        let moved = Assignment {
            pool: self.new.pool.clone(),
            ports: self.old.ports,
        };
        let mut steps = vec![Step::HandOver {
            address: self.address,
            old: self.old.clone(),
            new: moved.clone(),
            services: services.to_vec(),
        }];
        if moved != *self.new {
            steps.push(Step::ChangeLocalIp {
                address: self.address,
                old: moved,
                new: self.new.clone(),
            });
        }
        steps
    }
}

pub(super) fn plan_local_ips(goal: &State, actual: &State) -> LocalIps {
    let mut plan = LocalIps::default();
    let running = assignments(actual, &mut plan.refusals);
    let wanted = assignments(goal, &mut plan.refusals);

    let mut moves = Moves {
        sizes: BTreeMap::new(),
        in_use: pools_in_use(actual),
        needed: pools_in_use(goal),
        waiting: BTreeMap::new(),
    };
    let mut moving = Vec::new();
    let mut removed = Vec::new();
    for entry in merge(&running, &wanted) {
        let (&address, assignment) = match entry {
            Entry::Added(address, new) => {
                plan.before.push(Step::AddLocalIp {
                    address: *address,
                    new: new.clone(),
                });
                (address, new)
            }
            Entry::Removed(address, old) => {
                removed.push(Step::RemoveLocalIp {
                    address: *address,
                    old: old.clone(),
                });
                (address, old)
            }
            Entry::Kept(address, old, new) => {
                if old.pool != new.pool {
                    moving.push(Move {
                        address: *address,
                        old,
                        new,
                    });
                } else if old.ports != new.ports {
                    plan.before.push(Step::ChangeLocalIp {
                        address: *address,
                        old: old.clone(),
                        new: new.clone(),
                    });
                }
                (address, old)
            }
        };
        *moves
            .sizes
            .entry((assignment.pool.as_str(), Family::of(address)))
            .or_default() += 1;
    }

    // A pool that needs its first address comes before pools that only get one more.
    let mut others = Vec::new();
    for moving in moving {
        if moves.is_starved(moving.to()) {
            moves.perform(moving, &mut plan.before);
        } else {
            others.push(moving);
        }
    }
    for moving in others {
        moves.perform(moving, &mut plan.before);
    }
    plan.full_nat = actual.full_nat.clone();
    plan.rules = actual.rules.clone();
    hand_over(&mut moves, users(&actual.full_nat), &mut plan);
    let waiting = std::mem::take(&mut moves.waiting).into_values();
    plan.after.extend(waiting.map(|moving| moving.step()));
    plan.after.append(&mut removed);
    plan
}

/// Gives a first address to each pool that needs one. The address comes from a pool
/// whose last address waits to move. That pool is then empty and may need an address
/// itself.
fn hand_over<'a>(
    moves: &mut Moves<'a>,
    mut users: BTreeMap<Pool<'a>, Vec<ServiceKey>>,
    plan: &mut LocalIps,
) {
    let mut sources: BTreeMap<Pool, Vec<Pool>> = BTreeMap::new();
    for (from, moving) in moves.waiting.iter().rev() {
        sources.entry(moving.to()).or_default().push(*from);
    }
    let mut empty: Vec<Pool> = sources.keys().rev().copied().collect();
    while let Some(pool) = empty.pop() {
        if !moves.is_starved(pool) {
            continue;
        }
        let Some(from) = sources.get_mut(&pool).and_then(Vec::pop) else {
            continue;
        };
        let Some(moving) = moves.waiting.remove(&from) else {
            continue;
        };
        moves.record_move(from, pool);
        let services = users.remove(&from).unwrap_or_default();
        for service in &services {
            if let Some(full_nat) = plan.full_nat.get_mut(service) {
                pool.0.clone_into(&mut full_nat.pool);
            }
        }
        for (rule, its) in &mut plan.rules {
            if (its.pool.as_str(), rule.family()) == from {
                pool.0.clone_into(&mut its.pool);
            }
        }
        plan.before.extend(moving.hand_over(&services));
        users.insert(pool, services);
        empty.push(from);
    }
}

fn users(full_nat: &BTreeMap<ServiceKey, FullNat>) -> BTreeMap<Pool<'_>, Vec<ServiceKey>> {
    let mut users: BTreeMap<Pool, Vec<ServiceKey>> = BTreeMap::new();
    for (service, full_nat) in full_nat {
        let pool = (full_nat.pool.as_str(), service.family());
        users.entry(pool).or_default().push(service.clone());
    }
    users
}

/// The pools during the moves.
struct Moves<'a> {
    sizes: BTreeMap<Pool<'a>, usize>,
    /// Pools that a service or rule of the kernel draws from.
    in_use: BTreeSet<Pool<'a>>,
    /// Pools that a service or rule of the goal draws from.
    needed: BTreeSet<Pool<'a>>,
    /// The waiting moves, each of the last address of a pool in use, by that pool.
    waiting: BTreeMap<Pool<'a>, Move<'a>>,
}

impl<'a> Moves<'a> {
    fn size(&self, pool: Pool<'a>) -> usize {
        self.sizes.get(&pool).copied().unwrap_or(0)
    }

    fn is_starved(&self, pool: Pool<'a>) -> bool {
        self.size(pool) == 0 && self.needed.contains(&pool)
    }

    /// Moves the address now if its pool can spare it. Then performs the move that
    /// waited for the other pool to get an address.
    fn perform(&mut self, moving: Move<'a>, steps: &mut Vec<Step>) {
        let mut next = Some(moving);
        while let Some(moving) = next.take() {
            let (from, to) = (moving.from(), moving.to());
            if self.size(from) <= 1 && self.in_use.contains(&from) {
                self.waiting.insert(from, moving);
                return;
            }
            steps.push(moving.step());
            self.record_move(from, to);
            next = self.waiting.remove(&to);
        }
    }

    fn record_move(&mut self, from: Pool<'a>, to: Pool<'a>) {
        let left = self.size(from).saturating_sub(1);
        self.sizes.insert(from, left);
        *self.sizes.entry(to).or_default() += 1;
    }
}

/// Returns the module's table: the pool and the ports of each address.
fn assignments(state: &State, refusals: &mut Vec<Refusal>) -> BTreeMap<IpAddr, Assignment> {
    let mut assignments: BTreeMap<IpAddr, Assignment> = BTreeMap::new();
    for (local_ip, ports) in &state.local_ips {
        let assignment = Assignment {
            pool: local_ip.pool.clone(),
            ports: *ports,
        };
        if let Some(other) = assignments.insert(local_ip.address, assignment) {
            refusals.push(Refusal::AddressInTwoPools {
                address: local_ip.address,
                pools: [other.pool, local_ip.pool.clone()],
            });
        }
    }
    assignments
}

fn pools_in_use(state: &State) -> BTreeSet<Pool<'_>> {
    let services = state.full_nat.iter();
    let services = services.map(|(service, its)| (its.pool.as_str(), service.family()));
    let rules = state.rules.iter();
    let rules = rules.map(|(rule, its)| (its.pool.as_str(), rule.family()));
    services.chain(rules).collect()
}
