// SPDX-License-Identifier: GPL-2.0-only
//! Frames as an interface receives them, packet(7), with the work that the kernel has
//! left to a device: checksums to fill in, segments to cut.

use std::io;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::libc;
use nix::net::if_::if_nametoindex;

use crate::option::set_option;
use crate::packet::{pseudo, set, sum};

const VNET_HEADER: usize = 10;
const NEEDS_CSUM: u8 = 1;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;

/// The time that a test waits for an expected event.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub struct Capture(OwnedFd);

pub struct Captured {
    /// The frame, with the checksum filled in as a device does.
    pub frame: Vec<u8>,
    /// The kernel had left the checksum to the device.
    pub partial: bool,
    /// The kernel had left the segmentation to the device.
    pub gso: bool,
}

impl Capture {
    /// Captures frames of that Ethernet type at an interface of the caller's namespace.
    pub fn new(interface: &str, ether_type: i32) -> Self {
        let protocol = (ether_type as u16).to_be();
        // SAFETY: the call takes no pointer, and nothing else owns the descriptor.
        let socket = unsafe {
            let fd = libc::socket(
                libc::AF_PACKET,
                libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
                i32::from(protocol),
            );
            assert!(fd >= 0, "packet socket: {}", io::Error::last_os_error());
            OwnedFd::from_raw_fd(fd)
        };
        let capture = Self(socket);
        set_option(&capture.0, libc::SOL_PACKET, libc::PACKET_VNET_HDR, 1);
        set_option(&capture.0, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 64 << 20);
        // SAFETY: all zeros is a valid value.
        let mut address: libc::sockaddr_ll = unsafe { zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = protocol;
        address.sll_ifindex = if_nametoindex(interface).unwrap() as i32;
        // SAFETY: the address has that length.
        let result = unsafe {
            libc::bind(
                capture.0.as_raw_fd(),
                (&raw const address).cast(),
                size_of_val(&address) as u32,
            )
        };
        assert_eq!(result, 0, "bind: {}", io::Error::last_os_error());
        capture
    }

    /// Sends the frame unchanged from the interface.
    pub fn send(&self, frame: &[u8]) {
        self.send_with(&[0; VNET_HEADER], frame);
    }

    /// Sends a TCP packet. The device must cut it into segments and complete the
    /// checksum. `headers`: the lengths of the Ethernet and IP headers, and of all
    /// headers.
    pub fn send_gso(&self, frame: &[u8], headers: [usize; 2], segment: usize) {
        let [transport, all] = headers;
        let mut frame = frame.to_vec();
        let check = pseudo(&frame, transport);
        set(&mut frame, |_| transport + 16, check);
        let gso = match frame[14] >> 4 {
            4 => GSO_TCPV4,
            _ => GSO_TCPV6,
        };
        let mut header = vec![NEEDS_CSUM, gso];
        for number in [all, segment, transport, 16] {
            header.extend((number as u16).to_ne_bytes());
        }
        self.send_with(&header, &frame);
    }

    /// Sends a frame with only the Ethernet header in the linear part of the kernel's
    /// packet. The kernel copies frames that are smaller than a page.
    pub fn send_paged(&self, frame: &[u8]) {
        assert!(frame.len() > 4096);
        let mut header = [0; VNET_HEADER];
        header[2..4].copy_from_slice(&14u16.to_ne_bytes());
        self.send_with(&header, frame);
    }

    fn send_with(&self, header: &[u8], frame: &[u8]) {
        nix::unistd::write(&self.0, &[header, frame].concat()).unwrap();
    }

    /// The frames received so far.
    pub fn frames(&self) -> Vec<Captured> {
        let mut frames = Vec::new();
        let mut buffer = vec![0; VNET_HEADER + 14 + 0x10000];
        loop {
            match nix::unistd::read(&self.0, &mut buffer) {
                Ok(length) => frames.push(Captured::new(&buffer[..length])),
                Err(nix::Error::EAGAIN) => return frames,
                Err(error) => panic!("packet socket: {error}"),
            }
        }
    }
}

impl Captured {
    /// Parses `struct virtio_net_hdr`, in host byte order, and the frame.
    fn new(bytes: &[u8]) -> Self {
        let (header, frame) = bytes.split_at(VNET_HEADER);
        let number = |at: usize| usize::from(u16::from_ne_bytes([header[at], header[at + 1]]));
        let mut frame = frame.to_vec();
        let partial = header[0] & NEEDS_CSUM != 0;
        if partial {
            let (start, offset) = (number(6), number(8));
            let check = !sum(&[&frame[start..]]);
            set(&mut frame, |_| start + offset, check);
        }
        Self {
            frame,
            partial,
            gso: [GSO_TCPV4, GSO_TCPV6].contains(&header[1]),
        }
    }
}
