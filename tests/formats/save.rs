// SPDX-License-Identifier: GPL-2.0-only
//! The parser reads the output of `save` as the same state.

use ipvs_bpf::config::{
    self,
    write::{Notes, save},
};
use ipvs_bpf::model::{Datapath, Forward, LocalIp, PortRange, Server, Service, ServiceKey, State};
use proptest::prelude::*;

use super::full_nat_states::full_nat;
use super::states::native;

fn saved(state: &State) -> String {
    let saved = save(state, Notes::default()).unwrap();
    assert_eq!(saved.unsaid, [] as [String; 0], "{}", saved.text);
    saved.text
}

fn parsed(text: &str, host: &State) -> State {
    let datapath = host.datapath.iter();
    let interfaces: Vec<String> = datapath.flat_map(|it| it.interfaces.clone()).collect();
    let config = config::parse("saved.toml", text);
    let config = config.unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
    config.desired(&interfaces)
}

/// Makes the servers of some services external: another program manages them.
fn with_external(mut state: State, which: u8) -> State {
    for (index, (key, service)) in state.services.iter_mut().enumerate() {
        if which >> index & 1 == 1 {
            service.servers.clear();
            state.external_servers.insert(key.clone());
        }
    }
    state
}

/// Adds the same services at other addresses, half of them with another scheduler.
fn with_copies(mut state: State, which: u8) -> State {
    let keys: Vec<ServiceKey> = state.services.keys().cloned().collect();
    for (index, key) in keys.into_iter().enumerate() {
        let mut copy = key.clone();
        let ServiceKey::Address { address, .. } = &mut copy else {
            continue;
        };
        if which >> index & 1 == 0 || address.port() == 0 {
            continue;
        }
        address.set_port(address.port() % 65_535 + 1);
        if state.services.contains_key(&copy) {
            continue;
        }
        let mut service = state.services[&key].clone();
        if index % 2 == 1 {
            service.scheduler = "wlc".to_owned();
            service.scheduler_flags = [false; 3];
        }
        state.services.insert(copy.clone(), service);
        if let Some(full_nat) = state.full_nat.get(&key).cloned() {
            state.full_nat.insert(copy.clone(), full_nat);
        }
        if state.external_servers.contains(&key) {
            state.external_servers.insert(copy);
        }
    }
    state
}

fn short(state: &State) -> String {
    let notes = Notes {
        short: true,
        ..Notes::default()
    };
    save(state, notes).unwrap().text
}

proptest! {
    #[test]
    fn the_short_form_says_the_same_as_the_long_one(state in native(&["rr", "mh"], &["sip"]), which in any::<u8>(), external in any::<u8>()) {
        let state = with_copies(with_external(state, external), which);
        let long = save(&state, Notes::default()).unwrap().text;
        let text = short(&state);
        prop_assert!(text.lines().count() <= long.lines().count());
        let read = parsed(&text, &state);
        prop_assert_eq!(&read, &parsed(&long, &state), "{}", &text);
        // A part that the file leaves out is a comment, and the next file has no such comment.
        if !text.contains('#') {
            prop_assert_eq!(short(&read), text);
        }
    }

    #[test]
    fn the_short_form_of_full_nat_says_the_same(state in full_nat(), which in any::<u8>()) {
        let state = with_copies(state, which);
        let long = save(&state, Notes::default()).unwrap().text;
        let text = short(&state);
        prop_assert_eq!(parsed(&text, &state), parsed(&long, &state), "{}", &text);
    }

    #[test]
    fn native_services_are_read_as_they_were_saved(state in native(&["rr", "sh", "mh", "none", "quux"], &["sip"]), which in any::<u8>()) {
        let state = with_external(state, which);
        let text = saved(&state);
        prop_assert_eq!(parsed(&text, &state), state, "{}", text);
    }

    #[test]
    fn full_nat_is_read_as_it_was_saved(state in full_nat(), which in any::<u8>()) {
        let state = with_external(state, which);
        let text = saved(&state);
        prop_assert_eq!(parsed(&text, &state), state, "{}", text);
    }
}

fn key(text: &str) -> ServiceKey {
    let state = parsed(
        &format!("[[service]]\naddress = \"{text}\"\nscheduler = \"rr\"\npersistence = {{}}"),
        &State::default(),
    );
    state.services.into_keys().next().unwrap()
}

fn service(servers: &[(&str, Forward)]) -> Service {
    let servers = servers.iter().map(|(address, forward)| {
        let server = Server {
            weight: 1,
            forward: forward.clone(),
            upper_threshold: 0,
            lower_threshold: 0,
        };
        (address.parse().unwrap(), server)
    });
    Service {
        scheduler: "rr".to_owned(),
        scheduler_flags: [false; 3],
        persistence: None,
        one_packet: false,
        servers: servers.collect(),
    }
}

