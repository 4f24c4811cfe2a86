// SPDX-License-Identifier: GPL-2.0-only
//! Reasons why a plan must not be carried out, and how to fix them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::model::{Family, Forward, FullNat, Rule, ServiceKey, State, SyncState, Unfit};

/// A part of the goal that the steps cannot reach. Its [`Display`](fmt::Display) names
/// the object and the fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The module has each address once.
    AddressInTwoPools { address: IpAddr, pools: [String; 2] },
    /// Every new connection of the service would be dropped.
    EmptyPool {
        service: ServiceKey,
        pool: String,
        family: Family,
    },
    /// Every new connection under the rule would be dropped.
    EmptyPoolOfRule {
        rule: Rule,
        pool: String,
        family: Family,
    },
    /// The removal of the rule would remove another program's service, because no rule
    /// covers it then and the file does not list it. `more`: the number of further
    /// services.
    ServicesOfOthers {
        rule: Rule,
        service: ServiceKey,
        more: usize,
    },
    /// IPVS passes only masqueraded connections to the module. Connections of this server
    /// would be native.
    NotMasquerading {
        service: ServiceKey,
        server: SocketAddr,
    },
    /// The running kernel does not have this setting.
    NoSysctl { name: String },
    /// The running kernel does not have this scheduler, built in or as a module.
    NoScheduler {
        service: ServiceKey,
        scheduler: String,
    },
    /// The running kernel does not have this persistence engine, built in or as a module.
    NoEngine { service: ServiceKey, engine: String },
    /// The module ip_vs_bpf is needed, but is not available for the running kernel.
    NoModule { place: String },
    /// The programs can be attached to Ethernet interfaces only.
    NotEthernet { interface: String },
    /// Another XDP program is attached.
    XdpTaken {
        interface: String,
        id: u32,
        name: String,
    },
    /// The kind of interface has only the generic XDP, which gains nothing.
    XdpGeneric { interface: String, kind: String },
    /// A bond of this mode has no native XDP.
    XdpBond { interface: String, mode: String },
    /// That port of the bond has an XDP program of its own.
    XdpPortTaken { interface: String, port: String },
    /// Its packets come in by that bond or bridge.
    XdpPort { interface: String, master: String },
    /// Tags of that VLAN are removed before XDP, so its frames would look untagged. The
    /// device is the interface, or a port of it.
    XdpTags {
        interface: String,
        vlan: String,
        device: String,
        by_hardware: bool,
    },
    /// Another IPVS application uses the port of a full-NAT service.
    PortTaken { service: ServiceKey, app: String },
    /// A sync message has one family for all three addresses of a connection.
    MixedFamilies {
        service: ServiceKey,
        server: SocketAddr,
        daemon: SyncState,
    },
}

impl Refusal {
    /// The refusal of an interface where the program of XDP would be wrong.
    pub fn xdp(interface: &str, unfit: Unfit) -> Self {
        let interface = interface.to_owned();
        match unfit {
            Unfit::Taken { id, name } => Refusal::XdpTaken {
                interface,
                id,
                name,
            },
            Unfit::Virtual(kind) => Refusal::XdpGeneric { interface, kind },
            Unfit::Bond { mode } => Refusal::XdpBond { interface, mode },
            Unfit::PortTaken(port) => Refusal::XdpPortTaken { interface, port },
            Unfit::Port(master) => Refusal::XdpPort { interface, master },
            Unfit::Tags {
                vlan,
                device,
                by_hardware,
            } => Refusal::XdpTags {
                interface,
                vlan,
                device,
                by_hardware,
            },
        }
    }

    /// Returns the object that the refusal is about.
    pub fn subject(&self) -> String {
        match self {
            Refusal::AddressInTwoPools { address, .. } => address.to_string(),
            Refusal::EmptyPool { service, .. }
            | Refusal::NotMasquerading { service, .. }
            | Refusal::NoScheduler { service, .. }
            | Refusal::NoEngine { service, .. }
            | Refusal::PortTaken { service, .. }
            | Refusal::MixedFamilies { service, .. } => service.to_string(),
            Refusal::EmptyPoolOfRule { rule, .. } | Refusal::ServicesOfOthers { rule, .. } => {
                rule.to_string()
            }
            Refusal::NoSysctl { name } => name.clone(),
            Refusal::NoModule { place } => place.clone(),
            Refusal::NotEthernet { interface }
            | Refusal::XdpTaken { interface, .. }
            | Refusal::XdpGeneric { interface, .. }
            | Refusal::XdpBond { interface, .. }
            | Refusal::XdpPortTaken { interface, .. }
            | Refusal::XdpPort { interface, .. }
            | Refusal::XdpTags { interface, .. } => interface.clone(),
        }
    }

    /// True if it is about an interface where the program of XDP would be wrong.
    pub fn is_of_xdp(&self) -> bool {
        self.reason().starts_with("xdp_")
    }

