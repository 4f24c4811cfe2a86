// SPDX-License-Identifier: GPL-2.0-only
//! The exchanges so far, by kind and address family. Each of them has to grow.

use std::ops::AddAssign;
use std::sync::Mutex;

use serde::Serialize;

/// The index of a family in [`Counts::families`].
pub const FAMILIES: [&str; 2] = ["IPv4", "IPv6"];

/// The exchanges of one address family.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Exchanges {
    /// Bytes that came back to the clients.
    pub bytes: u64,
    /// Those of TCP connections that stay open.
    pub long_tcp: u64,
    /// TCP connections that ended after one exchange.
    pub short_tcp: u64,
    pub datagrams: u64,
    /// SCTP messages.
    pub messages: u64,
    /// ICMP errors that clients got: the server's port is closed.
    pub unreachable: u64,
    /// ICMP errors that clients got: the packet is larger than the MTU of the path.
    pub too_big: u64,
}

impl Exchanges {
    /// That many of each kind.
    pub fn all(number: u64) -> Self {
        Exchanges {
            bytes: number,
            long_tcp: number,
            short_tcp: number,
            datagrams: number,
            messages: number,
            unreachable: number,
            too_big: number,
        }
    }

    fn kinds(&self) -> [(&'static str, u64); 6] {
        [
            ("exchanges of long TCP connections", self.long_tcp),
            ("short TCP connections", self.short_tcp),
            ("datagrams", self.datagrams),
            ("SCTP messages", self.messages),
            ("ports unreachable", self.unreachable),
            ("packets too big", self.too_big),
        ]
    }
}

impl AddAssign for Exchanges {
    fn add_assign(&mut self, more: Self) {
        self.bytes += more.bytes;
        self.long_tcp += more.long_tcp;
        self.short_tcp += more.short_tcp;
        self.datagrams += more.datagrams;
        self.messages += more.messages;
        self.unreachable += more.unreachable;
        self.too_big += more.too_big;
    }
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Counts {
    pub failovers: u64,
    pub families: [Exchanges; 2],
    pub datagrams_repeated: u64,
    /// TCP connections that began while a director failed, before they were synchronised.
    pub failed_when_young: u64,
}

impl Counts {
    pub fn bytes(&self) -> u64 {
        self.families.iter().map(|family| family.bytes).sum()
    }

    /// The kinds that have not grown since then, with their family.
    pub fn idle_since(&self, before: &Counts) -> Vec<String> {
        let mut idle = Vec::new();
        for (family, name) in FAMILIES.iter().enumerate() {
            let now = self.families[family].kinds();
            let then = before.families[family].kinds();
            for ((kind, now), (_, then)) in now.into_iter().zip(then) {
                if now <= then {
                    idle.push(format!("{name}: {now} {kind}"));
                }
            }
        }
        idle
    }
}

/// The same, shared by the clients.
#[derive(Default)]
pub struct Counted(Mutex<Counts>);

impl Counted {
    pub fn add(&self, family: usize, more: Exchanges) {
        self.0.lock().unwrap().families[family] += more;
    }

    pub fn datagram_repeated(&self) {
        self.0.lock().unwrap().datagrams_repeated += 1;
    }

    pub fn failed_when_young(&self) {
        self.0.lock().unwrap().failed_when_young += 1;
    }

    pub fn now(&self) -> Counts {
        *self.0.lock().unwrap()
    }
}
