// SPDX-License-Identifier: GPL-2.0-only
//! Dumps that can be trusted to be complete.
//!
//! The kernel makes each datagram of a dump while it holds IPVS's mutex, so a
//! datagram shows everything that there is between the first and the last
//! thing in it. Between two datagrams it remembers only how many things it has
//! passed (`ip_vs_genl_dump_services()`, `ip_vs_genl_dump_dests()`), those of
//! all network namespaces among them. When one that was passed is removed, the
//! dump skips another; and nothing in it says so (no `NLM_F_DUMP_INTR`).
//!
//! So what does not come in one datagram is dumped twice at the same time, in
//! datagrams that begin and end at other places, and these are taken as links
//! of a chain. The first datagram of a dump begins at the first thing. A
//! datagram that shows again something of the chain made before it continues
//! it without a gap: things keep their order, and one that is removed and added
//! again moves towards the front (`hlist_add_head_rcu()`, `list_add_rcu()`),
//! into what the chain covers. A datagram in which there was room left ends at
//! the last thing. A chain from the first to the last misses nothing that was
//! there all the time; where it breaks, both dumps are made again.

use std::collections::BTreeMap;

use netlink_packet_core::{NetlinkDeserializable, NetlinkSerializable};

use super::conversation::{Answer, Conversation, DATAGRAM, Size, TRIES};
use super::error::Failure;
use super::socket::Transport;

/// How often a chain is begun anew.
const CHAINS: usize = 20;

/// The first buffer of the dump that is ahead: its datagrams are of the kernel's
/// least size, of this, and then of the largest, so that they begin and end
/// within those of the other, which are all of the largest.
const FIRST_DATAGRAM: usize = 16 << 10;

/// No service or server is longer than this in a dump (about 420 bytes).
const MESSAGE: usize = 512;

/// `struct skb_shared_info` is no longer, whatever the kernel's
/// `MAX_SKB_FRAGS`.
const OVERHEAD: usize = 768;

/// Lists over `few` what usually comes in one datagram; what does not, over
/// `many`.
pub fn of_few<T, Q, A, K, V>(
    few: &mut Conversation<T>,
    many: &mut Conversation<T>,
    message: &Q,
    mut read: impl FnMut(A) -> Result<V, Failure>,
    key: impl Fn(&V) -> K,
) -> Result<Vec<V>, Failure>
where
    T: Transport,
    Q: NetlinkSerializable + Clone,
    A: NetlinkDeserializable,
    K: Ord,
{
    for _ in 0..TRIES {
        let mut chain = Chain::new(&key);
        match chain.of_one_dump(few, message.clone(), &mut read) {
            Ok(()) if chain.complete => return Ok(chain.values()),
            Ok(()) => break,
            Err(Failure::Lost | Failure::Inconsistent) => {}
            Err(fault) => return Err(fault),
        }
    }
    of_many(many, message, read, key)
}

/// Lists what comes in many datagrams.
pub fn of_many<T, Q, A, K, V>(
    conversation: &mut Conversation<T>,
    message: &Q,
    mut read: impl FnMut(A) -> Result<V, Failure>,
    key: impl Fn(&V) -> K,
) -> Result<Vec<V>, Failure>
where
    T: Transport,
    Q: NetlinkSerializable + Clone,
    A: NetlinkDeserializable,
    K: Ord,
{
    let mut lost = 0;
    for _ in 0..CHAINS {
        let mut chain = Chain::new(&key);
        match chain.of_two_dumps(conversation, message, &mut read) {
            Ok(()) if chain.complete => return Ok(chain.values()),
            Ok(()) | Err(Failure::Inconsistent) => {}
            Err(Failure::Lost) if lost + 1 < TRIES => lost += 1,
            Err(fault) => return Err(fault),
        }
    }
    Err(Failure::Inconsistent)
}

/// What is listed so far without a gap, from the first thing on.
struct Chain<'k, K, V, F> {
    key: &'k F,
    values: BTreeMap<K, V>,
    /// It reaches to the last thing.
    complete: bool,
}

impl<'k, K: Ord, V, F: Fn(&V) -> K> Chain<'k, K, V, F> {
    fn new(key: &'k F) -> Self {
        Chain {
            key,
            values: BTreeMap::new(),
            complete: false,
        }
    }