#[test]
fn a_file_is_written_as_a_person_would() {
    let text = include_str!("saved.toml");
    let host = State {
        datapath: Some(Datapath {
            interfaces: ["eth0", "eth1"].map(str::to_owned).into(),
            xdp: [].into(),
            max_sessions: 0,
            fast_path: true,
            other_build: false,
        }),
        ..State::default()
    };
    assert_eq!(saved(&parsed(text, &host)), text);
}

#[test]
fn services_that_differ_in_their_addresses_alone_are_one_table() {
    let server = |port| service(&[(&format!("10.0.0.2:{port}"), Forward::Masq)]);
    let mut state = State::default();
    for (address, port) in [
        ("tcp://10.0.0.1:53", 53),
        ("udp://10.0.0.1:53", 53),
        ("tcp://10.0.0.1:80", 80),
        ("tcp://10.0.0.9:53", 53),
    ] {
        state.services.insert(key(address), {
            let mut service = server(port);
            service.scheduler = "wlc".to_owned();
            service
        });
    }
    assert_eq!(
        short(&state),
        r#"[[service]]
address   = ["tcp://10.0.0.1:53", "tcp://10.0.0.9:53", "udp://10.0.0.1:53"]
scheduler = "wlc"

  [[service.server]]
  address = "10.0.0.2:53"

[[service]]
address   = "tcp://10.0.0.1:80"
scheduler = "wlc"

  [[service.server]]
  address = "10.0.0.2:80"
"#
    );
}

#[test]
fn shared_settings_are_written_once_if_that_is_shorter() {
    let servers = [
        ("10.0.0.2:53", Forward::Masq),
        ("10.0.0.3:53", Forward::Masq),
        ("10.0.0.4:53", Forward::Route),
    ];
    let mut state = State::default();
    for (address, scheduler) in [
        ("tcp://10.0.0.1:53", "wlc"),
        ("udp://10.0.0.1:53", "rr"),
        ("udp://10.0.0.9:53", "rr"),
        ("fwmark://7", "rr"),
        ("tcp://10.0.0.1:54", "rr"),
    ] {
        let mut service = service(&servers);
        service.scheduler = scheduler.to_owned();
        state.services.insert(key(address), service);
    }
    // This one has no server to share.
    let alone = state.services.get_mut(&key("tcp://10.0.0.1:54"));
    alone.unwrap().servers.clear();
    let text = short(&state);
    assert_eq!(
        text,
        r#"[servers.group1]
addresses = ["10.0.0.2:53", "10.0.0.3:53"]

  [[servers.group1.server]]
  address = "10.0.0.4:53"
  forward = "route"

[[service]]
address   = "tcp://10.0.0.1:53"
scheduler = "wlc"
servers   = "group1"

[[service]]
address   = "tcp://10.0.0.1:54"
scheduler = "rr"

[[service]]
address   = ["udp://10.0.0.1:53", "udp://10.0.0.9:53"]
scheduler = "rr"
servers   = "group1"

[[service]]
address   = "fwmark://7"
scheduler = "rr"
servers   = "group1"
"#
    );
    assert_eq!(parsed(&text, &State::default()), state);
    // `[defaults]` takes three lines itself.
    state.services.insert(
        key("tcp://10.0.0.1:55"),
        service(&[("10.0.0.2:55", Forward::Masq)]),
    );
    let text = short(&state);
    let defaults = "[defaults]\nscheduler = \"rr\"\n\n[servers.group1]\n";
    assert!(text.starts_with(defaults), "{text}");
    assert_eq!(text.matches("scheduler").count(), 2, "{text}");
    assert_eq!(parsed(&text, &State::default()), state);
}

#[test]
fn a_state_that_no_file_can_describe_leaves_the_rest_of_its_list_alone() {
    let mut state = State::default();
    // A port that routing cannot change is a mistake of the second service alone.
    for address in [
        "tcp://10.0.0.1:80",
        "tcp://10.0.0.1:81",
        "tcp://10.0.0.9:80",
    ] {
        state
            .services
            .insert(key(address), service(&[("10.0.0.2:80", Forward::Route)]));
    }
    let text = short(&state);
    assert!(text.contains("# address = \"10.0.0.2:80\"\n"), "{text}");
    let mut expected = state;
    let odd = expected.services.get_mut(&key("tcp://10.0.0.1:81"));
    odd.unwrap().servers.clear();
    assert_eq!(parsed(&text, &State::default()), expected);
}

