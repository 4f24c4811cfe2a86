// SPDX-License-Identifier: GPL-2.0-only
//! Finds nftables rules that drop packets with conntrack state `invalid`.
//! Packets that IPVS sends past conntrack are invalid. Full NAT leaves
//! netfilter at PREROUTING, priority -399.

use serde_json::Value;

use super::finding::Severity::{Error, Warning};
use super::{Facts, Finding};

/// `NF_IP_PRI_CONNTRACK_DEFRAG` plus one.
const OURS: i64 = -399;
/// The priority of IPVS's hook in FORWARD.
const IPVS: i64 = 100;

pub type Rules = Vec<Rule>;

/// A rule that drops packets of `ct state invalid`, in a base chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub family: String,
    pub table: String,
    pub chain: String,
    pub handle: i64,
    pub hook: String,
    pub priority: i64,
}

pub(super) fn findings(facts: &Facts, findings: &mut Vec<Finding>) {
    for rule in &facts.firewall {
        let place = format!("{} {} {}", rule.family, rule.table, rule.chain);
        let remove = format!("nft delete rule {place} handle {}", rule.handle);
        let what = format!(
            "the chain {place} ({}, priority {}) drops packets of ct state invalid",
            rule.hook, rule.priority
        );
        if rule.hook == "prerouting" && rule.priority < OURS && facts.has_full_nat() {
            findings.push(Finding::new(
                Error,
                "firewall-before",
                what,
                "a packet that conntrack has not seen yet is invalid, which drops every full-NAT \
                 packet",
                remove,
            ));
        } else if rule.hook == "forward"
            && rule.priority < IPVS
            && facts.has_native_masq()
            && !facts.sysctls.has_conntrack()
        {
            findings.push(Finding::new(
                Warning,
                "firewall-forward",
                what,
                "to conntrack, answers of native services are invalid, since it never saw their \
                 requests arrive at the server",
                format!("{remove}; or give the services snat, which no such rule sees"),
            ));
        }
    }
}

/// Parses the output of `nft -j list ruleset`. Unknown objects are skipped.
pub fn rules(ruleset: &Value) -> Rules {
    let objects = ruleset["nftables"].as_array();
    let objects = || objects.into_iter().flatten();
    let chains: Vec<&Value> = objects().filter_map(|object| object.get("chain")).collect();
    objects()
        .filter_map(|object| object.get("rule"))
        .filter(|rule| drops_invalid(rule))
        .filter_map(|rule| {
            let same = |chain: &&&Value| {
                ["family", "table"]
                    .iter()
                    .all(|key| chain[*key] == rule[*key])
                    && chain["name"] == rule["chain"]
            };
            let chain = chains.iter().find(same)?;
            let word = |of: &Value| of.as_str().map(str::to_owned);
            Some(Rule {
                family: word(&rule["family"])?,
                table: word(&rule["table"])?,
                chain: word(&rule["chain"])?,
                handle: rule["handle"].as_i64()?,
                hook: word(&chain["hook"])?,
                priority: chain["prio"].as_i64()?,
            })
        })
        .collect()
}

fn drops_invalid(rule: &Value) -> bool {
    let statements = || rule["expr"].as_array().into_iter().flatten();
    if statements().any(|statement| maps_invalid_to_drop(&statement["vmap"])) {
        return true;
    }
    let drops = statements().any(|of| of.get("drop").is_some() || of.get("reject").is_some());
    drops
        && statements().any(|statement| {
            let of = &statement["match"];
            of["left"]["ct"]["key"] == "state" && of["op"] != "!=" && names_invalid(&of["right"])
        })
}

/// `ct state vmap { established : accept, invalid : drop }`. The map of a name is not looked
/// up.
fn maps_invalid_to_drop(map: &Value) -> bool {
    let pairs = map["data"]["set"].as_array().into_iter().flatten();
    map["key"]["ct"]["key"] == "state"
        && pairs.filter_map(Value::as_array).any(
            |pair| matches!(&pair[..], [key, verdict] if names_invalid(key) && verdict.get("drop").is_some()),
        )
}

/// The value is a word, a list, or a set of words.
fn names_invalid(right: &Value) -> bool {
    match right {
        Value::String(word) => word == "invalid",
        Value::Array(words) => words.iter().any(names_invalid),
        Value::Object(set) => set.values().any(names_invalid),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule(chain: &str, right: Value, verdict: Value) -> Value {
        json!({ "rule": { "family": "inet", "table": "t", "chain": chain, "handle": 4, "expr": [
            { "match": { "op": "in", "left": { "ct": { "key": "state" } }, "right": right } },
            verdict,
        ] } })
    }

    #[test]
    fn only_rules_of_base_chains_that_drop_what_is_invalid_are_found() {
        let ruleset = json!({ "nftables": [
            { "metainfo": { "json_schema_version": 1 } },
            { "chain": { "family": "inet", "table": "t", "name": "early", "handle": 1,
                "type": "filter", "hook": "prerouting", "prio": -450, "policy": "accept" } },
            { "chain": { "family": "inet", "table": "t", "name": "plain", "handle": 2 } },
            rule("early", json!("invalid"), json!({ "drop": null })),
            rule("early", json!(["invalid", "untracked"]), json!({ "reject": {} })),
            rule("early", json!({ "set": ["new", "invalid"] }), json!({ "drop": null })),
            rule("early", json!("new"), json!({ "drop": null })),
            rule("early", json!("invalid"), json!({ "accept": null })),
            rule("plain", json!("invalid"), json!({ "drop": null })),
            { "rule": "nonsense" },
        ] });
        let found = rules(&ruleset);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(
            (found[0].hook.as_str(), found[0].priority),
            ("prerouting", -450)
        );
        assert_eq!(rules(&json!(null)), []);
    }

    #[test]
    fn a_map_of_states_that_drops_what_is_invalid_is_found() {
        let map = |state: &str, key: Value, verdict: &str| {
            json!({ "rule": { "family": "inet", "table": "t", "chain": "early", "handle": 5,
                "expr": [{ "vmap": { "key": { "ct": { "key": state } }, "data": { "set": [
                    ["established", { "accept": null }], [key, { verdict: null }],
                ] } } }] } })
        };
        let ruleset = |rule: Value| {
            json!({ "nftables": [
                { "chain": { "family": "inet", "table": "t", "name": "early", "handle": 1,
                    "type": "filter", "hook": "forward", "prio": 0, "policy": "accept" } },
                rule,
            ] })
        };
        let found = |rule| rules(&ruleset(rule)).len();
        assert_eq!(found(map("state", json!("invalid"), "drop")), 1);
        assert_eq!(found(map("state", json!("invalid"), "accept")), 0);
        assert_eq!(found(map("state", json!("new"), "drop")), 0);
        assert_eq!(found(map("status", json!("invalid"), "drop")), 0);
    }
}
