// SPDX-License-Identifier: GPL-2.0-only
//! `[local_ips.NAME]`: the pools of SNAT local IPs.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use super::address::{self, MOST_ADDRESSES};
use super::client_address;
use super::diagnostics::{Mistake, Mistakes, Span};
use super::reader::{Section, Value, array, form};
use super::spelling::quoted;
use super::value;
use crate::model::{ClientAddress, Family, PortRange};

/// The longest pool name, in bytes. This is the module's limit.
const LONGEST_NAME: usize = 15;
/// The default of `ports`.
pub(super) const PORTS: PortRange = PortRange {
    first: 1024,
    last: 65535,
};

#[derive(Clone, Debug)]
pub(super) struct Pool {
    /// The place of the name in the text.
    pub span: Span,
    /// The addresses with their places. Empty if one of them has a mistake.
    pub addresses: BTreeMap<IpAddr, Span>,
    pub ports: PortRange,
    /// The setting for TCP services of this pool that do not have their own.
    pub client_address: Option<ClientAddress>,
}

impl Pool {
    pub fn has(&self, family: Family) -> bool {
        self.addresses
            .keys()
            .any(|address| Family::of(*address) == family)
    }
}

/// All addresses so far, each with its pool and its place.
type Owners<'t> = HashMap<IpAddr, (&'t str, Span)>;

/// `sections`: those of each file.
pub(super) fn read<'t>(sections: impl Iterator<Item = Section<'t>>) -> BTreeMap<String, Pool> {
    let mut owners = Owners::new();
    let mut pools = BTreeMap::new();
    for section in sections {
        read_file(&section, &mut owners, &mut pools);
    }
    pools
}

fn read_file<'t>(
    section: &Section<'t>,
    owners: &mut Owners<'t>,
    pools: &mut BTreeMap<String, Pool>,
) {
    for (name, span, value) in section.entries() {
        if matches!(name, "addresses" | "ports") && !value.get_ref().is_table() {
            section.mistakes.add(Mistake::new(
                &span,
                format!("`{name}` belongs to a pool, and a pool has a name"),
                "write `[local_ips.NAME]` above it",
            ));
            continue;
        }
        if let Some(first) = pools.get(name) {
            section.mistakes.add(
                Mistake::new(
                    &span,
                    format!("the pool {} is listed twice", quoted(name)),
                    "put all its addresses into one of the two",
                )
                .see(&first.span, "it is also here"),
            );
            continue;
        }
        check_name(name, &span, section.mistakes);
        if let Some(section) = Section::of("a pool of local IPs", value, section.mistakes) {
            pools.insert(name.to_owned(), pool(name, span, section, owners));
        }
    }
}

fn check_name(name: &str, span: &Span, mistakes: &Mistakes) {
    let fits = (1..=LONGEST_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        // The module's text uses "-" for "no pool".
        && name != "-";
    if !fits {
        mistakes.add(Mistake::new(
            span,
            format!("{} is not a valid name for a pool", quoted(name)),
            format!("a name has 1 to {LONGEST_NAME} letters, digits, `-` and `_`"),
        ));
    }
}

fn pool<'t>(name: &'t str, span: Span, section: Section<'t>, owners: &mut Owners<'t>) -> Pool {
    const FORM: &str = "`addresses = [\"10.2.0.100\"]`: addresses of this host";
    let mistakes = section.mistakes;
    let mut addresses = BTreeMap::new();
    if let Some(value) = section.require("addresses", FORM)
        && let Some(list) = array(value, "addresses", mistakes)
    {
        if list.is_empty() {
            mistakes.add(Mistake::new(
                &value.span(),
                "a pool needs at least one address",
                format!("add one, or remove the pool {}", quoted(name)),
            ));
        }
        for value in list {
            add(name, value, &mut addresses, owners, mistakes);
        }
    }
    let ports = section.take("ports").and_then(|value| {
        let ports = form(value, "ports", "range of ports", value::ports, mistakes)?;
        Some(ports.0)
    });
    let client_address = client_address::read(&section);
    section.finish();
    Pool {
        client_address: client_address.and_then(|(way, _)| way),
        span,
        addresses,
        ports: ports.unwrap_or(PORTS),
    }
}

/// Adds the addresses of one text.
fn add<'t>(
    name: &'t str,
    value: &Value,
    addresses: &mut BTreeMap<IpAddr, Span>,
    owners: &mut Owners<'t>,
    mistakes: &Mistakes,
) {
    const WHAT: &str = "address or range of addresses";
    let Some(((first, count), span)) = form(value, "a local IP", WHAT, address::range, mistakes)
    else {
        return;
    };
    // The check comes before the range is expanded.
    if owners.len() as u64 + count > MOST_ADDRESSES {
        mistakes.add(Mistake::new(
            &span,
            format!("there are more than {MOST_ADDRESSES} local IPs"),
            "one address serves 64512 sessions with each port of a server: list fewer",
        ));
        return;
    }
    for address in (0..count).map(|index| address::nth(first, index, count)) {
        if let Some((owner, place)) = owners.get(&address) {
            let (message, help) = if *owner == name {
                (
                    format!("{address} is listed twice"),
                    "remove one of the two",
                )
            } else {
                (
                    format!(
                        "{address} is in two pools, {} and {}",
                        quoted(owner),
                        quoted(name)
                    ),
                    "an address is in one pool",
                )
            };
            mistakes.add(Mistake::new(&span, message, help).see(place, "it is also here"));
            break;
        }
        owners.insert(address, (name, span.clone()));
        addresses.insert(address, span.clone());
    }
}
