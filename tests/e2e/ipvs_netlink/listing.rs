// SPDX-License-Identifier: GPL-2.0-only
//! Listings are complete while services change, and for every number of services and
//! servers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use ipvs_bpf::ipvs_netlink::{Error, Ipvs};
use ipvs_bpf::model::{Forward, Protocol, ServiceKey};

use super::ipvs;
use super::state::{server, service, tcp};

/// A dump takes several datagrams, and services are removed during it. No service may
/// ever be listed without its server.
#[test]
fn a_service_that_vanishes_during_a_listing_never_looks_empty() {
    let mut ipvs = ipvs();
    let mut remover = Ipvs::connect().unwrap();
    let address = |number: u16| SocketAddr::from(([10, 1, (number >> 8) as u8, number as u8], 80));
    let keys: Vec<ServiceKey> = (0..600)
        .map(|number| ServiceKey::Address {
            protocol: Protocol::Tcp,
            address: address(number),
        })
        .collect();
    let backend = "10.0.0.2:80".parse().unwrap();
    for key in &keys {
        ipvs.add_service(key, &service("rr")).unwrap();
        ipvs.add_server(key, backend, &server(Forward::Masq, 1, 0, 0))
            .unwrap();
    }
    assert_eq!(ipvs.services().unwrap().len(), keys.len());
    let removal = thread::spawn(move || {
        for key in &keys {
            remover.remove_service(key).unwrap();
        }
    });
    let mut listings = 0;
    while !removal.is_finished() {
        for (key, service) in ipvs.services().unwrap() {
            assert_eq!(service.servers.len(), 1, "{key}");
        }
        listings += 1;
    }
    removal.join().unwrap();
    assert!(listings > 0);
    assert_eq!(ipvs.services().unwrap(), BTreeMap::new());
}

/// The kernel counts the services of all network namespaces to find its place in a dump.
/// So changes in another namespace make a dump skip some.
#[test]
fn a_listing_is_complete_while_services_come_and_go_in_another_namespace() {
    let mut ipvs = ipvs();
    let address = |number: u16| SocketAddr::from(([10, 1, (number >> 8) as u8, number as u8], 80));
    let keys = |count: u16| {
        (0..count).map(move |number| ServiceKey::Address {
            protocol: Protocol::Tcp,
            address: address(number),
        })
    };
    let mut expected = BTreeMap::new();
    for key in keys(300) {
        ipvs.add_service(&key, &service("rr")).unwrap();
        expected.insert(key, service("rr"));
    }
    // More servers than fit in one datagram.
    let large = expected.first_entry().unwrap();
    let masq = server(Forward::Masq, 1, 0, 0);
    let servers: BTreeMap<_, _> = (0..200).map(|n| (address(n), masq.clone())).collect();
    for (address, server) in &servers {
        ipvs.add_server(large.key(), *address, server).unwrap();
    }
    large.into_mut().servers = servers;

    let stop = AtomicBool::new(false);
    let (ready, begin) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut other = super::ipvs();
            // Adds or removes many at once, then one at a time.
            for run in [64, 1].into_iter().cycle() {
                for key in keys(run) {
                    other.add_service(&key, &service("rr")).unwrap();
                }
                for key in keys(run) {
                    other.remove_service(&key).unwrap();
                }
                let _ = ready.send(());
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        begin.recv().unwrap();
        let listings: Vec<_> = (0..10).map(|_| ipvs.services()).collect();
        stop.store(true, Ordering::Relaxed);
        for listing in listings {
            let listing = listing.unwrap();
            assert_eq!(listing.len(), expected.len());
            assert!(listing == expected);
        }
    });
}

/// On newer kernels the table of services grows and shrinks with their number, which gives
/// them another order in the middle of a dump.
#[test]
fn a_listing_is_complete_while_the_kernel_resizes_the_table() {
    let mut ipvs = ipvs();
    let key = |number: u16| ServiceKey::Address {
        protocol: Protocol::Tcp,
        address: SocketAddr::from(([10, 1, (number >> 8) as u8, number as u8], 80)),
    };
    let add =
        move |ipvs: &mut Ipvs, number| ipvs.add_service(&key(number), &service("rr")).unwrap();
    for _ in 0..3 {
        (0..200).for_each(|number| add(&mut ipvs, number));
        let adding = thread::spawn(move || {
            let mut other = Ipvs::connect().unwrap();
            (200..3000).for_each(|number| add(&mut other, number));
        });
        while !adding.is_finished() {
            // It may give up, since there are changes all the time.
            let listing = match ipvs.service_keys() {
                Err(Error::Inconsistent { .. }) => continue,
                listing => listing.unwrap(),
            };
            let missing: Vec<_> = (0..200).filter(|it| !listing.contains(&key(*it))).collect();
            assert_eq!(missing, [] as [u16; 0], "of {}", listing.len());
        }
        adding.join().unwrap();
        assert_eq!(ipvs.service_keys().unwrap().len(), 3000);
        ipvs.flush().unwrap();
    }
}

/// A full datagram looks the same as one that ends at the last service or server by
/// chance. The listing must be complete for every number of them.
#[test]
fn every_number_of_services_and_of_servers_is_listed() {
    let mut ipvs = ipvs();
    let masq = server(Forward::Masq, 1, 0, 0);
    let mut expected = BTreeMap::new();
    let large = tcp("10.0.0.1:1");
    for number in 1..=120u16 {
        let key = tcp(&format!("10.0.0.1:{number}"));
        ipvs.add_service(&key, &service("rr")).unwrap();
        expected.insert(key, service("rr"));
        let backend = SocketAddr::from(([10, 0, 0, 2], number));
        ipvs.add_server(&large, backend, &masq).unwrap();
        let servers = &mut expected.get_mut(&large).unwrap().servers;
        servers.insert(backend, masq.clone());
        assert!(ipvs.services().unwrap() == expected, "{number}");
    }
}
