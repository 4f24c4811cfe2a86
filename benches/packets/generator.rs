// SPDX-License-Identifier: GPL-2.0-only
//! Sends frames from an interface, as they are: a packet socket that passes the
//! queueing discipline by, many frames a system call.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Frames a call.
const BATCH: usize = 64;

pub struct Generator {
    socket: OwnedFd,
}

impl Generator {
    /// At an interface of the caller's network namespace.
    pub fn at(interface: &str) -> io::Result<Self> {
        let index = nix::net::if_::if_nametoindex(interface)?;
        // Protocol 0: it receives nothing.
        let fd = check(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0) })?;
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        for (option, value) in [(libc::PACKET_QDISC_BYPASS, 1), (libc::SO_SNDBUF, 1 << 20)] {
            let level = match option {
                libc::SO_SNDBUF => libc::SOL_SOCKET,
                _ => libc::SOL_PACKET,
            };
            check(unsafe {
                libc::setsockopt(
                    fd,
                    level,
                    option,
                    (&raw const value).cast(),
                    size_of::<libc::c_int>() as u32,
                )
            })?;
        }
        let mut address: libc::sockaddr_ll = unsafe { zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_ifindex = index as i32;
        check(unsafe {
            libc::bind(
                fd,
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>() as u32,
            )
        })?;
        Ok(Generator { socket })
    }

    /// Sends these frames in turn, again from the first, until `count` are sent.
    pub fn send(&self, frames: &[Vec<u8>], count: usize) -> io::Result<()> {
        let mut next = frames.iter().cycle();
        let mut left = count;
        while left > 0 {
            let size = left.min(BATCH);
            let mut parts: Vec<libc::iovec> = next
                .by_ref()
                .take(size)
                .map(|frame| libc::iovec {
                    iov_base: frame.as_ptr().cast_mut().cast(),
                    iov_len: frame.len(),
                })
                .collect();
            let mut messages: Vec<libc::mmsghdr> = parts
                .iter_mut()
                .map(|part| {
                    let mut message: libc::mmsghdr = unsafe { zeroed() };
                    message.msg_hdr.msg_iov = part;
                    message.msg_hdr.msg_iovlen = 1;
                    message
                })
                .collect();
            let mut sent = 0;
            while sent < size {
                let rest = &mut messages[sent..];
                sent += check(unsafe {
                    libc::sendmmsg(
                        self.socket.as_raw_fd(),
                        rest.as_mut_ptr(),
                        rest.len() as u32,
                        0,
                    )
                })? as usize;
            }
            left -= size;
        }
        Ok(())
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}
