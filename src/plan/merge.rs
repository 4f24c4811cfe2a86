// SPDX-License-Identifier: GPL-2.0-only
//! Walks two sorted tables at once. One pass finds the keys that were added,
//! kept or removed.

use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The result for one key.
pub(super) enum Entry<'a, K, V> {
    Added(&'a K, &'a V),
    /// The key is in both: the old value, then the new one.
    Kept(&'a K, &'a V, &'a V),
    Removed(&'a K, &'a V),
}

/// Returns every key of both tables once, in order.
pub(super) fn merge<'a, K: Ord, V>(
    old: &'a BTreeMap<K, V>,
    new: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = Entry<'a, K, V>> {
    let mut old = old.iter().peekable();
    let mut new = new.iter().peekable();
    std::iter::from_fn(move || {
        let side = match (old.peek(), new.peek()) {
            (Some((a, _)), Some((b, _))) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match side {
            Ordering::Less => old.next().map(|(key, value)| Entry::Removed(key, value)),
            Ordering::Greater => new.next().map(|(key, value)| Entry::Added(key, value)),
            Ordering::Equal => {
                let (key, was) = old.next()?;
                let (_, is) = new.next()?;
                Some(Entry::Kept(key, was, is))
            }
        }
    })
}
