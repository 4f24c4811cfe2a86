// SPDX-License-Identifier: GPL-2.0-only
//! Packets with work that is left to a device: a checksum to finish, segments to cut. Virtual
//! machines and programs hand them to the kernel as `struct virtio_net_hdr`, and may lie
//! there. The director's interfaces have no offloads, so the kernel does that work when a
//! packet leaves, and a receiver sees the result.

use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use nix::libc;
use packet_fixtures::build::{ETHERNET, frame};
use packet_fixtures::fixture::{Session, Side};
use packet_fixtures::judge::{Flow, flow_of, flows, translation};
use packet_fixtures::layer::Layer;
use packet_fixtures::mutate::Random;
use packet_fixtures::read::{Read, SCTP, TCP, UDP, read};
use packet_fixtures::sum::{add, pseudo, sum};
use packet_fixtures::world::World;

use crate::lab::{Lab, success};
use crate::packet_fates::{Fates, counted, grown};
use crate::packet_fixtures::{Player, file, on_the_wire, text, trimmed};
use crate::packet_wire::index;

const NEEDS_CSUM: u8 = 1;
const GSO_TCPV4: u8 = 1;
const GSO_UDP: u8 = 3; // datagrams to cut into fragments
const GSO_TCPV6: u8 = 4;
const GSO_UDP_L4: u8 = 5; // from Linux 6.2 on
const GSO_ECN: u8 = 0x80;

/// The numbers of `struct virtio_net_hdr`.
#[derive(Clone, Copy, Debug, Default)]
struct Work {
    flags: u8,
    gso: u8,
    headers: usize,
    segment: usize,
    start: usize,
    offset: usize,
}

impl Work {
    fn bytes(self) -> [u8; 10] {
        let numbers = [self.headers, self.segment, self.start, self.offset];
        let numbers = numbers.map(|number| (number as u16).to_ne_bytes());
        let bytes = [&[self.flags, self.gso], &numbers.concat()[..]].concat();
        bytes.try_into().unwrap()
    }

    /// The frame when a device has finished the checksum.
    fn finish(self, frame: &[u8]) -> Vec<u8> {
        let mut frame = frame.to_vec();
        let place = self.start + self.offset;
        if self.flags & NEEDS_CSUM != 0 && place + 2 <= frame.len() {
            let right = match !sum(&[&frame[self.start..]]) {
                0 => 0xffff,
                right => right,
            };
            frame[place..place + 2].copy_from_slice(&right.to_be_bytes());
        }
        frame
    }
}

/// A packet of a session in one direction, whose checksum a device has yet to finish.
struct Sent {
    session: Session,
    side: Side,
    flow: Flow,
    /// The places of the transport header and of the data in the frame.
    transport: usize,
    data: usize,
    check: usize,
    frame: Vec<u8>,
}

fn build(lines: &[String], world: &World, macs: [[u8; 6]; 2]) -> Vec<u8> {
    let layers: Vec<_> = lines
        .iter()
        .map(|line| Layer::parse(line).unwrap())
        .collect();
    frame(&layers, world, macs).unwrap()
}

/// `checksum`: as in a fixture.
fn packet(
    player: &Player,
    (session, world): &(Session, World),
    side: Side,
    bytes: usize,
    checksum: &str,
) -> Sent {
    let Session { protocol, family } = *session;
    let ends = match side {
        Side::Client => "client > vip",
        Side::Server => "server > local",
    };
    let df = if family == 4 { " df=1" } else { "" };
    let transport = match protocol {
        UDP => vec![format!("udp {ends} checksum={checksum}")],
        TCP => vec![format!("tcp {ends} checksum={checksum}")],
        _ => vec![format!("sctp {ends}"), "chunk 0".to_owned()],
    };
    let network = vec![format!("ip{family} {ends}{df}")];
    let lines = [network, transport, vec![format!("bytes {bytes}")]].concat();
    let frame = build(&lines, world, player.wire.macs(side));
    let known = flows(world, protocol, family);
    let flow = flow_of(&frame[ETHERNET..], &known).unwrap().clone();
    let transport = ETHERNET + if family == 4 { 20 } else { 40 };
    let (header, check) = match protocol {
        UDP => (8, 6),
        TCP => (20, 16),
        _ => (12, 8),
    };
    Sent {
        session: *session,
        side,
        flow,
        transport,
        data: transport + header,
        check,
        frame,
    }
}

