// SPDX-License-Identifier: GPL-2.0-only
//! From a [`Grid`] to lines of text, close to those of `ipvsadm -Ln`.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Table};

use super::grid::{Column, Grid, Row, Value};
use super::names::Names;
use super::numbers::human;

/// How values become text.
#[derive(Clone, Copy, Debug)]
pub struct Style<'a> {
    /// Numbers in full.
    pub exact: bool,
    pub names: &'a Names,
}

/// Blanks between columns.
const GAP: u16 = 2;

/// A header and the rows, without blanks at the ends of lines.
pub fn lines(grid: &Grid, style: Style) -> Vec<String> {
    text(&table(&grid.columns, &grid.rows, style))
}

/// The same in lines of at most so many characters: columns that do not fit
/// are left out from the right, and only the first one is ever cut.
pub fn lines_within(grid: &Grid, style: Style, width: u16) -> Vec<String> {
    let widths = table(&grid.columns, &grid.rows, style).column_max_content_widths();
    let mut room = width;
    let fitting = widths
        .iter()
        .take_while(|column| {
            let fits = room >= **column;
            room = room.saturating_sub(column.saturating_add(GAP));
            fits
        })
        .count()
        .max(1);
    let columns = grid.columns.get(..fitting).unwrap_or(&grid.columns);
    text(&table(columns, &grid.rows, style))
        .into_iter()
        .map(|line| cut(line, width))
        .collect()
}

/// To so many characters.
pub fn cut(line: String, width: u16) -> String {
    let width = usize::from(width);
    if line.chars().count() <= width {
        return line;
    }
    let mut short: String = line.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short.chars().take(width).collect()
}

fn table(columns: &[Column], rows: &[Row], style: Style) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(
        columns
            .iter()
            .map(|column| cell(column.name.to_owned(), column)),
    );
    for row in rows {
        table.add_row(cells(&row.values, columns, "", style));
        for server in &row.servers {
            table.add_row(cells(server, columns, "  → ", style));
        }
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    table
}

fn cells<'a>(
    values: &'a [Value],
    columns: &'a [Column],
    prefix: &'a str,
    style: Style<'a>,
) -> impl Iterator<Item = Cell> + 'a {
    values
        .iter()
        .zip(columns)
        .enumerate()
        .map(move |(index, (value, column))| {
            let text = word(value, style);
            if index == 0 {
                return cell(format!("{prefix}{text}"), column);
            }
            cell(text, column)
        })
}

fn cell(text: String, column: &Column) -> Cell {
    let cell = Cell::new(text);
    if column.right {
        cell.set_alignment(CellAlignment::Right)
    } else {
        cell
    }
}

fn word(value: &Value, style: Style) -> String {
    match value {
        Value::Empty => String::new(),
        Value::Count(number) => number.to_string(),
        Value::Large(number) if style.exact => number.to_string(),
        Value::Large(number) => human(*number),
        Value::PerMille(number) => format!("{}.{}%", number / 10, number % 10),
        Value::Time(seconds) if style.exact => seconds.to_string(),
        Value::Time(seconds) => format!("{:02}:{:02}", seconds / 60, seconds % 60),
        Value::Text(text) => printable(text),
        Value::Service(key) => printable(&style.names.service(key)),
        Value::Address { address, protocol } => printable(&style.names.socket(*address, *protocol)),
    }
}

/// Names come from resolvers and Call-IDs from clients: none steers a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

fn text(table: &Table) -> Vec<String> {
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let address = "10.2.0.2:8080".parse().unwrap();
        Grid::new(
            [
                Column::text("Service"),
                Column::number("InBytes"),
                Column::text("Time"),
            ],
            vec![Row {
                values: vec![
                    Value::text("a\u{1b}[2J"),
                    Value::Large(123_456_789),
                    Value::Time(899),
                ],
                servers: vec![vec![
                    Value::address(address, None),
                    Value::Count(123_456_789),
                    Value::PerMille(1234),
                ]],
            }],
        )
    }

    fn style(names: &Names, exact: bool) -> Style<'_> {
        Style { exact, names }
    }

    #[test]
    fn numbers_stand_at_the_right_and_nothing_steers_the_terminal() {
        let names = Names::default();
        snapbox::assert_data_eq!(
            lines(&grid(), style(&names, false)).join("\n"),
            snapbox::str![[r#"
Service              InBytes  Time
a�[2J                123456K  14:59
  → 10.2.0.2:8080  123456789  123.4%
"#]]
        );
        let exact = lines(&grid(), style(&names, true));
        assert!(exact[1].ends_with("123456789  899"), "{exact:?}");
    }

    #[test]
    fn columns_that_do_not_fit_are_left_out_and_lines_are_never_longer() {
        let names = Names::default();
        let whole = lines(&grid(), style(&names, false));
        let at = |width| lines_within(&grid(), style(&names, false), width);
        assert_eq!(at(36), whole);
        assert_eq!(at(35)[0], "Service              InBytes");
        assert_eq!(at(27)[0], "Service");
        assert_eq!(at(10)[2], "  → 10.2.…");
        for width in 0..60 {
            for line in at(width) {
                assert!(line.chars().count() <= width.into(), "{width}: {line}");
            }
        }
    }
}
