// SPDX-License-Identifier: GPL-2.0-only
//! The names of `IP_VS_SVC_F_SCHED1..3`, for all parsers, writers and views.

use super::Service;

/// The names of `ipvsadm -b`: the flag's index, and the scheduler that it belongs to. A
/// scheduler's own names come after the general ones.
const NAMES: [(&str, usize, Option<&str>); 7] = [
    ("flag-1", 0, None),
    ("flag-2", 1, None),
    ("flag-3", 2, None),
    ("sh-fallback", 0, Some("sh")),
    ("sh-port", 1, Some("sh")),
    ("mh-fallback", 0, Some("mh")),
    ("mh-port", 1, Some("mh")),
];

impl Service {
    /// The names of the flags that are set. Prefers the scheduler's own names.
    pub fn scheduler_flag_names(&self) -> Vec<&'static str> {
        let set = self.scheduler_flags.into_iter().enumerate();
        set.filter(|(_, set)| *set)
            .filter_map(|(flag, _)| name(&self.scheduler, flag))
            .collect()
    }
}

/// True if the scheduler maps clients to a server of weight 0, too, and then refuses them
/// (`ip_vs_dh.c`, `ip_vs_sh.c`, `ip_vs_mh.c`).
pub fn refuses_at_weight_0(scheduler: &str, flags: [bool; 3]) -> bool {
    match scheduler {
        "dh" => true,
        "sh" | "mh" => !flags[0],
        _ => false,
    }
}

/// The flag that gives such a client another server.
pub fn fallback_flag(scheduler: &str) -> Option<&'static str> {
    name(scheduler, 0).filter(|flag| flag.ends_with("-fallback"))
}

fn name(scheduler: &str, flag: usize) -> Option<&'static str> {
    let mut names = NAMES
        .iter()
        .filter(|(_, index, owner)| *index == flag && owner.is_none_or(|owner| owner == scheduler));
    names.next_back().map(|(name, ..)| *name)
}

/// The flag's index, and the scheduler that it belongs to.
pub fn scheduler_flag(name: &str) -> Option<(usize, Option<&'static str>)> {
    let known = NAMES.iter().find(|(known, ..)| *known == name);
    known.map(|(_, index, owner)| (*index, *owner))
}

/// All names.
pub fn scheduler_flags() -> impl Iterator<Item = &'static str> + Clone {
    NAMES.iter().map(|(known, ..)| *known)
}
