// SPDX-License-Identifier: GPL-2.0-only
//! `[timeouts]`, `[sysctl]` and `[sync]`: what holds for the whole namespace.
//! They are read and checked; `unsupported.rs` refuses them.

use super::diagnostics::{Mistake, Mistakes};
use super::reader::{Section, Value, array, form, integer, string};
use super::spelling::{closest, meant, quoted};
use super::{unsupported, value};

/// `IP_VS_IFNAME_MAXLEN`, without the NUL.
const LONGEST_INTERFACE: usize = 15;

/// The tables of `net.ipv4.vs` (ip_vs_ctl.c, `vs_vars`); newer kernels have
/// more.
const SYSCTLS: [&str; 27] = [
    "am_droprate",
    "amemthresh",
    "backup_only",
    "cache_bypass",
    "conn_reuse_mode",
    "conntrack",
    "debug_level",
    "drop_entry",
    "drop_packet",
    "expire_nodest_conn",
    "expire_quiescent_template",
    "ignore_tunneled",
    "nat_icmp_send",
    "pmtu_disc",
    "run_estimation",
    "schedule_icmp",
    "secure_tcp",
    "sloppy_sctp",
    "sloppy_tcp",
    "snat_reroute",
    "sync_persist_mode",
    "sync_ports",
    "sync_qlen_max",
    "sync_refresh_period",
    "sync_retries",
    "sync_sock_size",
    "sync_version",
];
/// Its value is two numbers.
const SYNC_THRESHOLD: &str = "sync_threshold";

pub(super) fn read(root: &Section) {
    let refused = |key, what| {
        let section = root.section(key, what);
        section.inspect(unsupported::section)
    };
    if let Some(section) = refused("timeouts", "`[timeouts]`") {
        timeouts(section);
    }
    if let Some(section) = refused("sysctl", "`[sysctl]`") {
        sysctl(&section);
    }
    if let Some(section) = refused("sync", "`[sync]`") {
        sync(section);
    }
}

fn timeouts(section: Section) {
    for key in ["tcp", "tcp_fin", "udp"] {
        if let Some(value) = section.take(key) {
            form(value, key, "duration", value::duration, section.mistakes);
        }
    }
    section.finish();
}

fn sysctl(section: &Section) {
    for (name, span, value) in section.entries() {
        let fits = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let known = SYSCTLS.into_iter().chain([SYNC_THRESHOLD]);
        let near = closest(name, known.clone()).is_some_and(|near| near != name);
        if !fits || near {
            section.mistakes.add(Mistake::new(
                &span,
                format!("unknown name {} in `[sysctl]`", quoted(name)),
                meant(name, known),
            ));
        } else if name == SYNC_THRESHOLD {
            sync_threshold(value, section.mistakes);
        } else {
            integer(value, name, 0, i32::MAX.into(), section.mistakes);
        }
    }
}

fn sync_threshold(value: &Value, mistakes: &Mistakes) {
    let Some(numbers) = array(value, SYNC_THRESHOLD, mistakes) else {
        return;
    };
    for value in numbers {
        integer(value, SYNC_THRESHOLD, 0, i32::MAX.into(), mistakes);
    }
    if numbers.len() != 2 {
        mistakes.add(Mistake::new(
            &value.span(),
            format!("`{SYNC_THRESHOLD}` has two numbers"),
            "write it like [3, 50]: threshold and period",
        ));
    }
}

fn sync(section: Section) {
    for key in ["master", "backup"] {
        let Some(daemon) = section.section(key, "a sync daemon") else {
            continue;
        };
        if let Some(value) = daemon.require("interface", "`interface = \"eth2\"`")
            && let Some((name, span)) = string(value, "interface", daemon.mistakes)
            && !(1..=LONGEST_INTERFACE).contains(&name.len())
        {
            daemon.mistakes.add(Mistake::new(
                &span,
                format!("{} is no name of an interface", quoted(name)),
                format!("a name has 1 to {LONGEST_INTERFACE} bytes"),
            ));
        }
        daemon.integer("id", 0, 255);
        daemon.finish();
    }
    section.finish();
}
