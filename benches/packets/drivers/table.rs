// SPDX-License-Identifier: GPL-2.0-only
//! A run between cards on the terminal.

use comfy_table::Cell;

use super::goals::mean;
use super::report::{Row, Run};
use crate::path::Path;
use crate::report::Per;
use crate::table::{goals, number, right, table};

pub fn print(run: &Run) {
    println!(
        "Instructions of the whole director, mean of both directions, and in brackets the ratio\n\
         to ipvs_masquerade. {} frames come at once. Cards: {}. Linux {}.\n",
        run.burst, run.card, run.kernel
    );
    let mut header = vec![""];
    header.extend(Path::DRIVERS.map(Path::name));
    let mut table = table(&header);
    for rows in run.rows.chunk_by(|one, other| what(one) == what(other)) {
        let Some(first) = rows.first() else { continue };
        let of = |path| mean(rows, |row| row.path == path);
        let whole = of(Path::IpvsMasquerade);
        let mut cells = vec![Cell::new(format!("  {}", what(first)))];
        cells.extend(Path::DRIVERS.map(|path| {
            right(of(path).map_or(String::new(), |cost| {
                let instructions = number(cost.round() as i64);
                match whole {
                    Some(whole) => format!("{instructions} ({:.3})", cost / whole),
                    None => instructions,
                }
            }))
        }));
        table.add_row(cells);
    }
    println!("{table}\n\n{}", goals(&run.goals));
}

fn what(row: &Row) -> String {
    let what = format!(
        "{} {}",
        row.family.name(),
        row.protocol.name().to_uppercase()
    );
    match row.per {
        Per::OthersPacket => format!("{what}, of no service"),
        _ if row.one_armed => format!("{what}, one-armed"),
        _ if row.flows > 1 => format!("{what}, {} flows", number(row.flows.into())),
        _ => what,
    }
}
