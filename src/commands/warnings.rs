// SPDX-License-Identifier: GPL-2.0-only
//! Warnings about a valid file whose effect on this host is probably not intended.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::director::{self, HostPorts, Listeners, LocalAddresses};
use crate::kmod::module;
use crate::model::{Family, ServiceKey, SourceLines, State};
use crate::output;

/// The number of warnings that are printed. Programs get all of them.
const MOST: usize = 10;

/// `places`: where the file has services and rules.
pub(super) fn of(desired: &State, places: &SourceLines) -> Vec<String> {
    let local = match LocalAddresses::observe() {
        Ok(local) => local,
        Err(error) => return vec![error.to_string()],
    };
    let mut warnings: Vec<_> = other_version().into_iter().collect();
    warnings.extend(lost_pins());
    warnings.extend(no_fast_path(desired));
    warnings.extend(vips_not_on_this_host(desired, &local, places));
    warnings.extend(local_servers(desired, &local, places));
    warnings.extend(own_sockets(desired, &local, places));
    match HostPorts::observe() {
        Ok(ports) => warnings.extend(pools_without_usable_ports(desired, &local, &ports)),
        Err(error) => warnings.push(error.to_string()),
    }
    warnings
}

/// After an upgrade, the old module continues to work. To unload it would end its
/// connections.
fn other_version() -> Option<String> {
    let ours = env!("CARGO_PKG_VERSION");
    let loaded = module::version().filter(|version| version != ours)?;
    Some(format!(
        "the loaded module has version {loaded}, ipvs-bpf has {ours}: it keeps working; to load \
         the installed one, run `ipvs-bpf down`, which ends connections, then `apply`"
    ))
}

/// Without the eBPF program, full NAT works but is slower.
fn no_fast_path(desired: &State) -> Option<String> {
    let has_full_nat = !desired.full_nat.is_empty() || !desired.rules.is_empty();
    (has_full_nat && desired.datapath.is_none()).then(|| {
        "there is no fast path, so every packet passes through IPVS: list the interfaces to \
         clients and to servers as [director] `interfaces`"
            .to_owned()
    })
}

/// Other tools can remove pins. Sessions and programs in tc filters do not need them.
fn lost_pins() -> Option<String> {
    let lost = director::pins_are_lost().unwrap_or(false);
    lost.then(|| {
        "the eBPF programs' pins are gone from /sys/fs/bpf: programs at tcx and XDP ended with \
         them, and the counters cannot be read; `ipvs-bpf apply` attaches and pins new ones"
            .to_owned()
    })
}

/// Prints the warnings that concern the counters.
pub(super) fn warn_of_lost_pins() {
    print(&Vec::from_iter(lost_pins()));
}

/// Finds VIPs that are not configured on this host. IPVS receives packets at LOCAL_IN.
/// Full NAT is earlier, but receives only packets that are routed to this host. So both
/// need the address. A firewall mark has no address to check.
fn vips_not_on_this_host(
    desired: &State,
    local: &LocalAddresses,
    places: &SourceLines,
) -> Vec<String> {
    let mut vips = BTreeMap::new();
    for key in desired.services.keys() {
        if let ServiceKey::Address { address, .. } = key
            && !local.contains(address.ip())
        {
            vips.entry(address.ip()).or_insert(key);
        }
    }
    let warnings = vips.iter();
    warnings
        .map(|(address, first)| places.say(vip(address), first))
        .collect()
}

/// Finds full-NAT servers that are this host. Their answers do not arrive at an
/// interface, so the module leaves the connection to IPVS.
fn local_servers(desired: &State, local: &LocalAddresses, places: &SourceLines) -> Vec<String> {
    let full_nat = desired.full_nat.keys().filter_map(|key| {
        let service = desired.services.get(key)?;
        Some((key, service.servers.keys()))
    });
    full_nat
        .flat_map(|(key, servers)| servers.map(move |server| (key, server)))
        .filter(|(_, server)| local.contains(server.ip()))
        .map(|(key, server)| {
            let message = format!(
                "{key} → {server}: the server is this host, so its connections are native: \
                 it sees the client's address, not a local IP"
            );
            places.say(message, key)
        })
        .collect()
}

/// Finds rules that cover a port on which this host listens. A rule does not take packets
/// for which IPVS has no service. So nothing happens until another program creates a
/// service there.
fn own_sockets(desired: &State, local: &LocalAddresses, places: &SourceLines) -> Vec<String> {
    if desired.rules.is_empty() {
        return Vec::new();
    }
    let listeners = Listeners::observe();
    let rules = desired.rules.keys();
    let warnings = rules.filter_map(|rule| {
        let covered = listeners.covered(rule, local);
        let first = covered.first()?;
        let more = match covered.len() - 1 {
            0 => String::new(),
            1 => " and at one more port or address".to_owned(),
            more => format!(" and at {more} more ports or addresses"),
        };
        let message = format!(
            "the rule for {rule} covers {first}, where this host itself listens{more}: an IPVS \
             service there would take its clients: restrict `ports` and `addresses` of the rule to \
             those of the services"
        );
        Some(places.say(message, rule))
    });
    warnings.collect()
}

/// Finds local IPs that are addresses of this host and have no usable port left.
fn pools_without_usable_ports(
    desired: &State,
    local: &LocalAddresses,
    ports: &HostPorts,
) -> Vec<String> {
    let unusable = desired
        .local_ips
        .iter()
        .filter(|(ip, range)| local.shares_ports(ip.address) && ports.all_are_ephemeral(**range));
    unusable
        .map(|(ip, range)| {
            format!(
                "local IP {ip}: it is an address of this host, which uses all of the ports {range} \
                 for its own connections, so no TCP or UDP session takes one: choose other \
                 `ports`, or reserve them: `sysctl net.ipv4.ip_local_reserved_ports={}`",
                ports.reserving(*range)
            )
        })
        .collect()
}

fn vip(address: &IpAddr) -> String {
    let length = Family::of(*address).bits();
    format!(
        "the VIP {address} is not configured on this host, so its services receive no packets; \
         add it: `ip address add {address}/{length} dev lo`"
    )
}

pub(super) fn print(warnings: &[String]) {
    for warning in warnings.iter().take(MOST) {
        output::say(format_args!("ipvs-bpf: warning: {warning}"));
    }
    if let Some(more) = warnings.len().checked_sub(MOST).filter(|more| *more > 0) {
        output::say(format_args!("ipvs-bpf: warning: {more} more of these"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn desired(toml: &str) -> State {
        config::parse("lb.toml", toml).unwrap().on_any_host()
    }

    #[test]
    fn full_nat_by_rule_alone_without_interfaces_has_no_fast_path() {
        let rule = "[[full_nat]]\naddresses = [\"10.0.0.0/24\"]\nsnat = \"default\"\n\
                    [local_ips.default]\naddresses = [\"10.2.0.100\"]\n";
        let interfaces = "[director]\ninterfaces = [\"eth0\"]\n";
        assert!(no_fast_path(&desired(rule)).is_some());
        assert_eq!(no_fast_path(&desired(&format!("{rule}{interfaces}"))), None);
        assert_eq!(no_fast_path(&desired(interfaces)), None);
    }
}
