// SPDX-License-Identifier: GPL-2.0-only
//! Sockets of the lab's hosts, and single exchanges on them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::libc;
use socket2::{Domain, Protocol, Socket, Type};

use super::traffic::VIPS;
use crate::lab::Lab;

/// How long an answer may take: a director fails, and TCP repeats its segment.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a datagram is waited for, and how often it is repeated.
pub const REPEAT: Duration = Duration::from_secs(2);
pub const REPEATS: u32 = 60;

/// Bytes that nobody else sends.
pub struct Pattern(pub u64);

impl Pattern {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// At least as many as are needed for a number, at most `most`.
    pub fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = 8 + (self.next() as usize) % (most - 7);
        let words = std::iter::repeat_with(|| self.next().to_ne_bytes());
        words.flatten().take(length).collect()
    }
}

/// Sends bytes and reads them back, unless the connection is lost meanwhile.
pub fn exchange(
    mut socket: &Socket,
    sent: &[u8],
    is_lost: impl Fn() -> bool,
) -> Result<(), String> {
    let failed = |error: io::Error| format!("{} bytes: {error}", sent.len());
    let begin = Instant::now();
    let mut came = vec![0; sent.len()];
    let mut length = 0;
    socket.write_all(sent).map_err(failed)?;
    while length < sent.len() {
        match socket.read(&mut came[length..]) {
            Ok(0) => return Err(failed(ErrorKind::UnexpectedEof.into())),
            Ok(more) => length += more,
            Err(error) if is_timeout(&error) && begin.elapsed() < PATIENCE && !is_lost() => (),
            Err(error) => return Err(failed(error)),
        }
    }
    match came == sent {
        true => Ok(()),
        false => Err(format!("{} bytes came back as others", sent.len())),
    }
}

/// Repeats a datagram until the socket gets the error about it.
pub fn icmp_error(mut socket: &Socket, sent: &[u8], wanted: i32) -> Result<(), String> {
    socket.set_read_timeout(Some(REPEAT)).unwrap();
    let came = (0..REPEATS).any(|_| {
        let result = socket.send(sent).and_then(|_| socket.read(&mut [0; 100]));
        matches!(result, Err(error) if error.raw_os_error() == Some(wanted))
    });
    match came {
        true => Ok(()),
        false => Err(format!(
            "no ICMP error about {REPEATS} datagrams of {} bytes came",
            sent.len()
        )),
    }
}

/// Has the host send datagrams in one piece, whatever it knows about the path.
pub fn never_fragments(socket: &Socket, family: usize) -> io::Result<()> {
    let (level, option, value) = match family {
        0 => (
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            libc::IP_PMTUDISC_PROBE,
        ),
        _ => (
            libc::IPPROTO_IPV6,
            libc::IPV6_MTU_DISCOVER,
            libc::IPV6_PMTUDISC_PROBE,
        ),
    };
    // SAFETY: the value is an integer of the size that is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

pub fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// A socket of that host.
pub fn open(lab: &Lab, host: &str, kind: &str, family: IpAddr) -> Socket {
    let (socket_type, protocol) = match kind {
        "tcp" => (Type::STREAM, Protocol::TCP),
        "sctp" => (Type::STREAM, Protocol::from(libc::IPPROTO_SCTP)),
        _ => (Type::DGRAM, Protocol::UDP),
    };
    let domain = Domain::for_address((family, 0).into());
    lab.inside(host, || {
        let socket = Socket::new(domain, socket_type, Some(protocol)).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket
    })
}

pub fn connected(lab: &Lab, kind: &str, family: usize, port: u16) -> io::Result<Socket> {
    let vip: IpAddr = VIPS[family].parse().unwrap();
    let socket = open(lab, "client", kind, vip);
    socket.connect_timeout(&SocketAddr::from((vip, port)).into(), PATIENCE)?;
    socket.set_read_timeout(Some(REPEAT))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}