#[test]
fn no_service_at_all_is_a_file_that_asks_for_none() {
    let text = saved(&State::default());
    assert_eq!(text, "service = []\n");
}

#[test]
fn a_state_that_no_file_can_describe_becomes_a_comment_with_its_reason() {
    let mut state = State::default();
    state.services.insert(
        key("tcp://10.0.0.1:80"),
        service(&[("10.0.0.2:80", Forward::Masq)]),
    );
    // Added without ipvsadm: a port that routing cannot change.
    state.services.insert(
        key("tcp://10.0.0.1:81"),
        service(&[
            ("10.0.0.2:80", Forward::Route),
            ("10.0.0.3:81", Forward::Route),
        ]),
    );
    // The VIP is not an address of any host.
    let strange = ServiceKey::Address {
        protocol: ipvs_bpf::model::Protocol::Udp,
        address: "0.0.0.0:53".parse().unwrap(),
    };
    state
        .services
        .insert(strange.clone(), service(&[("10.0.0.2:53", Forward::Masq)]));
    let saved = save(&state, Notes::default()).unwrap();
    assert_eq!(saved.unsaid.len(), 2, "{:?}", saved.unsaid);
    assert!(
        saved.unsaid[0].starts_with("udp://0.0.0.0:53: "),
        "{:?}",
        saved.unsaid
    );
    assert!(saved.unsaid[1].starts_with("the server 10.0.0.2:80 of tcp://10.0.0.1:81: "));
    assert!(
        saved.text.contains("# address   = \"udp://0.0.0.0:53\"\n"),
        "{}",
        saved.text
    );
    assert!(
        saved.text.contains("\n  # address = \"10.0.0.2:53\"\n"),
        "{}",
        saved.text
    );

    let mut expected = state;
    expected.services.remove(&strange);
    let routed = expected
        .services
        .get_mut(&key("tcp://10.0.0.1:81"))
        .unwrap();
    routed.servers.remove(&"10.0.0.2:80".parse().unwrap());
    assert_eq!(parsed(&saved.text, &State::default()), expected);
}

#[test]
fn a_state_that_the_file_only_approximates_is_reported() {
    let mut state = State::default();
    let web = key("tcp://10.0.0.1:80");
    state.services.insert(
        web.clone(),
        service(&[
            ("10.0.0.2:80", Forward::Local),
            ("10.0.0.2:81", Forward::Local),
        ]),
    );
    state.datapath = Some(Datapath {
        interfaces: ["eth0".to_owned()].into(),
        xdp: [].into(),
        max_sessions: 1_048_576,
        fast_path: true,
        other_build: false,
    });
    for (address, first) in [("10.2.0.1", 1024), ("10.2.0.2", 1024), ("10.2.0.3", 2048)] {
        let local_ip = LocalIp {
            pool: "a".to_owned(),
            address: address.parse().unwrap(),
        };
        state.local_ips.insert(
            local_ip,
            PortRange {
                first,
                last: 65_535,
            },
        );
    }
    // The module has a service that IPVS does not have.
    state.full_nat.insert(key("tcp://10.0.0.9:80"), "a".into());
    let saved = save(&state, Notes::default()).unwrap();
    for (unsaid, why) in saved.unsaid.iter().zip([
        "the pool \"a\": the kernel has other ports",
        "the server 10.0.0.2:80 of tcp://10.0.0.1:80: the kernel has the forwarding method",
        "the server 10.0.0.2:81 of tcp://10.0.0.1:80: the kernel has the forwarding method",
        "tcp://10.0.0.9:80: the module has full NAT for it",
    ]) {
        assert!(unsaid.starts_with(why), "{unsaid}");
    }
    assert_eq!(saved.unsaid.len(), 4, "{:?}", saved.unsaid);
    let read = parsed(&saved.text, &state);
    let servers: Vec<&Forward> = read.services[&web]
        .servers
        .values()
        .map(|it| &it.forward)
        .collect();
    assert_eq!(servers, [&Forward::Route, &Forward::Masq]);
    assert!(read.local_ips.values().all(|ports| ports.first == 1024));
}

#[test]
fn a_datapath_without_an_interface_is_not_in_a_file() {
    let state = State {
        datapath: Some(Datapath {
            interfaces: [].into(),
            xdp: [].into(),
            max_sessions: 65_536,
            fast_path: true,
            other_build: false,
        }),
        ..State::default()
    };
    let saved = save(&state, Notes::default()).unwrap();
    assert_eq!(saved.unsaid.len(), 1, "{}", saved.text);
    assert!(saved.unsaid[0].contains("stops the datapath"));
}
