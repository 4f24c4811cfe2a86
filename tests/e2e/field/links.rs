// SPDX-License-Identifier: GPL-2.0-only
//! A link of the director changes during transfers. They may wait, and then go on in the
//! same sessions.

use crate::balance::balanced;
use crate::changes::Load;
use crate::fast_path::{fast, warm};
use crate::ipv6;
use crate::lab::{Lab, eventually};
use crate::talk::Talk;
use crate::xdp_leases::kernel_is_since;

use super::script;

/// Downloads, and a flow on the fast path.
struct Transfers {
    lab: Lab,
    load: Load,
    talk: Talk,
}

impl Transfers {
    fn begin() -> Self {
        let lab = Lab::new();
        lab.apply(&fast());
        let load = Load::of_downloads(&lab);
        let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
        warm(&lab, &mut talk);
        Transfers { lab, load, talk }
    }

    /// Changes something at the director. Then both directions take the fast path again.
    fn survive(&mut self, change: &str) {
        let before = self.talk.ask();
        script(&self.lab, "director", change);
        let talk = &mut self.talk;
        eventually("datagrams are answered", || talk.try_ask(2).is_ok());
        warm(&self.lab, talk);
        assert_eq!(talk.ask(), before, "by the same session");
    }

    fn end(self) {
        self.load.end("10.2.0.100");
        assert_eq!(balanced(&self.lab), 4);
        assert_eq!(self.lab.counter("sessions_created"), 4);
    }
}

#[test]
fn a_link_goes_down_and_comes_back() {
    let mut transfers = Transfers::begin();
    for interface in ["eth0", "eth1"] {
        transfers.survive(&format!(
            "ip link set {interface} down\nsleep 1\nip link set {interface} up"
        ));
    }
    transfers.end();
}

#[test]
fn a_link_gets_another_mac_address() {
    let mut transfers = Transfers::begin();
    for interface in ["eth0", "eth1"] {
        // The others hear of it at once.
        transfers.survive(&format!(
            "sysctl -qw net.ipv4.conf.{interface}.arp_notify=1\n\
             ip link set {interface} address 02:00:00:00:00:77"
        ));
    }
    transfers.end();
}

/// The servers hear of a smaller MTU by ICMP errors, which full NAT translates.
#[test]
fn a_link_gets_a_smaller_mtu_and_a_larger_one() {
    let mut transfers = Transfers::begin();
    for mtu in ["1280", "9000", "1500"] {
        transfers.survive(&format!("ip link set eth0 mtu {mtu}"));
    }
    transfers.end();
}

/// The program stays at the interface. The file that names it is corrected later.
#[test]
fn a_link_gets_another_name() {
    let mut transfers = Transfers::begin();
    for (old, new) in [("eth1", "lan0"), ("lan0", "eth1")] {
        transfers.survive(&format!(
            "ip link set {old} down\nip link set {old} name {new}\nip link set {new} up"
        ));
        let file = fast().replace("\"eth1\"", &format!("\"{new}\""));
        transfers.lab.apply(&file);
        assert_eq!(transfers.lab.apply(&file), "nothing to do\n");
        transfers.survive("true");
    }
    transfers.end();
}

/// BIG TCP of IPv6: a segment of more than 64 KiB has no length in its header.
#[test]
fn segments_of_more_than_64_kib_pass() {
    if !kernel_is_since(5, 19) {
        return;
    }
    let lab = Lab::new();
    for (host, interfaces) in [
        ("server1", "eth0"),
        ("server2", "eth0"),
        ("switch", "server1 server2 director"),
        ("director", "eth0 eth1"),
        ("client", "eth0"),
    ] {
        let larger = format!(
            "for i in {interfaces}; do\n\
             ip link set $i gso_max_size 150000 gro_max_size 150000\ndone"
        );
        script(&lab, host, &larger);
    }
    script(
        &lab,
        "director",
        "nft -f - <<'END'\n\
         table netdev watch {\n\
           chain servers {\n\
             type filter hook ingress device eth1 priority 0;\n\
             meta length > 70000 counter\n\
           }\n\
         }\n\
         END",
    );
    let sum = "curl -sS --fail --max-time 300 http://[fd00::1]/bytes/20000000 | sha256sum";
    let direct = sum.replace("[fd00::1]", "[::1]:8080");
    let sent = lab.exec("server1", &["sh", "-c", &direct]);
    for fast_path in ["true", "false"] {
        let mode = format!("[director]\nfast_path = {fast_path}\n");
        lab.apply(&ipv6::FILE.replace("[director]\n", &mode));
        assert_eq!(lab.exec("client", &["sh", "-c", sum]), sent);
    }
    let rules = lab.exec("director", &["nft", "list", "ruleset"]);
    assert!(!rules.contains("packets 0 "), "{rules}");
}
