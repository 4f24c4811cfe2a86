// SPDX-License-Identifier: GPL-2.0-only
//! Counts the calls of a function of the kernel. One at a time: such a test runs alone.

use std::fs;
use std::path::Path;

const TRACING: &str = "/sys/kernel/tracing";

pub struct Calls;

impl Calls {
    pub fn of(function: &str) -> Self {
        let folder = Path::new(TRACING);
        fs::write(folder.join("kprobe_events"), format!("p:calls {function}")).unwrap();
        // Recording names of tasks would patch code of the scheduler while the other
        // processor runs it, which has hung the emulator.
        fs::write(folder.join("options/record-cmd"), "0").unwrap();
        fs::write(folder.join("events/kprobes/calls/enable"), "1").unwrap();
        Calls
    }

    pub fn number(&self) -> u32 {
        let profile = fs::read_to_string(Path::new(TRACING).join("kprobe_profile")).unwrap();
        let mut words = profile
            .split_whitespace()
            .skip_while(|word| *word != "calls");
        words.nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        let folder = Path::new(TRACING);
        let _ = fs::write(folder.join("events/kprobes/calls/enable"), "0");
        let _ = fs::write(folder.join("kprobe_events"), "-:calls");
        let _ = fs::write(folder.join("options/record-cmd"), "1");
    }
}
