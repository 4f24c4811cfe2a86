// SPDX-License-Identifier: GPL-2.0-only
//! Blocks of `key = value` under a header → lines.

use super::{Notes, Place, Written};

/// A table: its header, and its keys in the order in which they are written.
pub(super) struct Block {
    header: String,
    indent: &'static str,
    /// What is said above it.
    notes: Vec<String>,
    /// The same, where the block is not quite what the state is.
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

    /// Stands below another block, to which it belongs.
    pub fn indented(mut self) -> Self {
        self.indent = "  ";
        self
    }

    pub fn key(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.keys.push((key.into(), value.into()));
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

    /// Lines without their indentation. The equal signs stand below each
    /// other.
    fn lines(&self) -> Vec<String> {
        let width = self.keys.iter().map(|(key, _)| key.len()).max();
        let width = width.unwrap_or_default();
        let mut lines = vec![self.header.clone()];
        for (key, value) in &self.keys {
            lines.extend(format!("{key:width$} = {value}").lines().map(str::to_owned));
        }
        lines
    }
}

/// The text as it grows.
pub(super) struct Document<'n> {
    notes: &'n Notes,
    written: Written,
    /// The service whose servers follow is a comment.
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

    pub fn add(&mut self, place: Place, block: Block) {
        let begin = self.written.text.len();
        if begin > 0 {
            self.written.text.push('\n');
        }
        let above = self.notes.above.get(&place).into_iter().flatten();
        for line in above.chain(&block.notes).chain(&block.remarks) {
            self.comment(block.indent, line);
        }
        let remarks = block
            .remarks
            .iter()
            .map(|remark| (place.clone(), remark.clone()));
        self.written.remarks.extend(remarks);
        let refused = self.notes.refused.get(&place);
        for reason in refused.into_iter().flatten() {
            self.comment(block.indent, reason);
        }
        // Without its header a server would belong to the service before.
        let is_part = matches!(place, Place::Server(..));
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
        self.written.places.push((range, place));
    }

    pub fn finish(mut self) -> Written {
        if !self.notes.tail.is_empty() && !self.written.text.is_empty() {
            self.written.text.push('\n');
        }
        for line in &self.notes.tail {
            self.comment("", line);
        }
        // Only a list of services that is there says that there are none.
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

    /// Nothing in a comment ends it or is forbidden in it.
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
