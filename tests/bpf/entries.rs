// SPDX-License-Identifier: GPL-2.0-only
//! Reading a whole session map, of this host's kernel, while it is at rest and
//! while it changes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use aya::maps::{HashMap, Map, MapData, MapError};
use aya::{Ebpf, EbpfLoader};

use ipvs_bpf::datapath::abi::{Lease, ORIGINAL, Service, Session4, Tuple4};
use ipvs_bpf::datapath::entries::entries;

use crate::bench::OBJECT;

fn loaded(max_entries: u32) -> Ebpf {
    EbpfLoader::new()
        .map_max_entries("sessions4", max_entries)
        .load(OBJECT)
        .unwrap()
}

/// The map by its id, as `show` opens it.
fn opened(object: &Ebpf) -> Map {
    let Some(Map::HashMap(data)) = object.map("sessions4") else {
        panic!("sessions4 is no hash map");
    };
    Map::HashMap(MapData::from_id(data.info().unwrap().id()).unwrap())
}

fn tuple(number: u32) -> Tuple4 {
    Tuple4 {
        saddr_be: number,
        daddr_be: 1,
        sport_be: 2,
        dport_be: 3,
        protocol: 6,
        pad: [0; 3],
    }
}

fn session(number: u32) -> Session4 {
    Session4 {
        saddr_be: number,
        daddr_be: 4,
        sport_be: 5,
        dport_be: 6,
        service: 7,
        direction: ORIGINAL,
        pad: 0,
        lease: Lease::default(),
    }
}

type Writing<'a> = HashMap<&'a mut MapData, Tuple4, Session4>;

fn writing(object: &mut Ebpf) -> Writing<'_> {
    HashMap::try_from(object.map_mut("sessions4").unwrap()).unwrap()
}

fn fill(object: &mut Ebpf, numbers: std::ops::Range<u32>) {
    let mut sessions = writing(object);
    for number in numbers {
        sessions.insert(tuple(number), session(number), 0).unwrap();
    }
}

/// How often each number came.
fn read(map: &Map) -> BTreeMap<u32, u32> {
    let mut found = BTreeMap::new();
    entries(map, |key: &Tuple4, value: &Session4| {
        assert_eq!((*key, *value), (tuple(key.saddr_be), session(key.saddr_be)));
        *found.entry(key.saddr_be).or_default() += 1;
    })
    .unwrap();
    found
}

#[test]
fn two_hundred_thousand_sessions_are_read_each_once() {
    let mut object = loaded(2 * 1024 * 1024);
    // Two entries a session.
    fill(&mut object, 0..400_000);
    let found = read(&opened(&object));
    assert_eq!(found.len(), 400_000);
    assert!(found.values().all(|times| *times == 1));
}

#[test]
fn an_empty_map_and_a_full_one_are_read() {
    let mut object = loaded(1000);
    assert!(read(&opened(&object)).is_empty());
    fill(&mut object, 0..1000);
    assert_eq!(read(&opened(&object)).len(), 1000);
}

#[test]
fn what_stays_is_read_once_while_others_come_and_go() {
    let mut object = loaded(100_000);
    fill(&mut object, 0..10_000);
    let map = opened(&object);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let others = scope.spawn(|| {
            let mut sessions = writing(&mut object);
            let mut changes = 0u64;
            while !done.load(Ordering::Relaxed) {
                for number in 10_000..12_000 {
                    sessions.insert(tuple(number), session(number), 0).unwrap();
                }
                for number in 10_000..12_000 {
                    sessions.remove(&tuple(number)).unwrap();
                }
                changes += 4_000;
            }
            changes
        });
        for _ in 0..50 {
            let found = read(&map);
            for number in 0..10_000 {
                assert_eq!(found.get(&number), Some(&1), "{number}");
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(others.join().unwrap() > 0, "nothing changed meanwhile");
    });
}

#[test]
fn a_map_of_another_shape_is_refused() {
    let object = loaded(1000);
    let map = opened(&object);
    let read = entries(&map, |_: &Tuple4, _: &Service| {});
    assert!(
        matches!(read, Err(MapError::InvalidValueSize { .. })),
        "{read:?}"
    );
}
