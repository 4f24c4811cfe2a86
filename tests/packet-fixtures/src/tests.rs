// SPDX-License-Identifier: GPL-2.0-only
//! The basis of the other tests: what is built is read again, and mistakes are found.

use std::path::Path;

use crate::build::packet;
use crate::fixture::{Fixture, Side};
use crate::fragment::{cut, join};
use crate::judge::{Flows, Verdict, flow_of, flows, judge, translation};
use crate::layer::Layer;
use crate::mutate::{Random, mutate};
use crate::world::{Ports, World};

fn world() -> World {
    World::lab(Ports {
        client: 5000,
        vip: 1000,
        local_ip: 6000,
        server: 2000,
    })
}

fn built(lines: &str) -> Vec<u8> {
    let layers: Vec<_> = lines
        .lines()
        .map(|line| Layer::parse(line).unwrap())
        .collect();
    packet(&layers, &world()).unwrap()
}

/// A request and what becomes of it, of each family.
fn pairs() -> [(u8, [Vec<u8>; 2]); 4] {
    let udp4 = [
        "ip4 client > vip\nudp client > vip\ndata hello",
        "ip4 local > server ttl=63\nudp local > server\ndata hello",
    ];
    let udp6 = [
        "ip6 client > vip\ndest\nudp client > vip checksum=wrong\ndata hello",
        "ip6 local > server hops=63\ndest\nudp local > server checksum=wrong\ndata hello",
    ];
    let error4 = [
        "ip4 server > local\nicmp4 3 3\nip4 local > server\nudp local > server\ndata hello",
        "ip4 vip > client ttl=63\nicmp4 3 3\nip4 client > vip\nudp client > vip\ndata hello",
    ];
    let error6 = [
        "ip6 router > local\nicmp6 1 4\nip6 local > server\nudp local > server\ndata hello",
        "ip6 vip > client hops=63\nicmp6 1 4\nip6 client > vip\nudp client > vip\ndata hello",
    ];
    [(4, udp4), (6, udp6), (4, error4), (6, error6)].map(|(family, pair)| (family, pair.map(built)))
}

#[test]
fn a_right_translation_is_one_and_every_changed_byte_is_found() {
    for (family, [old, new]) in pairs() {
        let flows = flows(&world(), 17, family);
        let flow = flow_of(&old, &flows).unwrap();
        assert_eq!(translation(&old, &new, flow), Ok(()));
        assert!(translation(&old, &old, flow).is_err());
        for at in 0..new.len() {
            let mut wrong = new.clone();
            wrong[at] ^= 1;
            assert!(
                translation(&old, &wrong, flow).is_err(),
                "byte {at} of {new:02x?}"
            );
        }
    }
}

#[test]
fn a_balanced_datagram_has_all_ones_for_its_checksum() {
    for family in ["ip4", "ip6"] {
        let datagram = built(&format!(
            "{family} client > vip\nudp client > vip balance=1\nbytes 9"
        ));
        let start = datagram.len() - 17;
        assert_eq!(datagram[start + 6..start + 8], [0xff, 0xff]);
    }
}

#[test]
fn one_address_without_the_other_is_wrong() {
    for (family, [old, new]) in pairs() {
        let (addresses, half) = if family == 4 { (12, 4) } else { (8, 16) };
        for end in [0, 1] {
            let mut left = old.clone();
            let place = addresses + end * half..addresses + (end + 1) * half;
            left[place.clone()].copy_from_slice(&new[place]);
            let mut known = Flows::default();
            known.add(flows(&world(), 17, family));
            let verdict = judge(std::slice::from_ref(&old), &left, &mut known, &world(), &[]);
            assert!(matches!(verdict, Verdict::Wrong(_)), "{verdict:?}");
        }
    }
}

#[test]
fn a_new_connection_becomes_two_flows() {
    let mut flows = Flows::default();
    let [request, left] = &pairs()[0].1;
    let services = [(17, 1000, 2000)];
    let mut verdict = |came: &Vec<u8>, left: &[u8]| {
        judge(
            std::slice::from_ref(came),
            left,
            &mut flows,
            &world(),
            &services,
        )
    };
    assert_eq!(verdict(request, left), Verdict::Translated);
    let reply = built("ip4 server > local\nudp server > local\ndata hello");
    let left = built("ip4 vip > client ttl=63\nudp vip > client\ndata hello");
    assert_eq!(verdict(&reply, &left), Verdict::Translated);
}

