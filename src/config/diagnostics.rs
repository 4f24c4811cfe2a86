// SPDX-License-Identifier: GPL-2.0-only
//! Mistakes in a file, and warnings of what is hardly meant, each shown in its
//! line with a caret.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::record::{Edit, Record, See};

/// Where in the text: bytes.
pub(crate) type Span = Range<usize>;

/// As many mistakes of a file are kept, for programs.
const MOST: usize = 10_000;
/// As many are shown to a person.
const MOST_SHOWN: usize = 100;
/// Bytes of a line. Of a longer one only a margin around the mistake is shown:
/// many mistakes in it would else take the square of its length.
const LONG: usize = 4096;
const MARGIN: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    span: Span,
    /// What is wrong.
    message: String,
    /// What would be right.
    help: String,
    /// Another place that has to do with it, and what it is.
    other: Option<(Span, &'static str)>,
    fix: Option<Fix>,
}

/// An edit of the text after which this place has no mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fix {
    pub span: Span,
    /// Replaces what is there.
    pub text: String,
}

impl Mistake {
    pub fn new(span: &Span, message: impl Into<String>, help: impl Into<String>) -> Self {
        Mistake {
            span: span.clone(),
            message: message.into(),
            help: help.into(),
            other: None,
            fix: None,
        }
    }

    /// The help as an edit, for programs.
    pub fn fix(mut self, span: &Span, text: impl Into<String>) -> Self {
        self.fix = Some(Fix {
            span: span.clone(),
            text: text.into(),
        });
        self
    }

    pub fn span(&self) -> &Span {
        &self.span
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn help(&self) -> &str {
        &self.help
    }

    pub fn other(&self) -> Option<&(Span, &'static str)> {
        self.other.as_ref()
    }

    pub fn see(mut self, span: &Span, what: &'static str) -> Self {
        self.other = Some((span.clone(), what));
        self
    }
}

/// Collects mistakes while the text is read.
#[derive(Default)]
pub(crate) struct Mistakes {
    found: RefCell<Vec<Mistake>>,
    /// Found after [`MOST`].
    more: Cell<usize>,
}

impl Mistakes {
    pub fn add(&self, mistake: Mistake) {
        let mut found = self.found.borrow_mut();
        if found.len() < MOST {
            found.push(mistake);
        } else {
            self.more.set(self.more.get() + 1);
        }
    }

    /// In the order of the text; `None`: there are none.
    pub fn into_diagnostics(self, name: &str, text: &str) -> Option<Diagnostics> {
        self.of(Severity::Mistake, name, text)
    }

    /// What was collected is no mistake, but hardly meant.
    pub fn into_warnings(self, name: &str, text: &str) -> Option<Diagnostics> {
        self.of(Severity::Warning, name, text)
    }

    fn of(self, severity: Severity, name: &str, text: &str) -> Option<Diagnostics> {
        let mut mistakes = self.found.into_inner();
        if mistakes.is_empty() {
            return None;
        }
        mistakes.sort_by_key(|mistake| mistake.span.start);
        let newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        Some(Diagnostics {
            name: name.to_owned(),
            lines: std::iter::once(0).chain(newlines).collect(),
            text: text.to_owned(),
            severity,
            mistakes,
            more: self.more.get(),
        })
    }
}

#[derive(Clone, Copy, Debug)]
enum Severity {
    Mistake,
    Warning,
}

/// All mistakes of a file, or all warnings, in the order of the text.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    name: String,
    text: String,
    /// Where each line begins.
    lines: Vec<usize>,
    severity: Severity,
    mistakes: Vec<Mistake>,
    /// Found, but not kept.
    more: usize,
}

/// The renderer shows the controls below U+0020 as pictures, but lets those
/// from U+0080 to U+009F pass, of which one begins the commands of a terminal.
/// The dot has as many bytes as they.
fn without_c1(line: &str) -> Cow<'_, str> {
    let is_c1 = |letter| matches!(letter, '\u{80}'..='\u{9f}');
    if line.contains(is_c1) {
        Cow::Owned(line.replace(is_c1, "\u{b7}"))
    } else {
        Cow::Borrowed(line)
    }
}

/// A span within one line.
struct Place<'a> {
    /// From 1.
    line: usize,
    /// From 1, in characters.
    column: usize,
    /// What is shown of the line.
    shown: Cow<'a, str>,
    /// Whether that is all of it.
    whole: bool,
    /// Bytes of `shown`.
    span: Span,
}

