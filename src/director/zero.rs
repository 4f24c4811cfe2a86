// SPDX-License-Identifier: GPL-2.0-only
//! Sets counters to zero.

use super::Error;
use super::target::no_service;
use crate::ipvs_netlink::{Ipvs, Reason};
use crate::model::ServiceKey;

/// Zeroes the counters of a service and its servers, or all counters if `key` is `None`.
pub fn zero(key: Option<&ServiceKey>) -> Result<(), Error> {
    let mut ipvs = Ipvs::connect()?;
    match (ipvs.zero(key), key) {
        (Err(error), Some(key)) if error.reason() == Some(&Reason::NoSuchService) => {
            Err(no_service(&mut ipvs, key)?)
        }
        (result, _) => Ok(result?),
    }
}
