// SPDX-License-Identifier: GPL-2.0-only
//! Converts keepalived.conf(5) to the text of a configuration file: the virtual servers
//! with their real servers. Settings that a file cannot express, such as checks, become a
//! comment with its line.

mod server;
mod service;
mod tree;
mod value;

use std::collections::HashMap;

use crate::config::diagnostics::{Diagnostics, Mistake, Mistakes, Span};
use crate::config::write::{Item, Notes, Written, write};
use crate::config::{self};
use crate::model::State;

use service::Groups;
use tree::Entry;

/// The first words of the entries at the top, as far as they tell the format.
const TOP: [&str; 9] = [
    "global_defs",
    "virtual_server",
    "virtual_server_group",
    "vrrp_instance",
    "vrrp_script",
    "vrrp_sync_group",
    "static_ipaddress",
    "static_routes",
    "bfd_instance",
];

/// True if the text is of keepalived, and not of ipvsadm.
pub fn is_keepalived(text: &str) -> bool {
    let first = text
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    first
        .into_iter()
        .any(|word| TOP.contains(&word.trim_end_matches('{')))
}

/// Converts the text. `name` is the file's name in diagnostics.
pub fn import(name: &str, text: &str) -> Result<String, Diagnostics> {
    let mistakes = Mistakes::default();
    let entries = tree::read(text, &mistakes);
    let groups = Groups::of(&entries, &mistakes);
    let mut table = Table::default();
    let mut left = Vec::new();
    for entry in &entries {
        match entry.keyword() {
            // keepalived ignores it, too.
            "virtual_server" if !has_server(entry) => left.push(entry),
            "virtual_server" => service::read(entry, &groups, &mut table, &mistakes),
            "virtual_server_group" => {}
            _ => left.push(entry),
        }
    }
    let is_virtual = |entry: &Entry| entry.keyword() == "virtual_server";
    if !entries.is_empty() && !entries.iter().any(is_virtual) {
        mistakes.add(Mistake::new(
            &(0..0),
            "the file has no virtual_server",
            "name the file that has them: `import` does not read what a file includes",
        ));
    }
    table.notes.head = head(&left);
    let written = write(&table.state, &table.notes);
    table.refused(&written, &mistakes);
    match mistakes.into_diagnostics(name, text) {
        Some(diagnostics) => Err(diagnostics),
        None => Ok(written.text),
    }
}

fn has_server(entry: &Entry) -> bool {
    let mut block = entry.block.iter();
    block.any(|inner| inner.keyword() == "real_server")
}

/// The comments at the beginning of the file.
fn head(left: &[&Entry]) -> Vec<String> {
    let mut head = vec![
        "From keepalived.conf, without its checks: these servers stay whether they work or not."
            .to_owned(),
        "To keep the checks, leave virtual_server to keepalived, and write servers = \"external\""
            .to_owned(),
        "or a rule, [[full_nat]]: see docs/guides/keepalived.md.".to_owned(),
    ];
    head.extend(remarks_on_omitted(left.iter().copied()));
    head
}

/// Comments about entries that a file has no key for.
fn remarks_on_omitted<'e>(
    entries: impl Iterator<Item = &'e Entry>,
) -> impl Iterator<Item = String> {
    entries.map(|entry| format!("Not carried over, line {}: {}", entry.line, entry.shown()))
}

/// The state that was read, with the places in the text.
#[derive(Default)]
struct Table {
    state: State,
    notes: Notes,
    spans: HashMap<Item, Span>,
}

impl Table {
    /// Adds a service or a server, with comments about the entries that a file cannot
    /// carry. Returns false if it is there already.
    fn add(&mut self, item: Item, entry: &Entry, left: &[&Entry], mistakes: &Mistakes) -> bool {
        if let Some(first) = self.spans.get(&item) {
            let what = format!("{item} appears twice");
            let mistake = Mistake::new(&entry.span(), what, "remove one of the two");
            mistakes.add(mistake.see(first, "it is also here"));
            return false;
        }
        let comments = remarks_on_omitted(left.iter().copied());
        let above = self.notes.above.entry(item.clone()).or_default();
        above.extend(comments);
        self.spans.insert(item, entry.span());
        true
    }

    /// Adds what keepalived accepts and a file cannot express.
    fn refused(&self, written: &Written, mistakes: &Mistakes) {
        let refused = config::parse("the imported file", &written.text).err();
        for mistake in refused.iter().flat_map(Diagnostics::mistakes) {
            let item = written.at(mistake.span().start);
            let span = item.and_then(|(item, _)| self.spans.get(item));
            let span = span.cloned().unwrap_or(0..0);
            mistakes.add(Mistake::new(&span, mistake.message(), mistake.help()));
        }
    }
}
