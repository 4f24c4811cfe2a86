// SPDX-License-Identifier: GPL-2.0-only
//! Checks the rules (`[[full_nat]]`) against each other, the pools and the services.

use super::diagnostics::{Mistake, Mistakes};
use super::full_nat;
use super::parse::Config;
use super::rules::RuleEntry;
use crate::kmod::proc::rules_fit;
use crate::model::{Family, Network, Rule, ServiceKey, are_every_address};

/// The module's limits (`kmod/table/rules.h`).
const MOST_RULES: usize = 256;
const MOST_NETWORKS: usize = 1024;

pub(super) fn check(config: &Config, mistakes: &Mistakes) {
    count(config, mistakes);
    for (index, entry) in config.rules.iter().enumerate() {
        everything(entry, mistakes);
        if let Some((pool, span)) = &entry.snat {
            // An unknown pool is reported once, a known one is checked for each
            // family.
            let rules = entry.rules().filter(|_| config.pools.contains_key(pool));
            let rules = rules.map(|rule| {
                let what = format!("the rule for {}", rule.network_list());
                Some((what, rule.family()))
            });
            for what in rules.chain([None]) {
                full_nat::pool_of(config, what, pool, span, mistakes);
            }
        }
        for rule in entry.rules() {
            let before = config.rules.get(..index).unwrap_or_default();
            overlap(entry, &rule, before, mistakes);
            local_ips(config, entry, &rule, mistakes);
            services(config, entry, &rule, mistakes);
        }
    }
}

fn count(config: &Config, mistakes: &Mistakes) {
    let rules: usize = config.rules.iter().map(|entry| entry.rules().count()).sum();
    let networks: usize = config.rules.iter().map(|entry| entry.networks.len()).sum();
    if let Some(last) = config.rules.last()
        && (rules > MOST_RULES || networks > MOST_NETWORKS)
    {
        mistakes.add(Mistake::new(
            &last.span,
            format!(
                "there are more than {MOST_RULES} rules (one per family) or {MOST_NETWORKS} \
                 networks"
            ),
            "merge rules that differ only in their addresses, and adjacent networks",
        ));
    } else if let Some(last) = config.rules.last()
        && !rules_fit(&config.rules())
    {
        mistakes.add(Mistake::new(
            &last.span,
            "the rules together are longer than the 256 KiB that the module takes",
            "write fewer or wider ranges of `ports`, or patterns such as \"eth*\" as `interfaces`",
        ));
    }
}

/// Warns about a rule that covers every current and future service in IPVS.
fn everything(entry: &RuleEntry, mistakes: &Mistakes) {
    let networks = || entry.networks.keys().copied();
    let all = [Family::Ipv4, Family::Ipv6]
        .into_iter()
        .find(|family| entry.ports.is_empty() && are_every_address(networks(), *family));
    let mut places = entry.networks.iter();
    if let Some(family) = all
        && let Some((_, span)) = places.find(|(network, _)| network.family() == family)
    {
        mistakes.add(Mistake::new(
            span,
            "a rule of every address and every port",
            "name the networks of the VIPs, or the `ports` of the services",
        ));
    }
}

fn overlap(entry: &RuleEntry, rule: &Rule, before: &[RuleEntry], mistakes: &Mistakes) {
    let other = before.iter().find_map(|other| {
        let found = other.rules().find(|found| found.overlaps(rule))?;
        Some((other, found))
    });
    let Some((other, found)) = other else {
        return;
    };
    // The two networks that overlap.
    let mut pairs = rule.networks.iter().flat_map(|one| {
        let others = found.networks.iter();
        others.map(move |two| (*one, *two))
    });
    let Some((one, two)) = pairs.find(|(one, two)| one.overlaps(*two)) else {
        return;
    };
    let place = |entry: &RuleEntry, network: Network| {
        let found = entry.networks.get(&network);
        found.unwrap_or(&entry.span).clone()
    };
    mistakes.add(
        Mistake::new(
            &place(entry, one),
            format!("two rules are for the same destinations, {one} and {two}"),
            "give them different addresses, ports or protocols: only one rule can cover a service",
        )
        .see(&place(other, two), "the other rule"),
    );
}

/// Requests to a VIP and replies to a local IP must be distinguishable.
fn local_ips(config: &Config, entry: &RuleEntry, rule: &Rule, mistakes: &Mistakes) {
    for pool in config.pools.values() {
        let mut addresses = pool.addresses.iter();
        let found = addresses.find(|(address, _)| rule.reaches(**address, pool.ports));
        if let Some((address, place)) = found {
            mistakes.add(
                Mistake::new(
                    entry.place_of(*address),
                    format!("the rule is for {address} with ports of a local IP"),
                    "requests and replies must be distinguishable: change `addresses` or `ports` \
                     of the rule or of the local IP",
                )
                .see(place, "the local IP"),
            );
        }
    }
}

/// A listed service belongs to the file, so a rule must not cover it.
fn services(config: &Config, entry: &RuleEntry, rule: &Rule, mistakes: &Mistakes) {
    for service in &config.services {
        if let Some((key, span)) = &service.key
            && rule.covers(key)
            && let ServiceKey::Address { address, .. } = key
        {
            mistakes.add(
                Mistake::new(
                    span,
                    format!("{key} is listed, but a rule leaves it to another program"),
                    "remove the service, because the other program creates it, or remove its \
                     address or port from the rule",
                )
                .see(entry.place_of(address.ip()), "the rule"),
            );
        }
    }
}
