// SPDX-License-Identifier: GPL-2.0-only
//! `show --toa`: results for connections whose client address comes from a
//! director.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use super::super::Error;
use super::query::{Look, Query};
use crate::director;
use crate::output::grid::{Column, Grid, Row, Value};
use crate::toa::abi::{Counts, Outcome};
use crate::toa::{self, Counted};

#[derive(Serialize)]
struct Document<'a> {
    /// The totals.
    /// Null: the receiver does not run.
    totals: Option<Numbers>,
    addresses: &'a [Address],
}

/// Connections by result.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Numbers {
    told: u64,
    absent: u64,
    malformed: u64,
    refused: u64,
    no_memory: u64,
}

/// The source address of connections.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Address {
    address: IpAddr,
    /// True if the address was trusted when the connections arrived.
    trusted: bool,
    #[serde(flatten)]
    numbers: Numbers,
}

pub(super) fn look(query: &Query) -> Result<Look, Error> {
    let counted = toa::counted().map_err(director::Error::from)?;
    let addresses = counted.as_ref().map(addresses).unwrap_or_default();
    query.answer(
        || Document {
            totals: counted.map(|counted| numbers(&counted.totals)),
            addresses: &addresses,
        },
        || grid(&addresses),
    )
}

fn numbers(counts: &Counts) -> Numbers {
    Numbers {
        told: counts.of(Outcome::Told),
        absent: counts.of(Outcome::Absent),
        malformed: counts.of(Outcome::Malformed),
        refused: counts.of(Outcome::Refused),
        no_memory: counts.of(Outcome::NoMemory),
    }
}

fn addresses(counted: &Counted) -> Vec<Address> {
    let list = |map: &BTreeMap<IpAddr, Counts>, trusted| -> Vec<Address> {
        map.iter()
            .map(|(address, counts)| Address {
                address: *address,
                trusted,
                numbers: numbers(counts),
            })
            .collect()
    };
    [
        list(&counted.local_ips, true),
        list(&counted.strangers, false),
    ]
    .concat()
}

pub(super) fn grid(addresses: &[Address]) -> Grid {
    let rows = addresses.iter().map(|address| {
        let numbers = &address.numbers;
        Row::new([
            Value::text(address.address),
            Value::text(if address.trusted { "yes" } else { "no" }),
            Value::Large(numbers.told),
            Value::Large(numbers.absent),
            Value::Large(numbers.malformed),
            Value::Large(numbers.refused),
            Value::Large(numbers.no_memory),
        ])
    });
    Grid::new(
        [
            Column::text("Local IP"),
            Column::text("Trusted"),
            Column::number("Told"),
            Column::number("Absent"),
            Column::number("Malformed"),
            Column::number("Refused"),
            Column::number("No memory"),
        ],
        rows.collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{json, text};
    use super::*;

    fn counted() -> Counted {
        let counts = |outcome: Outcome, count| {
            let mut counts = Counts::default();
            counts.count[outcome as usize] = count;
            counts
        };
        let mut local_ip = counts(Outcome::Told, 1200);
        local_ip.count[Outcome::Absent as usize] = 3;
        let mut totals = local_ip;
        totals.count[Outcome::Refused as usize] = 2;
        Counted {
            totals,
            local_ips: [("10.2.0.100".parse().unwrap(), local_ip)].into(),
            strangers: [("192.0.2.9".parse().unwrap(), counts(Outcome::Refused, 2))].into(),
        }
    }

    #[test]
    fn trusted_addresses_come_before_others() {
        snapbox::assert_data_eq!(
            text(&grid(&addresses(&counted()))),
            snapbox::str![[r#"
Local IP    Trusted  Told  Absent  Malformed  Refused  No memory
10.2.0.100  yes      1200       3          0        0          0
192.0.2.9   no          0       0          0        2          0

"#]]
        );
    }

    #[test]
    fn the_json_has_the_documented_shape() {
        let counted = counted();
        let document = Document {
            totals: Some(numbers(&counted.totals)),
            addresses: &addresses(&counted),
        };
        json("show --toa", &document);
    }
}
