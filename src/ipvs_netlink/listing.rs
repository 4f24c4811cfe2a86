// SPDX-License-Identifier: GPL-2.0-only
//! Dumps that are complete.
//!
//! The kernel makes each datagram of a dump while it holds the mutex of IPVS, or the lock
//! of the table. So a datagram has everything between its first and its last entry. Between
//! two datagrams the kernel remembers only how many entries it has passed, in all network
//! namespaces (`ip_vs_genl_dump_services()`, `ip_vs_genl_dump_dests()`). If an entry that was passed
//! is removed, the dump skips another one, without `NLM_F_DUMP_INTR`.
//!
//! So a list that does not fit in one datagram is dumped twice at the same time. The
//! datagrams of the two dumps begin and end at different places, and are linked into a
//! chain. The first datagram of a dump begins at the first entry. A later datagram
//! continues the chain without a gap if it repeats an entry of the chain as made so far.
//! This works because entries keep their order, and one that is removed and added again
//! moves to the front (`hlist_add_head_rcu()`, `list_add_rcu()`), into the part that the
//! chain covers. A datagram with room left ends at the last entry. A chain from the first
//! to the last entry misses nothing that existed all the time. If the chain breaks, both
//! dumps are repeated.
//!
//! Newer kernels have a table of services that grows and shrinks (`struct ip_vs_rht`),
//! which gives the entries another order. A dump that continues in the other order skips
//! as many entries as it repeats, and repeats them anywhere. In one order a dump repeats
//! only its last entries, at the beginning of a datagram, after others were added in front
//! or between them. So a dump that repeats something else is inconsistent.

use std::collections::BTreeMap;

use netlink_packet_core::{NetlinkDeserializable, NetlinkSerializable};

use super::answer::Answer;
use super::conversation::{Conversation, DATAGRAM, Size, TRIES};
use super::error::Failure;
use super::socket::Transport;

/// The number of attempts to make a chain.
const CHAINS: usize = 20;

/// The first buffer of the dump that is ahead. Its datagrams have the kernel's minimum
/// size, this size, and then the maximum size. Those of the other dump all have the
/// maximum size. So the datagrams of one begin and end within those of the other.
const FIRST_DATAGRAM: usize = 16 << 10;

/// Among so many entries that a datagram repeats, one may be new.
const ADDED: usize = 4;

/// The maximum length of a service or server in a dump (about 420 bytes).
const MESSAGE: usize = 512;

/// The maximum size of `struct skb_shared_info`, for any `MAX_SKB_FRAGS` of the kernel.
const OVERHEAD: usize = 768;

/// Makes a list that usually fits in one datagram, over `few`. If it does not fit, over
/// `many`.
pub fn list_short<T, Q, A, K, V>(
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
    K: Ord + Clone,
{
    for _ in 0..TRIES {
        let mut chain = Chain::new(&key);
        match chain.link_one_dump(few, message.clone(), &mut read) {
            Ok(()) if chain.complete => return Ok(chain.values()),
            Ok(()) => break,
            Err(Failure::Lost | Failure::Inconsistent) => {}
            Err(fault) => return Err(fault),
        }
    }
    list_long(many, message, read, key)
}

/// Makes a list that takes many datagrams.
pub fn list_long<T, Q, A, K, V>(
    conversation: &mut Conversation<T>,
    message: &Q,
    mut read: impl FnMut(A) -> Result<V, Failure>,
    key: impl Fn(&V) -> K,
) -> Result<Vec<V>, Failure>
where
    T: Transport,
    Q: NetlinkSerializable + Clone,
    A: NetlinkDeserializable,
    K: Ord + Clone,
{
    let mut lost = 0;
    for _ in 0..CHAINS {
        let mut chain = Chain::new(&key);
        match chain.link_two_dumps(conversation, message, &mut read) {
            Ok(()) if chain.complete => return Ok(chain.values()),
            Ok(()) | Err(Failure::Inconsistent) => {}
            Err(Failure::Lost) if lost + 1 < TRIES => lost += 1,
            Err(fault) => return Err(fault),
        }
    }
    Err(Failure::Inconsistent)
}

/// The entries without a gap, from the first one on.
struct Chain<'k, K, V, F> {
    key: &'k F,
    values: BTreeMap<K, V>,
    /// The chain reaches the last entry.
    complete: bool,
}

