// SPDX-License-Identifier: GPL-2.0-only
//! A state as written in the cases. It has the keys of the configuration file, reduced to
//! the parts that the plan uses. It can also describe states that only a kernel can have
//! (a service that the module lists and IPVS does not have).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use ipvs_bpf::model::{
    ClientAddress, Datapath, Family, Forward, FullNat, LocalIp, Netmask, Network, Persistence,
    PortRange, PortSecret, Protocol, Rule, Server, Service, ServiceKey, State, SyncDaemon,
    SyncDaemons, SyncState, Timeout, Timeouts, Toa, Tunnel, TunnelChecksum,
};
use ipvs_bpf::plan::{Options, Prune};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StateFile {
    #[serde(default)]
    options: OptionsTable,
    #[serde(default)]
    timeouts: BTreeMap<String, u32>,
    #[serde(default)]
    sysctl: BTreeMap<String, String>,
    sync: Option<BTreeMap<String, DaemonTable>>,
    datapath: Option<DatapathTable>,
    port_secret: Option<String>,
    toa: Option<ToaTable>,
    #[serde(default)]
    local_ips: BTreeMap<String, PoolTable>,
    #[serde(default)]
    full_nat: Vec<RuleTable>,
    #[serde(default)]
    service: Vec<ServiceTable>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OptionsTable {
    keep_weights: Option<bool>,
    /// `everything`, `listed` or `nothing`.
    prune: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToaTable {
    /// The address and length of each prefix.
    trust: Vec<(IpAddr, u8)>,
    #[serde(default)]
    other_build: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DaemonTable {
    interface: String,
    id: u8,
    group: Option<IpAddr>,
    port: Option<u16>,
    ttl: Option<u8>,
    sync_maxlen: Option<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DatapathTable {
    interfaces: BTreeSet<String>,
    #[serde(default)]
    xdp: BTreeSet<String>,
    max_sessions: u32,
    #[serde(default = "default_true")]
    fast_path: bool,
    #[serde(default)]
    other_build: bool,
}

fn default_true() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PoolTable {
    addresses: Vec<IpAddr>,
    ports: Option<[u16; 2]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleTable {
    /// `ADDRESS/LENGTH`, all of one family.
    addresses: Vec<String>,
    #[serde(default)]
    ports: Vec<[u16; 2]>,
    snat: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceTable {
    address: String,
    snat: Option<String>,
    #[serde(default)]
    toa: bool,
    /// Absent: only the module has the service, IPVS does not.
    scheduler: Option<String>,
    #[serde(default)]
    scheduler_flags: [bool; 3],
    persistence: Option<PersistenceTable>,
    #[serde(default)]
    one_packet: bool,
    /// `external`.
    servers: Option<String>,
    #[serde(default)]
    server: Vec<ServerTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PersistenceTable {
    timeout: u32,
    netmask: Option<toml::Value>,
    engine: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerTable {
    address: SocketAddr,
    weight: Option<u32>,
    /// `masq`, `route`, `local`, or a tunnel.
    forward: Option<String>,
    tunnel: Option<TunnelTable>,
    #[serde(default)]
    upper_threshold: u32,
    #[serde(default)]
    lower_threshold: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, tag = "type", rename_all = "lowercase")]
enum TunnelTable {
    Ipip,
    Gue { port: u16, checksum: Checksum },
    Gre { checksum: Checksum },
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Checksum {
    None,
    Full,
    Remote,
}

pub fn read(path: &Path) -> (State, Options) {
    let fail = |error: &dyn std::fmt::Display| -> ! { panic!("{}: {error}", path.display()) };
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| fail(&error));
    let file: StateFile = toml::from_str(&text).unwrap_or_else(|error| fail(&error));
    let default = Options::default();
    let options = Options {
        keep_weights: file.options.keep_weights.unwrap_or(default.keep_weights),
        prune: match file.options.prune.as_deref() {
            None => default.prune,
            Some("everything") => Prune::Everything,
            Some("listed") => Prune::Listed,
            Some("nothing") => Prune::Nothing,
            Some(other) => panic!("prune {other}"),
        },
    };
    (state(file), options)
}

fn state(file: StateFile) -> State {
    let mut state = State {
        datapath: file.datapath.map(|datapath| Datapath {
            interfaces: datapath.interfaces,
            xdp: datapath.xdp,
            max_sessions: datapath.max_sessions,
            fast_path: datapath.fast_path,
            other_build: datapath.other_build,
        }),
        port_secret: file
            .port_secret
            .map(|text| PortSecret::from_hex(&text).unwrap()),
        timeouts: timeouts(&file.timeouts),
        sysctls: file.sysctl,
        sync: file.sync.map(sync),
        toa: file.toa.map(toa),
        ..State::default()
    };
    for (pool, table) in file.local_ips {
        let [first, last] = table.ports.unwrap_or([1024, 65535]);
        for address in table.addresses {
            let pool = pool.clone();
            state
                .local_ips
                .insert(LocalIp { pool, address }, PortRange { first, last });
        }
    }
    for table in file.full_nat {
        let rule = Rule {
            networks: table.addresses.iter().map(|text| network(text)).collect(),
            protocols: Protocol::ALL.into(),
            ports: table
                .ports
                .iter()
                .map(|&[first, last]| PortRange { first, last })
                .collect(),
            interfaces: BTreeSet::new(),
        };
        state.rules.insert(rule, table.snat.into());
    }
    for table in file.service {
        let key = service_key(&table.address);
        if let Some(pool) = &table.snat {
            let full_nat = FullNat {
                pool: pool.clone(),
                client_address: table.toa.then_some(ClientAddress::Toa),
            };
            state.full_nat.insert(key.clone(), full_nat);
        }
        if table.servers.as_deref() == Some("external") {
            state.external_servers.insert(key.clone());
        }
        if let Some(service) = service(table, key.family()) {
            state.services.insert(key, service);
        }
    }
    state
}

fn timeouts(table: &BTreeMap<String, u32>) -> Timeouts {
    let mut timeouts = Timeouts::default();
    for (name, seconds) in table {
        let named = |timeout: &Timeout| timeout.to_string() == *name;
        let timeout = Timeout::ALL.into_iter().find(named).expect(name);
        timeouts.set(timeout, Some(*seconds));
    }
    timeouts
}

fn toa(table: ToaTable) -> Toa {
    let trust = table.trust.into_iter();
    Toa {
        trust: trust
            .map(|(address, length)| Network::containing(address, length))
            .collect(),
        other_build: table.other_build,
    }
}

fn sync(table: BTreeMap<String, DaemonTable>) -> SyncDaemons {
    let mut daemons = SyncDaemons::default();
    for (name, daemon) in table {
        let named = |state: &SyncState| state.to_string() == name;
        let state = SyncState::ALL.into_iter().find(named).expect(&name);
        let daemon = SyncDaemon {
            interface: daemon.interface,
            id: daemon.id,
            group: daemon.group.unwrap_or(SyncDaemon::GROUP),
            port: daemon.port.unwrap_or(SyncDaemon::PORT),
            ttl: daemon.ttl.unwrap_or(SyncDaemon::TTL),
            sync_maxlen: daemon.sync_maxlen,
        };
        daemons.set(state, Some(daemon));
    }
    daemons
}

fn network(text: &str) -> Network {
    let (address, length) = text.split_once('/').unwrap();
    Network {
        address: address.parse().unwrap(),
        length: length.parse().unwrap(),
    }
}

fn service_key(text: &str) -> ServiceKey {
    let (scheme, rest) = text.split_once("://").unwrap();
    let protocol = match scheme {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        "fwmark" | "fwmark6" => {
            return ServiceKey::Fwmark {
                mark: rest.parse().unwrap(),
                family: if scheme == "fwmark" {
                    Family::Ipv4
                } else {
                    Family::Ipv6
                },
            };
        }
        _ => panic!("{text}"),
    };
    ServiceKey::Address {
        protocol,
        address: rest.parse().unwrap(),
    }
}

fn service(table: ServiceTable, family: Family) -> Option<Service> {
    Some(Service {
        scheduler: table.scheduler?,
        scheduler_flags: table.scheduler_flags,
        persistence: table.persistence.map(|persistence| Persistence {
            timeout: persistence.timeout,
            netmask: persistence
                .netmask
                .map_or(Netmask::whole(family), |netmask| match netmask {
                    toml::Value::String(mask) => Netmask::V4(mask.parse::<Ipv4Addr>().unwrap()),
                    other => Netmask::V6(other.as_integer().unwrap().try_into().unwrap()),
                }),
            engine: persistence.engine,
        }),
        one_packet: table.one_packet,
        servers: table
            .server
            .into_iter()
            .map(|server| (server.address, self::server(server)))
            .collect(),
    })
}

fn server(table: ServerTable) -> Server {
    let forward = match (table.forward.as_deref(), table.tunnel) {
        (_, Some(tunnel)) => Forward::Tunnel(self::tunnel(tunnel)),
        (None | Some("masq"), None) => Forward::Masq,
        (Some("route"), None) => Forward::Route,
        (Some("local"), None) => Forward::Local,
        (Some(other), None) => panic!("forward {other}"),
    };
    Server {
        weight: table.weight.unwrap_or(1),
        forward,
        upper_threshold: table.upper_threshold,
        lower_threshold: table.lower_threshold,
    }
}

fn tunnel(table: TunnelTable) -> Tunnel {
    let checksum = |checksum| match checksum {
        Checksum::None => TunnelChecksum::None,
        Checksum::Full => TunnelChecksum::Full,
        Checksum::Remote => TunnelChecksum::Remote,
    };
    match table {
        TunnelTable::Ipip => Tunnel::Ipip,
        TunnelTable::Gue { port, checksum: c } => Tunnel::Gue {
            port,
            checksum: checksum(c),
        },
        TunnelTable::Gre { checksum: c } => Tunnel::Gre {
            checksum: checksum(c),
        },
    }
}
