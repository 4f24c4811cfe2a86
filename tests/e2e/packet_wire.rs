// SPDX-License-Identifier: GPL-2.0-only
//! The wires of the director, with hosts without addresses at their ends, so that only the
//! director answers. Frames are sent unchanged, and the frames that leave the director are
//! read.
//!
//! A packet is done when the markers that were sent after it have come out at both sides.
//! One thread on one processor sends everything, and the kernel handles in order what a
//! processor has received.

use std::fs::{self, File};
use std::io;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::libc;
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, CpuSet, sched_setaffinity, setns};
use nix::unistd::Pid;
use packet_fixtures::build::{ETHERNET, frame};
use packet_fixtures::fixture::Side;
use packet_fixtures::layer::Layer;
use packet_fixtures::world::World;

use crate::lab::{Lab, run};

const IGNORE_OUTGOING: libc::c_int = 23; // PACKET_IGNORE_OUTGOING
const BROKEN: &str = "the director forwards no marker any more";

pub struct Wire {
    sockets: [OwnedFd; 2],
    /// Send frames with `struct virtio_net_hdr` before them, and receive none.
    devices: [OwnedFd; 2],
    /// The addresses of the director's interfaces, and of their peers.
    directors: [[u8; 6]; 2],
    hosts: [[u8; 6]; 2],
    stats: String,
    next: u32,
    buffer: Vec<u8>,
}

fn mac(lab: &Lab, host: &str, interface: &str) -> [u8; 6] {
    let text = lab.exec(
        host,
        &["cat", &format!("/sys/class/net/{interface}/address")],
    );
    let parts: Vec<_> = text
        .trim()
        .split(':')
        .map(|part| u8::from_str_radix(part, 16).unwrap())
        .collect();
    parts.try_into().unwrap()
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// A socket for whole frames of `eth0` in the caller's network namespace.
fn socket(as_device: bool) -> OwnedFd {
    let protocol = match as_device {
        true => 0,
        false => (libc::ETH_P_ALL as u16).to_be(),
    };
    // SAFETY: the call takes no pointer, and nothing else owns the descriptor.
    let socket = unsafe {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let fd = libc::socket(libc::AF_PACKET, kind, i32::from(protocol));
        assert!(fd >= 0, "packet socket: {}", io::Error::last_os_error());
        OwnedFd::from_raw_fd(fd)
    };
    let options = [
        (libc::SOL_PACKET, IGNORE_OUTGOING, 1),
        (
            libc::SOL_PACKET,
            libc::PACKET_VNET_HDR,
            i32::from(as_device),
        ),
        (libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 64 << 20),
        (libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, 64 << 20),
    ];
    for (level, option, value) in options {
        // SAFETY: the value has that length.
        let result = unsafe {
            let length = size_of_val(&value) as u32;
            libc::setsockopt(
                socket.as_raw_fd(),
                level,
                option,
                (&raw const value).cast(),
                length,
            )
        };
        assert_eq!(result, 0, "option {option}: {}", io::Error::last_os_error());
    }
    // SAFETY: all zeros is a valid value, and the address has that length.
    let result = unsafe {
        let mut address: libc::sockaddr_ll = zeroed();
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = protocol;
        address.sll_ifindex = if_nametoindex("eth0").unwrap() as i32;
        let length = size_of_val(&address) as u32;
        libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length)
    };
    assert_eq!(result, 0, "bind: {}", io::Error::last_os_error());
    socket
}

