// SPDX-License-Identifier: GPL-2.0-only
//! A plan for scripts (`--json`).

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::order::Plan;
use super::refusal::Refusal;
use super::step::{Op, Place, Step};
use crate::model::{
    Forward, Netmask, Network, Persistence, Rule, Server, Service, ServiceKey, SyncDaemon, Tunnel,
    TunnelChecksum,
};

/// `{"steps": [STEP…], "refusals": [{"reason": "empty_pool", "message": "…"}…]}`.
/// Both are always there. The steps are in the order of execution; with a
/// refusal none is carried out. A `reason` is one of those of
/// [`Refusal::reason`]; a `message` is for people and may change.
impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut plan = serializer.serialize_struct("Plan", 2)?;
        plan.serialize_field("steps", &self.steps)?;
        plan.serialize_field("refusals", &self.refusals)?;
        plan.end()
    }
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut refusal = serializer.serialize_struct("Refusal", 2)?;
        refusal.serialize_field("reason", self.reason())?;
        refusal.serialize_field("message", &self.to_string())?;
        refusal.end()
    }
}

/// Every step is an object with
///
/// * `op`: `"add"`, `"change"` or `"remove"`;
/// * `object`, and the keys that name it:
///
///   | `object` | named by | value |
///   | --- | --- | --- |
///   | `timeout` | `timeout` (`tcp`, `tcp_fin`, `udp`, `tcp_unanswered`, `udp_unanswered`, `sctp_unanswered`) | `seconds` |
///   | `sysctl` | `sysctl`, the name below `net.ipv4.vs` | `value`, a string |
///   | `sync_daemon` | `daemon` (`master`, `backup`) | `interface`, `id`, `group`, `port`, `ttl`, `sync_maxlen` (null: the kernel's choice) |
///   | `toa` | | `trust`, a list of networks (`"10.2.0.0/28"`); of a change also `other_build`, as of the datapath |
///   | `datapath` | | `max_sessions`; of an addition also `fast_path`; of a change `other_build`, whether the programs are not this build's, or have no pins |
///   | `fast_path` | | `on`, a boolean |
///   | `interface` | `interface` | none |
///   | `local_ip` | `address`; `services`, where they change to the new pool with it | `pool`, `ports` (`"1024-65535"`) |
///   | `full_nat` | `service` | `pool` |
///   | `rule` | `networks`, `protocols`, `ports` (null: every), `interfaces` (null: every), each a list in a string (`"80,443-444"`) | `pool` |
///   | `service` | `service` | `scheduler`, `scheduler_flags` (their names), `persistence` (null, or `timeout` in seconds, `netmask`, `engine` or null), `one_packet` |
///   | `server` | `service`, `server` | `weight`, `forward` (`masq`, `route`, `tunnel`, `local`), `tunnel` (null, or `type`, `port` or null, `checksum`), `upper_threshold`, `lower_threshold` |
///
/// * `old` (of a change or a removal) and `new` (of an addition or a change):
///   the whole value, also what stays. A change of a timeout or sysctl has no
///   `old` where IPVS is not loaded. A removed service's `old` also has
///   `servers`, the addresses of those that go with it.
///
/// Addresses are strings: an IP address, `"10.0.0.1:80"` or `"[fd00::1]:80"`
/// for a server; a service is what it is in the file (`"tcp://10.0.0.1:80"`,
/// `"fwmark6://7"`). A `netmask` is dotted for IPv4, a prefix length (a number)
/// for IPv6. Keys may be added, none is renamed.
impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Record::of(self).serialize(serializer)
    }
}

#[derive(Serialize)]
struct Record<'a> {
    op: &'static str,
    object: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sysctl: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    daemon: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    services: Option<Vec<String>>,
    #[serde(flatten)]
    rule: Option<RuleName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<Value<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<Value<'a>>,
}

#[derive(Serialize)]
struct RuleName {
    networks: String,
    protocols: String,
    ports: Option<String>,
    interfaces: Option<String>,
}

