// SPDX-License-Identifier: GPL-2.0-only
//! Asks a driver for its offloads (`net/ethtool/ioctl.c`).

use std::mem::zeroed;
use std::os::fd::AsRawFd;

use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

const ETHTOOL_GFLAGS: u32 = 0x25;
const ETH_FLAG_RXVLAN: u32 = 1 << 8;
const ETH_FLAG_LRO: u32 = 1 << 15;

/// `struct ethtool_value` (linux/ethtool.h).
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// True if the device takes VLAN tags out of the frames that it receives (`rxvlan`).
pub fn strips_tags(interface: &str) -> bool {
    flags(interface) & ETH_FLAG_RXVLAN != 0
}

/// True if the device merges the segments that it receives (`large-receive-offload`).
pub fn merges_segments(interface: &str) -> bool {
    flags(interface) & ETH_FLAG_LRO != 0
}

/// None if there is no such interface, or its driver does not say.
fn flags(interface: &str) -> u32 {
    let Ok(socket) = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    ) else {
        return 0;
    };
    let mut value = Value {
        command: ETHTOOL_GFLAGS,
        data: 0,
    };
    // SAFETY: all zeros is a valid value.
    let mut request: libc::ifreq = unsafe { zeroed() };
    // The last byte stays zero.
    let room = request.ifr_name.len() - 1;
    if interface.len() > room {
        return 0;
    }
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: the request and the value that it points to outlive the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) };
    if result == 0 { value.data } else { 0 }
}