    /// Returns a stable name, for scripts.
    pub fn reason(&self) -> &'static str {
        match self {
            Refusal::AddressInTwoPools { .. } => "address_in_two_pools",
            Refusal::EmptyPool { .. } | Refusal::EmptyPoolOfRule { .. } => "empty_pool",
            Refusal::ServicesOfOthers { .. } => "services_of_others",
            Refusal::NotMasquerading { .. } => "not_masquerading",
            Refusal::NoSysctl { .. } => "no_sysctl",
            Refusal::NoScheduler { .. } => "no_scheduler",
            Refusal::NoEngine { .. } => "no_engine",
            Refusal::NoModule { .. } => "no_module",
            Refusal::NotEthernet { .. } => "not_ethernet",
            Refusal::XdpTaken { .. } => "xdp_taken",
            Refusal::XdpGeneric { .. } => "xdp_generic",
            Refusal::XdpBond { .. } => "xdp_bond",
            Refusal::XdpPortTaken { .. } => "xdp_port_taken",
            Refusal::XdpPort { .. } => "xdp_port",
            Refusal::XdpTags { .. } => "xdp_tags",
            Refusal::PortTaken { .. } => "port_taken",
            Refusal::MixedFamilies { .. } => "mixed_families",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::AddressInTwoPools { address, pools } => write!(
                f,
                "local IP {address} is in the pools {:?} and {:?}: leave it in one",
                pools[0], pools[1]
            ),
            Refusal::EmptyPool {
                service,
                pool,
                family,
            } => write!(
                f,
                "{service} takes full NAT from pool {pool:?}, which would have no {family} \
                 address: add one under [local_ips.{pool}]"
            ),
            Refusal::EmptyPoolOfRule { rule, pool, family } => write!(
                f,
                "the rule for {rule} takes full NAT from pool {pool:?}, which would have no \
                 {family} address: add one under [local_ips.{pool}]"
            ),
            Refusal::ServicesOfOthers {
                rule,
                service,
                more,
            } => {
                let more = match more {
                    0 => String::new(),
                    1 => " and another one".to_owned(),
                    more => format!(" and {more} others"),
                };
                write!(
                    f,
                    "without the rule for {rule}, apply would remove another program's \
                     {service}{more}: \
                     keep the rule, stop that program first, or list the services"
                )
            }
            Refusal::NotMasquerading { service, server } => write!(
                f,
                "{service} → {server}: a server of a full-NAT service must be `masq`: \
                 change its `forward`, or remove the server"
            ),
            Refusal::NoSysctl { name } => write!(
                f,
                "this kernel has no sysctl net.ipv4.vs.{name}: remove it from [sysctl]"
            ),
            Refusal::NoScheduler { service, scheduler } => write!(
                f,
                "{service}: this kernel has no scheduler `{scheduler}`, since no module \
                 ip_vs_{scheduler} is installed for it: choose another `scheduler`, or install the \
                 module"
            ),
            Refusal::NoEngine { service, engine } => write!(
                f,
                "{service}: this kernel has no persistence engine `{engine}`, since no module \
                 ip_vs_pe_{engine} is installed for it: choose another `engine`, or install the \
                 module"
            ),
            Refusal::NoModule { place } => write!(
                f,
                "there is no module {place} for this kernel, and full NAT needs it: install its \
                 package and the headers of this kernel (for DKMS; then `dkms autoinstall`), or \
                 name its file with --module"
            ),
            Refusal::NotEthernet { interface } => write!(
                f,
                "the interface {interface} is not Ethernet, which the eBPF programs need: \
                 leave it out of [director] interfaces"
            ),
            Refusal::XdpTaken {
                interface,
                id,
                name,
            } => {
                let cure = match name.as_str() {
                    // It calls only programs that were made for it.
                    "xdp_dispatcher" => format!(
                        "it is libxdp's, which ipvs-bpf does not join: `xdp-loader status` lists \
                         what it runs, `xdp-loader unload {interface} --all` removes it"
                    ),
                    _ => format!(
                        "`bpftool prog show id {id}` tells more; stop the program that owns it"
                    ),
                };
                write!(
                    f,
                    "the interface {interface} has an XDP program of another tool, {name:?} with \
                     id {id}, and runs only one: {cure}, or leave {interface} out of [director] xdp"
                )
            }
            Refusal::XdpGeneric { interface, kind } => write!(
                f,
                "the interface {interface} is a {kind}, which has only the generic XDP, and that \
                 is no faster than tc: leave it out of [director] xdp"
            ),
            Refusal::XdpBond { interface, mode } => write!(
                f,
                "the interface {interface} is a bond with {mode}, for which the kernel has no \
                 native XDP: use the mode balance-rr, active-backup, balance-xor or 802.3ad, or \
                 leave {interface} out of [director] xdp"
            ),
            Refusal::XdpPortTaken { interface, port } => write!(
                f,
                "the interface {interface} is a bond, and its port {port} has an XDP program of \
                 its own: `ip -details link show {port}` names it; detach it (ipvs_xdp is that \
                 of ipvs-bpf: apply the file without {interface} first), or leave {interface} out \
                 of [director] xdp"
            ),
            Refusal::XdpPort { interface, master } => write!(
                f,
                "the interface {interface} is a port of {master}, where its packets arrive, so \
                 XDP would not forward any: leave it out of [director] xdp"
            ),
            Refusal::XdpTags {
                interface,
                vlan,
                device,
                by_hardware: true,
            } => write!(
                f,
                "the interface {device} removes the tags of {vlan} before XDP, so that its \
                 frames would look untagged: `ethtool -K {device} rxvlan off`, or leave \
                 {interface} out of [director] xdp"
            ),
            Refusal::XdpTags {
                interface,
                vlan,
                device,
                ..
            } => write!(
                f,
                "the interface {device} is a veth with the VLAN {vlan}, and hands tags over next \
                 to the frame, where XDP does not see them: leave {interface} out of [director] \
                 xdp"
            ),
            Refusal::PortTaken { service, app } => write!(
                f,
                "the IPVS application {app} holds the port of {service}, and full NAT needs it: \
                 `modprobe -r ip_vs_{app}`, or remove `snat` from the service"
            ),
            Refusal::MixedFamilies {
                service,
                server,
                daemon,
            } => write!(
                f,
                "{service} → {server}: the {daemon} sync daemon cannot run with a server of \
                 another address family than its service: remove the server, or leave the daemon \
                     out of [sync]"
            ),
        }
    }
}

