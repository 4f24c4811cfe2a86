// SPDX-License-Identifier: GPL-2.0-only
//! The counters of directors and hosts: packets that left at XDP, and wrong checksums.

use std::collections::BTreeMap;

use crate::fast_path::fast_packets;
use crate::lab::{Lab, eventually};
use crate::xdp::sent_at_xdp;

/// The packets of the fast path.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    at_xdp: u64,
    /// At XDP and at tc.
    all: u64,
}

impl Counted {
    pub fn now(lab: &Lab) -> Self {
        Counted {
            at_xdp: sent_at_xdp(lab),
            all: fast_packets(lab).iter().sum(),
        }
    }

    /// The same when the module's counters, which are two seconds late, have all packets.
    pub fn of_all_so_far(lab: &Lab) -> Self {
        let mut counted = Counted::now(lab);
        eventually("the module has counted all packets", || {
            counted = Counted::now(lab);
            counted.all >= counted.at_xdp
        });
        counted
    }

    /// Checks that at least so many packets left at XDP since then, and none but those.
    pub fn all_at_xdp(self, lab: &Lab, least: u64) {
        let mut last = self;
        eventually("the traffic is over, and all of it is counted", || {
            let before = last;
            last = Counted::of_all_so_far(lab);
            last.at_xdp == before.at_xdp && last.all == before.all
        });
        let (sent, all) = (last.at_xdp - self.at_xdp, last.all - self.all);
        assert!(sent >= least, "{sent} of {least} packets left at XDP");
        // A checksum may look as if a device had to complete it.
        assert!(sent * 1000 >= all * 999, "{sent} of {all} left at XDP");
    }

    /// Waits until more packets left at XDP.
    pub fn more_at_xdp(self, lab: &Lab) {
        eventually("packets leave at XDP", || {
            sent_at_xdp(lab) >= self.at_xdp + 200
        });
    }

    /// Waits until more packets took the fast path, at XDP or at tc. The module's counters are
    /// two seconds late, so the first growth may be of earlier packets.
    pub fn more(self, lab: &Lab) {
        let mut before = self.all;
        for _ in 0..2 {
            eventually("packets take the fast path", || {
                let now: u64 = fast_packets(lab).iter().sum();
                let more = now >= before + 200;
                if more {
                    before = now;
                }
                more
            });
        }
    }

    /// The same, and none leaves at XDP.
    pub fn more_at_tc(self, lab: &Lab) {
        self.more(lab);
        assert_eq!(sent_at_xdp(lab), self.at_xdp);
    }
}

/// The packets with a wrong checksum that hosts have counted.
pub fn wrong_checksums(lab: &Lab) -> BTreeMap<String, u64> {
    let mut wrong = BTreeMap::new();
    for host in ["client", "director", "server1", "server2"] {
        let counters = lab.exec(host, &["nstat", "-jasz"]);
        let counters: serde_json::Value = serde_json::from_str(&counters).unwrap();
        let counters = counters["kernel"].as_object().unwrap();
        let sums = counters
            .iter()
            .filter(|(name, _)| name.ends_with("InCsumErrors"));
        let mut known = 0;
        for (name, value) in sums {
            known += 1;
            if value != 0 {
                wrong.insert(format!("{host} {name}"), value.as_u64().unwrap());
            }
        }
        assert!(known >= 4, "{counters:?}");
    }
    wrong
}

pub fn no_wrong_checksum(lab: &Lab) {
    assert_eq!(wrong_checksums(lab), BTreeMap::new());
}