#[test]
fn a_seed_and_a_number_make_the_same_packet_and_others_another() {
    let frame = [&[0; 12][..], &[8, 0], &pairs()[2].1[0]].concat();
    let made = |seed, number| mutate(&mut Random::new(seed, number), &frame, &world());
    let packets: Vec<_> = (0..2000).map(|number| made(1, number)).collect();
    assert_eq!(packets[7], made(1, 7));
    assert_ne!(packets[7], made(2, 7));
    let different: std::collections::BTreeSet<_> = packets.iter().collect();
    assert!(different.len() > 1000, "{}", different.len());
}

#[test]
fn mistakes_in_a_fixture_are_found_in_their_lines() {
    let mistakes = [
        (
            "send client\n  ip5 client > vip\nuntouched\n",
            "x.txt:2: `ip5` is not a layer",
        ),
        (
            "send client\n  ip4 client > vip tll=1\nuntouched\n",
            "x.txt:2: `ip4` has no key `tll`",
        ),
        (
            "send nobody\n",
            "x.txt:1: `nobody` is neither client nor server",
        ),
        ("  ip4 client > vip\n", "x.txt:1: a layer of no packet"),
        (
            "send client\n  data x\n",
            "x.txt: the packet of line 1 is either untouched, or received or counted",
        ),
        ("session udp5\n", "x.txt:1: `udp5` is of no family"),
        ("", "x.txt: nothing is sent"),
    ];
    for (text, mistake) in mistakes {
        assert_eq!(Fixture::parse("x", text).unwrap_err(), mistake);
    }
}

#[test]
fn every_file_is_a_fixture_of_its_own() {
    let fixtures = Fixture::all(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    assert!(fixtures.len() >= 400, "{}", fixtures.len());
    let mut seen = std::collections::BTreeMap::new();
    for fixture in &fixtures {
        let mut steps = fixture.steps.clone();
        for step in &mut steps {
            step.sent.iter_mut().for_each(|sent| sent.line = 0);
            step.received
                .iter_mut()
                .for_each(|received| received.line = 0);
        }
        let steps = format!("{:?} {:?} {steps:?}", fixture.session, fixture.fast_path);
        if let Some(other) = seen.insert(steps, &fixture.name) {
            panic!("{} says what {other} says", fixture.name);
        }
    }
}

/// Numbers of layers, which other folders send: extension headers, and what the module reads.
const LAYERS: [(&str, &str, &[u8]); 2] = [
    ("ip4", "protocol", &[1, 6, 17, 132]),
    ("ip6", "next", &[0, 6, 17, 43, 44, 51, 58, 59, 60, 132, 135]),
];

#[test]
fn every_other_protocol_number_comes_in_from_both_sides() {
    let fixtures = Fixture::all(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let steps = fixtures.iter().flat_map(|fixture| &fixture.steps);
    let all: Vec<_> = steps.flat_map(|step| &step.sent).collect();
    for (name, key, layers) in LAYERS {
        for side in [Side::Client, Side::Server] {
            let sent = all.iter().filter(|sent| sent.side == side);
            let headers = sent.filter_map(|sent| {
                let header = sent
                    .layers
                    .iter()
                    .find(|layer| layer.name.starts_with("ip"));
                header.filter(|header| header.name == name)
            });
            let mut numbers: Vec<_> = (0..=255).filter(|n| !layers.contains(n)).collect();
            for header in headers {
                numbers.retain(|n| header.key(key) != Some(&n.to_string()));
            }
            assert!(numbers.is_empty(), "{name} from {side:?}: {numbers:?}");
        }
    }
}

#[test]
fn fragments_in_any_order_are_put_together() {
    for lines in [
        "ip4 client > vip df=1\nudp client > vip\nbytes 100",
        "ip6 client > vip\nudp client > vip\nbytes 100",
    ] {
        let frame = [&[0; 14][..], &built(lines)].concat();
        for order in [[0, 1, 2, 3, 4], [4, 2, 0, 3, 1]] {
            let pieces = cut(&frame, 24, &order, 7);
            let packets = pieces.iter().map(|piece| piece[14..].to_vec()).collect();
            assert_eq!(join(packets), [&frame[14..]]);
        }
        let pieces = cut(&frame, 24, &[0, 1, 3, 4], 7);
        let packets: Vec<_> = pieces.iter().map(|piece| piece[14..].to_vec()).collect();
        assert_eq!(join(packets.clone()), packets);
    }
}
