// SPDX-License-Identifier: GPL-2.0-only
//! Maps names from other programs and from books to the words of the file.

/// Returns the scheduler for a long name or another program's name.
pub(super) fn scheduler(word: &str) -> Option<&'static str> {
    let letters: String = word
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    let (weighted, plain) = match letters.strip_prefix("weighted") {
        Some(plain) => (true, plain),
        None => (false, letters.as_str()),
    };
    Some(match (plain, weighted) {
        ("roundrobin", false) => "rr",
        ("roundrobin", true) => "wrr",
        ("leastconnections" | "leastconnection" | "leastconn", false) => "lc",
        ("leastconnections" | "leastconnection" | "leastconn", true) => "wlc",
        ("source" | "sourcehash" | "sourcehashing" | "iphash", false) => "sh",
        ("destinationhash" | "destinationhashing", false) => "dh",
        ("maglevhash" | "maglevhashing", false) => "mh",
        ("shortestexpecteddelay", false) => "sed",
        ("neverqueue", false) => "nq",
        ("failover", false) => "fo",
        ("overflow", false) => "ovf",
        ("poweroftwo" | "p2c", false) => "twos",
        _ => return None,
    })
}

/// Returns the forwarding method for a name from ipvsadm or keepalived.
pub(super) fn forward(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "nat" | "masquerade" | "masquerading" | "fullnat" | "full_nat" | "full-nat" | "fnat"
        | "snat" => "masq",
        "dr" | "dsr" | "direct" | "gate" | "gatewaying" => "route",
        "tun" | "ipip" => "tunnel",
        _ => return None,
    })
}
