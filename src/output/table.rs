// SPDX-License-Identifier: GPL-2.0-only
//! Formats a [`Grid`] as lines of text, close to those of `ipvsadm -Ln`.

use std::collections::BTreeMap;

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, Row, Table, Width};

use super::grid::{self, Column, Grid, Value};
use super::names::Names;
use super::notes;
use super::numbers::human;

/// How values are formatted.
#[derive(Clone, Copy, Debug)]
pub struct Style<'a> {
    /// True if numbers are printed in full.
    pub exact: bool,
    pub names: &'a Names,
}

/// The number of blanks between columns.
const GAP: u16 = 2;
/// The shortest width to which text is cut. It is more than the width of any header.
const SHORT: u16 = 16;

/// Returns the header and the rows with their notes, without trailing blanks.
pub fn lines(grid: &Grid, style: Style) -> Vec<String> {
    notes::insert(text(&table(grid, &all(grid), style)), grid, |row| {
        row.note.iter().map(|note| notes::indented(note)).collect()
    })
}

/// A table whose lines have a limited width.
pub struct Fitted {
    /// The lines; the first one is the header.
    pub lines: Vec<String>,
    /// The names of the columns that do not fit.
    pub hidden: Vec<&'static str>,
    /// The number of columns after the first one that are scrolled out at the left.
    pub skipped: usize,
}

/// Formats the table for a width. Columns that do not fit are left out at the right,
/// after `skipped` columns were left out at the left. `skipped` is limited so that the
/// last column stays visible at the right edge. The first column is always present.
/// Text that may be shortened is shortened before a column is left out. The first
/// column is shortened only if it is wider than the whole width. A row with a note has its
/// shortened text in full above the note.
pub fn lines_within(grid: &Grid, style: Style, width: u16, skipped: usize) -> Fitted {
    let whole = table(grid, &all(grid), style).column_max_content_widths();
    let least: Vec<u16> = whole
        .iter()
        .zip(&grid.columns)
        .map(|(whole, column)| match column.shortens {
            true => (*whole).min(SHORT),
            false => *whole,
        })
        .collect();
    let first = least.first().copied().unwrap_or_default().min(width);
    let room = width - first;
    let fitting = |columns: &mut dyn Iterator<Item = &u16>| {
        let mut room = room;
        columns
            .take_while(
                |column| match room.checked_sub(column.saturating_add(GAP)) {
                    Some(rest) => {
                        room = rest;
                        true
                    }
                    None => false,
                },
            )
            .count()
    };
    let others = least.get(1..).unwrap_or_default();
    let last = others.len() - fitting(&mut others.iter().rev());
    let skipped = skipped.min(last);
    let shown = fitting(&mut others.iter().skip(skipped));
    let shown = 1 + skipped..1 + skipped + shown;
    let columns: Vec<usize> = std::iter::once(0).chain(shown).collect();

    let mut table = table(grid, &columns, style);
    let at = |widths: &[u16], index: usize| widths.get(index).copied().unwrap_or_default();
    let taken = columns.iter().skip(1).map(|index| at(&least, *index) + GAP);
    let mut rest = room.saturating_sub(taken.sum());
    let mut widths = BTreeMap::new();
    for (column, index) in table.column_iter_mut().zip(&columns) {
        let least = at(&least, *index).min(width);
        let more = (at(&whole, *index) - least).min(rest);
        rest -= more;
        shorten(column, least + more);
        widths.insert(*index, usize::from(least + more));
    }
    let notes = |row: &grid::Row| {
        let Some(note) = &row.note else {
            return Vec::new();
        };
        let mut texts = shortened(grid, row, &widths, style);
        texts.push(note.clone());
        let lines = texts.iter().map(|text| notes::wrapped(text, width));
        lines.flatten().collect()
    };
    Fitted {
        lines: match width {
            0 => Vec::new(),
            _ => notes::insert(text(&table), grid, notes),
        },
        hidden: grid
            .columns
            .iter()
            .enumerate()
            .filter(|(index, _)| !columns.contains(index))
            .map(|(_, column)| column.name)
            .collect(),
        skipped,
    }
}

/// Returns the texts of a row that are shortened or in a column that is left out. `widths`
/// has the other columns.
fn shortened(
    grid: &Grid,
    row: &grid::Row,
    widths: &BTreeMap<usize, usize>,
    style: Style,
) -> Vec<String> {
    let columns = grid.columns.iter().enumerate();
    let texts = columns.filter_map(|(index, column)| {
        let text = word(row.values.get(index)?, style);
        let width = widths.get(&index).copied().unwrap_or_default();
        (column.shortens && text.chars().count() > width).then_some(text)
    });
    texts.collect()
}

/// Cuts text that does not fit and ends it in `…`.
fn shorten(column: &mut comfy_table::Column, characters: u16) {
    let width = characters.saturating_add(GAP);
    column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
}

fn all(grid: &Grid) -> Vec<usize> {
    (0..grid.columns.len()).collect()
}

/// Cuts the line to this many characters.
pub fn cut(line: String, width: u16) -> String {
    let width = usize::from(width);
    if line.chars().count() <= width {
        return line;
    }
    let mut short: String = line.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short.chars().take(width).collect()
}

