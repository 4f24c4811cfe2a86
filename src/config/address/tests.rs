// SPDX-License-Identifier: GPL-2.0-only
//! Good addresses are read, and mistakes are explained.

use super::*;

#[test]
fn services_are_read_as_they_are_printed() {
    for text in [
        "tcp://10.0.0.1:80",
        "udp://[fd00::1]:53",
        "sctp://10.0.0.1:0",
        "fwmark://7",
        "fwmark6://4294967295",
    ] {
        assert_eq!(service(text).unwrap().to_string(), text);
    }
}

#[test]
fn mistakes_in_an_address_are_explained() {
    for (text, why) in [
        ("10.0.0.1:80", "protocol is missing"),
        ("http://10.0.0.1:80", "`http` is not a protocol"),
        ("tcp://10.0.0.1", "port is missing"),
        ("tcp://fd00::1", "port is missing"),
        ("tcp://[fd00::1]", "port is missing"),
        ("tcp://10.0.0.1:70000", "`70000` is not a port"),
        ("tcp://10.0.0.1:+80", "`+80` is not a port"),
        ("tcp://10.0.0.256:80", "`10.0.0.256` is not an IP address"),
        ("tcp://lb.example:80", "`lb.example` is not an IP address"),
        ("tcp://0.0.0.0:80", "is not the address of a single host"),
        ("tcp://224.0.0.1:80", "is not the address of a single host"),
        ("tcp://[::ffff:10.0.0.1]:80", "in the form of an IPv6"),
        ("tcp://[fe80::1%3]:80", "does not support zones"),
        ("tcp://10.0.0.1:80-90", "a range of ports"),
        ("tcp://10.0.0.1:mysql", "names are not looked up"),
        ("fwmark://0", "`0` is not a firewall mark"),
        ("fwmark://+7", "`+7` is not a firewall mark"),
        ("fwmark://4294967296", "is not a firewall mark"),
    ] {
        let wrong = service(text).unwrap_err();
        assert!(wrong.why.contains(why), "{text}: {wrong:?}");
    }
    for text in [
        "",
        "://",
        "tcp://",
        "tcp://:",
        "tcp://fd00::1:80",
        "tcp://[10.0.0.1]:80",
    ] {
        assert!(service(text).is_err(), "{text}");
    }
    assert!(
        server("[fe80::1]:80")
            .unwrap_err()
            .why
            .contains("link-local")
    );
}

#[test]
fn a_suggested_address_is_one() {
    for (text, meant) in [
        ("10.0.0.1:80", "tcp://10.0.0.1:80"),
        ("tcp://fd00::1:443", "tcp://[fd00::1]:443"),
        ("udp://10.0.0.1:domain", "udp://10.0.0.1:53"),
        ("tcp://[fd00::1]:https", "tcp://[fd00::1]:443"),
        ("tcp://10.0.0.1/32:80", "tcp://10.0.0.1:80"),
        ("tcp://10.0.0.1:80/32", "tcp://10.0.0.1:80"),
        ("tcp://[fd00::1]:80/", "tcp://[fd00::1]:80"),
    ] {
        assert_eq!(service(text).unwrap_err().fix.as_deref(), Some(meant));
        assert!(service(meant).is_ok(), "{meant}");
    }
    for (form, parses) in [
        (SERVICE, (|text| service(text).is_ok()) as fn(&str) -> bool),
        (SERVER, |text| server(text).is_ok()),
        (RANGE, |text| range(text).is_ok()),
    ] {
        let examples = form.split('"').skip(1).step_by(2);
        for example in examples {
            assert!(parses(example), "{example}");
        }
    }
}

#[test]
fn ranges_begin_at_their_first_address() {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    assert_eq!(range("10.2.0.16/28"), Ok((ip("10.2.0.16"), 16)));
    assert_eq!(range("10.2.0.0/16"), Ok((ip("10.2.0.0"), 65_536)));
    assert_eq!(range("fd00::1"), Ok((ip("fd00::1"), 1)));
    assert_eq!(nth(ip("10.2.0.16"), 15, 16), ip("10.2.0.31"));
    assert_eq!(nth(ip("fd00::f0"), 3, 16), ip("fd00::f3"));
    for (text, right) in [
        ("10.2.0.17/28", "\"10.2.0.16/28\""),
        ("10.0.0.0/8", "/16 is the largest"),
        ("0.0.0.0/0", "/16 is the largest"),
        ("fd00::/64", "/112 is the largest"),
        ("::/0", "/112 is the largest"),
        ("10.2.0.1/33", "0 to 32"),
        ("10.2.0.1/+8", "0 to 32"),
        ("10.2.0.1/", "0 to 32"),
        ("10.2.0/24", "write it like"),
        ("127.0.0.1", "servers can answer"),
        ("255.255.0.0/16", "unicast"),
        ("fe80::1", "routed"),
    ] {
        let wrong = range(text).unwrap_err();
        assert!(wrong.right.contains(right), "{text}: {wrong:?}");
    }
}
