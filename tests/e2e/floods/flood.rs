// SPDX-License-Identifier: GPL-2.0-only
//! A program that floods the director until it is killed.

use std::io::Read;
use std::path::PathBuf;
use std::process::Child;
use std::sync::LazyLock;

use crate::lab::Lab;
use crate::many::compiled;

pub struct Flood {
    program: Child,
}

/// First packets of flows, by `lab/net/flood.c`: their kind, the VIP and its port, their
/// sources, and a pause.
pub fn first_packets(words: &str) -> Vec<String> {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| compiled("flood"));
    let program = PROGRAM.to_str().unwrap();
    [program]
        .into_iter()
        .chain(words.split(' '))
        .map(str::to_owned)
        .collect()
}

/// Packets that no socket would send, by `lab/net/packets.py`.
pub fn odd_packets(words: &str) -> Vec<String> {
    let program = "lab/net/packets.py";
    [program]
        .into_iter()
        .chain(words.split(' '))
        .map(str::to_owned)
        .collect()
}

impl Flood {
    /// Begins at the client.
    pub fn begin(lab: &Lab, words: &[String]) -> Self {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Flood {
            program: lab.spawn_at("client", &words),
        }
    }

    /// Checks that it has not ended.
    pub fn goes_on(&mut self) {
        let Some(status) = self.program.try_wait().unwrap() else {
            return;
        };
        let mut text = String::new();
        let mut errors = self.program.stderr.take().unwrap();
        errors.read_to_string(&mut text).unwrap();
        panic!("the flood ended: {status}\n{text}");
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
