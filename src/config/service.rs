// SPDX-License-Identifier: GPL-2.0-only
//! The table `[[service]]`.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::address;
use super::client_address;
use super::defaults::Defaults;
use super::diagnostics::{Mistake, Mistakes, Span};
use super::groups::Group;
use super::persistence;
use super::reader::{Section, Value, array, form, literal, string};
use super::server::{self, ServerEntry};
use super::spelling::{closest, listed, meant, quoted};
use super::synonyms;
use crate::model::{
    ClientAddress, Family, Persistence, ServiceKey, scheduler_flag, scheduler_flags,
};

/// The known schedulers. The kernel may have others.
pub(super) const SCHEDULERS: [&str; 15] = [
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "twos",
    "none",
];
/// `IP_VS_SCHEDNAME_MAXLEN`, without the NUL.
const LONGEST_NAME: usize = 15;

/// A service as it is written, with the places of its parts.
#[derive(Clone, Debug)]
pub(super) struct ServiceEntry {
    pub key: Option<(ServiceKey, Span)>,
    pub scheduler: (String, Span),
    pub scheduler_flags: [bool; 3],
    /// The inner `None`: the value is wrong.
    pub persistence: Option<(Option<Persistence>, Span)>,
    pub one_packet: Option<Span>,
    pub snat: Option<(String, Span)>,
    /// The inner `None`: servers do not learn the address, whatever the pool says.
    pub client_address: Option<(Option<ClientAddress>, Span)>,
    pub servers: Vec<ServerEntry>,
    /// The name of the group whose servers are included.
    pub group: Option<String>,
    /// `servers = "external"`: another program owns the servers.
    pub external: Option<Span>,
}

/// The word for servers of another program. It replaces the name of a group.
pub(super) const EXTERNAL: &str = "external";

/// The other tables that a service may refer to.
pub(super) struct Context<'c> {
    pub defaults: &'c Defaults,
    pub groups: &'c BTreeMap<String, Group>,
}

/// Reads a service. Returns one entry for each address, or one without an address.
pub(super) fn read(section: Section, context: &Context) -> Vec<ServiceEntry> {
    let keys = keys(&section);
    let mut families = keys.iter().map(|(key, _)| key.family());
    let first = families.next();
    let is_dual = families.any(|family| Some(family) != first);
    let keys = match keys.is_empty() {
        true => vec![None],
        false => keys.into_iter().map(Some).collect(),
    };
    let entry = |key| entry(&section, key, is_dual, context);
    let entries = keys.into_iter().map(entry).collect();
    section.finish();
    entries
}

/// Reads one text or a list of texts.
fn keys(section: &Section) -> Vec<(ServiceKey, Span)> {
    const FORM: &str = "`address = \"tcp://10.0.0.1:80\"`";
    const WHAT: &str = "address of a service";
    let mistakes = section.mistakes;
    let Some(value) = section.require("address", FORM) else {
        return Vec::new();
    };
    let one = |value| form(value, "address", WHAT, address::service, mistakes);
    match value.get_ref() {
        DeValue::Array(list) if list.is_empty() => {
            mistakes.add(Mistake::new(
                &value.span(),
                "a service needs at least one address",
                "write one like \"tcp://10.0.0.1:80\", or several with commas between",
            ));
            Vec::new()
        }
        DeValue::Array(list) => list.iter().filter_map(one).collect(),
        _ => one(value).into_iter().collect(),
    }
}

/// `is_dual`: the service has addresses of both families.
fn entry(
    section: &Section,
    key: Option<(ServiceKey, Span)>,
    is_dual: bool,
    context: &Context,
) -> ServiceEntry {
    let mistakes = section.mistakes;
    let defaults = context.defaults;
    let family = key.as_ref().map(|(key, _)| key.family());
    let value = match defaults.scheduler {
        Some(_) => section.take("scheduler"),
        None => section.require("scheduler", "`scheduler = \"wrr\"`, or another one"),
    };
    let scheduler = match value {
        Some(value) => scheduler(value, mistakes).map(|(name, span)| (name.to_owned(), span)),
        None => defaults.scheduler.clone(),
    };
    let scheduler_flags = section.take("scheduler_flags").map_or([false; 3], |value| {
        let name = scheduler.as_ref().map(|(name, _)| name.as_str());
        read_scheduler_flags(value, name, mistakes)
    });
    let persistence = section.take("persistence").map(|value| {
        let persistence = persistence::read(value, family, mistakes);
        (persistence, value.span())
    });
    let one_packet = section
        .boolean("one_packet")
        .and_then(|(set, span)| set.then_some(span));
    let snat = snat(section, defaults.snat.as_ref());
    let client_address = client_address::read(section);
    let owner = owner(section, context);
    let servers = servers(section, &owner, key.as_ref(), is_dual, defaults);
    ServiceEntry {
        key,
        scheduler: scheduler.unwrap_or_default(),
        scheduler_flags,
        persistence,
        one_packet,
        snat,
        client_address,
        servers,
        group: match &owner {
            Owner::Group(name, _, _) => Some((*name).to_owned()),
            _ => None,
        },
        external: match owner {
            Owner::External(span) => Some(span),
            _ => None,
        },
    }
}

/// The owner of servers that are not listed in the service.
enum Owner<'c> {
    None,
    External(Span),
    Group(&'c str, Span, &'c Group),
}

