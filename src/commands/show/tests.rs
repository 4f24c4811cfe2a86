// SPDX-License-Identifier: GPL-2.0-only
//! What the tests of the views share, and the shape of every JSON document
//! against `docs/json.md`.

use serde::Serialize;
use serde_json::Value as Json;

use super::table::{Style, lines};
use crate::output::grid::Grid;
use crate::output::names::Names;

/// The table as it is printed.
pub(super) fn text(grid: &Grid) -> String {
    let names = Names::default();
    let style = Style {
        exact: false,
        names: &names,
    };
    lines(grid, style).join("\n") + "\n"
}

/// The document is the example of that view in `docs/json.md`, to the letter.
pub(super) fn json(view: &str, document: &impl Serialize) {
    let written: Json = serde_json::to_value(document).unwrap();
    let documented = example(view);
    assert_eq!(
        documented,
        written,
        "docs/json.md, {view}; it would be\n{}",
        serde_json::to_string_pretty(document).unwrap()
    );
}

/// The first JSON block behind the heading of that view.
fn example(view: &str) -> Json {
    let text = include_str!("../../../docs/json.md");
    let heading = format!("\n## `{view}`");
    let (_, section) = text.split_once(&heading).expect(&heading);
    let (_, block) = section.split_once("```json\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    serde_json::from_str(block).unwrap()
}
