// SPDX-License-Identifier: GPL-2.0-only
//! Shared parts of the views' tests. They check the shape of every JSON
//! document against `docs/reference/json.md`.

use serde::Serialize;
use serde_json::Value as Json;

use super::table::{Style, lines};
use crate::output::grid::Grid;
use crate::output::names::Names;

/// Returns the table as it is printed.
pub(super) fn text(grid: &Grid) -> String {
    let names = Names::default();
    let style = Style {
        exact: false,
        names: &names,
    };
    lines(grid, style).join("\n") + "\n"
}

/// Checks that the document equals the example of the view in `docs/reference/json.md`.
pub(super) fn json(view: &str, document: &impl Serialize) {
    let written: Json = serde_json::to_value(document).unwrap();
    let documented = example(view);
    assert_eq!(
        documented,
        written,
        "docs/reference/json.md, {view}; it would be\n{}",
        serde_json::to_string_pretty(document).unwrap()
    );
}

/// Returns the first JSON block below the heading of the view.
fn example(view: &str) -> Json {
    let text = include_str!("../../../docs/reference/json.md");
    let heading = format!("\n## `{view}`");
    let (_, section) = text.split_once(&heading).expect(&heading);
    let (_, block) = section.split_once("```json\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    serde_json::from_str(block).unwrap()
}
