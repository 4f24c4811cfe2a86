// SPDX-License-Identifier: GPL-2.0-only
//! The metric families of the counters of the module and of the programs. Counters that
//! count the same thing for different reasons are one family, so that their sum has a
//! meaning.

use super::family::Family;
use crate::datapath::abi::Counter;
use crate::kmod::counters::meaning;

/// Prefixes of the module's counter names, with the family that each becomes. The rest of
/// the name is the label `reason`.
const REASONS: [(&str, &str, &str); 4] = [
    (
        "refused_",
        "module_refused_connections",
        "Connections that full NAT refused",
    ),
    (
        "drop_",
        "module_dropped_packets",
        "Packets that the module dropped",
    ),
    (
        "native_",
        "module_native_connections",
        "Connections on the port of a full-NAT service that were left to native IPVS",
    ),
    (
        "rule_native_",
        "module_rule_native_packets",
        "Packets that a rule covers and that were left to native IPVS",
    ),
];

/// The only counter that is not a total.
const PRESENT: &str = "sessions";

pub(super) fn module(counters: &[(String, u64)]) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for (_, family, help) in REASONS {
        families.push(Family::counter(family, help));
    }
    for (name, value) in counters {
        let reason = REASONS
            .iter()
            .zip(&mut families)
            .find_map(|((prefix, ..), family)| Some((name.strip_prefix(prefix)?, family)));
        if let Some((reason, family)) = reason {
            family.add(&[("reason", reason.to_owned())], *value);
            continue;
        }
        let help = sentence(meaning(name).unwrap_or("a counter that this build does not know"));
        let family = match name.as_str() {
            PRESENT => Family::gauge("module_sessions", &help),
            name => Family::counter(&format!("module_{}", plain(name)), &help),
        };
        families.push(family.with(&[], *value));
    }
    families
}

pub(super) fn programs(counters: &[(Counter, u64)]) -> Vec<Family> {
    let mut packets = Family::counter(
        "program_packets",
        "What the eBPF programs did to packets, or why they dropped them",
    );
    for (counter, value) in counters {
        packets.add(&[("result", counter.name())], *value);
    }
    vec![packets]
}

/// Replaces every character that the name of a metric cannot have.
fn plain(name: &str) -> String {
    name.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}

fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use snapbox::IntoData;

    use super::super::text::{Format, text};
    use super::*;

    #[test]
    fn reasons_are_labels_and_what_a_later_module_counts_is_kept() {
        let counters = [
            ("sessions", 3),
            ("sessions_created", 7),
            ("drop_ttl_exceeded", 1),
            ("refused_no_memory", 2),
            ("of-a later", 5),
        ];
        let families = module(&counters.map(|(name, value)| (name.to_owned(), value)));
        snapbox::assert_data_eq!(
            text(&families, &[], Format::OpenMetrics),
            snapbox::str![[r#"
# TYPE ipvs_bpf_module_refused_connections counter
# HELP ipvs_bpf_module_refused_connections Connections that full NAT refused.
ipvs_bpf_module_refused_connections_total{reason="no_memory"} 2
# TYPE ipvs_bpf_module_dropped_packets counter
# HELP ipvs_bpf_module_dropped_packets Packets that the module dropped.
ipvs_bpf_module_dropped_packets_total{reason="ttl_exceeded"} 1
# TYPE ipvs_bpf_module_sessions gauge
# HELP ipvs_bpf_module_sessions Sessions now.
ipvs_bpf_module_sessions 3
# TYPE ipvs_bpf_module_sessions_created counter
# HELP ipvs_bpf_module_sessions_created Sessions created.
ipvs_bpf_module_sessions_created_total 7
# TYPE ipvs_bpf_module_of_a_later counter
# HELP ipvs_bpf_module_of_a_later A counter that this build does not know.
ipvs_bpf_module_of_a_later_total 5
# EOF

"#]]
            .raw()
        );
    }
}
