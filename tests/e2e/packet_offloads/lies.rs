// SPDX-License-Identifier: GPL-2.0-only
//! Packets whose sender lies about the work that is left to a device.

use packet_fixtures::build::ETHERNET;
use packet_fixtures::fixture::Side;
use packet_fixtures::mutate::Random;
use packet_fixtures::read::read;

use super::{
    GSO_ECN, GSO_TCPV4, GSO_TCPV6, GSO_UDP, GSO_UDP_L4, NEEDS_CSUM, Sent, Work, is_right,
    on_both_paths, packet, sessions,
};
use crate::lab::environment;
use crate::packet_fates::{Fates, counted, grown};
use crate::packet_fixtures::{Player, text, trimmed};
use crate::packet_wire::index;

/// The work of a device, and mostly not what the packet needs.
fn lie(random: &mut Random, sent: &Sent) -> Work {
    let length = sent.frame.len();
    let pick = |random: &mut Random, values: &[usize]| values[random.below(values.len())];
    let anywhere = random.below(length);
    let gso = [
        0, 0, 0, GSO_TCPV4, GSO_TCPV4, GSO_UDP, GSO_TCPV6, GSO_TCPV6, GSO_UDP_L4, 2, 255,
    ];
    let mut work = match random.below(3) {
        0 => sent.partial(),
        1 => sent.to_cut(pick(random, &[1, 8, 100, 536, 1000, 1400])),
        _ => Work {
            flags: random.below(4) as u8,
            gso: gso[random.below(gso.len())],
            headers: pick(random, &[0, 14, sent.transport, sent.data, length]),
            segment: pick(random, &[0, 1, 8, 100, 536, 1000, 1400, 1461, 65535]),
            start: pick(random, &[sent.transport, sent.data, anywhere]),
            offset: pick(random, &[sent.check, 0, 6, 16]),
        },
    };
    match random.below(8) {
        0 => work.flags = random.below(4) as u8,
        1 => work.gso = gso[random.below(gso.len())],
        2 => work.headers = pick(random, &[0, 1, 13, 14, 34, 54, anywhere, length, 65535]),
        3 => work.segment = pick(random, &[0, 1, 2, 7, 1460, 1461, 1472, 1473, 32768, 65535]),
        4 => work.start = pick(random, &[0, 1, 12, 14, 15, 33, anywhere, length - 2, 65535]),
        5 => work.start = (sent.transport + random.below(24)).min(length),
        6 => work.offset = pick(random, &[0, 1, 2, 4, 10, anywhere, length, 65534]),
        _ => work.gso |= GSO_ECN,
    }
    work
}

/// Judges what left the director, after a packet with that work came in.
fn judge(
    sent: &Sent,
    work: Work,
    checksum: &str,
    fast_path: bool,
    came: &[Vec<Vec<u8>>; 2],
) -> Result<(), String> {
    let ends = &sent.flow.to;
    // The checksum of the transport as an honest sender means it: left to the device, or
    // whole, and then the device changes at most data.
    let partial = work.flags & NEEDS_CSUM != 0;
    let of_data = work.start >= sent.data;
    let honest = match partial {
        true if work.start == sent.transport => work.offset == sent.check && checksum == "partial",
        true => of_data && work.gso == 0,
        false => work.gso == 0,
    };
    let whole = work.finish(&sent.frame);
    let before = read(&whole[ETHERNET..]).ok_or("not a packet")?;
    // A program cannot see where the checksum will be written (docs/dev/packet-fixtures.md,
    // Decisions).
    let overwritten = fast_path && partial && !of_data && !honest;
    let right = honest && (work.gso != 0 || is_right(&whole[ETHERNET..], &before));
    for (side, packets) in [Side::Client, Side::Server].into_iter().zip(came) {
        for packet in packets.iter().cloned().map(trimmed) {
            let read = read(&packet).ok_or_else(|| format!("left: {}", text(&packet)))?;
            // The director's own, to the sender.
            if read.quote(&packet).is_some() && side == sent.side {
                continue;
            }
            let is_piece = read.fragment && *read.addresses(&packet) == ends.addresses[..];
            let is_whole = !read.fragment && read.ends(&packet).as_ref() == Some(ends);
            if side != sent.to() || !(is_piece || is_whole || overwritten) {
                return Err(format!("by half: {}", text(&packet)));
            }
            if right && is_whole && !is_right(&packet, &read) {
                return Err(format!("its checksum is wrong: {}", text(&packet)));
            }
        }
    }
    Ok(())
}

