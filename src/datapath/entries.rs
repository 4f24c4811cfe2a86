// SPDX-License-Identifier: GPL-2.0-only
//! All entries of a hash map, thousands a system call: `BPF_MAP_LOOKUP_BATCH`
//! (since Linux 5.6), which aya does not have.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use aya::Pod;
use aya::maps::{HashMap, Map, MapData, MapError};
use nix::libc;

/// `enum bpf_cmd` (linux/bpf.h).
const BPF_MAP_LOOKUP_BATCH: libc::c_long = 24;
/// Entries a call. The kernel gives whole buckets, of which there are as many
/// as entries, so one that does not fit is out of the question.
const BATCH: u32 = 4096;
/// So often in a row a bucket may be locked by others (`EBUSY`).
const PATIENCE: u32 = 1000;

/// `struct { … } batch` of `union bpf_attr`.
#[repr(C)]
#[derive(Default)]
struct Attr {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// Gives every entry of the map to `take`. While others change the map, an
/// entry that stays is given once; one that comes or goes may be given or not,
/// and one that goes and comes back, more than once. It ends whatever others
/// do, since it goes through the buckets once.
pub fn entries<K: Pod, V: Pod>(map: &Map, mut take: impl FnMut(&K, &V)) -> Result<(), MapError> {
    // Checks the type and the sizes.
    HashMap::<&MapData, K, V>::try_from(map)?;
    let (Map::HashMap(data) | Map::LruHashMap(data)) = map else {
        return Err(MapError::InvalidMapType { map_type: 0 });
    };
    buckets(data, &mut take).map_err(MapError::IoError)
}

fn buckets<K: Pod, V: Pod>(map: &MapData, take: &mut impl FnMut(&K, &V)) -> io::Result<()> {
    let room = usize::try_from(BATCH).unwrap_or(0);
    let mut keys: Vec<K> = Vec::with_capacity(room);
    let mut values: Vec<V> = Vec::with_capacity(room);
    // The number of the bucket where the kernel goes on; none at first.
    let mut position = None::<u32>;
    let mut busy = 0;
    loop {
        let mut next = 0u32;
        let mut attr = Attr {
            in_batch: position
                .as_ref()
                .map_or(0, |begin| &raw const *begin as u64),
            out_batch: &raw mut next as u64,
            keys: keys.as_mut_ptr() as u64,
            values: values.as_mut_ptr() as u64,
            count: BATCH,
            map_fd: map.fd().as_fd().as_raw_fd().cast_unsigned(),
            ..Attr::default()
        };
        // SAFETY: keys and values have room for `count` of the map's sizes,
        // which were checked, and all buffers outlive the call.
        let result = unsafe {
            libc::syscall(
                libc::SYS_bpf,
                BPF_MAP_LOOKUP_BATCH,
                &raw mut attr,
                size_of::<Attr>(),
            )
        };
        let error = (result < 0).then(io::Error::last_os_error);
        let errno = error.as_ref().and_then(io::Error::raw_os_error);
        if let Some(error) = error
            && !matches!(errno, Some(libc::ENOENT | libc::EBUSY))
        {
            return Err(error);
        }
        let count = usize::try_from(attr.count).unwrap_or(0).min(room);
        // SAFETY: the kernel has written so many of each, there is room for
        // them, and every byte pattern is a value of `Pod`.
        unsafe {
            keys.set_len(count);
            values.set_len(count);
        }
        for (key, value) in keys.iter().zip(&values) {
            take(key, value);
        }
        keys.clear();
        values.clear();
        busy = if count == 0 { busy + 1 } else { 0 };
        match errno {
            // That was the last bucket.
            Some(libc::ENOENT) => return Ok(()),
            Some(libc::EBUSY) if busy > PATIENCE => return Err(io::ErrorKind::ResourceBusy.into()),
            _ => position = Some(next),
        }
    }
}
