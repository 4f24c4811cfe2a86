// SPDX-License-Identifier: GPL-2.0-only
//! Checks that the packets of a path are processed as its name says: whether netfilter
//! sees them, whether conntrack knows their connection, and which part counted them.

use std::net::{IpAddr, SocketAddr};
use std::thread::sleep;
use std::time::Duration;

use crate::flow::{Direction, Segment};
use crate::measure::{cost, frames};
use crate::namespace::Namespace;
use crate::network::{Network, full_nat_counter};
use crate::path::Path;
use crate::report::Subject;
use Direction::{Original, Reply};

/// The number of packets in each direction.
const PACKETS: u64 = 100;
/// How often the module is asked for the counts that it updates once a second.
const PATIENCE: u32 = 100;

type Send<'a> = &'a dyn Fn(Direction, &[Vec<u8>]);

/// At PREROUTING, before everything else.
const WATCH: &str = "add table inet watch
add chain inet watch prerouting { type filter hook prerouting priority -450; }
add rule inet watch prerouting meta l4proto { tcp, udp } counter";

/// Checks the first flow, whose connection is open.
pub fn check(network: &Network, subject: &Subject) {
    let send = |direction, frames: &[Vec<u8>]| {
        cost(network, direction, frames);
    };
    check_at(&network.director, network.path, subject, &send);
}

/// The same at a director that gets its frames by `send`, which returns when they have
/// left.
pub fn check_at(director: &Namespace, path: Path, subject: &Subject, send: Send) {
    let name = path.name();
    let counted = path.is_ours().then(|| fast_packets(director));
    let (watched, entry) = watched(director, path, subject, send);
    if path.is_redirect() {
        assert_eq!(watched, 0, "{name}: packets that netfilter saw");
    } else if path.is_fast() {
        // One packet in each direction may be the one that gets the lease or the
        // flowtable entry.
        assert!(watched <= 2, "{name}: netfilter saw {watched} packets");
    } else {
        assert_eq!(watched, 2 * PACKETS, "{name}: packets that netfilter saw");
    }
    assert_eq!(
        entry.is_some(),
        path.has_conntrack(),
        "{name}: conntrack has {entry:?}"
    );
    if let Some(entry) = entry {
        let offloaded = path.has_flowtable();
        assert_eq!(entry.contains("[OFFLOAD]"), offloaded, "{name}: {entry}");
        // The `counter` of the flowtable is conntrack's accounting.
        assert!(
            path != Path::NftFlowtable || packets(&entry).iter().sum::<u64>() >= 2 * PACKETS,
            "{name}: the flowtable does not count: {entry}"
        );
        // At XDP nobody counts. The replies of a masqueraded flow do not pass there.
        assert!(
            path != Path::XdpForward || packets(&entry)[0] < PACKETS,
            "{name}: the flowtable forwards, not the program: {entry}"
        );
    }
    if let Some(before) = counted {
        let least = match path.has_leases() {
            true => before + 2 * PACKETS - watched,
            false => before,
        };
        let all = (0..PATIENCE).any(|_| {
            sleep(Duration::from_millis(100));
            fast_packets(director) >= least
        });
        assert!(all, "{name}: the program alone has not forwarded packets");
        if path == Path::IpvsBpf {
            assert_eq!(fast_packets(director), 0, "{name}: leases are off");
        }
    }
}

/// The number of packets that netfilter sees in both directions, and conntrack's entry
/// right after them: a flowtable drops idle flows.
fn watched(
    director: &Namespace,
    path: Path,
    subject: &Subject,
    send: Send,
) -> (u64, Option<String>) {
    director
        .feed("nft", &["-f", "-"], WATCH)
        .expect("nft takes it");
    for direction in [Original, Reply] {
        let frame = frames(path, subject, 0..1, direction, Segment::Data);
        let frames = frame.into_iter().cycle().take(PACKETS as usize);
        send(direction, &frames.collect::<Vec<_>>());
    }
    let entry = entry(director, path, subject);
    let table = director.run("nft", &["list", "table", "inet", "watch"]);
    director.run("nft", &["delete", "table", "inet", "watch"]);
    let watched = number_after(&table, "counter packets ");
    (watched.expect("the rule's counter"), entry)
}

/// The number of packets that the program forwarded alone, as far as the module has
/// counted them.
fn fast_packets(director: &Namespace) -> u64 {
    ["fast_packets_original", "fast_packets_reply"]
        .map(|counter| full_nat_counter(director, counter))
        .iter()
        .sum()
}

/// Conntrack's line for the flow, as the client and the server see it.
fn entry(director: &Namespace, path: Path, subject: &Subject) -> Option<String> {
    let client = subject.flow(0).client();
    let vip = path.destination(subject.family);
    let peer = path.peer(subject.family, client);
    let table = director.proc_net("nf_conntrack");
    let ends = [client, vip].map(SocketAddr::from);
    let mut lines = table.lines();
    let line = lines.find(|line| {
        let sources = ends_of(line, "src", "sport");
        let destinations = ends_of(line, "dst", "dport");
        sources.first() == ends.first()
            && destinations.first() == ends.last()
            && destinations.last() == Some(&peer.into())
            && line.contains(subject.protocol.name())
    });
    line.map(str::to_owned)
}

/// The ends of both directions of an entry.
fn ends_of(line: &str, address: &str, port: &str) -> Vec<SocketAddr> {
    let values = |key: &str| {
        let key = format!("{key}=");
        let values = line.split_whitespace();
        let values: Vec<_> = values.filter_map(|word| word.strip_prefix(&key)).collect();
        values
    };
    let both = values(address).into_iter().zip(values(port));
    both.filter_map(|(address, port)| {
        let address: IpAddr = address.parse().ok()?;
        Some((address, port.parse::<u16>().ok()?).into())
    })
    .collect()
}

/// The packets of each direction of an entry.
fn packets(entry: &str) -> Vec<u64> {
    let words = entry.split_whitespace();
    let counts = words.filter_map(|word| word.strip_prefix("packets="));
    counts.filter_map(|count| count.parse().ok()).collect()
}

fn number_after(text: &str, words: &str) -> Option<u64> {
    let (_, rest) = text.split_once(words)?;
    rest.split_whitespace().next()?.parse().ok()
}
