// SPDX-License-Identifier: GPL-2.0-only
//! Timeouts and sync daemons: how answers are interpreted, and the meaning of refusals.

use ipvs_bpf::ipvs_netlink::daemon::{self, DaemonAttribute};
use ipvs_bpf::ipvs_netlink::message::{CmdAttribute, Command, IpvsMessage};
use ipvs_bpf::ipvs_netlink::{Error, Reason};
use ipvs_bpf::model::{SyncDaemon, SyncDaemons, SyncState, Timeouts};
use netlink_packet_core::DefaultNla;
use nix::errno::Errno;

use crate::encoding::tcp;
use crate::scripted::{Step, ack, answering, done, dumped, kernel, refusal};

fn master() -> SyncDaemon {
    SyncDaemon {
        interface: "eth2".into(),
        id: 1,
        group: SyncDaemon::GROUP,
        port: SyncDaemon::PORT,
        ttl: SyncDaemon::TTL,
        sync_maxlen: None,
    }
}

/// The daemons of a kernel that sends these attributes.
fn daemons(attributes: Vec<DaemonAttribute>) -> Result<SyncDaemons, Error> {
    answering(move |_, sequence| {
        let daemon = CmdAttribute::Daemon(attributes.clone());
        vec![
            dumped(sequence, Command::NewDaemon, vec![daemon]),
            done(sequence, 0),
        ]
    })
    .daemons()
}

#[test]
fn a_daemon_of_an_old_kernel_has_the_group_and_port_that_there_were() {
    let expected = SyncDaemons {
        master: Some(master()),
        backup: None,
    };
    let attributes = daemon::all_attributes(SyncState::Master, &master());
    assert_eq!(attributes.len(), 3, "nothing that it does not know");
    assert_eq!(daemons(attributes).unwrap(), expected);
}

#[test]
fn unknown_attributes_of_a_daemon_are_passed_over() {
    let mut attributes = daemon::all_attributes(SyncState::Backup, &master());
    attributes.push(DaemonAttribute::Other(DefaultNla::new(99, vec![1])));
    assert_eq!(daemons(attributes).unwrap().backup, Some(master()));
}

#[test]
fn a_daemon_that_is_unlike_any_known_is_an_error_and_no_panic() {
    for (spoil, words) in [
        (DaemonAttribute::State(3), "in the state 3"),
        (DaemonAttribute::SyncId(256), "of the id 256"),
    ] {
        let mut attributes = daemon::all_attributes(SyncState::Master, &master());
        attributes.push(spoil);
        let error = daemons(attributes).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    for missing in ["STATE", "MCAST_IFN", "SYNC_ID"] {
        let mut attributes = daemon::all_attributes(SyncState::Master, &master());
        attributes.retain(|attribute| match attribute {
            DaemonAttribute::State(_) => missing != "STATE",
            DaemonAttribute::McastIfn(_) => missing != "MCAST_IFN",
            DaemonAttribute::SyncId(_) => missing != "SYNC_ID",
            _ => true,
        });
        let error = daemons(attributes).unwrap_err().to_string();
        assert!(error.contains(missing), "{error}");
    }
}

#[test]
fn a_kernel_without_a_protocol_has_no_timeout_of_it() {
    let mut ipvs = answering(|_, sequence| {
        let udp = CmdAttribute::TimeoutUdp(300);
        vec![
            dumped(sequence, Command::SetConfig, vec![udp]),
            ack(sequence),
        ]
    });
    let timeouts = Timeouts {
        udp: Some(300),
        ..Timeouts::default()
    };
    assert_eq!(ipvs.timeouts().unwrap(), timeouts);
}

#[test]
fn only_the_timeouts_that_are_named_are_sent() {
    let (mut ipvs, requests) = kernel(|request| vec![Step::Datagram(ack(request.sequence))]);
    let timeouts = Timeouts {
        tcp_fin: Some(60),
        ..Timeouts::default()
    };
    ipvs.set_timeouts(&timeouts).unwrap();
    let expected = IpvsMessage::new(Command::SetConfig, vec![CmdAttribute::TimeoutTcpFin(60)]);
    assert_eq!(requests.borrow().last().unwrap().message, expected);
}

#[test]
fn a_refusal_has_the_meaning_of_what_was_asked() {
    let reasons = |errno: Errno| {
        let mut ipvs = answering(move |_, sequence| vec![refusal(sequence, errno as i32)]);
        [
            ipvs.set_timeouts(&Timeouts::default()),
            ipvs.start_daemon(SyncState::Master, &master()),
            ipvs.stop_daemon(SyncState::Master),
            ipvs.zero(Some(&tcp("10.0.0.1:80"))),
        ]
        .map(|result| result.unwrap_err().reason().unwrap().clone())
    };
    let other = |errno| Reason::Other(errno);
    let [timeouts, start, stop, _] = reasons(Errno::EINVAL);
    assert_eq!(timeouts, Reason::TimeoutTooLong);
    assert_eq!(start, Reason::InvalidDaemon);
    assert_eq!(stop, other(Errno::EINVAL));
    let [_, start, ..] = reasons(Errno::EEXIST);
    assert_eq!(start, Reason::DaemonRuns);
    let [_, start, ..] = reasons(Errno::ENODEV);
    assert_eq!(start, Reason::NoInterface);
    let [_, start, ..] = reasons(Errno::ENETUNREACH);
    assert_eq!(start, Reason::NoMulticast);
    let [_, _, stop, zero] = reasons(Errno::ESRCH);
    assert_eq!(stop, Reason::DaemonRunsNot);
    assert_eq!(zero, Reason::NoSuchService);
    for reason in reasons(Errno::EPERM) {
        assert_eq!(reason, Reason::NotPermitted);
    }
}

#[test]
fn an_interface_that_the_kernel_would_cut_short_is_refused_before_it_is_sent() {
    for interface in ["", "a_name_of_16_byt", "eth\0"] {
        let (mut ipvs, requests) = kernel(|_| Vec::new());
        let daemon = SyncDaemon {
            interface: interface.into(),
            ..master()
        };
        let error = ipvs.start_daemon(SyncState::Master, &daemon).unwrap_err();
        assert_eq!(error.reason(), Some(&Reason::NoInterface));
        assert_eq!(requests.borrow().len(), 0);
    }
}