/// Reads the key `servers`.
fn owner<'c>(section: &Section<'c>, context: &Context<'c>) -> Owner<'c> {
    let Some(value) = section.take("servers") else {
        return Owner::None;
    };
    let span = value.span();
    let mistake = match value.get_ref().as_str() {
        Some(EXTERNAL) => return Owner::External(span),
        Some(name) => match context.groups.get_key_value(name) {
            Some((name, group)) => return Owner::Group(name, span, group),
            None => {
                let names = context.groups.keys().map(String::as_str).chain([EXTERNAL]);
                let help = match closest(name, names) {
                    Some(meant) => format!("did you mean {}?", quoted(meant)),
                    None => {
                        "describe it as `[servers.NAME]` with `addresses`; \"external\" is for \
                             servers of another program"
                            .to_owned()
                    }
                };
                let message = format!("there is no group of servers {}", quoted(name));
                Mistake::new(&span, message, help)
            }
        },
        None => Mistake::new(
            &span,
            "`servers` names a group of servers and does not list them",
            "list each of them below the service as `[[service.server]]`",
        ),
    };
    section.mistakes.add(mistake);
    Owner::None
}

/// Returns the servers that are listed and those of the group. If the service has
/// addresses of both families, each entry gets the servers of its own family.
fn servers(
    section: &Section,
    owner: &Owner,
    key: Option<&(ServiceKey, Span)>,
    is_dual: bool,
    defaults: &Defaults,
) -> Vec<ServerEntry> {
    let mistakes = section.mistakes;
    let listed: Vec<Section> = section
        .sections("server", "service.server", "a server")
        .collect();
    if let (Owner::External(external), Some(server)) = (owner, listed.first()) {
        mistakes.add(
            Mistake::new(
                &server.span,
                "a server is listed, but another program owns the servers of its service",
                "remove the server, or remove the key `servers`, so that the file lists the \
                 servers",
            )
            .see(external, "it is set here"),
        );
    }
    let listed = listed.into_iter().map(|section| {
        let (address, server) = server::read(section, defaults, address::server);
        ServerEntry { address, ..server }
    });
    let mut servers: Vec<ServerEntry> = listed.collect();
    if let Some((key, span)) = key.filter(|_| is_dual && !servers.is_empty()) {
        let family = key.family();
        servers.retain(|server| {
            let address = server.address.as_ref();
            address.is_none_or(|(address, _)| Family::of(address.ip()) == family)
        });
        if servers.is_empty() {
            mistakes.add(Mistake::new(
                span,
                format!("{key} has no {family} server"),
                format!("list one below the service, or remove the service's {family} address"),
            ));
        }
    }
    if let (Owner::Group(name, span, group), Some((key, _))) = (owner, key) {
        servers.extend(group.servers_of(key, (name, span), mistakes));
    }
    servers
}

/// `default`: the pool of `[defaults]`. A value of `false` disables it.
pub(super) fn snat(section: &Section, default: Option<&(String, Span)>) -> Option<(String, Span)> {
    let Some(value) = section.take("snat") else {
        return default.cloned();
    };
    if let Some(on) = value.get_ref().as_bool() {
        if on || default.is_none() {
            section.mistakes.add(Mistake::new(
                &value.span(),
                "`snat` is the name of a pool, not a switch",
                "name one that `[local_ips.NAME]` describes, or remove `snat`",
            ));
        }
        return None;
    }
    let (name, span) = string(value, "snat", section.mistakes)?;
    Some((name.to_owned(), span))
}

/// An unknown name is passed through, unless it looks like a typing mistake.
pub(super) fn scheduler<'t>(value: &'t Value<'t>, mistakes: &Mistakes) -> Option<(&'t str, Span)> {
    let (name, span) = string(value, "scheduler", mistakes)?;
    if !SCHEDULERS.contains(&name)
        && let Some(meant) = synonyms::scheduler(name).or_else(|| closest(name, SCHEDULERS))
    {
        let help = format!("did you mean `{meant}`? known: {}", listed(SCHEDULERS));
        mistakes.add(
            Mistake::new(&span, format!("unknown scheduler {}", quoted(name)), help)
                .fix(&span, literal(meant)),
        );
        return None;
    }
    // The name becomes part of a module's name, ip_vs_NAME.
    let fits = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if !fits || !(1..=LONGEST_NAME).contains(&name.len()) {
        mistakes.add(Mistake::new(
            &span,
            format!("{} is not a valid name for a scheduler", quoted(name)),
            format!("known: {}", listed(SCHEDULERS)),
        ));
        return None;
    }
    Some((name, span))
}

fn read_scheduler_flags(value: &Value, scheduler: Option<&str>, mistakes: &Mistakes) -> [bool; 3] {
    let mut flags = [false; 3];
    for value in array(value, "scheduler_flags", mistakes).unwrap_or(&[]) {
        let Some((name, span)) = string(value, "a scheduler flag", mistakes) else {
            continue;
        };
        let Some((index, owner)) = scheduler_flag(name) else {
            mistakes.add(Mistake::new(
                &span,
                format!("unknown scheduler flag {}", quoted(name)),
                meant(name, scheduler_flags()),
            ));
            continue;
        };
        if let (Some(owner), Some(scheduler)) = (owner, scheduler)
            && owner != scheduler
        {
            mistakes.add(Mistake::new(
                &span,
                format!("`{name}` is a flag of the scheduler `{owner}`, not of `{scheduler}`"),
                format!("remove it, or write `scheduler = \"{owner}\"`"),
            ));
        }
        if let Some(flag) = flags.get_mut(index) {
            *flag = true;
        }
    }
    flags
}
