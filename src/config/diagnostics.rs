// SPDX-License-Identifier: GPL-2.0-only
//! Mistakes in a file, and warnings about text that is probably not intended.
//! Each is shown in its line with a caret.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::record::{Edit, Record, See};
use crate::model;

/// A range of bytes in the text.
pub(crate) type Span = Range<usize>;

/// The number of mistakes that are kept for each file, for programs.
const MOST: usize = 10_000;
/// The number of mistakes that are shown to a person.
const MOST_SHOWN: usize = 100;
/// The largest line, in bytes, that is shown whole. From a longer line only a
/// margin around the mistake is shown. Many mistakes in one long line would
/// otherwise cost the square of its length.
const LONG: usize = 4096;
const MARGIN: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    span: Span,
    /// The problem.
    message: String,
    /// The correct form.
    help: String,
    /// A second place that is related to the mistake, and its description.
    other: Option<(Span, &'static str)>,
    fix: Option<Fix>,
}

/// An edit of the text after which this place has no mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fix {
    pub span: Span,
    /// The replacement for the text of the span.
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

    /// Adds the help as an edit, for programs.
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
    /// The number of mistakes after [`MOST`], which are not kept.
    more: Cell<usize>,
}

impl Mistakes {
    pub fn add(&self, mistake: Mistake) {
        let mut found = self.found.borrow_mut();
        // A part that several services share is read once for each of them.
        if found.contains(&mistake) {
            return;
        }
        if found.len() < MOST {
            found.push(mistake);
        } else {
            self.more.set(self.more.get() + 1);
        }
    }

    /// Returns the mistakes in the order of the text.
    /// `None`: there are no mistakes.
    pub fn into_diagnostics(self, name: &str, text: &str) -> Option<Diagnostics> {
        self.of_source(&Source::of(name, text))
    }

    /// The same for a file with those that it includes.
    pub fn of_source(self, source: &Source) -> Option<Diagnostics> {
        self.of(Severity::Mistake, source)
    }

    /// Returns the collected entries as warnings instead of mistakes.
    pub fn into_warnings(self, source: &Source) -> Option<Diagnostics> {
        self.of(Severity::Warning, source)
    }

    fn of(self, severity: Severity, source: &Source) -> Option<Diagnostics> {
        let mut mistakes = self.found.into_inner();
        if mistakes.is_empty() {
            return None;
        }
        mistakes.sort_by_key(|mistake| mistake.span.start);
        let newlines = source.text.match_indices('\n').map(|(at, _)| at + 1);
        Some(Diagnostics {
            lines: std::iter::once(0).chain(newlines).collect(),
            source: source.clone(),
            severity,
            mistakes,
            more: self.more.get(),
        })
    }
}

/// The text of a file and of those that it includes, one after the other. Spans are
/// ranges of this text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    text: String,
    /// The names of the files, and where each begins.
    files: Vec<(usize, String)>,
}

impl Source {
    pub fn of(name: &str, text: &str) -> Self {
        Source {
            text: text.to_owned(),
            files: vec![(0, name.to_owned())],
        }
    }

    /// Adds an included file. Returns where it begins.
    pub fn add(&mut self, name: &str, text: &str) -> usize {
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        let begin = self.text.len();
        self.text.push_str(text);
        self.files.push((begin, name.to_owned()));
        begin
    }

    /// Returns a function that finds the line of the file that has a byte.
    pub fn places(&self) -> impl Fn(usize) -> model::SourceLine {
        let ends = self.text.match_indices('\n').map(|(at, _)| at);
        let ends: Vec<usize> = ends.collect();
        let lines_before = move |at: usize| ends.partition_point(|end| *end < at);
        move |at| {
            let (begin, file) = self.file(at);
            model::SourceLine {
                file: file.to_owned(),
                line: lines_before(at) - lines_before(begin) + 1,
            }
        }
    }

    /// Returns the file that has this byte: its beginning and its name.
    fn file(&self, at: usize) -> (usize, &str) {
        let after = self.files.partition_point(|(begin, _)| *begin <= at);
        let file = self.files.get(after.saturating_sub(1));
        file.map_or((0, ""), |(begin, name)| (*begin, name))
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
    source: Source,
    /// The byte offset at which each line begins.
    lines: Vec<usize>,
    severity: Severity,
    mistakes: Vec<Mistake>,
    /// The number of mistakes that were found but not kept.
    more: usize,
}

/// The renderer shows the control characters below U+0020 as pictures, but
/// passes those from U+0080 to U+009F. One of these begins a terminal command.
/// The replacement dot has the same number of bytes.
fn without_c1(line: &str) -> Cow<'_, str> {
    let is_c1 = |letter| matches!(letter, '\u{80}'..='\u{9f}');
    if line.contains(is_c1) {
        Cow::Owned(line.replace(is_c1, "\u{b7}"))
    } else {
        Cow::Borrowed(line)
    }
}