impl Wire {
    /// Takes the addresses away from the client and from server1. The calling thread stays
    /// in the director's network namespace, on one processor.
    pub fn new(lab: &Lab) -> Self {
        let directors = ["eth0", "eth1"].map(|interface| mac(lab, "director", interface));
        let hosts = ["client", "server1"].map(|host| mac(lab, host, "eth0"));
        let mut script = String::from("set -e\n");
        for host in ["client", "server1"] {
            let host = lab.namespace(host);
            script +=
                &format!("ip -n {host} addr flush dev eth0\nip -n {host} -6 addr flush dev eth0\n");
        }
        let director = lab.namespace("director");
        let neighbours = [
            (
                "eth0",
                0,
                "10.1.0.2 10.1.0.3 10.1.0.9 fd00:1::2 fd00:1::3 fd00:1::9 fe80::7777",
            ),
            (
                "eth1",
                1,
                "10.2.0.2 10.2.0.3 10.2.0.9 fd00:2::2 fd00:2::3 fd00:2::9",
            ),
        ];
        for (interface, side, addresses) in neighbours {
            for address in addresses.split(' ') {
                script += &format!(
                    "ip -n {director} neigh replace {address} lladdr {} nud permanent dev {interface}\n",
                    text(hosts[side])
                );
            }
        }
        run(std::process::Command::new("sh").args(["-c", &script]));
        // The director reports everything that it would report once in a second.
        let limits = [
            "net.ipv4.icmp_ratelimit=0",
            "net.ipv6.icmp.ratelimit=0",
            "net.ipv4.icmp_ratemask=0",
            "net.ipv4.tcp_invalid_ratelimit=0",
        ];
        lab.exec("director", &[&["sysctl", "-qw"], &limits[..]].concat());
        // Another test may have loaded SCTP, and then the director's own answers to what it
        // does not know.
        let silent = "add table inet own; \
                      add chain inet own output { type filter hook output priority 0; }; \
                      add rule inet own output meta l4proto sctp drop";
        lab.exec("director", &["nft", silent]);
        let enter = |host: &str| {
            let namespace = File::open(format!("/run/netns/{}", lab.namespace(host))).unwrap();
            setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
        };
        let mut here = CpuSet::new();
        here.set(0).unwrap();
        sched_setaffinity(Pid::from_raw(0), &here).unwrap();
        let open = |as_device| {
            ["client", "server1"].map(|host| {
                enter(host);
                socket(as_device)
            })
        };
        let (sockets, devices) = (open(false), open(true));
        enter("director");
        Self {
            sockets,
            devices,
            directors,
            hosts,
            stats: "/proc/thread-self/net/ip_vs_bpf/stats".to_owned(),
            next: 0,
            buffer: vec![0; 0x10000 + ETHERNET],
        }
    }

    /// The MAC addresses of a frame to the director.
    pub fn macs(&self, side: Side) -> [[u8; 6]; 2] {
        let side = index(side);
        [self.directors[side], self.hosts[side]]
    }

    /// True if it was sent: the sending host itself refuses what is too short or too long.
    pub fn send(&self, side: Side, frame: &[u8]) -> bool {
        self.write(&self.sockets[index(side)], frame)
    }

    /// The same with the work that a device has yet to do, as `struct virtio_net_hdr`. The
    /// kernel also refuses some of these.
    pub fn send_offloaded(&self, side: Side, work: [u8; 10], frame: &[u8]) -> bool {
        self.write(&self.devices[index(side)], &[&work, frame].concat())
    }

    fn write(&self, socket: &OwnedFd, frame: &[u8]) -> bool {
        match nix::unistd::write(socket, frame) {
            Ok(_) => true,
            Err(nix::Error::EINVAL | nix::Error::EMSGSIZE) => false,
            // Headers of nearly 64 KiB.
            Err(nix::Error::ENOMEM | nix::Error::ENOBUFS) => false,
            Err(error) => panic!("{} bytes: {error}", frame.len()),
        }
    }

    /// The packets that have come out so far, without waiting. Nearly always that is
    /// everything: the kernel handles a frame before the call that sends it returns.
    pub fn came(&mut self) -> Vec<Vec<u8>> {
        let both = [0, 1].map(|side| self.frames(side));
        let frames = both.into_iter().flatten().filter(|frame| !is_noise(frame));
        frames.map(|frame| frame[ETHERNET..].to_vec()).collect()
    }

    /// The number of markers that were sent.
    pub fn markers(&self) -> u32 {
        self.next
    }

