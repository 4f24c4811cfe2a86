// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs-bpf weight` and `ipvs-bpf zero`, checked with ipvsadm.

use crate::full_nat::FILE;
use crate::lab::{Lab, eventually, success};

#[test]
fn weight_changes_the_weight_alone_and_prints_the_old_one() {
    let lab = Lab::new();
    let rules = [
        "-A -t 10.0.0.1:80 -s wrr",
        "-a -t 10.0.0.1:80 -r 10.2.0.2:80 -i -w 3 -x 70 -y 7 --tun-type gue --tun-port 6080 --tun-remcsum",
        "-a -t 10.0.0.1:80 -r 10.2.0.3:8080 -m -w 4",
        "-A -f 7 -6 -s rr",
        "-a -f 7 -6 -r [fd00::2]:0 -g -w 5",
    ];
    for rule in rules {
        let words: Vec<&str> = ["ipvsadm"].into_iter().chain(rule.split(' ')).collect();
        lab.exec("director", &words);
    }
    let listing = || {
        let saved = lab.exec("director", &["ipvsadm", "-Sn"]);
        saved + &lab.exec("director", &["ipvsadm", "-Ln", "--thresholds"])
    };
    let before = listing();
    let server = "10.2.0.2:80";
    let weight =
        |weight: &str| success(&lab.ipvs_bpf(&["weight", "tcp://10.0.0.1:80", server, weight]));
    assert_eq!(
        weight("5"),
        "tcp://10.0.0.1:80 → 10.2.0.2:80: weight 3 → 5\n"
    );
    assert_eq!(
        weight("5"),
        "tcp://10.0.0.1:80 → 10.2.0.2:80: weight 5 already\n"
    );
    assert!(listing().contains("-w 5 --tun-type gue"), "{}", listing());
    weight("2147483647");
    weight("3");
    assert_eq!(listing(), before);

    let arguments = ["weight", "fwmark6://7", "[fd00::2]:0", "0", "--json"];
    let json: serde_json::Value =
        serde_json::from_str(&success(&lab.ipvs_bpf(&arguments))).unwrap();
    assert_eq!(json["weight_before"], 5);
    assert_eq!(json["weight"], 0);
    assert!(
        listing().contains("-r [fd00::2]:0 -g -w 0"),
        "{}",
        listing()
    );
}

#[test]
pub fn zero_sets_the_counters_of_one_service_or_of_all_to_zero() {
    let lab = Lab::new();
    lab.apply(FILE);
    let counted = |address: &str| {
        let stats = lab.exec("director", &["ipvsadm", "-Ln", "--stats", "--exact"]);
        let mut lines = stats.lines().skip_while(|line| !line.contains(address));
        let service = lines.next().unwrap().to_owned();
        let words: Vec<String> = service.split_whitespace().skip(2).map(Into::into).collect();
        words.join(" ")
    };
    let (web, echo) = ("10.0.0.1:80", "10.0.0.1:7");
    let nothing = "0 0 0 0 0";
    lab.get(&["http://10.0.0.1/"]);
    lab.udp("10.0.0.1", 7, "hello");
    eventually("both are counted", || {
        counted(web) != nothing && counted(echo) != nothing
    });
    let text = success(&lab.ipvs_bpf(&["zero", "tcp://10.0.0.1:80"]));
    assert_eq!(text, "tcp://10.0.0.1:80: counters set to zero\n");
    assert_eq!(counted(web), nothing);
    assert_ne!(counted(echo), nothing);
    let text = success(&lab.ipvs_bpf(&["zero"]));
    assert_eq!(text, "all services: counters set to zero\n");
    assert_eq!(counted(echo), nothing);
}