impl From<&Rule> for RuleName {
    fn from(rule: &Rule) -> Self {
        let protocols: Vec<String> = rule.protocols.iter().map(ToString::to_string).collect();
        RuleName {
            networks: rule.network_list(),
            protocols: protocols.join(","),
            ports: rule.port_list(),
            interfaces: rule.interface_list(),
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Value<'a> {
    Timeout {
        seconds: u32,
    },
    Sysctl {
        value: &'a str,
    },
    SyncDaemon {
        interface: &'a str,
        id: u8,
        group: IpAddr,
        port: u16,
        ttl: u8,
        sync_maxlen: Option<u16>,
    },
    Datapath {
        max_sessions: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        fast_path: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        other_build: Option<bool>,
    },
    FastPath {
        on: bool,
    },
    Toa {
        trust: Vec<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        other_build: Option<bool>,
    },
    LocalIp {
        pool: &'a str,
        ports: String,
    },
    FullNat {
        pool: &'a str,
    },
    Service {
        scheduler: &'a str,
        scheduler_flags: Vec<&'static str>,
        persistence: Option<PersistenceValue<'a>>,
        one_packet: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        servers: Option<Vec<SocketAddr>>,
    },
    Server {
        weight: u32,
        forward: &'static str,
        tunnel: Option<TunnelValue>,
        upper_threshold: u32,
        lower_threshold: u32,
    },
}

#[derive(Serialize)]
pub(crate) struct PersistenceValue<'a> {
    timeout: u32,
    netmask: NetmaskValue,
    engine: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum NetmaskValue {
    V4(Ipv4Addr),
    V6(u8),
}

#[derive(Serialize)]
pub(crate) struct TunnelValue {
    #[serde(rename = "type")]
    kind: &'static str,
    port: Option<u16>,
    checksum: &'static str,
}

impl<'a> Record<'a> {
    fn of(step: &'a Step) -> Self {
        match step {
            Step::ChangeTimeout { timeout, old, new } => Record {
                timeout: Some(timeout.to_string()),
                old: old.map(|seconds| Value::Timeout { seconds }),
                new: Some(Value::Timeout { seconds: *new }),
                ..Record::object(step, "timeout")
            },
            Step::ChangeSysctl { name, old, new } => Record {
                sysctl: Some(name),
                old: old.as_ref().map(|value| Value::Sysctl { value }),
                new: Some(Value::Sysctl { value: new }),
                ..Record::object(step, "sysctl")
            },
            Step::StartDaemon { state, new: daemon } | Step::StopDaemon { state, old: daemon } => {
                let record = Record {
                    daemon: Some(state.to_string()),
                    ..Record::object(step, "sync_daemon")
                };
                record.value(daemon.into())
            }
            Step::StartDatapath {
                max_sessions,
                fast_path,
            } => Record::object(step, "datapath").value(Value::Datapath {
                max_sessions: *max_sessions,
                fast_path: Some(*fast_path),
                other_build: None,
            }),
            Step::StopDatapath { max_sessions } => {
                Record::object(step, "datapath").value(Value::Datapath {
                    max_sessions: *max_sessions,
                    fast_path: None,
                    other_build: None,
                })
            }
            Step::StartToa { trust } | Step::StopToa { trust } => {
                Record::object(step, "toa").value(Value::toa(trust, None))
            }
            Step::ChangeToa {
                other_build,
                old,
                new,
            } => Record::object(step, "toa").change(
                Value::toa(old, Some(*other_build)),
                Value::toa(new, Some(false)),
            ),
            Step::ChangeFastPath { old, new } => Record::object(step, "fast_path")
                .change(Value::FastPath { on: *old }, Value::FastPath { on: *new }),
            Step::ChangeDatapath {
                other_build,
                old,
                new,
            } => {
                let value = |max_sessions: &u32, other_build| Value::Datapath {
                    max_sessions: *max_sessions,
                    fast_path: None,
                    other_build: Some(other_build),
                };
                Record::object(step, "datapath").change(value(old, *other_build), value(new, false))
            }
            Step::Attach { interface } | Step::Detach { interface } => Record {
                interface: Some(interface),
                ..Record::object(step, "interface")
            },
            Step::AddLocalIp {
                address,
                new: place,
            }
            | Step::RemoveLocalIp {
                address,
                old: place,
            } => Record::local_ip(step, *address).value(place.into()),
            Step::ChangeLocalIp { address, old, new } => {
                Record::local_ip(step, *address).change(old.into(), new.into())
            }
            Step::HandOver {
                address,
                old,
                new,
                services,
            } => Record {
                services: Some(services.iter().map(ServiceKey::to_string).collect()),
                ..Record::local_ip(step, *address).change(old.into(), new.into())
            },
            Step::AddFullNat { service, pool } | Step::RemoveFullNat { service, pool } => {
                Record::service(step, "full_nat", service).value(Value::FullNat { pool })
            }
            Step::ChangeFullNat { service, old, new } => Record::service(step, "full_nat", service)
                .change(Value::FullNat { pool: old }, Value::FullNat { pool: new }),
            Step::AddRule { rule, pool } | Step::RemoveRule { rule, pool } => {
                Record::rule(step, rule).value(Value::FullNat { pool })
            }
            Step::ChangeRule { rule, old, new } => Record::rule(step, rule)
                .change(Value::FullNat { pool: old }, Value::FullNat { pool: new }),
            Step::AddService { service, new } => {
                Record::service(step, "service", service).value(Value::service(new, false))
            }
            Step::ChangeService { service, old, new } => Record::service(step, "service", service)
                .change(Value::service(old, false), Value::service(new, false)),
            Step::RemoveService { service, old } => {
                Record::service(step, "service", service).value(Value::service(old, true))
            }
            Step::AddServer {
                service,
                server,
                new: value,
            }
            | Step::RemoveServer {
                service,
                server,
                old: value,
            } => Record::server(step, service, *server).value(value.into()),
            Step::ChangeServer {
                service,
                server,
                old,
                new,
            } => Record::server(step, service, *server).change(old.into(), new.into()),
        }
    }

    fn object(step: &Step, object: &'static str) -> Self {
        Record {
            op: match step.op() {
                Op::Add => "add",
                Op::Change => "change",
                Op::Remove => "remove",
            },
            object,
            timeout: None,
            sysctl: None,
            daemon: None,
            interface: None,
            address: None,
            services: None,
            rule: None,
            service: None,
            server: None,
            old: None,
            new: None,
        }
    }

    fn local_ip(step: &Step, address: IpAddr) -> Self {
        Record {
            address: Some(address),
            ..Record::object(step, "local_ip")
        }
    }

    fn rule(step: &Step, rule: &Rule) -> Self {
        Record {
            rule: Some(rule.into()),
            ..Record::object(step, "rule")
        }
    }

    fn service(step: &Step, object: &'static str, service: &ServiceKey) -> Self {
        Record {
            service: Some(service.to_string()),
            ..Record::object(step, object)
        }
    }

    fn server(step: &Step, service: &ServiceKey, server: SocketAddr) -> Self {
        Record {
            server: Some(server),
            ..Record::service(step, "server", service)
        }
    }

    /// The one value that an addition or a removal has.
    fn value(self, value: Value<'a>) -> Self {
        if self.op == "remove" {
            Record {
                old: Some(value),
                ..self
            }
        } else {
            Record {
                new: Some(value),
                ..self
            }
        }
    }

    fn change(self, old: Value<'a>, new: Value<'a>) -> Self {
        Record {
            old: Some(old),
            new: Some(new),
            ..self
        }
    }
}

impl<'a> From<&'a SyncDaemon> for Value<'a> {
    fn from(daemon: &'a SyncDaemon) -> Self {
        Value::SyncDaemon {
            interface: &daemon.interface,
            id: daemon.id,
            group: daemon.group,
            port: daemon.port,
            ttl: daemon.ttl,
            sync_maxlen: daemon.sync_maxlen,
        }
    }
}

impl<'a> From<&'a Place> for Value<'a> {
    fn from(place: &'a Place) -> Self {
        Value::LocalIp {
            pool: &place.pool,
            ports: place.ports.to_string(),
        }
    }
}

