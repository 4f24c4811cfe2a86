// SPDX-License-Identifier: GPL-2.0-only
//! The order of the steps between two states, in which they can be carried out.
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

use std::collections::BTreeMap;

use super::goal::{Options, goal};
use super::local_ips::plan_local_ips;
use super::refusal::refusals;
use super::step::Step;
use super::transactions::Plan;
use crate::model::{FullNat, ServiceKey, SourceLines, State};

/// The steps by stage, in order.
#[derive(Default)]
pub(super) struct Stages {
    pub sync_stopping: Vec<Step>,
    pub settings: Vec<Step>,
    pub start: Vec<Step>,
    pub local_ips: Vec<Step>,
    pub full_nat: Vec<Step>,
    pub rules: Vec<Step>,
    pub ipvs: Vec<Step>,
    pub ipvs_leaving: Vec<Step>,
    pub sync_starting: Vec<Step>,
    pub native: Vec<Step>,
    pub local_ips_leaving: Vec<Step>,
    pub stop: Vec<Step>,
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
        places: SourceLines::default(),
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
