// SPDX-License-Identifier: GPL-2.0-only
//! Every line of the module is read, and strange lines are refused.

use super::*;

#[test]
fn every_line_that_the_module_prints_is_understood() {
    let line = local_ip("default 10.2.0.1 1024-65535 sessions 3").unwrap();
    assert_eq!(line.local_ip.pool, "default");
    assert_eq!(line.ports.to_string(), "1024-65535");
    assert_eq!(line.sessions, 3);

    let line = full_nat("udp 10.0.0.1:53 - sessions 2").unwrap();
    assert_eq!(line.key.to_string(), "udp://10.0.0.1:53");
    assert_eq!(line.full_nat, None);

    assert!(!line.is_listed());

    let line = full_nat("tcp 10.0.0.1:80 default sessions 7 rule").unwrap();
    assert_eq!((line.sessions, line.by_rule), (7, true));
    assert_eq!(line.full_nat, Some("default".into()));
    assert!(!line.is_listed());
    let line = full_nat("tcp 10.0.0.1:80 default toa sessions 7 rule").unwrap();
    assert_eq!((line.sessions, line.by_rule), (7, true));
    let told = line.full_nat.unwrap();
    assert_eq!(told.client_address, Some(ClientAddress::Toa));
    for (text, name, maker) in [
        ("fwmark 7 default toa sessions 0", "fwmark://7", None),
        ("fwmark6 7 default sessions 0", "fwmark6://7", None),
        (
            "tcp 10.0.0.1:80 default sessions 2 of fwmark 7",
            "tcp://10.0.0.1:80",
            Some("fwmark://7"),
        ),
        (
            "udp [fd00::1]:53 default sessions 2 of udp [fd00::1]:0",
            "udp://[fd00::1]:53",
            Some("udp://[fd00::1]:0"),
        ),
    ] {
        let line = full_nat(text).unwrap();
        assert_eq!(line.key.to_string(), name);
        let made_by = line.made_by.as_ref().map(ToString::to_string);
        assert_eq!(made_by.as_deref(), maker);
        assert_eq!(line.is_listed(), maker.is_none(), "{text}");
    }
    // A pool can be named `toa`.
    let line = full_nat("tcp 10.0.0.1:80 toa sessions 7").unwrap();
    assert_eq!(line.full_nat, Some("toa".into()));
    let line = full_nat("sctp [fd00::1]:53 default sessions 0").unwrap();
    assert!(line.is_listed());
    assert_eq!(line.key.to_string(), "sctp://[fd00::1]:53");
    let line = local_ip("default fd00:2::100 1024-65535 sessions 3").unwrap();
    assert_eq!(line.local_ip.address.to_string(), "fd00:2::100");

    let text = "10.0.0.0/24,10.1.0.0/16 tcp,udp 80,443-444 eth0,veth* default services 3";
    let line = rule(text).unwrap();
    assert_eq!((line.rule.networks.len(), line.rule.ports.len()), (2, 2));
    assert_eq!(
        (line.full_nat.clone(), line.services),
        ("default".into(), 3)
    );
    let written = rules(&[(line.rule, line.full_nat)].into());
    assert_eq!(written, text.replace(" services 3", "\n"));
    for pool in ["default toa", "toa", "toa toa"] {
        let text = format!("10.0.0.0/24 tcp 80 * {pool} services 3");
        let by = rule(&text).unwrap();
        assert_eq!(
            by.full_nat.client_address.is_some(),
            pool.contains(' '),
            "{pool}"
        );
        assert_eq!(
            rules(&[(by.rule, by.full_nat)].into()),
            text.replace(" services 3", "\n")
        );
    }
    let text = "fd00::/64 * * * default services 0";
    let line = rule(text).unwrap();
    assert_eq!(
        rules(&[(line.rule, line.full_nat)].into()),
        text.replace(" services 0", "\n")
    );
    assert_eq!(rules(&BTreeMap::new()), "none\n");

    let lines = [
        "flows4 id 2 type 2 key 4 value 328 entries 65536".to_owned(),
        "flows6 id 3 type 2 key 4 value 520 entries 65536".to_owned(),
        "control id 4 type 2 key 4 value 16 entries 1".to_owned(),
    ];
    assert_eq!(maps(&lines).unwrap().unwrap().sets, 65_536);
}

#[test]
fn strange_lines_are_refused_not_misread() {
    for line in [
        "",
        " ",
        "default",
        "default x 1-2 sessions 0",
        "default 10.0.0.1 1-x sessions 0",
        "default 10.0.0.1 1-2",
    ] {
        assert_eq!(local_ip(line), None, "{line}");
    }
    for line in [
        "",
        "icmp 10.0.0.1:80 p sessions 0",
        "tcp 10.0.0.1 p sessions 0",
        "tcp 10.0.0.1:80 p",
        "tcp 10.0.0.1:80 p sessions rule",
        "tcp 10.0.0.1:80 p sessions 0 rules",
        "tcp 10.0.0.1:80 p sessions 0 of",
        "tcp 10.0.0.1:80 p sessions 0 of fwmark",
        "fwmark x p sessions 0",
    ] {
        assert_eq!(full_nat(line), None, "{line}");
    }
    for line in [
        "",
        "10.0.0.0/24 * * * default",
        "10.0.0.0 * * * default services 0",
        "10.0.0.0/x * * * default services 0",
        "10.0.0.0/24 icmp * * default services 0",
        "10.0.0.0/24 * 80- * default services 0",
        "10.0.0.0/24 * * * default services 0 x",
    ] {
        assert_eq!(rule(line), None, "{line}");
    }
    for line in ["tcp", "tcp x", "tcp 1 2", "tcp -1", "icmp 1", ""] {
        assert_eq!(unanswered(line), None, "{line}");
    }
    assert_eq!(unanswered("udp 30"), Some((Timeout::UdpUnanswered, 30)));
    assert_eq!(unanswered_line(Timeout::SctpUnanswered, 5), "sctp 5\n");
    assert_eq!(maps(&[]), Ok(None));
    assert_eq!(
        maps(&["flows4 id x".to_owned()]),
        Err("flows4 id x".to_owned())
    );
    // The maps of an earlier version of the module.
    let three = ["sessions4", "sessions6", "services"]
        .map(|name| format!("{name} id 2 type 1 key 16 value 16 entries 2"));
    assert_eq!(maps(&three), Err(three[0].clone()));
}

#[test]
fn changes_are_the_lines_that_the_module_reads() {
    let key = ServiceKey::Address {
        protocol: Protocol::Tcp,
        address: "10.0.0.1:80".parse().unwrap(),
    };
    assert_eq!(
        FullNatChange::Set(key.clone(), "a".into()).line(),
        "+ tcp 10.0.0.1:80 a\n"
    );
    assert_eq!(FullNatChange::Remove(key).line(), "- tcp 10.0.0.1:80\n");
    for (family, line) in [
        (Family::Ipv4, "- fwmark 7\n"),
        (Family::Ipv6, "- fwmark6 7\n"),
    ] {
        let key = ServiceKey::Fwmark { mark: 7, family };
        assert_eq!(FullNatChange::Remove(key).line(), line);
    }
    let address = "10.2.0.1".parse().unwrap();
    let set = LocalIpChange::Set(
        LocalIp {
            pool: "a".into(),
            address,
        },
        PortRange { first: 1, last: 2 },
    );
    assert_eq!(set.line(), "+ a 10.2.0.1 1-2\n");
    assert_eq!(LocalIpChange::Remove(address).line(), "- 10.2.0.1\n");
}
