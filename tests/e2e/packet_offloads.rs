// SPDX-License-Identifier: GPL-2.0-only
//! Packets with work that is left to a device: a checksum to finish, segments to cut. Virtual
//! machines and programs hand them to the kernel as `struct virtio_net_hdr`, and may lie
//! there. The director's interfaces have no offloads, so the kernel does that work when a
//! packet leaves, and a receiver sees the result.

mod lies;

use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use nix::libc;
use packet_fixtures::build::{ETHERNET, frame};
use packet_fixtures::fixture::{Session, Side};
use packet_fixtures::judge::{Flow, flow_of, flows, translation};
use packet_fixtures::layer::Layer;
use packet_fixtures::read::{Read, SCTP, TCP, UDP, read};
use packet_fixtures::sum::{add, pseudo, sum};
use packet_fixtures::world::World;

use crate::fast_path::is_unused;
use crate::lab::{Lab, success};
use crate::packet_fixtures::{Player, file, on_the_wire, text};
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
            false => is_unused(&lab),
        }
    }
}
