// SPDX-License-Identifier: GPL-2.0-only
//! Parses `--set` and `--start-daemon`.

use std::net::IpAddr;

use super::address::number;
use super::command::Command;
use super::tokens::Word;
use crate::config::diagnostics::{Mistake, Mistakes};
use crate::config::spelling::{meant, quoted};
use crate::model::{SyncDaemon, SyncState, Timeouts};

/// 31 days, in seconds.
const LONGEST_TIMEOUT: u32 = 31 * 86_400;
/// The default interface of ipvsadm.
const INTERFACE: &str = "eth0";

/// Parses the three words after `--set`. A word of 0 leaves the timeout
/// unchanged.
pub(super) fn timeouts(command: &Command, words: &[Word], mistakes: &Mistakes) -> Option<Timeouts> {
    let [tcp, tcp_fin, udp] = words else {
        mistakes.add(Mistake::new(
            &command.span,
            format!(
                "--set takes three timeouts, and there are {} here",
                words.len()
            ),
            "write --set TCP TCPFIN UDP, in seconds; 0 keeps the present value",
        ));
        return None;
    };
    let seconds = |word| number(word, 0, LONGEST_TIMEOUT, mistakes).filter(|number| *number > 0);
    Some(Timeouts {
        tcp: seconds(tcp),
        tcp_fin: seconds(tcp_fin),
        udp: seconds(udp),
        ..Timeouts::default()
    })
}

pub(super) fn daemon(command: &Command, mistakes: &Mistakes) -> Option<(SyncState, SyncDaemon)> {
    let word = command.verb_value.as_ref()?;
    let state = match word.text.as_str() {
        "master" => SyncState::Master,
        "backup" => SyncState::Backup,
        other => {
            mistakes.add(Mistake::new(
                &word.span,
                format!("{} is not a sync daemon", quoted(other)),
                meant(other, ["master", "backup"]),
            ));
            return None;
        }
    };
    let value = |name, least, most| {
        let word = command.value(name)?;
        number(word, least, most, mistakes)
    };
    let interface = command.value("mcast-interface");
    let id = value("syncid", 0, 255);
    let port = value("mcast-port", 1, 65_535);
    let ttl = value("mcast-ttl", 1, 255);
    let sync_maxlen = value("sync-maxlen", 1, 65_535 - 20 - 8);
    let daemon = SyncDaemon {
        interface: interface.map_or(INTERFACE, |word| &word.text).to_owned(),
        id: fitting(id).unwrap_or_default(),
        group: group(command, mistakes).unwrap_or(SyncDaemon::GROUP),
        port: fitting(port).unwrap_or(SyncDaemon::PORT),
        ttl: fitting(ttl).unwrap_or(SyncDaemon::TTL),
        sync_maxlen: fitting(sync_maxlen),
    };
    Some((state, daemon))
}

fn fitting<T: TryFrom<u32>>(number: Option<u32>) -> Option<T> {
    T::try_from(number?).ok()
}

fn group(command: &Command, mistakes: &Mistakes) -> Option<IpAddr> {
    let word = command.value("mcast-group")?;
    let group = word.text.parse().ok().filter(IpAddr::is_multicast);
    if group.is_none() {
        mistakes.add(Mistake::new(
            &word.span,
            format!("{} is not a multicast group", quoted(&word.text)),
            "write it like 224.0.0.81 or ff02::81",
        ));
    }
    group
}
