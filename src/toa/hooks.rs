// SPDX-License-Identifier: GPL-2.0-only
//! All programs that are attached at the cgroup hooks that the receiver uses.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

use aya::programs::loaded_programs;
use nix::libc;

use super::object::PROGRAMS;

/// `enum bpf_attach_type` (linux/bpf.h), with bpftool's name for it.
const HOOKS: [(u32, &str); 3] = [(3, "sock_ops"), (29, "getpeername4"), (30, "getpeername6")];
/// `enum bpf_cmd`.
const BPF_PROG_QUERY: libc::c_long = 16;
/// Other programs may be attached next to this one.
const BPF_F_ALLOW_MULTI: u32 = 2;
/// `BPF_CGROUP_MAX_PROGS` (kernel/bpf/cgroup.c): the limit of a cgroup at one hook.
const MOST_PROGRAMS: usize = 64;

/// An attached program that is not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// The hook, as bpftool names it.
    pub hook: &'static str,
    pub id: u32,
    pub name: String,
    /// The program does not allow others next to it.
    pub is_exclusive: bool,
}

impl Other {
    /// True if the program can change the address that a server sees.
    pub fn changes_peer_address(&self) -> bool {
        self.hook.starts_with("getpeername")
    }
}

/// `union bpf_attr`, its member `query`.
#[repr(C)]
#[derive(Default)]
struct Query {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
    pad: u32,
}

/// The programs at this cgroup that do not belong to a receiver. Empty if the kernel does
/// not list them.
pub fn other_programs(cgroup: &Path) -> Vec<Other> {
    let Ok(cgroup) = File::open(cgroup) else {
        return Vec::new();
    };
    let attached = HOOKS.map(|(hook, name)| {
        let (ids, flags) = query(cgroup.as_fd(), hook).unwrap_or_default();
        (name, ids, flags)
    });
    let names: BTreeMap<u32, String> = loaded_programs()
        .flatten()
        .map(|program| (program.id(), program.name_as_str().unwrap_or("").to_owned()))
        .collect();
    let mut others = Vec::new();
    for (hook, ids, flags) in attached {
        for id in ids {
            let name = names.get(&id).cloned().unwrap_or_default();
            // Receivers of other network namespaces read the same option, so they are not
            // listed.
            if !PROGRAMS.contains(&&*name) {
                others.push(Other {
                    hook,
                    id,
                    name,
                    is_exclusive: flags & BPF_F_ALLOW_MULTI == 0,
                });
            }
        }
    }
    others
}

/// The ids of the programs, and the flags that they are attached with.
fn query(cgroup: BorrowedFd<'_>, hook: u32) -> io::Result<(Vec<u32>, u32)> {
    let mut ids = [0_u32; MOST_PROGRAMS];
    let mut query = Query {
        target_fd: cgroup.as_raw_fd().cast_unsigned(),
        attach_type: hook,
        prog_ids: ids.as_mut_ptr() as u64,
        prog_cnt: MOST_PROGRAMS as u32,
        ..Query::default()
    };
    // SAFETY: the kernel reads and writes a query of that size, and at most `prog_cnt`
    // ids.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_QUERY,
            &raw mut query,
            size_of::<Query>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let found = ids.iter().take(query.prog_cnt as usize);
    Ok((found.copied().collect(), query.attach_flags))
}
