// SPDX-License-Identifier: GPL-2.0-only
//! Writes `[timeouts]`, `[sysctl]` and `[sync]`.

use super::layout::Block;
use super::value::{array, duration, string, table};
use crate::model::{SyncDaemon, SyncDaemons, SyncState, Sysctls, Timeout, Timeouts};

/// The initial values of a namespace (`ip_vs_control_net_init_sysctl()`).
const DEFAULTS: [(&str, &str); 28] = [
    ("am_droprate", "10"),
    ("amemthresh", "1024"),
    ("backup_only", "0"),
    ("cache_bypass", "0"),
    ("conn_reuse_mode", "1"),
    ("conntrack", "0"),
    ("debug_level", "0"),
    ("drop_entry", "0"),
    ("drop_packet", "0"),
    ("est_nice", "0"),
    ("expire_nodest_conn", "0"),
    ("expire_quiescent_template", "0"),
    ("ignore_tunneled", "0"),
    ("nat_icmp_send", "0"),
    ("pmtu_disc", "1"),
    ("run_estimation", "1"),
    ("schedule_icmp", "0"),
    ("secure_tcp", "0"),
    ("sloppy_sctp", "0"),
    ("sloppy_tcp", "0"),
    ("snat_reroute", "1"),
    ("sync_persist_mode", "0"),
    ("sync_ports", "1"),
    ("sync_refresh_period", "0"),
    ("sync_retries", "0"),
    ("sync_sock_size", "0"),
    ("sync_threshold", "3 50"),
    ("sync_version", "1"),
];
/// The kernel's choice for Ethernet with the default MTU.
const SYNC_MAXLEN: u16 = 1472;

/// Returns the sysctls that differ from the initial values of a namespace. A
/// file lists these only. An operator who wants to pin a default adds it.
pub fn changed_sysctls(sysctls: &Sysctls) -> impl Iterator<Item = (&str, &str)> {
    sysctls
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, value)| {
            let default = DEFAULTS.iter().find(|(known, _)| known == name);
            default.is_some_and(|(_, default)| default != value)
        })
}

/// Returns the sysctls whose initial value depends on the host or is not known.
fn unjudged_sysctls(sysctls: &Sysctls) -> impl Iterator<Item = (&str, &str)> {
    let known = |name: &str| DEFAULTS.iter().any(|(known, _)| *known == name);
    sysctls
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(move |(name, _)| !known(name))
}

pub(super) fn timeouts(timeouts: &Timeouts) -> Option<Block> {
    let mut block = Block::new("[timeouts]");
    for timeout in Timeout::ALL {
        if let Some(seconds) = timeouts.get(timeout) {
            block.key(timeout.to_string(), duration(seconds));
        }
    }
    (!block.is_empty()).then_some(block)
}

pub(super) fn sysctl(sysctls: &Sysctls) -> Option<Block> {
    let mut block = Block::new("[sysctl]");
    for (name, value) in changed_sysctls(sysctls) {
        block.key(name, sysctl_value(name, value));
    }
    let mut unjudged = unjudged_sysctls(sysctls).peekable();
    if block.is_empty() && unjudged.peek().is_none() {
        return None;
    }
    if !block.is_empty() {
        block.note("Values that differ from the kernel's defaults.");
    }
    for (name, value) in unjudged {
        let value = sysctl_value(name, value);
        block.note(format!("Possibly the kernel's default: {name} = {value}"));
    }
    Some(block)
}

fn sysctl_value(name: &str, value: &str) -> String {
    // `update_defense_level()` turns a 1 into a 2 while memory is short.
    if matches!(name, "drop_entry" | "drop_packet" | "secure_tcp") && value == "2" {
        return "1".to_owned();
    }
    let is_number = |word: &str| word.parse::<i64>().is_ok();
    let words: Vec<&str> = value.split(' ').collect();
    match words[..] {
        [word] if is_number(word) && name != "est_cpulist" => word.to_owned(),
        [_, _] if words.iter().all(|word| is_number(word)) => {
            array(words.iter().map(|word| (*word).to_owned()))
        }
        _ => string(value),
    }
}

/// Writes the sync daemons.
/// `None`: no daemon runs. A file without the table leaves them alone.
pub(super) fn sync(daemons: &SyncDaemons) -> Option<Block> {
    let mut block = Block::new("[sync]");
    for state in SyncState::ALL {
        if let Some(found) = daemons.get(state) {
            block.key(state.to_string(), daemon(found));
        }
    }
    (!block.is_empty()).then_some(block)
}

fn daemon(daemon: &SyncDaemon) -> String {
    let mut entries = vec![("interface", string(&daemon.interface))];
    if daemon.id != 0 {
        entries.push(("id", daemon.id.to_string()));
    }
    if daemon.group != SyncDaemon::GROUP {
        entries.push(("group", string(&daemon.group.to_string())));
    }
    if daemon.port != SyncDaemon::PORT {
        entries.push(("port", daemon.port.to_string()));
    }
    if daemon.ttl != SyncDaemon::TTL {
        entries.push(("ttl", daemon.ttl.to_string()));
    }
    if let Some(length) = daemon.sync_maxlen
        && length != SYNC_MAXLEN
    {
        entries.push(("sync_maxlen", length.to_string()));
    }
    table(&entries)
}

#[cfg(test)]
mod tests {
    use crate::config::write::{Notes, save};
    use crate::model::State;

    fn saved(sysctls: &[(&str, &str)]) -> String {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let state = State {
            sysctls: sysctls.iter().map(owned).collect(),
            ..State::default()
        };
        let saved = save(&state, Notes::default()).unwrap();
        assert_eq!(saved.unsaid, [""; 0]);
        saved.text
    }

    #[test]
    fn a_sysctl_whose_default_is_not_known_is_a_comment_with_or_without_others() {
        let unknown = ("sync_qlen_max", "8192");
        let comment = "# Possibly the kernel's default: sync_qlen_max = 8192\n";
        let alone = saved(&[unknown, ("sloppy_tcp", "0")]);
        assert!(alone.contains(comment), "{alone}");
        let with_another = saved(&[unknown, ("sloppy_tcp", "1")]);
        assert!(with_another.contains(comment), "{with_another}");
        assert!(with_another.contains("sloppy_tcp = 1\n"), "{with_another}");
        let defaults = saved(&[("sloppy_tcp", "0")]);
        assert!(!defaults.contains("sysctl"), "{defaults}");
    }
}
