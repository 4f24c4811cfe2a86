// SPDX-License-Identifier: GPL-2.0-only
//! The requests of a TCP connection that IPVS knows skip the input route. They are still
//! routed as the host says now.

use crate::ipv6;
use crate::lab::Lab;
use crate::talk::Talk;

fn without_fast_path() -> String {
    ipv6::FILE.replace("[director]\n", "[director]\nfast_path = false\n")
}

/// A connection of which IPVS has seen several requests.
fn known(lab: &Lab, vip: &str) -> Talk {
    let mut talk = Talk::new(lab, "tcp", (vip, 80));
    talk.ask();
    talk.ask();
    talk
}

fn director(lab: &Lab, script: &str) {
    lab.exec("director", &["sh", "-ec", script]);
}

#[test]
fn a_known_connection_is_served_only_while_the_host_has_its_vip() {
    let lab = Lab::new();
    lab.apply(&without_fast_path());
    for (vip, prefix, option) in [("10.0.0.1", "32", "-4"), ("fd00::1", "128", "-6")] {
        let mut talk = known(&lab, vip);
        director(&lab, &format!("ip {option} addr del {vip}/{prefix} dev lo"));
        assert!(talk.try_ask(3).is_err(), "{vip}");
        let nodad = if option == "-6" { "nodad" } else { "" };
        director(
            &lab,
            &format!("ip {option} addr add {vip}/{prefix} dev lo {nodad}"),
        );
        talk.ask();
    }
}

#[test]
fn packets_of_a_known_connection_that_get_a_mark_are_routed_by_it() {
    let lab = Lab::new();
    lab.apply(&without_fast_path());
    for (vip, option, family) in [("10.0.0.1", "-4", "ip"), ("fd00::1", "-6", "ip6")] {
        // This rule comes before that of local addresses.
        director(
            &lab,
            &format!(
                "ip {option} route add blackhole default table 100\n\
                 ip {option} rule add pref 10 fwmark 7 to {vip} lookup 100\n\
                 ip {option} rule add pref 20 lookup local\n\
                 ip {option} rule del pref 0"
            ),
        );
        let mut talk = known(&lab, vip);
        director(
            &lab,
            &format!(
                "nft -f - <<'END'\n\
                 table {family} marks {{\n\
                 chain first {{\n\
                 type filter hook prerouting priority -410\n\
                 {family} daddr {vip} meta mark set 7\n\
                 }}\n\
                 }}\n\
                 END"
            ),
        );
        assert!(talk.try_ask(3).is_err(), "{vip}");
        director(&lab, &format!("nft delete table {family} marks"));
        talk.ask();
    }
}
