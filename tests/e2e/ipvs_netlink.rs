// SPDX-License-Identifier: GPL-2.0-only
//! The handle of the IPVS family with a real kernel. `ipvsadm` checks the results.

mod listing;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use ipvs_bpf::ipvs_netlink::{Change, Ipvs, Reason};
use ipvs_bpf::model::{Family, Forward, Netmask, Service, ServiceKey, TunnelChecksum};
use nix::sched::{CloneFlags, unshare};

use self::state::{IPIP, SAVED, gue, persistence, server, service, state, tcp};

/// IPVS of a new network namespace. The calling thread stays in it.
fn ipvs() -> Ipvs {
    run(Command::new("modprobe").arg("ip_vs"));
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    run(Command::new("ip").args(["link", "set", "lo", "up"]));
    Ipvs::connect().unwrap()
}

fn run(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The lines of `ipvsadm -Sn`, unordered.
fn saved() -> BTreeSet<String> {
    let text = run(Command::new("ipvsadm").arg("-Sn"));
    text.lines().map(|line| line.trim().to_owned()).collect()
}

fn set(ipvs: &mut Ipvs, state: &BTreeMap<ServiceKey, Service>) {
    for (key, service) in state {
        ipvs.add_service(key, service).unwrap();
        for (address, server) in &service.servers {
            ipvs.add_server(key, *address, server).unwrap();
        }
    }
}

#[test]
fn every_field_comes_back_as_it_was_set_and_ipvsadm_sees_the_same() {
    let mut ipvs = ipvs();
    assert_eq!(ipvs.services().unwrap(), BTreeMap::new());
    let state = state();
    set(&mut ipvs, &state);
    assert_eq!(ipvs.services().unwrap(), state);
    let expected: BTreeSet<String> = SAVED.trim().lines().map(Into::into).collect();
    assert_eq!(saved(), expected);

    let statistics = ipvs.services_with_statistics().unwrap();
    assert!(statistics.keys().eq(state.keys()));
    for (key, service) in &state {
        assert!(statistics[key].1.servers.keys().eq(service.servers.keys()));
    }
}

#[test]
fn a_change_replaces_every_property_and_leaves_nothing_of_the_old() {
    let mut ipvs = ipvs();
    let state = state();
    set(&mut ipvs, &state);
    let mut expected = state.clone();
    for (key, service) in &mut expected {
        let plain = state::service("sed");
        ipvs.change_service(key, &plain).unwrap();
        *service = Service {
            servers: std::mem::take(&mut service.servers),
            ..plain
        };
        for (address, server) in &mut service.servers {
            // Servers of the other family can only be reached by tunnels.
            let same_family = address.is_ipv4() == (key.family() == Family::Ipv4);
            let forward = if same_family { Forward::Masq } else { IPIP };
            *server = state::server(forward, 7, 9, 8);
            ipvs.change_server(key, *address, server).unwrap();
        }
    }
    assert_eq!(ipvs.services().unwrap(), expected);

    // And changes them back.
    for (key, service) in &state {
        ipvs.change_service(key, service).unwrap();
        for (address, server) in &service.servers {
            ipvs.change_server(key, *address, server).unwrap();
        }
    }
    assert_eq!(ipvs.services().unwrap(), state);
}

#[test]
fn only_removed_objects_are_gone() {
    let mut ipvs = ipvs();
    let mut state = state();
    set(&mut ipvs, &state);
    let web = tcp("[fd00::1]:443");
    for address in ["[fd00::3]:443", "10.0.0.7:443"] {
        let address = address.parse().unwrap();
        ipvs.remove_server(&web, address).unwrap();
        state.get_mut(&web).unwrap().servers.remove(&address);
    }
    let mark = ServiceKey::Fwmark {
        mark: u32::MAX,
        family: Family::Ipv4,
    };
    ipvs.remove_service(&mark).unwrap();
    state.remove(&mark);
    assert_eq!(ipvs.services().unwrap(), state);
    ipvs.flush().unwrap();
    assert_eq!(ipvs.services().unwrap(), BTreeMap::new());
    assert_eq!(saved(), BTreeSet::new());
}

#[test]
fn the_kernel_refuses_with_a_reason_that_fits_the_request() {
    let mut ipvs = ipvs();
    let (web, none) = (tcp("10.0.0.1:80"), tcp("10.0.0.1:81"));
    let backend: SocketAddr = "10.0.0.2:80".parse().unwrap();
    let other: SocketAddr = "10.0.0.3:80".parse().unwrap();
    let masq = server(Forward::Masq, 1, 0, 0);
    ipvs.add_service(&web, &service("rr")).unwrap();
    ipvs.add_server(&web, backend, &masq).unwrap();

    let with_engine = Service {
        persistence: persistence(60, Netmask::whole(Family::Ipv4), Some("smtp")),
        ..service("rr")
    };
    let prefix_0 = Service {
        persistence: persistence(60, Netmask::V6(0), None),
        ..service("rr")
    };
    let refused = |result: Result<(), ipvs_bpf::ipvs_netlink::Error>| {
        result.unwrap_err().reason().unwrap().clone()
    };
    let missing = |scheduler: &str| Reason::NoScheduler {
        scheduler: scheduler.into(),
    };
    assert_eq!(
        refused(ipvs.add_service(&web, &service("rr"))),
        Reason::ServiceExists
    );
    assert_eq!(
        refused(ipvs.add_service(&none, &service("strangeness"))),
        missing("strangeness")
    );
    assert_eq!(
        refused(ipvs.change_service(&web, &service("quantum"))),
        missing("quantum")
    );
    assert_eq!(
        refused(ipvs.add_service(&none, &with_engine)),
        Reason::NoSchedulerOrEngine {
            scheduler: "rr".into(),
            engine: "smtp".into()
        }
    );
    assert_eq!(
        refused(ipvs.add_service(&tcp("[fd00::1]:80"), &prefix_0)),
        Reason::InvalidService
    );
    assert_eq!(
        refused(ipvs.change_service(&none, &service("rr"))),
        Reason::NoSuchService
    );
    assert_eq!(refused(ipvs.remove_service(&none)), Reason::NoSuchService);
    for result in [
        ipvs.add_server(&none, backend, &masq),
        ipvs.change_server(&none, backend, &masq),
        ipvs.remove_server(&none, backend),
    ] {
        assert_eq!(refused(result), Reason::NoSuchService);
    }
    assert_eq!(
        refused(ipvs.add_server(&web, backend, &masq)),
        Reason::ServerExists
    );
    assert_eq!(
        refused(ipvs.change_server(&web, other, &masq)),
        Reason::NoSuchServer
    );
    assert_eq!(
        refused(ipvs.remove_server(&web, other)),
        Reason::NoSuchServer
    );
    for (address, server, reason) in [
        (
            "10.0.0.3:80",
            server(Forward::Masq, 1 << 31, 0, 0),
            Reason::OutOfRange,
        ),
        (
            "10.0.0.3:80",
            server(Forward::Masq, 1, 1, 2),
            Reason::OutOfRange,
        ),
        (
            "10.0.0.3:80",
            server(gue(0, TunnelChecksum::None), 1, 0, 0),
            Reason::InvalidServer,
        ),
        ("224.0.0.1:80", masq.clone(), Reason::InvalidServer),
        ("[fd00::3]:80", masq.clone(), Reason::InvalidServer),
    ] {
        let result = ipvs.add_server(&web, address.parse().unwrap(), &server);
        assert_eq!(refused(result), reason, "{address} {server:?}");
    }
    let high = ipvs.add_server(&web, other, &server(Forward::Masq, 1, 1 << 31, 0));
    if high.is_ok() {
        println!("this kernel has no limit of upper thresholds: it came with stable updates");
        ipvs.remove_server(&web, other).unwrap();
    } else {
        assert_eq!(refused(high), Reason::InvalidServer);
    }
    let expected = Service {
        servers: BTreeMap::from([(backend, masq)]),
        ..service("rr")
    };
    assert_eq!(ipvs.services().unwrap(), BTreeMap::from([(web, expected)]));
}

#[test]
fn the_version_is_that_of_proc() {
    let mut ipvs = ipvs();
    let info = ipvs.info().unwrap();
    let proc = std::fs::read_to_string("/proc/thread-self/net/ip_vs").unwrap();
    let (version, size) = (info.version, info.connection_table_size);
    assert!(
        proc.starts_with(&format!(
            "IP Virtual Server version {version} (size={size})"
        )),
        "{proc}"
    );
}

#[test]
fn many_changes_at_once_do_what_they_do_one_by_one_and_each_has_its_own_result() {
    let mut ipvs = ipvs();
    let (wrr, missing, masq) = (
        service("wrr"),
        service("quantum"),
        server(Forward::Masq, 1, 0, 0),
    );
    let backend: SocketAddr = "10.0.0.2:80".parse().unwrap();
    let keys: Vec<_> = (1..=300u16)
        .map(|port| tcp(&format!("10.0.0.1:{port}")))
        .collect();
    // Every seventh service uses a scheduler that the kernel does not have.
    let spoiled = |index: usize| index % 7 == 6;
    let changes: Vec<_> = keys
        .iter()
        .enumerate()
        .flat_map(|(index, key)| {
            let service = if spoiled(index) { &missing } else { &wrr };
            [
                Change::AddService(key, service),
                Change::AddServer(key, backend, &masq),
            ]
        })
        .collect();
    let results = ipvs.carry_out(&changes);
    assert_eq!(results.len(), changes.len());
    let mut expected = BTreeMap::new();
    for (index, (key, result)) in keys.iter().zip(results.chunks(2)).enumerate() {
        if spoiled(index) {
            let reasons: Vec<_> = result
                .iter()
                .map(|r| r.as_ref().unwrap_err().reason())
                .collect();
            let scheduler = "quantum".to_owned();
            assert_eq!(
                reasons,
                [
                    Some(&Reason::NoScheduler { scheduler }),
                    Some(&Reason::NoSuchService)
                ]
            );
        } else {
            assert!(result.iter().all(Result::is_ok), "{result:?}");
            let servers = BTreeMap::from([(backend, masq.clone())]);
            let service = Service {
                servers,
                ..service("wrr")
            };
            assert_eq!(ipvs.service(key).unwrap().as_ref(), Some(&service));
            expected.insert(key.clone(), service);
        }
    }
    assert_eq!(ipvs.services().unwrap(), expected);
    assert_eq!(ipvs.service(&tcp("10.0.0.1:7")).unwrap(), None);

    // All changes are refused, which gives the largest number of answers.
    let again = ipvs.carry_out(&changes);
    assert!(
        again
            .iter()
            .all(|result| result.as_ref().unwrap_err().reason().is_some())
    );
    let removals: Vec<_> = expected.keys().map(Change::RemoveService).collect();
    assert!(ipvs.carry_out(&removals).iter().all(Result::is_ok));
    assert_eq!(ipvs.services().unwrap(), BTreeMap::new());
}
