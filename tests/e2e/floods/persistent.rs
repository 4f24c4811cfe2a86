// SPDX-License-Identifier: GPL-2.0-only
//! A flood against a persistent service. IPVS keeps a template for each client for the whole
//! persistence timeout, also for forged ones (docs/guides/floods.md).

use super::{FORGED, WEB, file, first_packets, lab, received};
use crate::floods::flood::Flood;
use crate::lab::{Lab, eventually};
use crate::talk::Talk;

fn connections(lab: &Lab) -> usize {
    let table = lab.exec("director", &["cat", "/proc/net/ip_vs_conn"]);
    table.lines().count() - 1
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn templates_of_forged_clients_outlive_their_sessions_until_drop_entry_ends_them() {
    let lab = lab();
    let persistent = "snat = \"default\"\npersistence = { timeout = \"1h\" }";
    lab.apply(&file().replacen("snat = \"default\"", persistent, 1));
    let mut talk = Talk::new(&lab, WEB.kind, WEB.to);
    let before = talk.ask();
    let flood = Flood::begin(
        &lab,
        &first_packets(&format!("syn 10.0.0.1 80 {FORGED} 1000")),
    );
    let begin = received(&lab);
    eventually("many SYNs arrive", || received(&lab) > begin + 4000);
    drop(flood);
    eventually("their sessions end", || lab.counter("sessions") == 1);
    let left = connections(&lab);
    println!("{left} connections and templates");
    assert!(left > 3000);
    // It ends those of 1/32 of the table each second.
    lab.exec("director", &["sysctl", "-qw", "net.ipv4.vs.drop_entry=3"]);
    eventually("the templates end", || {
        // It also ends established connections of few packets.
        assert_eq!(talk.ask(), before);
        connections(&lab) < left / 4
    });
    let mut again = Talk::new(&lab, WEB.kind, WEB.to);
    assert_eq!(again.ask().server, before.server);
}
