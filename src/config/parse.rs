// SPDX-License-Identifier: GPL-2.0-only
//! The whole text → [`Config`].

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::diagnostics::{Diagnostics, Mistake, Mistakes};
use super::director::{self, Director};
use super::pools::{self, Pool};
use super::reader::Section;
use super::service::{self, ServiceEntry};
use super::{check, globals, unsupported};

/// A file without mistakes.
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) name: String,
    /// For complaints that need the host to be found.
    pub(super) text: String,
    pub(super) director: Option<Director>,
    pub(super) pools: BTreeMap<String, Pool>,
    pub(super) services: Vec<ServiceEntry>,
}

/// `name` is what diagnostics call the text.
pub fn parse(name: &str, text: &str) -> Result<Config, Diagnostics> {
    let mistakes = Mistakes::default();
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().unwrap_or(0..text.len());
        mistakes.add(Mistake::new(span, error.message()));
    }
    // With broken syntax, what was recovered may lack keys that are written.
    if let Some(diagnostics) = mistakes.into_diagnostics(name, text) {
        return Err(diagnostics);
    }

    let mistakes = Mistakes::default();
    let root = Section::new("the file", 0..0, document.get_ref(), &mistakes);
    let config = Config {
        name: name.to_owned(),
        text: text.to_owned(),
        director: root.section("director", "`[director]`").map(director::read),
        pools: root
            .section("local_ips", "`[local_ips]`")
            .map_or_else(BTreeMap::new, |section| pools::read(&section)),
        services: root
            .array("service")
            .iter()
            .filter_map(|value| Section::of("a service", value, &mistakes))
            .map(service::read)
            .collect(),
    };
    if let Some(section) = root.section("timeouts", "`[timeouts]`") {
        unsupported::section(&section);
        globals::timeouts(section);
    }
    if let Some(section) = root.section("sysctl", "`[sysctl]`") {
        unsupported::section(&section);
        globals::sysctl(&section);
    }
    if let Some(section) = root.section("sync", "`[sync]`") {
        unsupported::section(&section);
        globals::sync(section);
    }
    root.finish();
    check::check(&config, &mistakes);
    unsupported::check(&config, &mistakes);
    match mistakes.into_diagnostics(name, text) {
        Some(diagnostics) => Err(diagnostics),
        None => Ok(config),
    }
}
