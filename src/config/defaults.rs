// SPDX-License-Identifier: GPL-2.0-only
//! `[defaults]`: values for services, rules and servers that do not set their own.

use super::diagnostics::Span;
use super::reader::{Section, string};
use super::server;
use super::service;

/// The default values. The spans are their places in the text.
#[derive(Clone, Debug, Default)]
pub(super) struct Defaults {
    pub scheduler: Option<(String, Span)>,
    pub snat: Option<(String, Span)>,
    pub weight: Option<u32>,
    pub forward: Option<(String, Span)>,
}

pub(super) fn read(section: Section) -> Defaults {
    let mistakes = section.mistakes;
    let owned = |(text, span): (&str, Span)| (text.to_owned(), span);
    let scheduler = section.take("scheduler");
    let defaults = Defaults {
        scheduler: scheduler
            .and_then(|value| service::scheduler(value, mistakes))
            .map(owned),
        snat: service::snat(&section, None),
        weight: server::weight(&section),
        forward: section
            .take("forward")
            .and_then(|value| string(value, "forward", mistakes))
            .filter(|(method, span)| server::is_method(method, span, mistakes))
            .map(owned),
    };
    section.finish();
    defaults
}
