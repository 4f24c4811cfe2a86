// SPDX-License-Identifier: GPL-2.0-only
//! Walks the tables of the text. Each function that reads a value reports its
//! mistakes and continues, so one run finds every mistake.

use std::cell::RefCell;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostics::{Mistake, Mistakes, Span};
use super::spelling::{meant, quoted};
use super::syntax::server_alone;

/// A value and its place in the text.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// Why a text is not a valid value, and the correct form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invalid {
    /// The reason; it follows "… is not a valid address".
    pub why: String,
    pub right: String,
    /// The corrected text, if it is known.
    pub fix: Option<String>,
}

impl Invalid {
    pub fn new(why: impl Into<String>, right: impl Into<String>) -> Self {
        Invalid {
            why: why.into(),
            right: right.into(),
            fix: None,
        }
    }

    /// `text` is the value that was probably meant.
    pub fn did_you_mean(why: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        Invalid::new(why, format!("did you mean \"{text}\"?")).fix(text)
    }

    pub fn fix(mut self, text: impl Into<String>) -> Self {
        self.fix = Some(text.into());
        self
    }
}

/// A table whose keys are taken one by one. The remaining keys are unknown.
pub(super) struct Section<'t> {
    /// The name of the table in messages: "`[director]`", "a service".
    pub what: &'static str,
    pub span: Span,
    pub mistakes: &'t Mistakes,
    table: &'t DeTable<'t>,
    known: RefCell<Vec<&'static str>>,
}

impl<'t> Section<'t> {
    pub fn new(
        what: &'static str,
        span: Span,
        table: &'t DeTable<'t>,
        mistakes: &'t Mistakes,
    ) -> Self {
        Section {
            what,
            span,
            mistakes,
            table,
            known: RefCell::default(),
        }
    }

    /// Makes a section from a value, which must be a table.
    pub fn of(what: &'static str, value: &'t Value<'t>, mistakes: &'t Mistakes) -> Option<Self> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Section::new(what, value.span(), table, mistakes)),
            _ => wrong_type(value, what, "a table", mistakes),
        }
    }

    /// Takes an optional key.
    pub fn take(&self, key: &'static str) -> Option<&'t Value<'t>> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        self.table.get(key)
    }

    /// Takes a required key and reports if it is absent. `form`: the correct
    /// form.
    pub fn require(&self, key: &'static str, form: &str) -> Option<&'t Value<'t>> {
        let value = self.take(key);
        if value.is_none() {
            self.mistakes.add(Mistake::new(
                &self.span,
                format!("{} has no `{key}`", self.what),
                format!("add {form}"),
            ));
        }
        value
    }

    pub fn section(&self, key: &'static str, what: &'static str) -> Option<Section<'t>> {
        Section::of(what, self.take(key)?, self.mistakes)
    }

    /// Returns the tables of `[[header]]`.
    pub fn sections(
        &self,
        key: &'static str,
        header: &'static str,
        what: &'static str,
    ) -> impl Iterator<Item = Section<'t>> + use<'t> {
        let mistakes = self.mistakes;
        let elements = match self.take(key) {
            Some(value)
                if header == "service"
                    && value
                        .get_ref()
                        .as_table()
                        .is_some_and(|table| table.len() == 1 && table.contains_key("server")) =>
            {
                mistakes.add(server_alone(&value.span()));
                &[]
            }
            Some(value) if matches!(value.get_ref(), DeValue::Table(_)) => {
                mistakes.add(Mistake::new(
                    &value.span(),
                    format!("this is not an element of the list `{header}`"),
                    format!("write it with double brackets: `[[{header}]]`"),
                ));
                &[]
            }
            Some(value) => array(value, key, mistakes).unwrap_or(&[]),
            None => &[],
        };
        elements
            .iter()
            .filter_map(move |value| Section::of(what, value, mistakes))
    }

    pub fn string(&self, key: &'static str) -> Option<(&'t str, Span)> {
        string(self.take(key)?, key, self.mistakes)
    }

    pub fn boolean(&self, key: &'static str) -> Option<(bool, Span)> {
        let value = self.take(key)?;
        match value.get_ref() {
            DeValue::Boolean(boolean) => Some((*boolean, value.span())),
            _ => wrong_type(value, key, "true or false", self.mistakes),
        }
    }

    pub fn integer(&self, key: &'static str, least: i64, most: i64) -> Option<(i64, Span)> {
        integer(self.take(key)?, key, least, most, self.mistakes)
    }

    /// Takes every key and returns them with their values in the order of the
    /// text.
    pub fn entries(&self) -> Vec<(&'t str, Span, &'t Value<'t>)> {
        let mut entries: Vec<_> = self
            .table
            .iter()
            .map(|(key, value)| (key.get_ref().as_ref(), key.span(), value))
            .collect();
        entries.sort_by_key(|(_, span, _)| span.start);
        entries
    }

    /// Reports the keys that were not taken.
    pub fn finish(self) {
        self.finish_but(|_| false);
    }

    /// The same, but for those keys that were reported.
    pub fn finish_but(self, is_reported: impl Fn(&str) -> bool) {
        let known = self.known.into_inner();
        for (key, _) in self.table.iter() {
            let name = key.get_ref().as_ref();
            if !is_reported(name) && !known.contains(&name) {
                self.mistakes.add(Mistake::new(
                    &key.span(),
                    format!("unknown key {} in {}", quoted(name), self.what),
                    advice_for_unknown(name)
                        .map_or_else(|| meant(name, known.iter().copied()), str::to_owned),
                ));
            }
        }
    }
}

