// SPDX-License-Identifier: GPL-2.0-only
//! Honest clients during a flood: those with an established flow, and new ones.

use crate::lab::Lab;
use crate::talk::{Answer, Talk};

/// A service and how its clients talk to it.
#[derive(Clone, Copy)]
pub struct Service {
    /// `tcp`, `udp` or `sctp`.
    pub kind: &'static str,
    pub to: (&'static str, u16),
    /// The address of all clients, and the port of the first new one. Established flows
    /// have the ports below it. 0: any.
    pub source: (&'static str, u16),
}

/// Long enough for the first repetition of a SYN (1 s) or an INIT (3 s), not for more.
const PATIENCE: u32 = 5;

impl Service {
    /// True if a new client is served: one datagram and its answer, or a connection whose
    /// handshake was repeated once at most.
    pub fn serves(self, lab: &Lab, number: u16) -> bool {
        let (address, first) = self.source;
        let port = if first == 0 { 0 } else { first + number };
        let talk = Talk::try_from(lab, self.kind, (address, port), self.to, PATIENCE);
        let answer = talk.and_then(|mut talk| talk.try_ask(PATIENCE));
        if let Err(error) = &answer {
            println!("client {number} of {}: {error}", self.kind);
        }
        answer.is_ok()
    }
}

/// A hundred flows that were there before the flood.
pub struct Established {
    talks: Vec<Talk>,
    before: Vec<Answer>,
    datagrams_lost: usize,
}

impl Established {
    pub fn begin(lab: &Lab, service: Service) -> Self {
        let talk = |number| {
            let (address, first) = service.source;
            let port = if first == 0 { 0 } else { first - 1 - number };
            Talk::from(lab, "client", service.kind, (address, port), service.to)
        };
        let mut talks: Vec<Talk> = (0..100).map(talk).collect();
        let before = talks.iter_mut().map(Talk::ask).collect();
        Established {
            talks,
            before,
            datagrams_lost: 0,
        }
    }

    /// Checks that every `step`th flow from that one on still has its server, local IP and
    /// port. A busy host loses datagrams, and UDP does not repeat them.
    pub fn go_on(&mut self, first: usize, step: usize) {
        for (talk, before) in self
            .talks
            .iter_mut()
            .zip(&self.before)
            .skip(first)
            .step_by(step)
        {
            let mut answer = talk.try_ask(PATIENCE);
            for _ in 0..20 {
                if answer.is_ok() {
                    break;
                }
                self.datagrams_lost += 1;
                answer = talk.try_ask(PATIENCE);
            }
            assert_eq!(answer.as_ref(), Ok(before));
        }
    }

    pub fn datagrams_lost(&self) -> usize {
        self.datagrams_lost
    }
}
