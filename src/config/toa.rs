// SPDX-License-Identifier: GPL-2.0-only
//! `[toa]`: how a server receives clients' addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::address;
use super::diagnostics::{Mistake, Mistakes, Span};
use super::reader::{Invalid, Section, array, form};
use crate::model::Network;

/// Half the size of the map (`bpf/toa/maps.h`), because new networks are added before old
/// ones are removed.
const MOST_NETWORKS: usize = 2048;
const FORM: &str = "write it like \"10.2.0.100\", \"10.2.0.0/28\" or \"fd00:2::/120\"";

#[derive(Clone, Debug)]
pub(super) struct ToaTable {
    /// The trusted networks, with their places in the text for later messages.
    pub trust: BTreeMap<Network, Span>,
}

pub(super) fn read(section: Section) -> ToaTable {
    let list = section
        .require(
            "trust",
            "`trust`, the local IPs of the directors: [\"10.2.0.0/28\"]",
        )
        .and_then(|value| array(value, "trust", section.mistakes))
        .unwrap_or_default();
    let mut trust = BTreeMap::new();
    for value in list {
        let what = "address or network";
        let Some((network, span)) = form(value, "trust", what, network, section.mistakes) else {
            continue;
        };
        if let Some(first) = trust.get(&network) {
            let message = format!("{network} is listed twice");
            let twice = Mistake::new(&span, message, "remove one of the two");
            section.mistakes.add(twice.see(first, "it is also here"));
        } else if trust.len() == MOST_NETWORKS {
            too_many(&span, section.mistakes);
            break;
        } else {
            trust.insert(network, span);
        }
    }
    section.finish();
    ToaTable { trust }
}

fn too_many(span: &Span, mistakes: &Mistakes) {
    mistakes.add(Mistake::new(
        span,
        format!("there are more than {MOST_NETWORKS} networks"),
        "list the networks that the local IPs are in, not each local IP",
    ));
}

/// Parses "10.2.0.100" or "10.2.0.0/28".
fn network(text: &str) -> Result<Network, Invalid> {
    let network = address::network(text, FORM)?;
    if network.address.is_multicast() {
        return Err(Invalid::new(
            "it is multicast, and no connection comes from there",
            FORM,
        ));
    }
    match network.address {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => Err(Invalid::new(
                "it is IPv4 mapped into IPv6",
                format!("write \"{v4}\", which also covers servers that listen for both families"),
            )),
            None => Ok(network),
        },
        IpAddr::V4(_) => Ok(network),
    }
}
