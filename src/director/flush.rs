// SPDX-License-Identifier: GPL-2.0-only
//! Removes all virtual services and nothing else. The data plane stays for the next
//! `apply`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Error, observe};
use crate::ipvs_netlink::unless_absent;
use crate::kmod::proc::{self, FullNatChange, FullNatLine};
use crate::model::ServiceKey;

/// The virtual services that can be flushed, and whether the module does full NAT for
/// each. Services that a rule leaves to another program are not included. A service that
/// only the module still has is included.
pub fn flushable() -> Result<BTreeMap<ServiceKey, bool>, Error> {
    let mut flushable = BTreeMap::new();
    if let Some(mut ipvs) = observe::ipvs()? {
        let keys = without_covered_by_rules(ipvs.service_keys()?)?;
        flushable.extend(keys.into_iter().map(|key| (key, false)));
    }
    flushable.extend(full_nat()?.into_iter().map(|key| (key, true)));
    Ok(flushable)
}

/// Flushes IPVS first and the module after it, so that no connection of a full-NAT
/// service starts as a native one. Each is one transaction. If the module refuses, its
/// services carry no traffic, and the next flush removes them.
pub fn flush() -> Result<(), Error> {
    if let Some(mut ipvs) = observe::ipvs()? {
        if proc::rules()?.is_empty() {
            ipvs.flush()?;
        } else {
            for key in &without_covered_by_rules(ipvs.service_keys()?)? {
                unless_absent(ipvs.remove_service(key))?;
            }
        }
    }
    let changes: Vec<_> = full_nat()?.into_iter().map(FullNatChange::Remove).collect();
    Ok(proc::change_full_nat(&changes)?)
}

/// The services among `keys` that no rule leaves to another program.
pub(super) fn without_covered_by_rules(
    keys: BTreeSet<ServiceKey>,
) -> Result<BTreeSet<ServiceKey>, Error> {
    let rules = proc::rules()?;
    let listed = full_nat()?;
    let is_own =
        |key: &ServiceKey| listed.contains(key) || !rules.keys().any(|rule| rule.covers(key));
    Ok(keys.into_iter().filter(is_own).collect())
}

fn full_nat() -> Result<Vec<ServiceKey>, Error> {
    let lines = proc::full_nat()?.into_iter();
    Ok(lines
        .filter(FullNatLine::is_listed)
        .map(|line| line.key)
        .collect())
}