/// The packets that the kernel could not send, for one: because it could not cut them.
fn dropped_at_devices() -> i64 {
    let text = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let drops = |(_, values): (&str, &str)| {
        let values: Vec<i64> = values
            .split_whitespace()
            .map(|value| value.parse().unwrap())
            .collect();
        values[3] + values[11]
    };
    lines.map(drops).sum()
}

/// The counters that say what became of packets, as they were after the last packet that did
/// not arrive.
struct Seen {
    fates: Fates,
    at_devices: i64,
    markers: u32,
}

impl Seen {
    fn now(player: &Player) -> Self {
        Self {
            fates: counted(&player.wire),
            at_devices: dropped_at_devices(),
            markers: player.wire.markers(),
        }
    }

    /// Checks that a counter has grown since then.
    fn explain(&mut self, player: &Player) -> Result<(), String> {
        let now = Self::now(player);
        let (sum, fates) = grown(&self.fates, &now.fates, now.markers - self.markers);
        let at_devices = now.at_devices - self.at_devices;
        *self = now;
        match sum + at_devices {
            1.. => Ok(()),
            _ => Err(format!("it vanished, and counted {fates:?}")),
        }
    }
}

/// MUTATIONS_VM and SEED say how many packets, and which.
#[test]
fn no_lie_about_the_work_of_a_device_translates_by_half_or_breaks_a_checksum() {
    let (seed, times) = (environment("SEED", 1), environment("MUTATIONS_VM", 2000));
    on_both_paths(|player, fast_path| {
        let mut wrong = Vec::new();
        let mut open = Vec::new();
        let mut seen = Seen::now(player);
        let [mut accepted, mut translated] = [0, 0];
        for number in 0..times / 2 {
            if number % 250 == 0 {
                open = sessions(player);
                seen = Seen::now(player);
            }
            let mut random = Random::new(seed, number);
            let session = &open[random.below(open.len())];
            let side = [Side::Client, Side::Server][random.below(2)];
            let bytes = [0, 1, 5, 24, 700, 1300, 2700, 8000][random.below(8)];
            let checksum = ["partial", "partial", "right", "zero"][random.below(4)];
            let sent = packet(player, session, side, bytes, checksum);
            let work = lie(&mut random, &sent);
            if !player.wire.send_offloaded(side, work.bytes(), &sent.frame) {
                continue;
            }
            accepted += 1;
            let came = player.wire.settle(&[side]);
            let arrived = !came[index(sent.to())].is_empty();
            translated += u64::from(arrived);
            let explained = match arrived {
                true => Ok(()),
                false => seen.explain(player),
            };
            // The sending host itself drops what its device and it cannot cut.
            let result = if work.gso == 0 { explained } else { Ok(()) };
            let result = result.and_then(|()| judge(&sent, work, checksum, fast_path, &came));
            if let Err(why) = result {
                wrong.push(format!(
                    "SEED={seed}, number {number}: {:?} {side:?}, {bytes} bytes, checksum {checksum}, \
                     {work:?}: {why}",
                    session.0
                ));
            }
        }
        println!(
            "the kernel took {accepted} of {}, {translated} were translated",
            times / 2
        );
        assert!(translated > accepted / 10);
        sessions(player);
        wrong
    });
}