    /// Waits until everything that was sent from these sides is done. The packets that came
    /// out at the client's and at the server's side, without their link-layer header.
    pub fn settle(&mut self, from: &[Side]) -> [Vec<Vec<u8>>; 2] {
        let mut awaited = [Vec::new(), Vec::new()];
        for side in from {
            for to in [Side::Client, Side::Server] {
                self.next += 1;
                let number = self.next;
                let frame = self.marker(*side, to, number);
                self.send(*side, &frame);
                awaited[index(to)].push(mark(number));
            }
        }
        let begin = Instant::now();
        let mut came = [Vec::new(), Vec::new()];
        for side in [0, 1] {
            while !awaited[side].is_empty() {
                assert!(begin.elapsed() < Duration::from_secs(300), "{BROKEN}");
                for frame in self.frames(side) {
                    match awaited[side].iter().position(|mark| frame.ends_with(mark)) {
                        Some(place) => drop(awaited[side].swap_remove(place)),
                        None if is_noise(&frame) => (),
                        None => came[side].push(frame[ETHERNET..].to_vec()),
                    }
                }
            }
        }
        came
    }

    /// A datagram that the director routes to another host, or back as the answer to a ping.
    fn marker(&self, from: Side, to: Side, number: u32) -> Vec<u8> {
        let lines = match (from, to) {
            (Side::Client, Side::Server) => ["ip4 10.1.0.9 > 10.2.0.9", "udp 9 > 9"],
            (Side::Server, Side::Client) => ["ip4 10.2.0.9 > 10.1.0.9", "udp 9 > 9"],
            (Side::Client, Side::Client) => ["ip4 10.1.0.9 > 10.1.0.1", "icmp4 8 0"],
            (Side::Server, Side::Server) => ["ip4 10.2.0.9 > 10.2.0.1", "icmp4 8 0"],
        };
        let mut layers: Vec<_> = lines
            .iter()
            .map(|line| Layer::parse(line).unwrap())
            .collect();
        let data: String = mark(number)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        layers.push(Layer::parse(&format!("hex {data}")).unwrap());
        frame(&layers, &World::lab(Default::default()), self.macs(from)).unwrap()
    }

    fn frames(&mut self, side: usize) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        loop {
            match nix::unistd::read(&self.sockets[side], &mut self.buffer) {
                Ok(length) => frames.push(self.buffer[..length].to_vec()),
                Err(nix::Error::EAGAIN) => return frames,
                Err(error) => panic!("packet socket: {error}"),
            }
        }
    }

    /// The module's counters.
    pub fn counters(&self) -> Vec<(String, u64)> {
        let stats = fs::read_to_string(&self.stats).unwrap();
        let line = |line: &str| {
            let (name, value) = line.split_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        };
        stats.lines().map(line).collect()
    }
}

pub fn index(side: Side) -> usize {
    usize::from(side == Side::Server)
}

/// The end of a marker's frame, which is longer than the shortest one.
fn mark(number: u32) -> Vec<u8> {
    [b"marker of the packet fixtures ", &number.to_be_bytes()[..]].concat()
}

/// True for messages that hosts and bridges send by themselves: ARP, neighbour and multicast messages, and
/// fragments that nobody completed.
fn is_noise(frame: &[u8]) -> bool {
    let Some(kind) = frame.get(12..14) else {
        return true;
    };
    let packet = &frame[ETHERNET..];
    let timed_out = match kind {
        // The kind of service is that of the fragment (icmp.c: icmp_send()).
        [0x08, 0x00] => {
            let header = packet
                .first()
                .map_or(0, |first| usize::from(first & 15) * 4);
            let own = packet.get(1).is_some_and(|tos| tos & 0xe0 == 0xc0);
            own && packet.get(9) == Some(&1) && packet.get(header..header + 2) == Some(&[11, 1])
        }
        [0x86, 0xdd] => {
            let discovery = packet.get(40).is_some_and(|kind| (130..138).contains(kind));
            // The first or the second header of the packet inside.
            let about_a_fragment = packet.get(54) == Some(&44)
                || packet.get(54) != Some(&58) && packet.get(88) == Some(&44);
            let timed_out = about_a_fragment && packet.get(40..42) == Some(&[3, 1]);
            packet.get(6) == Some(&58) && (discovery || timed_out)
        }
        _ => true,
    };
    timed_out || frame[0] & 1 == 1 && frame[..6] != [0xff; 6]
}
