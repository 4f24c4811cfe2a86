// SPDX-License-Identifier: GPL-2.0-only
//! Connections by what the receiver did with the client's address. There are no samples
//! if no receiver is running. Untrusted addresses are not labels: any host could add any
//! number of them.

use super::family::Family;
use crate::toa::Counted;
use crate::toa::abi::Outcome;

pub(super) fn families(receiver: Option<&Counted>) -> [Family; 2] {
    let mut all = Family::counter(
        "toa_connections",
        "Connections at this server that named a client, or came from a local IP that may",
    );
    let mut of_local_ip = Family::counter(
        "toa_local_ip_connections",
        "Connections at this server from a local IP that may name clients",
    );
    if let Some(counted) = receiver {
        for outcome in Outcome::ALL {
            let label = [("outcome", outcome.name())];
            all.add(&label, counted.totals.of(outcome));
        }
        for (local_ip, counts) in &counted.local_ips {
            for outcome in Outcome::ALL
                .into_iter()
                .filter(|outcome| *outcome != Outcome::Refused)
            {
                let labels = [
                    ("local_ip", local_ip.to_string()),
                    ("outcome", outcome.name()),
                ];
                of_local_ip.add(&labels, counts.of(outcome));
            }
        }
    }
    [all, of_local_ip]
}
