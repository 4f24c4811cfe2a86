// SPDX-License-Identifier: GPL-2.0-only
//! What to do about local IPs, and when: before the full-NAT services change,
//! or after.
//!
//! Additions and new ports come before, removals after. What needs thought is
//! an address that moves from one pool to another, since the module refuses to
//! empty a pool that a listed service draws from, and a service can enter only
//! a pool that has an address. So a move comes before, unless it takes the last
//! address of a pool in use: that one waits until the services have left. Where
//! the pool that it moves to has to have it before, the plan is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::merge::{Entry, merge};
use super::refusal::Refusal;
use super::step::{Place, Step};
use crate::model::{Family, ServiceKey, State};

#[derive(Default)]
pub(super) struct LocalIps {
    pub before: Vec<Step>,
    pub after: Vec<Step>,
    pub refusals: Vec<Refusal>,
}

/// A pool as one service sees it: only addresses of its own family matter.
type Pool<'a> = (&'a str, Family);

struct Move<'a> {
    address: IpAddr,
    old: &'a Place,
    new: &'a Place,
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
}

pub(super) fn plan_local_ips(goal: &State, actual: &State) -> LocalIps {
    let mut plan = LocalIps::default();
    let running = places(actual, &mut plan.refusals);
    let wanted = places(goal, &mut plan.refusals);

    let mut moves = Moves {
        sizes: BTreeMap::new(),
        in_use: pools_in_use(&actual.full_nat),
        needed: pools_in_use(&goal.full_nat),
        waiting: BTreeMap::new(),
    };
    let mut moving = Vec::new();
    let mut removed = Vec::new();
    for entry in merge(&running, &wanted) {
        let (&address, place) = match entry {
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
            .entry((place.pool.as_str(), Family::of(address)))
            .or_default() += 1;
    }

    // A pool that needs its first address is served before those that would
    // merely have one more.
    let mut others = Vec::new();
    for moving in moving {
        if moves.is_starved(moving.to()) {
            moves.go(moving, &mut plan.before);
        } else {
            others.push(moving);
        }
    }
    for moving in others {
        moves.go(moving, &mut plan.before);
    }
    let waiting = std::mem::take(&mut moves.waiting);
    for (_, moving) in waiting {
        if moves.is_starved(moving.to()) {
            plan.refusals.push(Refusal::LastAddress {
                address: moving.address,
                from: moving.old.pool.clone(),
                to: moving.new.pool.clone(),
            });
        }
        plan.after.push(moving.step());
    }
    plan.after.append(&mut removed);
    plan
}

/// The pools while addresses move between them.
struct Moves<'a> {
    sizes: BTreeMap<Pool<'a>, usize>,
    /// A service that the kernel has draws from it.
    in_use: BTreeSet<Pool<'a>>,
    /// A service of the goal draws from it.
    needed: BTreeSet<Pool<'a>>,
    /// The last address of a pool in use, by that pool.
    waiting: BTreeMap<Pool<'a>, Move<'a>>,
}

impl<'a> Moves<'a> {
    fn size(&self, pool: Pool<'a>) -> usize {
        self.sizes.get(&pool).copied().unwrap_or(0)
    }

    fn is_starved(&self, pool: Pool<'a>) -> bool {
        self.size(pool) == 0 && self.needed.contains(&pool)
    }

    /// Moves the address now if its pool can spare it, and then the one that
    /// waited for an address to come to the other pool.
    fn go(&mut self, moving: Move<'a>, steps: &mut Vec<Step>) {
        let mut next = Some(moving);
        while let Some(moving) = next.take() {
            let (from, to) = (moving.from(), moving.to());
            if self.size(from) <= 1 && self.in_use.contains(&from) {
                self.waiting.insert(from, moving);
                return;
            }
            steps.push(moving.step());
            let left = self.size(from).saturating_sub(1);
            self.sizes.insert(from, left);
            *self.sizes.entry(to).or_default() += 1;
            next = self.waiting.remove(&to);
        }
    }
}

/// The module's table: what each address serves.
fn places(state: &State, refusals: &mut Vec<Refusal>) -> BTreeMap<IpAddr, Place> {
    let mut places: BTreeMap<IpAddr, Place> = BTreeMap::new();
    for (local_ip, ports) in &state.local_ips {
        let place = Place {
            pool: local_ip.pool.clone(),
            ports: *ports,
        };
        if let Some(other) = places.insert(local_ip.address, place) {
            refusals.push(Refusal::AddressInTwoPools {
                address: local_ip.address,
                pools: [other.pool, local_ip.pool.clone()],
            });
        }
    }
    places
}

fn pools_in_use(full_nat: &BTreeMap<ServiceKey, String>) -> BTreeSet<Pool<'_>> {
    full_nat
        .iter()
        .map(|(service, pool)| (pool.as_str(), service.family()))
        .collect()
}
