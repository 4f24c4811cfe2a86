// SPDX-License-Identifier: GPL-2.0-only
//! The meaning of an errno depends on the request.

use ipvs_bpf::ipvs_netlink::message::Command;
use ipvs_bpf::ipvs_netlink::{Error, Reason};
use ipvs_bpf::model::{Family, Netmask, Persistence, Service, ServiceKey};
use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST};
use nix::errno::Errno;

use crate::encoding::{masq, plain, tcp};
use crate::scripted::{Request, Step, ack, answering, kernel, refusal, refusal_saying};

/// Every change, refused with `errno`.
fn refused(errno: Errno) -> Vec<(&'static str, Error)> {
    let mut ipvs = answering(|_, sequence| vec![refusal(sequence, errno as i32)]);
    let key = tcp("10.0.0.1:80");
    let server = "10.0.0.2:8080".parse().unwrap();
    [
        ("add service", ipvs.add_service(&key, &plain())),
        ("change service", ipvs.change_service(&key, &plain())),
        ("remove service", ipvs.remove_service(&key)),
        ("add server", ipvs.add_server(&key, server, &masq())),
        ("change server", ipvs.change_server(&key, server, &masq())),
        ("remove server", ipvs.remove_server(&key, server)),
        ("flush", ipvs.flush()),
    ]
    .into_iter()
    .map(|(name, result)| (name, result.unwrap_err()))
    .collect()
}

fn reasons(errno: Errno) -> Vec<(&'static str, Reason)> {
    refused(errno)
        .into_iter()
        .map(|(name, error)| (name, error.reason().unwrap().clone()))
        .collect()
}

#[test]
fn eexist_means_that_what_is_added_exists() {
    let other = Reason::Other(Errno::EEXIST);
    assert_eq!(
        reasons(Errno::EEXIST),
        [
            ("add service", Reason::ServiceExists),
            ("change service", other.clone()),
            ("remove service", other.clone()),
            ("add server", Reason::ServerExists),
            ("change server", other.clone()),
            ("remove server", other.clone()),
            ("flush", other),
        ]
    );
}

#[test]
fn enoent_means_the_scheduler_the_server_or_the_family() {
    let no_scheduler = Reason::NoScheduler {
        scheduler: "wrr".into(),
    };
    assert_eq!(
        reasons(Errno::ENOENT),
        [
            ("add service", no_scheduler.clone()),
            ("change service", no_scheduler),
            ("remove service", Reason::NoFamily),
            ("add server", Reason::NoFamily),
            ("change server", Reason::NoSuchServer),
            ("remove server", Reason::NoSuchServer),
            ("flush", Reason::NoFamily),
        ]
    );
}

#[test]
fn esrch_means_no_such_service_and_eperm_no_capability() {
    for (name, reason) in reasons(Errno::ESRCH) {
        assert_eq!(reason, Reason::NoSuchService, "{name}");
    }
    for (name, reason) in reasons(Errno::EPERM) {
        assert_eq!(reason, Reason::NotPermitted, "{name}");
    }
}

#[test]
fn an_error_names_the_thing_and_the_cure() {
    let sentences: Vec<String> = refused(Errno::ENOENT)
        .into_iter()
        .map(|(_, error)| error.to_string())
        .collect();
    assert_eq!(
        sentences[0],
        "cannot add the service tcp://10.0.0.1:80: the kernel has no scheduler `wrr`, and loading \
         a module ip_vs_wrr did not add it: choose another one, or install the module"
    );
    assert_eq!(
        sentences[5],
        "cannot remove the server 10.0.0.2:8080 from the service tcp://10.0.0.1:80: \
         the service has no such server"
    );
}

#[test]
fn a_missing_engine_is_named_next_to_the_scheduler() {
    let mut ipvs = answering(|_, sequence| vec![refusal(sequence, Errno::ENOENT as i32)]);
    let service = Service {
        persistence: Some(Persistence {
            timeout: 300,
            netmask: Netmask::whole(Family::Ipv4),
            engine: Some("sip".into()),
        }),
        ..plain()
    };
    let error = ipvs
        .add_service(&tcp("10.0.0.1:80"), &service)
        .unwrap_err()
        .to_string();
    assert!(error.contains("ip_vs_wrr and ip_vs_pe_sip"), "{error}");
}

#[test]
fn the_kernels_own_words_are_in_the_error() {
    for request in [None, Some(&[7; 21][..])] {
        let mut ipvs = answering(|_, sequence| {
            vec![refusal_saying(
                sequence,
                Errno::EBUSY as i32,
                "not today",
                request,
            )]
        });
        assert_eq!(
            ipvs.flush().unwrap_err().to_string(),
            "cannot remove all services: Device or resource busy (EBUSY) \
             (the kernel says: not today)"
        );
    }
}

#[test]
fn every_change_asks_for_an_acknowledgement() {
    let (mut ipvs, requests) =
        kernel(|request: &Request| vec![Step::Datagram(ack(request.sequence))]);
    let key = tcp("10.0.0.1:80");
    let server = "10.0.0.2:8080".parse().unwrap();
    ipvs.add_service(&key, &plain()).unwrap();
    ipvs.change_service(&key, &plain()).unwrap();
    ipvs.add_server(&key, server, &masq()).unwrap();
    ipvs.change_server(&key, server, &masq()).unwrap();
    ipvs.remove_server(&key, server).unwrap();
    ipvs.remove_service(&key).unwrap();
    ipvs.flush().unwrap();
    let requests = requests.borrow();
    assert!(
        requests
            .iter()
            .all(|request| request.flags == NLM_F_REQUEST | NLM_F_ACK)
    );
    let commands: Vec<Command> = requests
        .iter()
        .map(|request| request.message.command)
        .collect();
    assert_eq!(
        commands,
        [
            Command::NewService,
            Command::SetService,
            Command::NewDest,
            Command::SetDest,
            Command::DelDest,
            Command::DelService,
            Command::Flush
        ]
    );
}

#[test]
fn values_that_the_kernel_would_misread_are_not_sent() {
    let (mut ipvs, requests) = kernel(|_: &Request| Vec::new());
    let unmarked = ServiceKey::Fwmark {
        mark: 0,
        family: Family::Ipv4,
    };
    let error = ipvs.remove_service(&unmarked).unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::FwmarkZero));
    for name in ["", "rr\0rr", "sixteen-bytes-xx"] {
        let service = Service {
            scheduler: name.into(),
            ..plain()
        };
        let error = ipvs.add_service(&tcp("10.0.0.1:80"), &service).unwrap_err();
        assert_eq!(error.reason(), Some(&Reason::BadName { name: name.into() }));
    }
    assert!(requests.borrow().is_empty());
}

#[test]
fn a_kernel_without_ipvs_is_an_error_that_says_modprobe() {
    use ipvs_bpf::ipvs_netlink::Ipvs;
    use ipvs_bpf::ipvs_netlink::socket::Transport;

    struct Bare(u32);
    impl Transport for Bare {
        fn send(&mut self, requests: &[u8]) -> std::io::Result<()> {
            self.0 = u32::from_ne_bytes(requests[8..12].try_into().unwrap());
            Ok(())
        }

        fn receive(&mut self, datagram: &mut Vec<u8>) -> std::io::Result<usize> {
            *datagram = refusal(self.0, Errno::ENOENT as i32);
            Ok(datagram.len())
        }

        fn another(&self) -> std::io::Result<Self> {
            Ok(Bare(self.0))
        }
    }

    let error = Ipvs::over(Bare(0)).map(drop).unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::NoFamily));
    assert!(error.to_string().contains("`modprobe ip_vs`"), "{error}");
}
