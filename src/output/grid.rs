// SPDX-License-Identifier: GPL-2.0-only
//! The data of a `show` table: values in rows and columns. They are not yet text, so
//! they can be sorted by value.

use std::cmp::Ordering;
use std::net::SocketAddr;

use crate::model::{Protocol, ServiceKey};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    /// True for numbers, which are right-aligned.
    pub right: bool,
    /// True if the text may be shortened to fit the table. Numbers and addresses are
    /// never shortened, because a part of one looks like another one.
    pub shortens: bool,
}

/// A line, and the lines that belong below it, such as a service and its servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    pub values: Vec<Value>,
    pub servers: Vec<Vec<Value>>,
    /// Text that is printed below, on as many lines as it needs.
    pub note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    Empty,
    /// A number that is always printed in full.
    Count(u64),
    /// A number that is shortened, unless exact numbers are requested.
    Large(u64),
    /// Thousandths, printed as a percentage.
    PerMille(u64),
    /// A time in seconds.
    Time(u64),
    Text(String),
    Service(ServiceKey),
    /// A socket address. The protocol determines the name of the port.
    Address {
        address: SocketAddr,
        protocol: Option<Protocol>,
    },
}

impl Column {
    pub const fn text(name: &'static str) -> Self {
        Column {
            name,
            right: false,
            shortens: false,
        }
    }

    pub const fn long_text(name: &'static str) -> Self {
        Column {
            name,
            right: false,
            shortens: true,
        }
    }

    pub const fn number(name: &'static str) -> Self {
        Column {
            name,
            right: true,
            shortens: false,
        }
    }

    /// Returns the name for `--sort`: "Full NAT" is `full-nat`.
    pub fn key(&self) -> String {
        self.name.to_lowercase().replace(' ', "-")
    }
}

impl Row {
    pub fn new(values: impl Into<Vec<Value>>) -> Self {
        Row {
            values: values.into(),
            ..Row::default()
        }
    }
}

impl Value {
    pub fn text(text: impl ToString) -> Self {
        Value::Text(text.to_string())
    }

    pub fn address(address: SocketAddr, protocol: Option<Protocol>) -> Self {
        Value::Address { address, protocol }
    }

    fn number(&self) -> Option<u64> {
        match self {
            Value::Count(number)
            | Value::Large(number)
            | Value::PerMille(number)
            | Value::Time(number) => Some(*number),
            _ => None,
        }
    }
}

impl Grid {
    pub fn new(columns: impl Into<Vec<Column>>, rows: Vec<Row>) -> Self {
        Grid {
            columns: columns.into(),
            rows,
        }
    }

    /// Returns the index of the column with this `--sort` name.
    pub fn column(&self, key: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.key() == key)
    }

    /// Sorts by a column. Numbers start with the largest and other values with the
    /// smallest; `reverse` inverts this. Equal rows keep their order. Servers are
    /// sorted within their service. A service without a value in the column has the
    /// sum of its servers.
    pub fn sort(&mut self, column: usize, reverse: bool) {
        let order = |a: &Value, b: &Value| {
            let order = natural(a, b);
            if reverse { order.reverse() } else { order }
        };
        for row in &mut self.rows {
            row.servers
                .sort_by(|a, b| order(value(a, column), value(b, column)));
        }
        self.rows
            .sort_by_cached_key(|row| Sorted(of_row(row, column), reverse));
    }
}

/// A value that compares in the order of `sort`.
#[derive(PartialEq, Eq)]
struct Sorted(Value, bool);

impl Ord for Sorted {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = natural(&self.0, &other.0);
        if self.1 { order.reverse() } else { order }
    }
}

impl PartialOrd for Sorted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn natural(a: &Value, b: &Value) -> Ordering {
    match (a.number(), b.number()) {
        (Some(a), Some(b)) => b.cmp(&a),
        _ => a.cmp(b),
    }
}

fn value(values: &[Value], column: usize) -> &Value {
    values.get(column).unwrap_or(&Value::Empty)
}

fn of_row(row: &Row, column: usize) -> Value {
    match value(&row.values, column) {
        Value::Empty => {
            let numbers = row.servers.iter().filter_map(|s| value(s, column).number());
            Value::Count(numbers.fold(0, u64::saturating_add))
        }
        value => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, weights: &[u64]) -> Row {
        Row {
            values: vec![Value::text(name), Value::Empty],
            servers: weights
                .iter()
                .map(|weight| vec![Value::text("server"), Value::Count(*weight)])
                .collect(),
            note: None,
        }
    }

    fn grid() -> Grid {
        Grid::new(
            [Column::text("Service"), Column::number("Full NAT")],
            vec![row("a", &[1, 5]), row("b", &[9]), row("c", &[])],
        )
    }

    fn names(grid: &Grid) -> String {
        let name = |row: &Row| match &row.values[0] {
            Value::Text(name) => name.clone(),
            _ => unreachable!(),
        };
        grid.rows.iter().map(name).collect()
    }

    #[test]
    fn numbers_are_sorted_from_the_largest_and_services_by_the_sum_of_their_servers() {
        let mut grid = grid();
        grid.sort(1, false);
        assert_eq!(names(&grid), "bac");
        assert_eq!(grid.rows[1].servers[0][1], Value::Count(5));
        grid.sort(1, true);
        assert_eq!(names(&grid), "cab");
        assert_eq!(grid.rows[1].servers[0][1], Value::Count(1));
    }

    #[test]
    fn text_is_sorted_from_the_smallest() {
        let mut grid = grid();
        grid.sort(0, true);
        assert_eq!(names(&grid), "cba");
        grid.sort(0, false);
        assert_eq!(names(&grid), "abc");
    }

    #[test]
    fn columns_are_found_by_their_names_in_small_letters() {
        assert_eq!(grid().column("full-nat"), Some(1));
        assert_eq!(grid().column("Full NAT"), None);
    }
}