impl<'k, K: Ord + Clone, V, F: Fn(&V) -> K> Chain<'k, K, V, F> {
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

    fn link_one_dump<T: Transport, Q: NetlinkSerializable, A: NetlinkDeserializable>(
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

    /// Datagrams must be linked in the order in which the kernel made them. It makes the
    /// first one on the request, and each later one when the previous one is received.
    fn link_two_dumps<T: Transport, Q: NetlinkSerializable + Clone, A: NetlinkDeserializable>(
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
        // Closing the socket discards the rest of this dump.
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
        // Read to the end in any case, or the kernel refuses the next dump.
        let second = conversation.rest(second.answer, read);
        result?;
        first.answer.fault.map_or(Ok(()), Err)?;
        second.map(drop)
    }

    /// Receives one datagram of a dump. Adds it to the chain if it continues it.
    fn link<T: Transport, A: NetlinkDeserializable>(
        &mut self,
        conversation: &mut Conversation<T>,
        dump: &mut Dump<K, V>,
        read: &mut impl FnMut(A) -> Result<V, Failure>,
    ) -> Result<(), Failure> {
        let size = conversation.next(&mut dump.answer, read)?;
        let values: Vec<(K, V)> = dump
            .answer
            .values
            .drain(..)
            .map(|value| ((self.key)(&value), value))
            .collect();
        if !dump.passes(values.iter().map(|(key, _)| key)) {
            dump.answer.fail(Failure::Inconsistent);
        }
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
struct Dump<K, V> {
    answer: Answer<V>,
    /// The entries so far, with their places.
    passed: BTreeMap<K, usize>,
    /// No datagram was received yet.
    begins: bool,
    /// The last datagram that was not empty belongs to the chain and had room left.
    reaches_the_last: bool,
}

impl<K: Ord + Clone, V> Dump<K, V> {
    fn begin<T: Transport, Q: NetlinkSerializable>(
        conversation: &mut Conversation<T>,
        message: Q,
    ) -> Result<Self, Failure> {
        Ok(Dump {
            answer: conversation.begin(message)?,
            passed: BTreeMap::new(),
            begins: true,
            reaches_the_last: false,
        })
    }

    /// Takes the entries of the next datagram. Returns false if it repeats others than the
    /// last ones, or not at its beginning. A few may have been added between these. If many
    /// were, the table has shrunk and two parts of it have become one.
    fn passes<'a>(&mut self, keys: impl Iterator<Item = &'a K> + Clone) -> bool
    where
        K: 'a,
    {
        let end = self.passed.len();
        let places: Vec<Option<usize>> = keys
            .clone()
            .map(|key| self.passed.get(key).copied())
            .collect();
        let repeated = places.iter().flatten().count();
        let length = places
            .iter()
            .rposition(Option::is_some)
            .map_or(0, |it| it + 1);
        let in_order = places
            .into_iter()
            .flatten()
            .eq(end.saturating_sub(repeated)..end)
            && (length - repeated) * ADDED <= repeated;
        for key in keys {
            let place = self.passed.len();
            self.passed.entry(key.clone()).or_insert(place);
        }
        in_order
    }
}

/// True if another message would have fit in the datagram. The kernel makes a datagram as
/// large as the largest buffer that it has seen, within limits (`netlink_dump()`,
/// `netlink_recvmsg()`). Before it has seen one, the size is `NLMSG_GOODSIZE`, which
/// depends on the page size.
fn had_room(size: Size) -> bool {
    let full = |room: usize| (room - OVERHEAD - MESSAGE..=room).contains(&size.length);
    match size.made_for {
        0 => !full(4 << 10) && !full(8 << 10),
        room => !full(room.clamp(4 << 10, 32 << 10)),
    }
}
