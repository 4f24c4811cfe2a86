// SPDX-License-Identifier: GPL-2.0-only
//! The kernel's memory, and the objects that the module and IPVS have in use.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};

use serde::Serialize;

/// The slab caches of sessions (`kmod/session/sessions.c`), and that of IPVS's connections.
pub const CACHES: [&str; 3] = ["session4", "session6", "ip_vs_conn"];

const PAGE_KIB: u64 = 4;

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// Objects in use of each of `CACHES`, of both directors.
    pub objects: [u64; 3],
    /// Slabs that the kernel cannot reclaim, without those of `CACHES`.
    pub slab_kib: u64,
    pub vmalloc_kib: u64,
    pub percpu_kib: u64,
    /// All maps of flows that the kernel has, those that nobody uses included.
    pub flow_maps_kib: u64,
}

/// A kind of memory, and by how much it may grow: without traffic from before the run until
/// after it, and twice that from the first quarter of the run to the last one.
pub struct Kind {
    pub name: &'static str,
    /// In KiB.
    pub of: fn(&Memory) -> u64,
    room: Room,
}

enum Room {
    Kib(u64),
    Percent(u64),
}

/// Slabs have the objects of the whole kernel, and free ones that it keeps. Without
/// traffic they grew by 144 and by 408 KiB in two runs of three minutes.
pub const KINDS: [Kind; 4] = [
    Kind {
        name: "other slabs",
        of: |memory| memory.slab_kib,
        room: Room::Kib(1024),
    },
    Kind {
        name: "vmalloc",
        of: |memory| memory.vmalloc_kib,
        room: Room::Percent(1),
    },
    Kind {
        name: "per CPU",
        of: |memory| memory.percpu_kib,
        room: Room::Percent(1),
    },
    Kind {
        name: "flow maps",
        of: |memory| memory.flow_maps_kib,
        room: Room::Kib(0),
    },
];

impl Kind {
    /// By how many KiB it may be more than before, without traffic.
    pub fn room(&self, before: u64) -> u64 {
        match self.room {
            Room::Kib(kib) => kib,
            Room::Percent(percent) => before * percent / 100,
        }
    }
}

impl Memory {
    pub fn now() -> Self {
        let caches = CACHES.map(Cache::now);
        let pages: u64 = caches.iter().map(|cache| cache.pages).sum();
        Memory {
            objects: caches.map(|cache| cache.objects),
            slab_kib: meminfo("SUnreclaim").saturating_sub(pages * PAGE_KIB),
            vmalloc_kib: meminfo("VmallocUsed"),
            percpu_kib: meminfo("Percpu"),
            flow_maps_kib: flow_maps(),
        }
    }

    pub fn has_objects(&self) -> bool {
        self.objects.iter().any(|objects| *objects > 0)
    }
}

/// In KiB.
fn meminfo(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let field = text.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        (field == name).then(|| value.trim_end_matches("kB").trim().parse().unwrap())
    });
    field.expect(name)
}

struct Cache {
    /// Those in use.
    objects: u64,
    pages: u64,
}

impl Cache {
    /// Exact numbers: SLUB counts every object of a processor's current slabs as used, until
    /// the cache is shrunk.
    fn now(name: &str) -> Self {
        let separate = "a kernel with slab_nomerge, as in `make soak`: else caches share slabs";
        fs::write(format!("/sys/kernel/slab/{name}/shrink"), "1").expect(separate);
        let text = fs::read_to_string("/proc/slabinfo").unwrap();
        let words = |line| str::split_whitespace(line).collect::<Vec<_>>();
        let line = text.lines().map(words).find(|line| line[0] == name);
        let line = line.expect(separate);
        // The columns of slabinfo(5).
        let number = |column: usize| line[column].parse::<u64>().unwrap();
        Cache {
            objects: number(1),
            pages: number(5) * number(14),
        }
    }
}

/// In KiB, as the kernel accounts for them (`memlock` in fdinfo).
fn flow_maps() -> u64 {
    // A map can end while it is looked at.
    let maps = aya::maps::loaded_maps().flatten();
    let flows = maps.filter(|map| matches!(map.name_as_str(), Some("flows4" | "flows6")));
    let bytes = flows.filter_map(|map| {
        let descriptor = map.fd().ok()?;
        let number = descriptor.as_fd().as_raw_fd();
        let text = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("memlock:"));
        Some(line.unwrap().trim().parse::<u64>().unwrap())
    });
    bytes.sum::<u64>() / 1024
}
