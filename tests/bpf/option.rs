// SPDX-License-Identifier: GPL-2.0-only
//! Sets socket options, setsockopt(2), that std does not have.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::libc;

/// The value must be a number or a structure of numbers.
#[track_caller]
pub fn set_option<T: Copy>(socket: &impl AsFd, level: i32, name: i32, value: T) {
    // SAFETY: the value has that length.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of_val(&value) as u32,
        )
    };
    assert_eq!(result, 0, "setsockopt: {}", io::Error::last_os_error());
}
