// SPDX-License-Identifier: GPL-2.0-only
//! The JSON of a plan (`--json`), as `docs/reference/json-plan.md` describes it: its
//! steps, and the keys that name the object of each. The values are in `json/value.rs`.

mod value;

use std::net::{IpAddr, SocketAddr};

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::step::{Op, Step};
use super::transactions::Plan;
use crate::model::{Rule, ServiceKey, SourceLine};
use value::Value;
pub(crate) use value::{PersistenceValue, TunnelValue};

/// `steps` in the order of execution, and `refusals`.
impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut plan = serializer.serialize_struct("Plan", 2)?;
        plan.serialize_field("steps", &self.steps)?;
        let refusals = self.refusals.iter().map(|refusal| Refused {
            reason: refusal.reason(),
            message: refusal.to_string(),
            place: self.places.of(&refusal.subject()),
        });
        plan.serialize_field("refusals", &refusals.collect::<Vec<_>>())?;
        plan.end()
    }
}

/// A refusal with the place of what it is about. Null: the file does not have it.
#[derive(Serialize)]
struct Refused<'a> {
    reason: &'static str,
    message: String,
    place: Option<&'a SourceLine>,
}

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
            Step::ChangePortSecret { old, new } => {
                let value = |secret: &Option<_>| Value::PortSecret {
                    random: secret.is_none(),
                };
                Record::object(step, "port_secret").change(value(old), value(new))
            }
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
            Step::AttachXdp { interface } | Step::DetachXdp { interface } => Record {
                interface: Some(interface),
                ..Record::object(step, "xdp")
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
            Step::AddFullNat {
                service,
                new: value,
            }
            | Step::RemoveFullNat {
                service,
                old: value,
            } => Record::service(step, "full_nat", service).value(value.into()),
            Step::ChangeFullNat { service, old, new } => {
                Record::service(step, "full_nat", service).change(old.into(), new.into())
            }
            Step::AddRule { rule, new: value } | Step::RemoveRule { rule, old: value } => {
                Record::rule(step, rule).value(value.into())
            }
            Step::ChangeRule { rule, old, new } => {
                Record::rule(step, rule).change(old.into(), new.into())
            }
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

    /// Stores the single value of an addition or a removal.
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
