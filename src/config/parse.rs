// SPDX-License-Identifier: GPL-2.0-only
//! The whole text → [`Config`].

use std::collections::BTreeMap;

use super::diagnostics::{Diagnostics, Mistakes};
use super::director::{self, Director};
use super::pools::{self, Pool};
use super::reader::Section;
use super::rules::{self, RuleEntry};
use super::service::{self, ServiceEntry};
use super::sync::{self, Sync};
use super::timeouts::{self, TimeoutsTable};
use super::toa::{self, ToaTable};
use super::{check, syntax, sysctl};
use crate::model::Sysctls;

/// A file without mistakes.
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) name: String,
    /// For complaints that need the host to be found.
    pub(super) text: String,
    pub(super) director: Option<Director>,
    pub(super) timeouts: TimeoutsTable,
    pub(super) sysctls: Sysctls,
    /// Absent: the daemons are left alone.
    pub(super) sync: Option<Sync>,
    pub(super) pools: BTreeMap<String, Pool>,
    pub(super) rules: Vec<RuleEntry>,
    pub(super) services: Vec<ServiceEntry>,
    /// Absent: the receiver is left alone.
    pub(super) toa: Option<ToaTable>,
    /// There is nothing but `[toa]`.
    pub(super) is_of_server: bool,
    /// `service` is written, if only as an empty list.
    pub(super) lists_services: bool,
}

/// `name` is what diagnostics call the text.
pub fn parse(name: &str, text: &str) -> Result<Config, Diagnostics> {
    // A byte order mark is no character of the first line.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let document = syntax::parse(name, text)?;
    let mistakes = Mistakes::default();
    let root = Section::new("the file", 0..0, document.get_ref(), &mistakes);
    let config = Config {
        name: name.to_owned(),
        text: text.to_owned(),
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
        pools: root
            .section("local_ips", "`[local_ips]`")
            .map_or_else(BTreeMap::new, |section| pools::read(&section)),
        rules: root
            .sections("full_nat", "full_nat", "a rule")
            .map(rules::read)
            .collect(),
        services: root
            .sections("service", "service", "a service")
            .map(service::read)
            .collect(),
        toa: root.section("toa", "`[toa]`").map(toa::read),
        is_of_server: document.get_ref().contains_key("toa") && document.get_ref().len() == 1,
        lists_services: document.get_ref().contains_key("service"),
    };
    root.finish();
    check::check(&config, &mistakes);
    match mistakes.into_diagnostics(name, text) {
        Some(diagnostics) => Err(diagnostics),
        None => Ok(config),
    }
}
