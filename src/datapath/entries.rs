// SPDX-License-Identifier: GPL-2.0-only
//! All entries of a hash map. The kernel hands out whole buckets
//! (`BPF_MAP_LOOKUP_BATCH`, since Linux 5.6), thousands of entries a system
//! call; where it does not, they are read one by one.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use aya::Pod;
use aya::maps::{HashMap, Map, MapData, MapError};
use nix::libc;

/// `enum bpf_cmd` (linux/bpf.h).
const BPF_MAP_LOOKUP_BATCH: libc::c_long = 24;
/// `ENOTSUPP`, which user space has no name for: the map's type has no batches.
const ENOTSUPP: i32 = 524;
/// Entries of the first batches; a bucket that is larger gets more room.
const BATCH: usize = 4096;
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
    // Checks the type and the sizes too.
    let entries = HashMap::<&MapData, K, V>::try_from(map)?;
    let (Map::HashMap(data) | Map::LruHashMap(data)) = map else {
        return one_by_one(&entries, usize::MAX, &mut take);
    };
    let most = usize::try_from(data.info()?.max_entries()).unwrap_or(usize::MAX);
    if batches(data, most, &mut take).map_err(MapError::IoError)? {
        return Ok(());
    }
    one_by_one(&entries, most, &mut take)
}

/// Whether the kernel has batches for this map.
fn batches<K: Pod, V: Pod>(
    map: &MapData,
    most: usize,
    take: &mut impl FnMut(&K, &V),
) -> io::Result<bool> {
    let mut room = BATCH;
    let mut keys: Vec<K> = Vec::with_capacity(room);
    let mut values: Vec<V> = Vec::with_capacity(room);
    // Where the kernel goes on: a bucket's number, in 32 bits.
    let mut position = None::<u32>;
    let mut busy = 0;
    loop {
        let mut next = 0u32;
        let begin = position;
        let mut attr = Attr {
            in_batch: begin.as_ref().map_or(0, |begin| &raw const *begin as u64),
            out_batch: &raw mut next as u64,
            keys: keys.as_mut_ptr() as u64,
            values: values.as_mut_ptr() as u64,
            count: u32::try_from(room).unwrap_or(u32::MAX),
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
        match errno {
            None | Some(libc::ENOENT | libc::ENOSPC | libc::EBUSY) => {}
            Some(libc::EINVAL | ENOTSUPP) if position.is_none() => return Ok(false),
            Some(_) => return error.map_or(Ok(true), Err),
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
        busy = if errno == Some(libc::EBUSY) && count == 0 {
            busy + 1
        } else {
            0
        };
        match errno {
            // The last bucket.
            Some(libc::ENOENT) => return Ok(true),
            Some(libc::ENOSPC) if room < most => {
                room = room.saturating_mul(2);
                keys.reserve(room);
                values.reserve(room);
            }
            Some(libc::ENOSPC) => return error.map_or(Ok(true), Err),
            Some(libc::EBUSY) if busy > PATIENCE => return error.map_or(Ok(true), Err),
            _ => {}
        }
        position = Some(next);
    }
}

/// For kernels without batches. An entry that is deleted while it is the one
/// to go on from makes the kernel begin again; then others are given twice,
/// but never more than twice what the map can hold.
fn one_by_one<K: Pod, V: Pod>(
    entries: &HashMap<&MapData, K, V>,
    most: usize,
    take: &mut impl FnMut(&K, &V),
) -> Result<(), MapError> {
    for entry in entries.iter().take(most.saturating_mul(2)) {
        match entry {
            Ok((key, value)) => take(&key, &value),
            // Ended between being listed and being read.
            Err(MapError::KeyNotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