    fn values(self) -> Vec<V> {
        self.values.into_values().collect()
    }

    fn of_one_dump<T: Transport, Q: NetlinkSerializable, A: NetlinkDeserializable>(
        &mut self,
        conversation: &mut Conversation<T>,
        message: Q,
        read: &mut impl FnMut(A) -> Result<V, Failure>,
    ) -> Result<(), Failure> {
        let mut dump = Dump::begin(conversation, message)?;
        while !dump.answer.ended {
            self.link(conversation, &mut dump, read)?;
        }
        dump.answer.fault.map_or(Ok(()), Err)
    }

    /// Datagrams must be linked in the order in which the kernel made them: it
    /// makes the first when it is asked, and each other one while the one
    /// before is received.
    fn of_two_dumps<T: Transport, Q: NetlinkSerializable + Clone, A: NetlinkDeserializable>(
        &mut self,
        conversation: &mut Conversation<T>,
        message: &Q,
        read: &mut impl FnMut(A) -> Result<V, Failure>,
    ) -> Result<(), Failure> {
        let mut ahead = conversation.another(FIRST_DATAGRAM, DATAGRAM)?;
        let mut first = Dump::begin(&mut ahead, message.clone())?;
        self.link(&mut ahead, &mut first, read)?;
        if first.reaches_the_last && !first.answer.ended {
            self.link(&mut ahead, &mut first, read)?;
        }
        // What is left of it goes away with its socket.
        if self.complete {
            return first.answer.fault.map_or(Ok(()), Err);
        }
        let mut second = Dump::begin(conversation, message.clone())?;
        let mut both = || {
            while !(first.answer.ended && second.answer.ended) {
                if !first.answer.ended {
                    self.link(&mut ahead, &mut first, read)?;
                }
                if !second.answer.ended {
                    self.link(conversation, &mut second, read)?;
                }
            }
            Ok(())
        };
        let result = both();
        // To its end in any case, or the kernel refuses the next one.
        let second = conversation.rest(second.answer, read);
        result?;
        first.answer.fault.map_or(Ok(()), Err)?;
        second.map(drop)
    }

    /// Receives one datagram of a dump, and adds it to the chain if it
    /// continues it.
    fn link<T: Transport, A: NetlinkDeserializable>(
        &mut self,
        conversation: &mut Conversation<T>,
        dump: &mut Dump<V>,
        read: &mut impl FnMut(A) -> Result<V, Failure>,
    ) -> Result<(), Failure> {
        let size = conversation.next(&mut dump.answer, read)?;
        let values: Vec<(K, V)> = dump
            .answer
            .values
            .drain(..)
            .map(|value| ((self.key)(&value), value))
            .collect();
        if !values.is_empty() || (dump.begins && dump.answer.ended) {
            let begins = std::mem::take(&mut dump.begins);
            let continues = begins || values.iter().any(|(key, _)| self.values.contains_key(key));
            dump.reaches_the_last = continues && (had_room(size) || dump.answer.ended);
            if continues {
                self.values.extend(values);
            }
        }
        self.complete |= dump.answer.ended && dump.reaches_the_last;
        Ok(())
    }
}

/// A dump that is being read.
struct Dump<V> {
    answer: Answer<V>,
    /// Nothing was received yet.
    begins: bool,
    /// The last datagram with something in it belongs to the chain and had
    /// room left.
    reaches_the_last: bool,
}

impl<V> Dump<V> {
    fn begin<T: Transport, Q: NetlinkSerializable>(
        conversation: &mut Conversation<T>,
        message: Q,
    ) -> Result<Self, Failure> {
        Ok(Dump {
            answer: conversation.begin(message)?,
            begins: true,
            reaches_the_last: false,
        })
    }
}

/// Whether another message would have fit in the datagram. The kernel makes it
/// as large as the largest buffer that it has seen, bounded (`netlink_dump()`,
/// `netlink_recvmsg()`); before it has seen one, of `NLMSG_GOODSIZE`, which
/// depends on the size of a page.
fn had_room(size: Size) -> bool {
    let full = |room: usize| (room - OVERHEAD - MESSAGE..=room).contains(&size.length);
    match size.made_for {
        0 => !full(4 << 10) && !full(8 << 10),
        room => !full(room.clamp(4 << 10, 32 << 10)),
    }
}