/// A span within one line.
struct Location<'a> {
    file: &'a str,
    /// The line number in the file, from 1.
    line: usize,
    /// The column, from 1, in characters.
    column: usize,
    /// The part of the line that is shown.
    shown: Cow<'a, str>,
    /// True if `shown` is the whole line.
    whole: bool,
    /// The range in `shown`, in bytes.
    span: Span,
}

impl Diagnostics {
    /// Returns the name of the file, as it was given.
    pub fn name(&self) -> &str {
        self.source.file(0).1
    }

    /// Returns the mistakes in the order of the text.
    pub(crate) fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    pub fn count(&self) -> usize {
        self.mistakes.len() + self.more
    }

    /// Returns the number of mistakes that [`records`](Self::records) leaves
    /// out.
    pub fn more(&self) -> usize {
        self.more
    }

    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.mistakes.iter().map(|mistake| self.record(mistake))
    }

    /// Renders the mistakes for a person, each with file, line, column, caret
    /// and help. If there are many, only the first ones are shown.
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
        let location = self.location(&mistake.span);
        let primary = AnnotationKind::Primary.span(location.span.clone());
        let level = match self.severity {
            Severity::Mistake => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = level
            .primary_title(mistake.message.as_str())
            .elements(self.origin(&location))
            .element(self.snippet(&location).annotation(primary));
        if let Some((span, what)) = &mistake.other {
            let location = self.location(span);
            let context = AnnotationKind::Context
                .span(location.span.clone())
                .label(*what);
            group = group
                .elements(self.origin(&location))
                .element(self.snippet(&location).annotation(context));
        }
        group = group.element(Level::HELP.message(mistake.help.as_str()));
        renderer.render(&[group]).to_string()
    }

    /// Returns a separate line with the position if the snippet cannot count
    /// the column.
    fn origin<'a>(&self, location: &Location<'a>) -> Option<Origin<'a>> {
        let origin = Origin::path(location.file)
            .line(location.line)
            .char_column(location.column);
        (!location.whole).then_some(origin)
    }

    fn snippet<'a, T: Clone>(&'a self, location: &Location<'a>) -> Snippet<'a, T> {
        Snippet::source(location.shown.clone())
            .line_start(location.line)
            .path(location.whole.then_some(location.file))
    }

    /// Returns the line of a span and the part of that line that it covers. A
    /// table spans many lines.
    fn location(&self, span: &Span) -> Location<'_> {
        let start = self.whole(span.start);
        let line = self.line(start);
        let (first, file) = self.source.file(start);
        let begin = self.lines.get(line.saturating_sub(1)).map_or(0, |at| *at);
        let end = self
            .lines
            .get(line)
            .map_or(self.source.text.len(), |at| at - 1);
        let ended = self.source.text.get(begin..end).unwrap_or_default();
        let end = begin + ended.strip_suffix('\r').unwrap_or(ended).len();
        let stop = self.whole(span.end.clamp(start, end.max(start)));
        let whole = end.saturating_sub(begin) <= LONG;
        let margin = if whole { LONG } else { MARGIN };
        let from = self.whole(start.saturating_sub(margin).max(begin));
        let to = self.whole((start + margin).min(end)).max(start);
        let before = self.source.text.get(begin..start).unwrap_or_default();
        Location {
            file,
            line: line + 1 - self.line(first),
            column: before.chars().count() + 1,
            shown: without_c1(self.source.text.get(from..to).unwrap_or_default()),
            whole,
            span: start - from..stop.min(to) - from,
        }
    }

    /// Returns the line of an offset, from 1, in the text of all files.
    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|begin| *begin <= at)
    }

    /// Rounds an offset to the boundary of a character.
    fn whole(&self, at: usize) -> usize {
        let at = at.min(self.source.text.len());
        (0..=at)
            .rev()
            .find(|at| self.source.text.is_char_boundary(*at))
            .unwrap_or(0)
    }

    fn record<'a>(&'a self, mistake: &'a Mistake) -> Record<'a> {
        let location = self.location(&mistake.span);
        let in_file = |at: usize| at - self.source.file(at).0;
        let see = mistake.other.as_ref().map(|(span, what)| {
            let location = self.location(span);
            See {
                file: location.file,
                line: location.line,
                column: location.column,
                message: what,
            }
        });
        Record {
            file: Cow::Borrowed(location.file),
            line: Some(location.line),
            column: Some(location.column),
            message: Cow::Borrowed(&mistake.message),
            help: Cow::Borrowed(&mistake.help),
            see,
            fix: mistake.fix.as_ref().map(|fix| Edit {
                start: in_file(fix.span.start),
                end: in_file(fix.span.start) + fix.span.len(),
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