/// Returns problems of the goal that do not depend on the order. `external`: services
/// with external servers. Those of their servers that do not masquerade stay native.
pub(super) fn refusals(
    goal: &State,
    actual: &State,
    external: &BTreeSet<ServiceKey>,
) -> Vec<Refusal> {
    let mut refusals = settings(goal, actual);
    refusals.extend(services_of_others(goal, actual));
    let pools: BTreeSet<(&str, Family)> = goal
        .local_ips
        .keys()
        .map(|ip| (ip.pool.as_str(), Family::of(ip.address)))
        .collect();
    for (rule, FullNat { pool, .. }) in &goal.rules {
        if !pools.contains(&(pool.as_str(), rule.family())) {
            refusals.push(Refusal::EmptyPoolOfRule {
                rule: rule.clone(),
                pool: pool.clone(),
                family: rule.family(),
            });
        }
    }
    for (key, FullNat { pool, .. }) in &goal.full_nat {
        if !pools.contains(&(pool.as_str(), key.family())) {
            refusals.push(Refusal::EmptyPool {
                service: key.clone(),
                pool: pool.clone(),
                family: key.family(),
            });
        }
        let Some(service) = goal.services.get(key).filter(|_| !external.contains(key)) else {
            continue;
        };
        for (address, server) in &service.servers {
            if server.forward != Forward::Masq {
                refusals.push(Refusal::NotMasquerading {
                    service: key.clone(),
                    server: *address,
                });
            }
        }
    }
    refusals
}

/// Finds services of another program that a rule covers now and no rule covers in the
/// goal. A service that the module has listed belongs to the file and is skipped.
fn services_of_others(goal: &State, actual: &State) -> Vec<Refusal> {
    let mut by_rule: BTreeMap<&Rule, (&ServiceKey, usize)> = BTreeMap::new();
    let going = actual
        .services
        .keys()
        .filter(|key| !goal.services.contains_key(*key) && !actual.full_nat.contains_key(*key));
    for key in going {
        if let Some((rule, _)) = actual.rule_of(key) {
            let entry = by_rule.entry(rule);
            entry.and_modify(|(_, more)| *more += 1).or_insert((key, 0));
        }
    }
    let refusals = by_rule
        .into_iter()
        .map(|(rule, (key, more))| Refusal::ServicesOfOthers {
            rule: rule.clone(),
            service: key.clone(),
            more,
        });
    refusals.collect()
}

fn settings(goal: &State, actual: &State) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    // If IPVS is not loaded, there are no sysctls to compare with.
    if !actual.sysctls.is_empty() {
        let unknown = |name: &&String| !actual.sysctls.contains_key(*name);
        for name in goal.sysctls.keys().filter(unknown).cloned() {
            refusals.push(Refusal::NoSysctl { name });
        }
    }
    let daemon = goal.sync.as_ref().and_then(|daemons| {
        let mut states = SyncState::ALL.into_iter();
        states.find(|state| daemons.get(*state).is_some())
    });
    let Some(daemon) = daemon else {
        return refusals;
    };
    for (key, service) in &goal.services {
        for server in service.servers.keys() {
            if Family::of(server.ip()) != key.family() {
                refusals.push(Refusal::MixedFamilies {
                    service: key.clone(),
                    server: *server,
                    daemon,
                });
            }
        }
    }
    refusals
}
