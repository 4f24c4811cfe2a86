// SPDX-License-Identifier: GPL-2.0-only
//! `[local_ips.NAME]`: the pools of SNAT local IPs.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::diagnostics::{Mistake, Mistakes, Span};
use super::reader::{Section, Value, string};
use super::value;
use crate::model::{Family, PortRange};

/// The longest name of a pool, in bytes; the module's limit.
const LONGEST_NAME: usize = 15;
const PORTS: PortRange = PortRange {
    first: 1024,
    last: 65535,
};

#[derive(Clone, Debug)]
pub(super) struct Pool {
    /// Of the name.
    pub span: Span,
    pub addresses: BTreeMap<IpAddr, Span>,
    pub ports: PortRange,
}

impl Pool {
    pub fn has(&self, family: Family) -> bool {
        self.addresses
            .keys()
            .any(|address| Family::of(*address) == family)
    }
}

pub(super) fn read(section: &Section) -> BTreeMap<String, Pool> {
    let mut pools = BTreeMap::new();
    for (name, span, value) in section.entries() {
        check_name(name, &span, section.mistakes);
        if let Some(pool) = pool(value, span, section.mistakes) {
            pools.insert(name.to_owned(), pool);
        }
    }
    no_address_twice(&pools, section.mistakes);
    pools
}

fn check_name(name: &str, span: &Span, mistakes: &Mistakes) {
    let fits = (1..=LONGEST_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && name != "-";
    if !fits {
        mistakes.add(
            Mistake::new(span.clone(), format!("`{name}` is no name of a pool"))
                .help(format!("1 to {LONGEST_NAME} letters, digits, `-` and `_`")),
        );
    }
}

fn pool<'t>(value: &'t Value<'t>, span: Span, mistakes: &'t Mistakes) -> Option<Pool> {
    let section = Section::of("a pool of local IPs", value, mistakes)?;
    let mut addresses = BTreeMap::new();
    if section.require("addresses").is_some() && section.array("addresses").is_empty() {
        mistakes.add(Mistake::new(
            span.clone(),
            "a pool without an address serves nobody",
        ));
    }
    for value in section.array("addresses") {
        let Some((text, span)) = string(value, mistakes) else {
            continue;
        };
        match value::range(text) {
            Ok((first, count)) => {
                for index in 0..count {
                    let address = value::nth(first, index, count);
                    if addresses.insert(address, span.clone()).is_some() {
                        mistakes.add(
                            Mistake::new(span.clone(), format!("{address} is listed twice"))
                                .label("for the second time"),
                        );
                        break;
                    }
                }
            }
            Err(why) => mistakes.add(
                Mistake::new(
                    span,
                    format!("`{text}` is no address or range of addresses"),
                )
                .label(why),
            ),
        }
        if addresses.len() as u64 > value::LARGEST_RANGE {
            mistakes.add(Mistake::new(
                value.span(),
                format!("a pool has at most {} addresses", value::LARGEST_RANGE),
            ));
            break;
        }
    }
    let ports = section.string("ports").map(|(text, span)| {
        value::ports(text).unwrap_or_else(|why| {
            mistakes.add(Mistake::new(span, format!("`{text}` is no range of ports")).label(why));
            PORTS
        })
    });
    section.finish();
    Some(Pool {
        span,
        addresses,
        ports: ports.unwrap_or(PORTS),
    })
}

fn no_address_twice(pools: &BTreeMap<String, Pool>, mistakes: &Mistakes) {
    let mut owners: BTreeMap<IpAddr, &str> = BTreeMap::new();
    for (name, pool) in pools {
        for (address, span) in &pool.addresses {
            if let Some(other) = owners.insert(*address, name) {
                mistakes.add(
                    Mistake::new(
                        span.clone(),
                        format!("{address} is in the pools `{other}` and `{name}`"),
                    )
                    .help("an address is in one pool"),
                );
                break;
            }
        }
    }
}
