// SPDX-License-Identifier: GPL-2.0-only
//! Links, drivers and files change between cards under load, and no connection is lost.

use std::io::Read;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::counted::{Counted, no_wrong_checksum};
use super::{VIPS, at_xdp, between_cards, file, talks};
use crate::changes::Load;
use crate::lab::{Lab, success};
use crate::talk::Talk;
use crate::xdp::{links, program};

/// Makes downloads and uploads over one connection until standard input ends. Prints a line
/// when it is established, and how many there were. Each byte must be right.
const TRANSFERS: &str = r"
import hashlib, os, select, socket, sys
s = socket.create_connection((sys.argv[1], 80), timeout=600)
print(flush=True)
answers = s.makefile('rb')
def head():
    while answers.readline().strip():
        pass
size = 400000
pattern = b'0123456789abcdef' * (size // 16)
number = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    s.sendall(b'GET /bytes/%d HTTP/1.1\r\nHost: x\r\n\r\n' % size)
    head()
    assert answers.read(size) == pattern
    body = os.urandom(size)
    s.sendall(b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n' % size + body)
    head()
    assert answers.readline().strip().decode() == hashlib.sha256(body).hexdigest()
    number += 1
print(number)
";

struct Transfers(Vec<Child>);

impl Transfers {
    /// Begins them in both families, and waits until both are connected and packets leave at
    /// XDP.
    fn begin(lab: &Lab) -> Self {
        let before = Counted::now(lab);
        let spawn = |vip: &str| {
            let vip = vip.trim_matches(['[', ']']);
            lab.command("client", &["/usr/bin/python3", "-ISc", TRANSFERS, vip])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let mut transfers = Transfers(VIPS.iter().map(|vip| spawn(vip)).collect());
        for child in &mut transfers.0 {
            let mut line = [0];
            child
                .stdout
                .as_mut()
                .unwrap()
                .read_exact(&mut line)
                .unwrap();
        }
        before.more_at_xdp(lab);
        transfers
    }

    fn end(self) {
        for child in self.0 {
            // This closes its standard input.
            let text = success(&child.wait_with_output().unwrap());
            assert!(text.trim().parse::<u64>().unwrap() > 0);
        }
    }
}

fn ip(lab: &Lab, host: &str, line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    lab.exec(host, &[&["ip"], &words[..]].concat());
}

/// vmxnet3 no longer runs its program after the link was down. The kernel still names the
/// program.
fn driver_forgets_its_program() -> bool {
    std::env::var("CARD").is_ok_and(|card| card.starts_with("vmxnet3"))
}

#[test]
#[ignore = "make test-drivers"]
fn links_go_down_and_up_during_transfers() {
    let cards = between_cards();
    for interface in ["eth0", "eth1"] {
        let stay = format!("net.ipv6.conf.{interface}.keep_addr_on_down=1");
        cards.exec("director", &["sysctl", "-qw", &stay]);
    }
    let mut talks = talks(&cards);
    let first: Vec<_> = talks.iter_mut().map(Talk::ask).collect();
    let transfers = Transfers::begin(&cards);
    for (host, name) in [
        ("director", "eth1"),
        ("director", "eth0"),
        ("switch", "director"),
        ("director", "eth1"),
    ] {
        ip(&cards, host, &format!("link set {name} down"));
        sleep(Duration::from_secs(1));
        ip(&cards, host, &format!("link set {name} up"));
        let now = Counted::now(&cards);
        if driver_forgets_its_program() {
            now.more(&cards);
        } else {
            now.more_at_xdp(&cards);
        }
    }
    assert_eq!(cards.apply(&file()), "nothing to do\n");
    if driver_forgets_its_program() {
        cards.apply(&file().replace("xdp = true", "xdp = false"));
        cards.apply(&file());
    }
    transfers.end();
    at_xdp(&cards, &mut talks);
    assert_eq!(talks.iter_mut().map(Talk::ask).collect::<Vec<_>>(), first);
    no_wrong_checksum(&cards);
}

#[test]
#[ignore = "make test-drivers"]
fn a_card_that_its_driver_gave_up_and_took_again_is_applied_again() {
    let cards = between_cards();
    let mut talks = talks(&cards);
    let first: Vec<_> = talks.iter_mut().map(Talk::ask).collect();
    let transfers = Transfers::begin(&cards);
    for interface in ["eth1", "eth0", "eth1"] {
        cards.rebind(interface);
        assert_eq!(program(&cards, interface), None);
        let plan = cards.apply(&file());
        let line = format!("+ interface {interface} at XDP");
        assert!(plan.contains(&line), "{plan}");
        assert!(program(&cards, interface).is_some());
        assert_eq!(cards.apply(&file()), "nothing to do\n");
        Counted::now(&cards).more_at_xdp(&cards);
    }
    transfers.end();
    at_xdp(&cards, &mut talks);
    assert_eq!(talks.iter_mut().map(Talk::ask).collect::<Vec<_>>(), first);
    assert_eq!(links(&cards).len(), 2, "those of old interfaces are gone");
    no_wrong_checksum(&cards);
}

#[test]
#[ignore = "make test-drivers"]
fn files_are_applied_under_load_and_xdp_stays() {
    let cards = between_cards();
    let programs = || ["eth0", "eth1"].map(|interface| program(&cards, interface));
    let before = programs();
    let transfers = Transfers::begin(&cards);
    let load = Load::begin_next_to(&cards, VIPS.len());
    let weights = file().replace("10.2.0.2:8080\"", "10.2.0.2:8080\"\n  weight = 3");
    let server = weights.replacen(
        "  [[service.server]]\n",
        "  [[service.server]]\n  address = \"10.2.0.4:8080\"\n  weight = 0\n  [[service.server]]\n",
        1,
    );
    let service = format!(
        "{server}\n[[service]]\naddress = \"tcp://10.0.0.9:80\"\nscheduler = \"rr\"\n\
         snat = \"default\"\n  [[service.server]]\n  address = \"10.2.0.2:8080\"\n"
    );
    let timeouts = format!("{service}\n[timeouts]\ntcp = \"20h\"\n");
    let size = timeouts.replace("max_sessions = 1000", "max_sessions = 3000");
    for (file, what) in [
        (&weights, "weight"),
        (&server, "+ 10.2.0.4:8080"),
        (&service, "+ tcp://10.0.0.9:80"),
        (&timeouts, "timeout"),
        (&size, "for 1000 → 3000 sessions"),
        (&file(), "- tcp://10.0.0.9:80"),
    ] {
        let plan = cards.apply(file);
        assert!(plan.contains(what), "{what}: {plan}");
        assert!(!plan.contains("XDP"), "{plan}");
        assert_eq!(cards.apply(file), "nothing to do\n");
        Counted::now(&cards).more_at_xdp(&cards);
    }
    load.end("10.2.0.100");
    transfers.end();
    assert!(
        programs()
            .iter()
            .zip(before)
            .all(|(now, then)| now.is_some() && then.is_some())
    );
    no_wrong_checksum(&cards);
}

#[test]
#[ignore = "make test-drivers"]
fn xdp_is_turned_on_and_off_under_load_and_no_connection_is_lost() {
    let cards = between_cards();
    let mut talks = talks(&cards);
    let first: Vec<_> = talks.iter_mut().map(Talk::ask).collect();
    let transfers = Transfers::begin(&cards);
    for xdp in [
        "false",
        "true",
        "[\"eth0\"]",
        "true",
        "[\"eth1\"]",
        "false",
        "true",
    ] {
        cards.apply(&file().replace("xdp = true", &format!("xdp = {xdp}")));
        let now = Counted::now(&cards);
        match xdp {
            "true" => now.more_at_xdp(&cards),
            "false" => now.more_at_tc(&cards),
            _ => now.more(&cards),
        }
        let attached = ["eth0", "eth1"].map(|name| program(&cards, name).is_some());
        assert_eq!(
            attached,
            ["eth0", "eth1"].map(|name| xdp == "true" || xdp.contains(name))
        );
    }
    transfers.end();
    at_xdp(&cards, &mut talks);
    assert_eq!(talks.iter_mut().map(Talk::ask).collect::<Vec<_>>(), first);
    no_wrong_checksum(&cards);
}
