// SPDX-License-Identifier: GPL-2.0-only
//! `show --counters`: the counters of the module and of the eBPF programs.

use serde::Serialize;

use super::super::Error;
use super::query::{Look, Query};
use crate::datapath::{self, abi::Counter};
use crate::director;
use crate::kmod::{self, proc};
use crate::output::grid::{Column, Grid, Row, Value};

#[derive(Serialize)]
struct Document {
    counters: Vec<Counted>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Counted {
    /// The part that counts.
    source: &'static str,
    name: String,
    value: u64,
    /// The description.
    /// `None`: the module is newer than this build.
    meaning: Option<&'static str>,
    /// The action that helps.
    /// `None`: the counter does not mean trouble, or is not known.
    cure: Option<&'static str>,
}

impl Counted {
    /// The cure, if there is something to cure.
    fn note(&self) -> Option<String> {
        let cure = self.cure.filter(|_| self.value > 0)?;
        Some(format!("what to do: {cure}"))
    }
}

pub(super) fn look(query: &Query) -> Result<Look, Error> {
    let module = proc::counters().map_err(director::Error::from)?;
    let programs = datapath::counters().map_err(director::Error::from)?;
    let counters = join(module, programs);
    query.answer(
        || Document {
            counters: counters.clone(),
        },
        || grid(&counters),
    )
}

fn join(module: Vec<(String, u64)>, programs: Vec<(Counter, u64)>) -> Vec<Counted> {
    let module = module.into_iter().map(|(name, value)| Counted {
        source: "module",
        meaning: kmod::counters::meaning(&name),
        cure: kmod::counters::cure(&name),
        name,
        value,
    });
    let programs = programs.into_iter().map(|(counter, value)| Counted {
        source: "ebpf",
        name: counter.name(),
        value,
        meaning: Some(counter.meaning()),
        cure: counter.cure(),
    });
    module.chain(programs).collect()
}

pub(super) fn grid(counters: &[Counted]) -> Grid {
    let rows = counters.iter().map(|counted| Row {
        note: counted.note(),
        ..Row::new([
            Value::text(counted.source),
            Value::text(&counted.name),
            Value::Large(counted.value),
            Value::text(counted.meaning.unwrap_or("(this build does not know it)")),
        ])
    });
    Grid::new(
        [
            Column::text("Source"),
            Column::text("Counter"),
            Column::number("Value"),
            Column::long_text("Meaning"),
        ],
        rows.collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{json, text};
    use super::*;

    fn counters() -> Vec<Counted> {
        join(
            vec![
                ("sessions_created".to_owned(), 3),
                ("drop_no_route".to_owned(), 17),
                ("drop_xfrm_policy".to_owned(), 0),
                ("of_a_later_module".to_owned(), 1),
            ],
            vec![(Counter::RewriteFailed, 123_456_789)],
        )
    }

    #[test]
    fn each_counter_says_what_it_means_and_trouble_what_to_do() {
        snapbox::assert_data_eq!(
            text(&grid(&counters())),
            snapbox::str![[r#"
Source  Counter              Value  Meaning
module  sessions_created         3  sessions created
module  drop_no_route           17  requests dropped: no route to the server
        what to do: give the director a route to the server: `ip route get` with the server's address. The sender gets an ICMP error
module  drop_xfrm_policy         0  packets dropped: an IPsec policy forbids them, or has no association for them
module  of_a_later_module        1  (this build does not know it)
ebpf    rewrite_failed     123456K  packets dropped: the kernel refused a write
        what to do: capture the packet: its headers are cut off, or the kernel is out of memory

"#]]
        );
    }

    #[test]
    fn the_json_has_the_documented_shape() {
        let document = Document {
            counters: counters()[..2].to_vec(),
        };
        json("show --counters", &document);
    }
}
