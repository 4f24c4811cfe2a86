// SPDX-License-Identifier: GPL-2.0-only
//! A client that sends such an option itself.

use super::{PAIRS, lab, option, seen};

/// Options that a client of either family could forge, with both experimental kinds.
fn forged() -> [String; 4] {
    [
        option("203.0.113.9:9"),
        format!("{}{}", option("203.0.113.9:9"), option("203.0.113.9:9")),
        option("[2001:db8::bad]:9"),
        "fd04beef".to_owned(),
    ]
}

fn nops(options: &str) -> String {
    "01".repeat(options.len() / 2)
}

#[test]
fn forged_options_become_nops_and_the_true_one_comes_before_them() {
    let lab = lab();
    let mut port = 42000;
    for (client, vip) in PAIRS {
        for options in forged() {
            port += 1;
            let client = format!("{}:{port}", client.rsplit_once(':').unwrap().0);
            let own = option(&client);
            let before = lab.counter("toa_forged");
            let steps = ["syn", "ack", "get"].map(|step| format!("{step}={options}"));
            let steps = steps.each_ref().map(String::as_str);
            let seen = seen(&lab, (&client, vip), &steps);
            let gone = nops(&options);
            // Two options of IPv6 do not fit in one header.
            let room = (own.len() + gone.len()) / 2 <= 40;
            let told = if room { own + &gone } else { gone.clone() };
            let expected = [("S", &gone), ("A", &told), ("PA", &told)];
            let expected = expected.map(|(flags, options)| (flags.to_owned(), options.clone()));
            assert_eq!(seen, expected, "{options}");
            let count = options.matches("fe08cb00").count().max(1) as u64;
            assert!(
                lab.counter("toa_forged") - before >= 3 * count.min(1),
                "{count}"
            );
        }
    }
    assert_eq!(lab.counter("toa_failed"), 0);
}

#[test]
fn with_the_option_space_filled_nobody_is_named_by_the_client() {
    let lab = lab();
    for pair in PAIRS {
        let full = option("203.0.113.9:9").repeat(5);
        let steps = ["syn", "ack", "get"].map(|step| format!("{step}={full}"));
        let seen = seen(&lab, pair, &steps.each_ref().map(String::as_str));
        assert_eq!(seen.len(), 3);
        for (_, options) in seen {
            assert_eq!(options, nops(&full));
        }
    }
    assert_eq!(lab.counter("toa_forged"), 30);
    assert_eq!(lab.counter("toa_no_room"), 4);
}

/// No receiver reads an incomplete option.
#[test]
fn broken_lists_of_options_pass_as_they_are() {
    let lab = lab();
    let mut port = 43000;
    for broken in [
        "fe0001010101",
        "4d29fe08",
        "00fe080009cb007109",
        "fe",
        "010101fe",
    ] {
        port += 1;
        let client = format!("198.51.100.7:{port}");
        let own = option(&client);
        let padded = broken.len().next_multiple_of(8) - broken.len();
        let padded = format!("{broken}{}", "01".repeat(padded / 2));
        let ack = format!("ack={broken}");
        let seen = seen(&lab, (&client, PAIRS[0].1), &["syn", &ack]);
        assert_eq!(seen[1].1, format!("{own}{padded}"), "{broken}");
    }
    assert_eq!(lab.counter("toa_forged"), 0);
}

/// A server answers an out-of-window segment with an ACK, long before the handshake ends.
#[test]
fn an_answer_to_a_stray_segment_does_not_open_the_door() {
    let lab = lab();
    let forged = option("203.0.113.9:9");
    for pair in PAIRS {
        let own = option(pair.0);
        let ack = format!("ack={forged}");
        let get = format!("get={forged}");
        let seen = seen(&lab, pair, &["syn", "stray", &ack, &get]);
        let told: Vec<&str> = seen.iter().map(|(_, options)| &**options).collect();
        let struck = format!("{own}{}", nops(&forged));
        assert_eq!(told, ["", &own, &struck, &struck]);
    }
}

/// The SYN/ACK of the second handshake is lost between server and director. What the server
/// answers to a stray SYN acknowledges more than the SYN/ACK of the first one.
#[test]
fn a_second_handshake_in_the_same_session_does_not_open_the_door() {
    let lab = lab();
    let rules = "table inet t { chain c { type filter hook output priority 0; \
                 tcp flags & (syn | ack) == syn | ack tcp ackseq 5001 drop; }; }";
    lab.exec("server1", &["nft", rules]);
    let forged = option("203.0.113.9:9");
    for pair in PAIRS {
        let own = option(pair.0);
        let [wild, ack] = ["wild", "ack"].map(|step| format!("{step}={forged}"));
        let seen = seen(&lab, pair, &["syn", "reset", "restart=5000", &wild, &ack]);
        let told: Vec<&str> = seen.iter().map(|(_, options)| &**options).collect();
        let struck = format!("{own}{}", nops(&forged));
        assert_eq!(told, ["", &own, "", &struck, &struck]);
    }
}

/// IPVS still calls the connection established. A server that has forgotten it may take the
/// data of the SYN (TCP Fast Open).
#[test]
fn a_syn_in_an_established_connection_names_the_true_client() {
    let lab = lab();
    let forged = option("203.0.113.9:9");
    for pair in PAIRS {
        let own = option(pair.0);
        let wild = format!("wild={forged}");
        let seen = seen(&lab, pair, &["syn", "ack", "get", "get", &wild]);
        let (_, told) = seen.last().unwrap();
        assert_eq!(*told, format!("{own}{}", nops(&forged)));
    }
}

/// The server answers the second SYN, so its data prove that the second handshake is over.
#[test]
fn after_a_second_handshake_the_servers_data_ends_the_telling() {
    let lab = lab();
    for pair in PAIRS {
        let own = option(pair.0);
        assert_eq!(
            seen(&lab, pair, &["syn", "reset", "syn", "ack", "get", "get"])
                .into_iter()
                .map(|(_, options)| options)
                .collect::<Vec<_>>(),
            ["", &own, "", &own, &own, ""]
        );
    }
}
