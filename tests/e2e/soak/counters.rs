// SPDX-License-Identifier: GPL-2.0-only
//! The counters of a director. Most of those that mean trouble have to stay zero.

use std::collections::BTreeMap;

use crate::lab::{Lab, success};
use crate::pair::on;

/// Counters that are not zero, of the module and of the programs.
pub type Counted = BTreeMap<String, u64>;

/// The beginnings of names that mean trouble, or a way that the traffic does not take.
const TROUBLE: [&str; 8] = [
    "drop_",
    "flows_",
    "native_",
    "refused_",
    "rewrite_failed",
    "rule_",
    "sessions_given_up",
    "toa_",
];

/// These are not faults here. A failover leaves packets at a director whose link is down, and
/// packets of connections that were not synchronised yet. A client that uses its port again has
/// a new session while the flow is still that of its last one. IPVS drops packets to a server
/// that is gone.
const EXPECTED: [&str; 7] = [
    "drop_by_ipvs",
    "drop_icmp_no_route",
    "drop_icmp_no_session",
    "drop_no_route",
    "drop_no_session",
    "drop_reply_no_route",
    "flows_full",
];

pub fn counted(lab: &Lab, director: &str) -> Counted {
    let text = success(&on(lab, director, &["show", "--counters", "--json"]));
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let counters = document["counters"].as_array().unwrap().iter();
    let values = counters.map(|counter| {
        let name = counter["name"].as_str().unwrap().to_owned();
        (name, counter["value"].as_u64().unwrap())
    });
    values.filter(|(_, value)| *value > 0).collect()
}

/// Those that have to be zero.
pub fn troubles(counted: &Counted) -> Vec<String> {
    let is_trouble = |name: &str| {
        TROUBLE.iter().any(|begin| name.starts_with(begin)) && !EXPECTED.contains(&name)
    };
    let troubles = counted.iter().filter(|(name, _)| is_trouble(name));
    troubles
        .map(|(name, value)| format!("{name} {value}"))
        .collect()
}