impl Diagnostics {
    /// What the file was called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// In the order of the text.
    pub(crate) fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    pub fn count(&self) -> usize {
        self.mistakes.len() + self.more
    }

    /// How many of them [`records`](Self::records) leaves out.
    pub fn more(&self) -> usize {
        self.more
    }

    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.mistakes.iter().map(|mistake| self.record(mistake))
    }

    /// For a person: each with file, line, column, caret and help. Of very many
    /// the first are shown.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let mut rendered: Vec<String> = self
            .mistakes
            .iter()
            .take(MOST_SHOWN)
            .map(|mistake| self.render_one(&renderer, mistake))
            .collect();
        let more = self.count() - rendered.len();
        if more > 0 {
            rendered.push(format!("and {more} more; `validate --json` lists them"));
        }
        rendered.join("\n\n")
    }

    fn render_one(&self, renderer: &Renderer, mistake: &Mistake) -> String {
        let place = self.place(&mistake.span);
        let primary = AnnotationKind::Primary.span(place.span.clone());
        let level = match self.severity {
            Severity::Mistake => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = level
            .primary_title(mistake.message.as_str())
            .elements(self.origin(&place))
            .element(self.snippet(&place).annotation(primary));
        if let Some((span, what)) = &mistake.other {
            let place = self.place(span);
            let context = AnnotationKind::Context
                .span(place.span.clone())
                .label(*what);
            group = group
                .elements(self.origin(&place))
                .element(self.snippet(&place).annotation(context));
        }
        group = group.element(Level::HELP.message(mistake.help.as_str()));
        renderer.render(&[group]).to_string()
    }

    /// Said apart where the snippet cannot count the column.
    fn origin(&self, place: &Place) -> Option<Origin<'_>> {
        let origin = Origin::path(self.name.as_str())
            .line(place.line)
            .char_column(place.column);
        (!place.whole).then_some(origin)
    }

    fn snippet<'a, T: Clone>(&'a self, place: &Place<'a>) -> Snippet<'a, T> {
        Snippet::source(place.shown.clone())
            .line_start(place.line)
            .path(place.whole.then_some(self.name.as_str()))
    }

    /// A span's line and what it covers there: a table spans many.
    fn place(&self, span: &Span) -> Place<'_> {
        let start = self.whole(span.start);
        let line = self.lines.partition_point(|begin| *begin <= start);
        let begin = self.lines.get(line.saturating_sub(1)).map_or(0, |at| *at);
        let end = self.lines.get(line).map_or(self.text.len(), |at| at - 1);
        let ended = self.text.get(begin..end).unwrap_or_default();
        let end = begin + ended.strip_suffix('\r').unwrap_or(ended).len();
        let stop = self.whole(span.end.clamp(start, end.max(start)));
        let whole = end.saturating_sub(begin) <= LONG;
        let margin = if whole { LONG } else { MARGIN };
        let from = self.whole(start.saturating_sub(margin).max(begin));
        let to = self.whole((start + margin).min(end)).max(start);
        let before = self.text.get(begin..start).unwrap_or_default();
        Place {
            line,
            column: before.chars().count() + 1,
            shown: without_c1(self.text.get(from..to).unwrap_or_default()),
            whole,
            span: start - from..stop.min(to) - from,
        }
    }

    /// A place in the text, at a whole character.
    fn whole(&self, at: usize) -> usize {
        let at = at.min(self.text.len());
        (0..=at)
            .rev()
            .find(|at| self.text.is_char_boundary(*at))
            .unwrap_or(0)
    }

    fn record<'a>(&'a self, mistake: &'a Mistake) -> Record<'a> {
        let place = self.place(&mistake.span);
        let see = mistake.other.as_ref().map(|(span, what)| {
            let place = self.place(span);
            See {
                line: place.line,
                column: place.column,
                message: what,
            }
        });
        Record {
            file: Cow::Borrowed(&self.name),
            line: Some(place.line),
            column: Some(place.column),
            message: Cow::Borrowed(&mistake.message),
            help: Cow::Borrowed(&mistake.help),
            see,
            fix: mistake.fix.as_ref().map(|fix| Edit {
                start: fix.span.start,
                end: fix.span.end,
                text: &fix.text,
            }),
        }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}