impl Sent {
    /// The work that an honest sender leaves to the device.
    fn partial(&self) -> Work {
        Work {
            flags: NEEDS_CSUM,
            start: self.transport,
            offset: self.check,
            ..Work::default()
        }
    }

    fn to_cut(&self, segment: usize) -> Work {
        Work {
            gso: match (self.session.protocol, self.session.family) {
                (TCP, 4) => GSO_TCPV4,
                (TCP, _) => GSO_TCPV6,
                _ => GSO_UDP_L4,
            },
            headers: self.data,
            segment,
            ..self.partial()
        }
    }

    fn to(&self) -> Side {
        match self.side {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// True if the checksums of the header and of the transport are right.
fn is_right(packet: &[u8], read: &Read) -> bool {
    let header = read.family != 4 || sum(&[&packet[..read.transport]]) == 0xffff;
    let segment = &packet[read.transport..read.end];
    let none = read.protocol == UDP && segment[6..8] == [0, 0];
    let pseudo = pseudo(read.addresses(packet), read.protocol, segment.len());
    header && (read.protocol == SCTP || none || add(pseudo, sum(&[segment])) == 0xffff)
}

/// Checks that the segments are those of the packet, translated. The data comes in order.
fn check_segments(sent: &Sent, came: &[Vec<u8>], segment: usize) -> Result<(), String> {
    let mut data: Vec<u8> = Vec::new();
    for packet in came {
        let read = read(packet).ok_or("not a packet")?;
        let here = &packet[read.transport + sent.data - sent.transport..read.end];
        if read.ends(packet).as_ref() != Some(&sent.flow.to) || !is_right(packet, &read) {
            return Err(format!("wrong: {}", text(packet)));
        }
        if here.len() > segment {
            return Err(format!("{} bytes in a segment of {segment}", here.len()));
        }
        data.extend(here);
    }
    match data == sent.frame[sent.data..] {
        true => Ok(()),
        false => Err(format!("{} segments with {} bytes", came.len(), data.len())),
    }
}

fn sessions(player: &mut Player) -> Vec<(Session, World)> {
    let mut sessions = Vec::new();
    for protocol in [UDP, TCP, SCTP] {
        for family in [4, 6] {
            let mut world = player.world(protocol);
            let session = Session { protocol, family };
            player.establish(session, &mut world).unwrap();
            sessions.push((session, world));
        }
    }
    sessions
}

/// Runs it with the director's offloads switched off, without and with the fast path.
fn on_both_paths(test: impl Fn(&mut Player, bool) -> Vec<String> + Send + Sync) {
    let lab = Lab::new();
    for interface in ["eth0", "eth1"] {
        lab.exec("director", &["ethtool", "-K", interface, "tx", "off"]);
    }
    let mut wrong = Vec::new();
    for fast_path in [false, true] {
        success(&lab.ipvs_bpf(&["down"]));
        lab.apply(&file(fast_path));
        let fast = || lab.counter("fast_packets_original") + lab.counter("fast_packets_reply");
        let mistakes = on_the_wire(&lab, |player| {
            player.next_port += 20_000 * u16::from(fast_path);
            test(player, fast_path)
        });
        let way = if fast_path { "with" } else { "without" };
        let say = |why| format!("{way} the fast path: {why}");
        wrong.extend(mistakes.into_iter().map(say));
        if fast_path {
            crate::lab::eventually("the program translated some", || fast() > 0);
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn a_checksum_or_segments_that_are_left_to_a_device_arrive_right() {
    on_both_paths(|player, _| {
        let mut wrong = Vec::new();
        let sessions = sessions(player);
        for session in sessions
            .iter()
            .filter(|(session, _)| session.protocol != SCTP)
        {
            for side in [Side::Client, Side::Server] {
                for bytes in [0, 5, 1000] {
                    let sent = packet(player, session, side, bytes, "partial");
                    let work = sent.partial();
                    assert!(player.wire.send_offloaded(side, work.bytes(), &sent.frame));
                    let came = player.wire.settle(&[side]);
                    let whole = work.finish(&sent.frame);
                    let result = match &came[index(sent.to())][..] {
                        [packet] => translation(&whole[ETHERNET..], packet, &sent.flow),
                        other => Err(format!("{} packets came", other.len())),
                    };
                    if let Err(why) = result {
                        wrong.push(format!("{:?} {side:?}, {bytes} bytes: {why}", session.0));
                    }
                }
                for segment in [100, 1000, 1400] {
                    let sent = packet(player, session, side, 5 * segment + 33, "partial");
                    let work = sent.to_cut(segment);
                    if !player.wire.send_offloaded(side, work.bytes(), &sent.frame) {
                        assert_eq!(work.gso, GSO_UDP_L4);
                        continue;
                    }
                    let came = player.wire.settle(&[side]);
                    let came = &came[index(sent.to())];
                    if let Err(why) = check_segments(&sent, came, segment) {
                        wrong.push(format!("{:?} {side:?} by {segment}: {why}", session.0));
                    }
                }
            }
        }
        wrong
    });
}

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

fn environment(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |value| value.parse().unwrap())
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

fn send_segments(socket: &UdpSocket, segment: i32, data: &[u8]) {
    // SAFETY: the value has that length.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_UDP,
            libc::UDP_SEGMENT,
            (&raw const segment).cast(),
            size_of_val(&segment) as u32,
        )
    };
    assert_eq!(result, 0);
    socket.send(data).unwrap();
}

/// By sockets: packet sockets take such packets only from Linux 6.2 on.
#[test]
fn datagrams_that_a_device_is_to_cut_arrive_right() {
    let lab = Lab::new();
    for interface in ["eth0", "eth1"] {
        lab.exec("director", &["ethtool", "-K", interface, "tx", "off"]);
    }
    let sizes = [300, 300, 300, 300, 33];
    let datagrams: Vec<Vec<u8>> = (1..).zip(sizes).map(|(n, size)| vec![n; size]).collect();
    let receive = |socket: &UdpSocket| {
        let mut buffer = [0; 2000];
        for datagram in &datagrams {
            let length = socket.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], datagram);
        }
    };
    for fast_path in [false, true] {
        success(&lab.ipvs_bpf(&["down"]));
        lab.apply(&file(fast_path));
        for (vip, server) in [
            ("10.0.0.1:1000", "10.2.0.2:2000"),
            ("[fd00::1]:1000", "[fd00:2::2]:2000"),
        ] {
            let patience = Some(std::time::Duration::from_secs(120));
            let server = lab.inside("server1", || UdpSocket::bind(server).unwrap());
            let client = lab.inside("client", || {
                let any = if vip.starts_with('[') {
                    "[::]:0"
                } else {
                    "0.0.0.0:0"
                };
                let client = UdpSocket::bind(any).unwrap();
                client.connect(vip).unwrap();
                client
            });
            for socket in [&client, &server] {
                socket.set_read_timeout(patience).unwrap();
            }
            client.send(b"hello").unwrap();
            let (_, from) = server.recv_from(&mut [0; 9]).unwrap();
            server.connect(from).unwrap();
            for _ in 0..5 {
                send_segments(&client, 300, &datagrams.concat());
                receive(&server);
                send_segments(&server, 300, &datagrams.concat());
                receive(&client);
            }
        }
        let fast = || ["original", "reply"].map(|way| lab.counter(&format!("fast_packets_{way}")));
        match fast_path {
            true => crate::lab::eventually("the program sent both directions", || {
                fast().into_iter().all(|packets| packets > 0)
            }),
            false => assert_eq!(fast(), [0, 0]),
        }
    }
}
