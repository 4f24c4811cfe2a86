// SPDX-License-Identifier: GPL-2.0-only
//! Walks the tables of the text. Whoever reads a value reports what is wrong
//! with it and goes on with the next, so that one run finds every mistake.

use std::cell::RefCell;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostics::{Mistake, Mistakes, Span, closest};

/// A value and where it stands.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// A table whose keys are taken one by one; what nobody took is unknown.
pub(super) struct Section<'t> {
    /// As a person would call it: "`[director]`", "a service".
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

    /// The value must be a table.
    pub fn of(what: &'static str, value: &'t Value<'t>, mistakes: &'t Mistakes) -> Option<Self> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Section::new(what, value.span(), table, mistakes)),
            other => {
                mistakes.add(wrong_type(value.span(), "a table", other));
                None
            }
        }
    }

    pub fn take(&self, key: &'static str) -> Option<&'t Value<'t>> {
        self.known.borrow_mut().push(key);
        self.table.get(key)
    }

    /// As [`Self::take`]; absence is a mistake.
    pub fn require(&self, key: &'static str) -> Option<&'t Value<'t>> {
        let value = self.take(key);
        if value.is_none() {
            self.mistakes.add(
                Mistake::new(self.span.clone(), format!("{} has no `{key}`", self.what))
                    .label(format!("`{key}` is missing")),
            );
        }
        value
    }

    pub fn section(&self, key: &'static str, what: &'static str) -> Option<Section<'t>> {
        Section::of(what, self.take(key)?, self.mistakes)
    }

    pub fn string(&self, key: &'static str) -> Option<(&'t str, Span)> {
        string(self.take(key)?, self.mistakes)
    }

    pub fn boolean(&self, key: &'static str) -> Option<(bool, Span)> {
        let value = self.take(key)?;
        match value.get_ref() {
            DeValue::Boolean(boolean) => Some((*boolean, value.span())),
            other => {
                self.mistakes
                    .add(wrong_type(value.span(), "true or false", other));
                None
            }
        }
    }

    pub fn integer(&self, key: &'static str, least: i64, most: i64) -> Option<(i64, Span)> {
        integer(self.take(key)?, least, most, self.mistakes)
    }

    /// The elements of an array; none when the key is absent.
    pub fn array(&self, key: &'static str) -> &'t [Value<'t>] {
        self.take(key)
            .map_or(&[], |value| array(value, self.mistakes))
    }

    /// Every key with its value, all of them known.
    pub fn entries(&self) -> impl Iterator<Item = (&'t str, Span, &'t Value<'t>)> {
        self.table
            .iter()
            .map(|(key, value)| (key.get_ref().as_ref(), key.span(), value))
    }

    /// Reports the keys that nobody took.
    pub fn finish(self) {
        let known = self.known.into_inner();
        for (key, _) in self.table.iter() {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let mistake =
                Mistake::new(key.span(), format!("unknown key `{name}` in {}", self.what));
            self.mistakes
                .add(match closest(name, known.iter().copied()) {
                    Some(meant) => mistake.label(format!("did you mean `{meant}`?")),
                    None => mistake.help(format!("known are: {}", known.join(", "))),
                });
        }
    }
}

fn wrong_type(span: Span, expected: &str, found: &DeValue) -> Mistake {
    Mistake::new(
        span,
        format!("expected {expected}, found {}", found.type_str()),
    )
    .label(format!("must be {expected}"))
}

pub(super) fn string<'t>(value: &'t Value<'t>, mistakes: &Mistakes) -> Option<(&'t str, Span)> {
    match value.get_ref() {
        DeValue::String(text) => Some((text.as_ref(), value.span())),
        other => {
            mistakes.add(wrong_type(value.span(), "a string", other));
            None
        }
    }
}

pub(super) fn integer(
    value: &Value<'_>,
    least: i64,
    most: i64,
    mistakes: &Mistakes,
) -> Option<(i64, Span)> {
    let span = value.span();
    let DeValue::Integer(integer) = value.get_ref() else {
        mistakes.add(wrong_type(span, "an integer", value.get_ref()));
        return None;
    };
    match i64::from_str_radix(integer.as_str(), integer.radix()) {
        Ok(number) if (least..=most).contains(&number) => Some((number, span)),
        _ => {
            mistakes.add(
                Mistake::new(span, format!("{} is out of range", integer.as_str()))
                    .label(format!("must be {least} to {most}")),
            );
            None
        }
    }
}

pub(super) fn array<'t>(value: &'t Value<'t>, mistakes: &Mistakes) -> &'t [Value<'t>] {
    match value.get_ref() {
        DeValue::Array(array) => array,
        other => {
            mistakes.add(wrong_type(value.span(), "an array", other));
            &[]
        }
    }
}