impl<'a> Value<'a> {
    fn toa(trust: &BTreeSet<Network>, other_build: Option<bool>) -> Self {
        Value::Toa {
            trust: trust.iter().map(Network::to_string).collect(),
            other_build,
        }
    }

    fn service(service: &'a Service, with_servers: bool) -> Self {
        Value::Service {
            scheduler: &service.scheduler,
            scheduler_flags: service.scheduler_flag_names(),
            persistence: service.persistence.as_ref().map(PersistenceValue::from),
            one_packet: service.one_packet,
            servers: with_servers.then(|| service.servers.keys().copied().collect()),
        }
    }
}

impl<'a> From<&'a Persistence> for PersistenceValue<'a> {
    fn from(persistence: &'a Persistence) -> Self {
        PersistenceValue {
            timeout: persistence.timeout,
            netmask: match persistence.netmask {
                Netmask::V4(mask) => NetmaskValue::V4(mask),
                Netmask::V6(length) => NetmaskValue::V6(length),
            },
            engine: persistence.engine.as_deref(),
        }
    }
}

impl From<&Server> for Value<'_> {
    fn from(server: &Server) -> Self {
        let (forward, tunnel) = match server.forward {
            Forward::Masq => ("masq", None),
            Forward::Route => ("route", None),
            Forward::Local => ("local", None),
            Forward::Tunnel(tunnel) => ("tunnel", Some(tunnel.into())),
        };
        Value::Server {
            weight: server.weight,
            forward,
            tunnel,
            upper_threshold: server.upper_threshold,
            lower_threshold: server.lower_threshold,
        }
    }
}

impl From<Tunnel> for TunnelValue {
    fn from(tunnel: Tunnel) -> Self {
        let (kind, port, checksum) = match tunnel {
            Tunnel::Ipip => ("ipip", None, TunnelChecksum::None),
            Tunnel::Gue { port, checksum } => ("gue", Some(port), checksum),
            Tunnel::Gre { checksum } => ("gre", None, checksum),
        };
        TunnelValue {
            kind,
            port,
            checksum: match checksum {
                TunnelChecksum::None => "none",
                TunnelChecksum::Full => "full",
                TunnelChecksum::Remote => "remote",
            },
        }
    }
}
