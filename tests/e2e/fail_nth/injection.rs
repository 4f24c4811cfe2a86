// SPDX-License-Identifier: GPL-2.0-only
//! Fault injection into the allocations of one thread.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;

/// More allocations than any operation makes.
const NEVER: u64 = 1_000_000;

/// Selects which allocation of this thread fails.
pub struct FailNth(File);

impl FailNth {
    pub fn into_this_thread_only() -> Self {
        for (kind, file, value) in [
            ("failslab", "ignore-gfp-wait", "N"),
            ("fail_page_alloc", "ignore-gfp-wait", "N"),
            ("fail_page_alloc", "ignore-gfp-highmem", "N"),
            ("fail_page_alloc", "min-order", "0"),
        ] {
            fs::write(format!("/sys/kernel/debug/{kind}/{file}"), value).unwrap();
        }
        for kind in ["failslab", "fail_page_alloc"] {
            let folder = format!("/sys/kernel/debug/{kind}");
            // A trace for each failure would look like a bug in the log.
            for (file, value) in [("verbose", "0"), ("probability", "0"), ("times", "-1")] {
                fs::write(format!("{folder}/{file}"), value).unwrap();
            }
        }
        let path = "/proc/thread-self/fail-nth";
        let file = OpenOptions::new().read(true).write(true).open(path);
        FailNth(file.expect("a kernel with fault injection: make test-debug"))
    }

    fn set(&self, number: u64) {
        let text = number.to_string();
        self.0.write_at(text.as_bytes(), 0).unwrap();
    }

    /// Runs an operation whose n-th allocation fails. Returns its result and how many
    /// allocations were left before the failure.
    fn with<T>(&self, n: u64, call: impl FnOnce() -> io::Result<T>) -> (io::Result<T>, u64) {
        let mut left = [0; 16];
        self.set(n);
        let result = call();
        let size = self.0.read_at(&mut left, 0);
        self.set(0);
        let left = std::str::from_utf8(&left[..size.unwrap()]).unwrap();
        (result, left.trim().parse().unwrap())
    }

    /// The number of allocations that an operation makes.
    pub fn count<T>(&self, call: impl FnOnce() -> io::Result<T>) -> u64 {
        let (result, left) = self.with(NEVER, call);
        result.map(drop).unwrap();
        NEVER - left
    }

    /// Fails each allocation from `from` on, until the operation has no more. A failed
    /// operation must leave the state unchanged. A successful one is undone.
    pub fn each_from<S: Debug + PartialEq>(
        &self,
        what: &str,
        from: u64,
        state: impl Fn() -> S,
        call: impl Fn() -> io::Result<()>,
        undo: impl Fn(),
    ) {
        let mut failed = 0;
        for n in from.. {
            let before = state();
            let (result, left) = self.with(n, &call);
            if let Err(error) = &result {
                failed += 1;
                assert_eq!(state(), before, "{what}, allocation {n}: {error}");
            } else {
                undo();
            }
            if left > 0 {
                println!("{what}: {failed} of {} tries failed", n - from + 1);
                result.unwrap_or_else(|error| panic!("{what}, when nothing failed: {error}"));
                return;
            }
        }
    }
}
