// SPDX-License-Identifier: GPL-2.0-only
//! Parses the whole text into a [`Config`].

use std::collections::BTreeMap;

use super::defaults::{self, Defaults};
use super::diagnostics::{Diagnostics, Mistake, Mistakes, Source, Span};
use super::director::{self, Director};
use super::groups::{self, Group};
use super::include::{self, Included};
use super::pools::{self, Pool};
use super::reader::{Invalid, Section};
use super::rules::{self, RuleEntry};
use super::service::{self, Context, ServiceEntry};
use super::sync::{self, Sync};
use super::timeouts::{self, TimeoutsTable};
use super::toa::{self, ToaTable};
use super::{check, syntax, sysctl};
use crate::model::Sysctls;

/// A file without mistakes.
#[derive(Clone, Debug)]
pub struct Config {
    /// The text, for messages that depend on the host.
    pub(super) source: Source,
    pub(super) director: Option<Director>,
    pub(super) timeouts: TimeoutsTable,
    pub(super) sysctls: Sysctls,
    /// The sync daemons.
    /// `None`: they are left alone.
    pub(super) sync: Option<Sync>,
    pub(super) pools: BTreeMap<String, Pool>,
    pub(super) rules: Vec<RuleEntry>,
    pub(super) services: Vec<ServiceEntry>,
    /// The receiver of clients' addresses.
    /// `None`: it is left alone.
    pub(super) toa: Option<ToaTable>,
    /// True if `[toa]` is the only table.
    pub(super) is_of_server: bool,
    pub(super) groups: BTreeMap<String, Group>,
    /// The default pool from `[defaults]`.
    pub(super) snat: Option<(String, Span)>,
    /// True if `service` is present, even as an empty list.
    pub(super) lists_services: bool,
}

impl Config {
    /// True if both were read from the same text.
    pub fn has_text_of(&self, other: &Config) -> bool {
        self.source == other.source
    }
}

/// Parses the text alone, without the files that it includes. `name` is the file's name in
/// diagnostics.
pub fn parse(name: &str, text: &str) -> Result<Config, Diagnostics> {
    parse_with(name, text, |_| Ok(Vec::new()))
}

/// Parses the text and the files that it includes. `files` reads those of a pattern.
pub(super) fn parse_with(
    name: &str,
    text: &str,
    mut files: impl FnMut(&str) -> Result<Vec<Included>, Invalid>,
) -> Result<Config, Diagnostics> {
    let text = without_mark(text);
    let document = syntax::parse(name, text)?;
    let mut source = Source::of(name, text);
    let mistakes = Mistakes::default();
    let root = Section::new("the file", 0..0, document.get_ref(), &mistakes);
    let mut included = Vec::new();
    for (pattern, span) in include::patterns(&root) {
        match files(pattern) {
            Ok(files) => included.extend(files),
            Err(wrong) => mistakes.add(Mistake::new(&span, wrong.why, wrong.right)),
        }
    }
    let mut tables = Vec::new();
    for file in &included {
        let text = without_mark(&file.text);
        let document = syntax::parse(&file.name, text)?;
        let begin = source.add(&file.name, text);
        tables.push((begin, include::shift(document.into_inner(), begin)));
    }
    let others: Vec<Section> = tables
        .iter()
        .map(|(begin, table)| Section::new("an included file", *begin..*begin, table, &mistakes))
        .collect();
    let sections = || std::iter::once(&root).chain(&others);
    let defaults = root
        .section("defaults", "`[defaults]`")
        .map_or_else(Defaults::default, defaults::read);
    let groups = sections().filter_map(|section| section.section("servers", "`[servers]`"));
    let groups = groups::read(groups, &defaults);
    let context = Context {
        defaults: &defaults,
        groups: &groups,
    };
    let services = sections()
        .flat_map(|section| section.sections("service", "service", "a service"))
        .flat_map(|section| service::read(section, &context))
        .collect();
    let pools = sections().filter_map(|section| section.section("local_ips", "`[local_ips]`"));
    let config = Config {
        director: root.section("director", "`[director]`").map(director::read),
        timeouts: root
            .section("timeouts", "`[timeouts]`")
            .map(timeouts::read)
            .unwrap_or_default(),
        sysctls: root
            .section("sysctl", "`[sysctl]`")
            .map(|section| sysctl::read(&section))
            .unwrap_or_default(),
        sync: root.section("sync", "`[sync]`").map(sync::read),
        pools: pools::read(pools),
        rules: sections()
            .flat_map(|section| section.sections("full_nat", "full_nat", "a rule"))
            .map(|section| rules::read(section, &defaults))
            .collect(),
        toa: root.section("toa", "`[toa]`").map(toa::read),
        is_of_server: document.get_ref().contains_key("toa") && document.get_ref().len() == 1,
        services,
        groups,
        snat: defaults.snat,
        lists_services: sections().any(|section| section.take("service").is_some()),
        source,
    };
    root.finish();
    for section in others {
        include::refuse(&section, name);
        section.finish_but(include::is_of_director);
    }
    check::check(&config, &mistakes);
    match mistakes.of_source(&config.source) {
        Some(diagnostics) => Err(diagnostics),
        None => Ok(config),
    }
}

/// A byte order mark is not part of the first line.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}
