// SPDX-License-Identifier: GPL-2.0-only
//! Writes blocks of `key = value` under a header as lines.

use super::value::string;
use super::{Item, Notes, Written};
use crate::model::FullNat;

/// A table: its header, and its keys in the order of writing.
pub(super) struct Block {
    header: String,
    indent: &'static str,
    /// The comments above the block.
    notes: Vec<String>,
    /// Comments that say how the block differs from the state.
    remarks: Vec<String>,
    keys: Vec<(String, String)>,
}

impl Block {
    pub fn new(header: impl Into<String>) -> Self {
        Block {
            header: header.into(),
            indent: "",
            notes: Vec::new(),
            remarks: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// Indents the block, which belongs to the block above it.
    pub fn indented(mut self) -> Self {
        self.indent = "  ";
        self
    }

    pub fn key(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.keys.push((key.into(), value.into()));
    }

    /// Adds a key before the others.
    pub fn first(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.keys.insert(0, (key.into(), value.into()));
    }

    /// The value of a key, as it is written.
    pub fn value(&self, key: &str) -> Option<&str> {
        let mut keys = self.keys.iter();
        let (_, value) = keys.find(|(found, _)| found == key)?;
        Some(value)
    }

    pub fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        let keys = self.keys.iter();
        keys.map(|(key, value)| (key.as_str(), value.as_str()))
    }

    pub fn remove(&mut self, key: &str) {
        self.keys.retain(|(found, _)| found != key);
    }

    /// True if the file says something else than the state.
    pub fn has_remarks(&self) -> bool {
        !self.remarks.is_empty()
    }

    /// Adds the keys for full NAT.
    pub fn full_nat(&mut self, full_nat: &FullNat) {
        self.key("snat", string(&full_nat.pool));
        if let Some(way) = full_nat.client_address {
            self.key("client_address", string(&way.to_string()));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    pub fn remark(&mut self, remark: impl Into<String>) {
        self.remarks.push(remark.into());
    }

    /// Returns the lines without their indentation. The equal signs are
    /// aligned.
    pub fn lines(&self) -> Vec<String> {
        let width = self.keys.iter().map(|(key, _)| key.len()).max();
        let width = width.unwrap_or_default();
        let mut lines = vec![self.header.clone()];
        for (key, value) in &self.keys {
            lines.extend(format!("{key:width$} = {value}").lines().map(str::to_owned));
        }
        lines
    }
}

/// The text so far.
pub(super) struct Document<'n> {
    notes: &'n Notes,
    written: Written,
    /// True if the service was written as a comment; its servers follow.
    is_refused: bool,
}

impl<'n> Document<'n> {
    pub fn new(notes: &'n Notes) -> Self {
        let mut document = Document {
            notes,
            written: Written::default(),
            is_refused: false,
        };
        for line in &notes.head {
            document.comment("", line);
        }
        document
    }

    pub fn add(&mut self, item: Item, block: Block) {
        let begin = self.written.text.len();
        if begin > 0 {
            self.written.text.push('\n');
        }
        let above = self.notes.above.get(&item).into_iter().flatten();
        for line in above.chain(&block.notes).chain(&block.remarks) {
            self.comment(block.indent, line);
        }
        let remarks = block
            .remarks
            .iter()
            .map(|remark| (item.clone(), remark.clone()));
        self.written.remarks.extend(remarks);
        let refused = self.notes.refused.get(&item);
        for reason in refused.into_iter().flatten() {
            self.comment(block.indent, reason);
        }
        // Without its header, a server would belong to the previous service.
        let is_part = matches!(item, Item::Server(..));
        let is_refused = refused.is_some() || is_part && self.is_refused;
        if !is_part {
            self.is_refused = is_refused;
        }
        for line in block.lines() {
            if is_refused {
                self.comment(block.indent, &line);
            } else {
                self.line(block.indent, &line);
            }
        }
        let range = begin..self.written.text.len();
        self.written.items.push((range, item));
    }

    pub fn finish(mut self) -> Written {
        if !self.notes.tail.is_empty() && !self.written.text.is_empty() {
            self.written.text.push('\n');
        }
        for line in &self.notes.tail {
            self.comment("", line);
        }
        // "No services" must be written as an empty list of services.
        let is_comment = |line: &str| line.is_empty() || line.trim_start().starts_with('#');
        if self.written.text.lines().all(is_comment) {
            if !self.written.text.is_empty() {
                self.written.text.push('\n');
            }
            self.line("", "service = []");
        }
        self.written
    }

    fn line(&mut self, indent: &str, line: &str) {
        self.written.text += indent;
        self.written.text += line;
        self.written.text.push('\n');
    }

    /// Writes a comment. Its text cannot end it or make it invalid.
    fn comment(&mut self, indent: &str, text: &str) {
        for line in text.lines() {
            let mut shown = String::from("#");
            if !line.is_empty() && !line.starts_with(['#', '!']) {
                shown.push(' ');
            }
            for letter in line.chars() {
                if letter.is_control() && letter != '\t' {
                    shown.extend(letter.escape_default());
                } else {
                    shown.push(letter);
                }
            }
            self.line(indent, shown.trim_end());
        }
    }
}
