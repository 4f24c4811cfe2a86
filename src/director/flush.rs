// SPDX-License-Identifier: GPL-2.0-only
//! Removing all virtual services, and nothing else: the data plane stays for
//! the next `apply`.

use std::collections::BTreeMap;

use super::{Error, observe};
use crate::kmod::proc::{self, FullNatChange, FullNatLine};
use crate::model::ServiceKey;

/// The virtual services, and whether the module does full NAT for each. One
/// that IPVS lacks and the module still has is listed too.
pub fn flushable() -> Result<BTreeMap<ServiceKey, bool>, Error> {
    let mut flushable = BTreeMap::new();
    if let Some(mut ipvs) = observe::ipvs()? {
        flushable.extend(ipvs.service_keys()?.into_iter().map(|key| (key, false)));
    }
    flushable.extend(full_nat()?.into_iter().map(|key| (key, true)));
    Ok(flushable)
}

/// IPVS first and the module after it, so that no connection of a full-NAT
/// service is born native. Each is one transaction. Should the module refuse, its services carry nothing, and
/// flushing again takes them away.
pub fn flush() -> Result<(), Error> {
    if let Some(mut ipvs) = observe::ipvs()? {
        ipvs.flush()?;
    }
    let changes: Vec<_> = full_nat()?.into_iter().map(FullNatChange::Remove).collect();
    Ok(proc::change_full_nat(&changes)?)
}

fn full_nat() -> Result<Vec<ServiceKey>, Error> {
    let lines = proc::full_nat()?.into_iter();
    Ok(lines
        .filter(FullNatLine::is_listed)
        .map(|line| line.key)
        .collect())
}
