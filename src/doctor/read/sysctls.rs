// SPDX-License-Identifier: GPL-2.0-only
//! Reads the sysctls of the caller's network namespace.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::line;
use crate::director::HostPorts;
use crate::doctor::sysctls::Sysctls;

const FOLDER: &str = "/proc/sys/net";

pub fn read() -> Sysctls {
    let value = |name: &str| line(Path::new(FOLDER).join(name));
    Sysctls {
        ip_forward: value("ipv4/ip_forward"),
        ipv6_forwarding: value("ipv6/conf/all/forwarding"),
        vs_conntrack: value("ipv4/vs/conntrack"),
        rp_filter: rp_filter(),
        local_ports: HostPorts::observe().ok(),
    }
}

fn rp_filter() -> BTreeMap<String, u8> {
    let entries = fs::read_dir(Path::new(FOLDER).join("ipv4/conf"));
    let entries = entries.into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let value = line(entry.path().join("rp_filter"))?;
            Some((name, value.parse().ok()?))
        })
        .collect()
}
