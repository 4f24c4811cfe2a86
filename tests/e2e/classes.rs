// SPDX-License-Identifier: GPL-2.0-only
//! Rules and filters of the director give packets of full NAT a class (DSCP), which arrives.

use crate::fast_path::fast_packets;
use crate::ipv6;
use crate::lab::Lab;
use crate::talk::Talk;

/// Gives packets of the services and their servers a class before full NAT. The other chains
/// would give them another one.
const CLASSES: &str = "\
nft -f - <<'END'
table inet classes {
	chain early {
		type filter hook prerouting priority -450;
		meta l4proto { tcp, udp } th dport { 7, 80 } ip dscp set ef
		meta l4proto { tcp, udp } th dport { 7, 80 } ip6 dscp set ef
		meta l4proto { tcp, udp } th sport { 7, 8080 } ip dscp set ef
		meta l4proto { tcp, udp } th sport { 7, 8080 } ip6 dscp set ef
	}
	chain raw { type filter hook prerouting priority raw; ip dscp set cs1; ip6 dscp set cs1; }
	chain forward { type filter hook forward priority filter; ip dscp set cs1; ip6 dscp set cs1; }
	chain postrouting { type filter hook postrouting priority filter; ip dscp set cs1; ip6 dscp set cs1; }
}
END
";

/// The same class, where packets leave.
const CLASSES_AT_TC: &str = "\
for device in eth0 eth1; do
	tc qdisc add dev $device clsact 2>/dev/null || true
	tc filter add dev $device egress prio 1 protocol ip matchall \\
		action pedit ex munge ip dsfield set 0xb8 retain 0xfc pipe csum ip4h
	tc filter add dev $device egress prio 2 protocol ipv6 matchall \\
		action pedit ex munge ip6 traffic_class set 0xb8 retain 0xfc
done
";

/// Hosts that count what comes by its class.
struct Classes {
    lab: Lab,
    talks: Vec<Talk>,
}

impl Classes {
    const COUNT: &str = "\
nft -f - <<'END'
table inet seen {
	counter ef { }
	counter other { }
	chain input {
		type filter hook input priority filter
		meta l4proto != { tcp, udp } accept
		ip dscp ef counter name ef accept
		ip6 dscp ef counter name ef accept
		counter name other
	}
}
END
";

    fn begin(fast_path: bool, classes: &str) -> Self {
        let lab = Lab::new();
        for host in ["client", "server1", "server2"] {
            lab.exec(host, &["sh", "-ec", Self::COUNT]);
        }
        let mode = format!("[director]\nfast_path = {fast_path}\n");
        lab.apply(&ipv6::FILE.replace("[director]\n", &mode));
        lab.exec("director", &["sh", "-ec", classes]);
        let talks = [
            ("tcp", "10.0.0.1", 80),
            ("tcp", "fd00::1", 80),
            ("udp", "fd00::1", 7),
        ]
        .map(|(kind, vip, port)| Talk::new(&lab, kind, (vip, port)))
        .into();
        Classes { lab, talks }
    }

    /// Sends requests. The packets at the client and at the servers in the class, and in others.
    fn seen(&mut self, requests: usize) -> [[u64; 2]; 2] {
        for talk in &mut self.talks {
            for _ in 0..requests {
                talk.ask();
            }
        }
        let count = |host, name| -> u64 {
            let words = ["nft", "list", "counter", "inet", "seen", name];
            let text = self.lab.exec(host, &words);
            let mut words = text
                .split_whitespace()
                .skip_while(|word| *word != "packets");
            words.nth(1).unwrap().parse().unwrap()
        };
        ["ef", "other"].map(|name| {
            let servers = count("server1", name) + count("server2", name);
            [count("client", name), servers]
        })
    }
}

#[test]
fn packets_arrive_with_the_class_that_a_rule_before_priority_399_gives_them() {
    let mut classes = Classes::begin(false, CLASSES);
    let [ef, other] = classes.seen(10);
    assert!(ef.iter().all(|&packets| packets >= 30), "{ef:?}");
    assert_eq!(other, [0, 0]);
}

#[test]
fn on_the_fast_path_packets_get_their_class_where_they_leave() {
    // Packets under a lease pass no rule.
    let mut classes = Classes::begin(true, CLASSES);
    let [ef, other] = classes.seen(20);
    assert!(
        ef.iter().chain(&other).all(|&packets| packets > 0),
        "{ef:?} {other:?}"
    );
    drop(classes);
    let mut classes = Classes::begin(true, CLASSES_AT_TC);
    let [ef, other] = classes.seen(20);
    assert!(ef.iter().all(|&packets| packets >= 60), "{ef:?}");
    assert_eq!(other, [0, 0]);
    assert!(
        fast_packets(&classes.lab)
            .iter()
            .all(|&packets| packets > 20)
    );
}