/// Returns advice for a key of other programs' files that this file does not
/// have.
fn advice_for_unknown(key: &str) -> Option<&'static str> {
    match key {
        "includes" | "import" => Some("did you mean `include`?"),
        "check" | "checks" | "health_check" | "healthcheck" | "health" | "monitor" => Some(
            "health checks are another program's: keepalived, or one that runs `ipvs-bpf weight`",
        ),
        _ => None,
    }
}

/// Adds the mistake and returns `None`.
fn wrong_type<T>(value: &Value, what: &str, expected: &str, mistakes: &Mistakes) -> Option<T> {
    let found = value.get_ref();
    let help = match (expected, found) {
        ("a table", DeValue::Array(array))
            if array.iter().any(|value| value.get_ref().is_table()) =>
        {
            "is it `[[…]]` where `[…]` is meant?".to_owned()
        }
        ("an integer", DeValue::String(text)) if text.parse::<i64>().is_ok() => {
            format!("write it without quotes: {text}")
        }
        ("a string", DeValue::Integer(number)) => format!("write it in quotes: \"{number}\""),
        ("a string", DeValue::Array(_)) if what == "address" => {
            "write one address; another one needs a table of its own".to_owned()
        }
        ("a string", _) => "write a string in quotes".to_owned(),
        ("an integer", DeValue::Boolean(_)) => "write a whole number".to_owned(),
        ("an integer", _) => "write a whole number, without quotes".to_owned(),
        ("an array", _) => "write it in brackets: [ … ]".to_owned(),
        ("a table", _) => "write it in braces: { key = value }".to_owned(),
        _ => format!("write {expected}, without quotes"),
    };
    // `what` is a key or, for a value without a key, a name such as "a server".
    let what = if what.contains([' ', '`']) {
        what.to_owned()
    } else {
        format!("`{what}`")
    };
    mistakes.add(Mistake::new(
        &value.span(),
        format!("{what} must be {expected}, not {}", type_name(found)),
        help,
    ));
    None
}

fn type_name(value: &DeValue) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

pub(super) fn string<'t>(
    value: &'t Value<'t>,
    what: &str,
    mistakes: &Mistakes,
) -> Option<(&'t str, Span)> {
    match value.get_ref() {
        DeValue::String(text) => Some((text.as_ref(), value.span())),
        _ => wrong_type(value, what, "a string", mistakes),
    }
}

pub(super) fn integer(
    value: &Value<'_>,
    what: &str,
    least: i64,
    most: i64,
    mistakes: &Mistakes,
) -> Option<(i64, Span)> {
    let DeValue::Integer(integer) = value.get_ref() else {
        return wrong_type(value, what, "an integer", mistakes);
    };
    let span = value.span();
    match i64::from_str_radix(integer.as_str(), integer.radix()) {
        Ok(number) if (least..=most).contains(&number) => Some((number, span)),
        _ => {
            mistakes.add(Mistake::new(
                &span,
                format!(
                    "{} is out of range for `{what}`",
                    quoted(&integer.to_string())
                ),
                format!("it is {least} to {most}"),
            ));
            None
        }
    }
}

pub(super) fn array<'t>(
    value: &'t Value<'t>,
    what: &str,
    mistakes: &Mistakes,
) -> Option<&'t [Value<'t>]> {
    match value.get_ref() {
        DeValue::Array(array) => Some(array),
        _ => wrong_type(value, what, "an array", mistakes),
    }
}

/// Reads a string with `read`. `what` names its form, such as "an address of a
/// server".
pub(super) fn form<T>(
    value: &Value,
    key: &str,
    what: &str,
    read: impl Fn(&str) -> Result<T, Invalid>,
    mistakes: &Mistakes,
) -> Option<(T, Span)> {
    if let DeValue::Integer(number) = value.get_ref()
        && let Some(text) = written(&number.to_string(), &read)
    {
        let span = value.span();
        let message = format!("`{key}` must be a string, not an integer");
        let help = format!("write it in quotes: \"{text}\"");
        mistakes.add(Mistake::new(&span, message, help).fix(&span, literal(&text)));
        return None;
    }
    let (text, span) = string(value, key, mistakes)?;
    match read(text) {
        Ok(read) => Some((read, span)),
        Err(_) if text.contains(['$', '{']) => {
            mistakes.add(Mistake::new(
                &span,
                format!(
                    "{} is not a valid {what}: variables are not replaced",
                    quoted(text)
                ),
                "write the value, or let a program write the file",
            ));
            None
        }
        Err(Invalid { why, right, fix }) => {
            let comma = if why.is_empty() { "" } else { ": " };
            let message = format!("{} is not a valid {what}{comma}{why}", quoted(text));
            let mistake = Mistake::new(&span, message, right);
            mistakes.add(match fix {
                Some(fix) => mistake.fix(&span, literal(&fix)),
                None => mistake,
            });
            None
        }
    }
}

/// Returns the text for a number without quotes: the number, or what `read`
/// suggests.
fn written<T>(number: &str, read: impl Fn(&str) -> Result<T, Invalid>) -> Option<String> {
    match read(number) {
        Ok(_) => Some(number.to_owned()),
        Err(wrong) => wrong.fix,
    }
}

/// Returns the text as a TOML string.
pub(super) fn literal(text: &str) -> String {
    toml::Value::from(text).to_string()
}
