// SPDX-License-Identifier: GPL-2.0-only
//! Mistakes in a file, each shown in its line with a caret.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

/// Where in the text: bytes.
pub(super) type Span = Range<usize>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    span: Span,
    message: String,
    /// What stands beside the caret.
    label: String,
    /// What would be right; empty where the message says it.
    help: String,
}

impl Mistake {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        Mistake {
            span,
            message: message.into(),
            label: String::new(),
            help: String::new(),
        }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

/// Collects mistakes while the text is read.
#[derive(Default)]
pub(super) struct Mistakes {
    found: RefCell<Vec<Mistake>>,
}

impl Mistakes {
    pub fn add(&self, mistake: Mistake) {
        self.found.borrow_mut().push(mistake);
    }

    /// In the order of the text; `None`: there are none.
    pub fn into_diagnostics(self, name: &str, text: &str) -> Option<Diagnostics> {
        let mut mistakes = self.found.into_inner();
        if mistakes.is_empty() {
            return None;
        }
        mistakes.sort_by_key(|mistake| mistake.span.start);
        mistakes.dedup();
        Some(Diagnostics {
            name: name.to_owned(),
            text: text.to_owned(),
            mistakes,
        })
    }
}

/// All mistakes of a file.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    name: String,
    text: String,
    mistakes: Vec<Mistake>,
}

/// A mistake for programs: `validate --json` prints a list of these. Lines and
/// columns (in characters) count from 1.
#[derive(Serialize)]
struct Record<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    help: &'a str,
}

impl Diagnostics {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn count(&self) -> usize {
        self.mistakes.len()
    }

    /// For a person: each mistake with file, line, column, caret and help.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let rendered: Vec<String> = self
            .mistakes
            .iter()
            .map(|mistake| self.render_one(&renderer, mistake))
            .collect();
        rendered.join("\n\n")
    }

    fn render_one(&self, renderer: &Renderer, mistake: &Mistake) -> String {
        let mut annotation = AnnotationKind::Primary.span(self.visible(&mistake.span));
        if !mistake.label.is_empty() {
            annotation = annotation.label(mistake.label.as_str());
        }
        let snippet = Snippet::source(self.text.as_str())
            .path(self.name.as_str())
            .annotation(annotation);
        let mut group = Level::ERROR
            .primary_title(mistake.message.as_str())
            .element(snippet);
        if !mistake.help.is_empty() {
            group = group.element(Level::HELP.message(mistake.help.as_str()));
        }
        renderer.render(&[group]).to_string()
    }

    /// A span inside the text, at whole characters, and of one line: tables
    /// span many.
    fn visible(&self, span: &Span) -> Span {
        let floor = |mut at: usize| {
            at = at.min(self.text.len());
            while !self.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = floor(span.start);
        let end = floor(span.end.max(start));
        let line_end = self
            .text
            .get(start..end)
            .and_then(|text| text.find('\n'))
            .map_or(end, |length| start + length);
        start..line_end
    }

    fn record<'a>(&'a self, mistake: &'a Mistake) -> Record<'a> {
        let before = self
            .text
            .get(..self.visible(&mistake.span).start)
            .unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Record {
            file: &self.name,
            line: before.matches('\n').count() + 1,
            column: before
                .get(line_start..)
                .map_or(0, |text| text.chars().count())
                + 1,
            message: &mistake.message,
            help: &mistake.help,
        }
    }
}

impl Serialize for Diagnostics {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.mistakes.iter().map(|mistake| self.record(mistake)))
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// The name that was probably meant.
pub(super) fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        // One slip in a short name, two in a longer one.
        .filter(|(distance, candidate)| *distance <= 1 + usize::from(candidate.len() > 5))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
