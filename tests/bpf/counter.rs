// SPDX-License-Identifier: GPL-2.0-only
//! `enum ipvs_bpf_counter`, which only the programs' tests read yet.

macro_rules! counters {
    ($($name:ident = $value:literal => $c_name:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Counter { $($name = $value,)* }

        /// Every counter, with its name in the header.
        pub const COUNTERS: &[(Counter, &str)] = &[$((Counter::$name, $c_name),)*];
    };
}

counters! {
    Snat = 0 => "IPVS_BPF_SNAT",
    Replies = 1 => "IPVS_BPF_REPLIES",
    NoService = 2 => "IPVS_BPF_NO_SERVICE",
    NoSession = 3 => "IPVS_BPF_NO_SESSION",
    Fragment = 4 => "IPVS_BPF_FRAGMENT",
    Unreadable = 5 => "IPVS_BPF_UNREADABLE",
    RewriteFailed = 6 => "IPVS_BPF_REWRITE_FAILED",
}