fn table(grid: &Grid, columns: &[usize], style: Style) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    // A cell can be cut anywhere, not only between words: no text has this character.
    table.set_delimiter('\0');
    let header = columns.iter().filter_map(|index| grid.columns.get(*index));
    let header = header.map(|column| cell(column.name.to_owned(), column));
    table.set_header(line(header.collect()));
    let cells = |values: &[Value], prefix: &str| -> Vec<Cell> {
        columns
            .iter()
            .filter_map(|index| {
                let column = grid.columns.get(*index)?;
                let text = word(values.get(*index)?, style);
                Some(match index {
                    0 => cell(format!("{prefix}{text}"), column),
                    _ => cell(text, column),
                })
            })
            .collect()
    };
    for row in &grid.rows {
        table.add_row(line(cells(&row.values, "")));
        for server in &row.servers {
            table.add_row(line(cells(server, "  → ")));
        }
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    table
}

/// Makes a row of exactly one line.
fn line(cells: Vec<Cell>) -> Row {
    let mut row = Row::from(cells);
    row.max_height(1);
    row
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

/// Names come from resolvers and Call-IDs from clients. Removes characters that control
/// a terminal.
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
    use super::super::grid::Row;
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
                note: None,
            }],
        )
    }

    fn style(names: &Names, exact: bool) -> Style<'_> {
        Style { exact, names }
    }

    #[test]
    fn numbers_are_right_aligned_and_nothing_steers_the_terminal() {
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
    fn columns_are_skipped_until_the_last_one_is_seen_and_the_others_named() {
        let names = Names::default();
        let at = |width, skipped| lines_within(&grid(), style(&names, false), width, skipped);
        assert!(at(36, 1).hidden.is_empty(), "all fit");
        assert_eq!(at(30, 0).hidden, ["Time"]);
        let fitted = at(30, 9);
        assert_eq!(fitted.hidden, ["InBytes"]);
        assert_eq!(fitted.lines[0], "Service            Time");
        assert_eq!(fitted.skipped, 1);
        assert_eq!(at(10, 9).hidden, ["InBytes", "Time"]);
    }

    fn counters(meaning: &str) -> Grid {
        Grid::new(
            [
                Column::text("Counter"),
                Column::long_text("Meaning"),
                Column::number("Value"),
            ],
            vec![Row::new([
                Value::text("drop_xfrm_policy"),
                Value::text(meaning),
                Value::Large(17),
            ])],
        )
    }

    #[test]
    fn long_text_is_shortened_before_a_column_is_left_out_for_it() {
        let names = Names::default();
        let long = counters("packets dropped: a policy of IPsec forbids them");
        let at = |width| lines_within(&long, style(&names, false), width, 0);
        snapbox::assert_data_eq!(
            at(60).lines.join("\n"),
            snapbox::str![[r#"
Counter           Meaning                              Value
drop_xfrm_policy  packets dropped: a policy of IPsec…     17
"#]]
        );
        assert_eq!(at(41).lines[1], "drop_xfrm_policy  packets dropped…     17");
        assert_eq!(at(40).hidden, ["Value"]);
        assert_eq!(at(72).lines, lines(&long, style(&names, false)));
    }

    #[test]
    fn a_note_is_wrapped_below_its_row_and_has_the_text_that_is_shortened() {
        let names = Names::default();
        let mut grid = counters("packets dropped: a policy of IPsec forbids them");
        grid.rows[0].note = Some("see `ip xfrm policy` and `ip xfrm state`".to_owned());
        grid.rows.push(Row::new([Value::text("drop_no_route")]));
        let at = |width| lines_within(&grid, style(&names, false), width, 0);
        snapbox::assert_data_eq!(
            at(45).lines.join("\n"),
            snapbox::str![[r#"
Counter           Meaning               Value
drop_xfrm_policy  packets dropped: a …     17
        packets dropped: a policy of IPsec
        forbids them
        see `ip xfrm policy` and `ip xfrm
        state`
drop_no_route
"#]]
        );
        assert_eq!(at(40).hidden, ["Value"]);
        assert_eq!(
            at(72).lines[2],
            "        see `ip xfrm policy` and `ip xfrm state`"
        );
        assert_eq!(at(72).lines, lines(&grid, style(&names, false)));
        for width in 0..60 {
            for line in at(width).lines {
                assert!(line.chars().count() <= width.into(), "{width}: {line}");
            }
        }
    }

    #[test]
    fn wide_characters_are_cut_by_the_room_that_they_take() {
        let names = Names::default();
        let wide = counters(&"東".repeat(30));
        for width in 16..80 {
            for line in lines_within(&wide, style(&names, false), width, 0).lines {
                let taken: usize = line.chars().map(|c| if c == '東' { 2 } else { 1 }).sum();
                assert!(taken <= width.into(), "{width}: {line}");
            }
        }
    }

    #[test]
    fn columns_that_do_not_fit_are_left_out_and_lines_are_never_longer() {
        let names = Names::default();
        let whole = lines(&grid(), style(&names, false));
        let at = |width| lines_within(&grid(), style(&names, false), width, 0).lines;
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
