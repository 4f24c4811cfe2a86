// SPDX-License-Identifier: GPL-2.0-only
//! A cgroup for the test. The programs are attached to it, so that they see only the
//! sockets of this process.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};

use aya::programs::links::FdLink;
use ipvs_bpf::model::Network;
use ipvs_bpf::toa::abi::{Counts, Outcome};
use ipvs_bpf::toa::{self, Loaded};

/// A process is in one cgroup with all its threads, so tests take turns.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
static NUMBER: AtomicU32 = AtomicU32::new(0);

pub struct Group {
    path: PathBuf,
    before: PathBuf,
    _guard: MutexGuard<'static, ()>,
}

impl Group {
    /// Moves this process into the group until it is dropped.
    pub fn enter() -> Self {
        let guard = ONE_AT_A_TIME
            .lock()
            .unwrap_or_else(|error| error.into_inner());
        let root = root();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = root.join(format!("toa-test-{}-{number}", std::process::id()));
        let own = fs::read_to_string("/proc/self/cgroup").unwrap();
        let own = own.lines().find_map(|line| line.strip_prefix("0::/"));
        let before = root.join(own.expect("cgroup v2"));
        fs::create_dir(&path).unwrap();
        join(&path);
        Group {
            path,
            before,
            _guard: guard,
        }
    }

    pub fn open(&self) -> File {
        File::open(&self.path).unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        join(&self.before);
        fs::remove_dir(&self.path).unwrap();
    }
}

/// The mount point of cgroup v2. Some hosts have version 1 as well.
pub fn root() -> PathBuf {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let root = mounts.lines().find_map(|line| {
        let mut words = line.split(' ');
        let path = words.nth(1)?;
        (words.next()? == "cgroup2").then(|| PathBuf::from(path))
    });
    root.expect("cgroup v2 is mounted")
}

fn join(group: &Path) {
    fs::write(group.join("cgroup.procs"), "0").unwrap();
}

/// The programs, attached to a cgroup that contains this process.
pub struct Receiver {
    pub loaded: Loaded,
    links: Vec<(&'static str, FdLink)>,
    group: Group,
}

impl Receiver {
    /// Loads the programs and trusts these networks, given as prefix and length.
    pub fn new(trust: &[(&str, u8)]) -> Self {
        let mut receiver = Receiver {
            loaded: toa::load().unwrap_or_else(|error| panic!("{error}")),
            links: Vec::new(),
            group: Group::enter(),
        };
        receiver.trust(trust);
        receiver.attach();
        receiver
    }

    pub fn trust(&mut self, trust: &[(&str, u8)]) {
        let networks: BTreeSet<Network> = trust
            .iter()
            .map(|(address, length)| Network::containing(address.parse().unwrap(), *length))
            .collect();
        self.loaded.set_trust(&networks).unwrap();
        assert_eq!(self.loaded.trust().unwrap(), networks);
    }

    pub fn attach(&mut self) {
        self.links = self.loaded.attach(&self.group.open()).unwrap();
    }

    pub fn detach(&mut self) {
        self.links.clear();
    }

    /// The outcomes that are not zero.
    pub fn totals(&self) -> Vec<(Outcome, u64)> {
        outcomes(&self.loaded.totals().unwrap())
    }
}

pub fn outcomes(counts: &Counts) -> Vec<(Outcome, u64)> {
    Outcome::ALL
        .into_iter()
        .map(|outcome| (outcome, counts.of(outcome)))
        .filter(|(_, count)| *count != 0)
        .collect()
}
