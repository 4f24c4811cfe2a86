// SPDX-License-Identifier: GPL-2.0-only
//! Routes that depend on more than the destination.

use crate::full_nat::FILE;
use crate::lab::Lab;

use super::{script, works};

#[test]
fn routes_may_depend_on_the_source_that_packets_leave_with() {
    let lab = Lab::new();
    lab.apply(FILE);
    script(
        &lab,
        "director",
        "ip route add table 100 10.1.0.0/24 dev eth0\n\
         ip route del 10.1.0.0/24 dev eth0\n\
         ip rule add from 10.0.0.1 lookup 100 pref 100\n\
         ip route add table 101 10.2.0.0/24 dev eth1\n\
         ip route del 10.2.0.0/24 dev eth1\n\
         ip rule add from 10.2.0.100 lookup 101 pref 101",
    );
    works(&lab);
}
