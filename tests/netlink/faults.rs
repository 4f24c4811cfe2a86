// SPDX-License-Identifier: GPL-2.0-only
//! Answers that are split, late, duplicated, truncated, or missing.

use std::net::SocketAddr;

use ipvs_bpf::ipvs_netlink::message::{Attributes, CmdAttribute, Command};
use ipvs_bpf::ipvs_netlink::{Error, Reason, daemon, destination, service};
use ipvs_bpf::model::{ServiceKey, SyncDaemon, SyncState};
use netlink_packet_core::{NLM_F_DUMP_INTR, NLMSG_NOOP, NLMSG_OVERRUN};
use nix::libc::{EBUSY, EINTR, EIO, ENOBUFS, ESRCH};

use crate::encoding::{masq, plain, tcp};
use crate::scripted::{
    FAMILY, Request, Step, ack, answering, attribute, done, dumped, kernel, message, refusal,
};

fn service(sequence: u32, key: &ServiceKey) -> Vec<u8> {
    let attributes = service::all_attributes(key, &plain());
    dumped(
        sequence,
        Command::NewService,
        vec![CmdAttribute::Service(attributes)],
    )
}

fn server(sequence: u32, address: SocketAddr) -> Vec<u8> {
    let attributes = destination::all_attributes(address, &masq());
    dumped(
        sequence,
        Command::NewDest,
        vec![CmdAttribute::Dest(attributes)],
    )
}

fn web() -> ServiceKey {
    tcp("10.0.0.1:80")
}

fn backend(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number], 80))
}

/// Asks for the servers of one service. `steps` is what the kernel sends.
fn servers_from(
    mut steps: impl FnMut(usize, u32) -> Vec<Step>,
) -> Result<(Vec<SocketAddr>, usize), Error> {
    let mut asked = 0;
    let (mut ipvs, _) = kernel(|request: &Request| match request.message.command {
        Command::GetService => vec![Step::Datagram(
            [service(request.sequence, &web()), done(request.sequence, 0)].concat(),
        )],
        _ => {
            asked += 1;
            steps(asked, request.sequence)
        }
    });
    let services = ipvs.services()?;
    drop(ipvs);
    Ok((services[&web()].servers.keys().copied().collect(), asked))
}

/// A dump of servers in these datagrams.
fn dump(datagrams: &[&[u8]], sequence: u32) -> Vec<Step> {
    let datagram = |numbers: &&[u8]| {
        let servers = numbers.iter().map(|n| server(sequence, backend(*n)));
        Step::Datagram(servers.flatten().collect())
    };
    datagrams
        .iter()
        .map(datagram)
        .chain([Step::Datagram(done(sequence, 0))])
        .collect()
}

#[test]
fn an_empty_success_for_a_missing_service_is_not_an_empty_service() {
    let gone = tcp("10.0.0.9:80");
    let (mut ipvs, _) = kernel(|request: &Request| {
        let sequence = request.sequence;
        let Attributes::Cmd(named) = &request.message.attributes else {
            panic!("{:?}", request.message);
        };
        let about = |key| named == &[CmdAttribute::Service(service::key(key))];
        let answer = match request.message.command {
            Command::GetService if named.is_empty() => [
                service(sequence, &gone),
                service(sequence, &web()),
                done(sequence, 0),
            ]
            .concat(),
            Command::GetService if about(&gone) => refusal(sequence, ESRCH),
            Command::GetDest if about(&gone) => done(sequence, 0),
            Command::GetDest if about(&web()) => {
                [server(sequence, backend(2)), done(sequence, 0)].concat()
            }
            _ => panic!("{:?}", request.message),
        };
        vec![Step::Datagram(answer)]
    });
    let services = ipvs.services().unwrap();
    assert_eq!(services.keys().collect::<Vec<_>>(), [&web()]);
}

#[test]
fn a_dump_may_have_many_datagrams_of_many_messages() {
    let (servers, asked) = servers_from(|asked, sequence| {
        let cut: &[&[u8]] = match asked {
            // The other dump, on its own socket.
            2 => &[&[2], &[3], &[4], &[5, 6]],
            _ => &[&[2, 3, 4, 5], &[6]],
        };
        dump(cut, sequence)
    })
    .unwrap();
    assert_eq!(servers, [2, 3, 4, 5, 6].map(backend));
    assert_eq!(asked, 3);
}

#[test]
fn the_error_of_a_dump_is_in_its_done_message() {
    let error = servers_from(|_, sequence| {
        vec![Step::Datagram(
            [server(sequence, backend(2)), done(sequence, -EIO)].concat(),
        )]
    })
    .unwrap_err();
    assert_eq!(
        error.reason(),
        Some(&Reason::Other(nix::errno::Errno::EIO)),
        "{error}"
    );
}

#[test]
fn a_done_message_without_a_code_is_a_success() {
    let (servers, _) = servers_from(|_, sequence| {
        let done = message(sequence, 3, 2, &[]);
        vec![Step::Datagram(
            [server(sequence, backend(2)), done].concat(),
        )]
    })
    .unwrap();
    assert_eq!(servers, [backend(2)]);
}

#[test]
fn a_signal_does_not_disturb() {
    let (servers, asked) = servers_from(|_, sequence| {
        vec![
            Step::Errno(EINTR),
            Step::Datagram(server(sequence, backend(2))),
            Step::Errno(EINTR),
            Step::Datagram(done(sequence, 0)),
        ]
    })
    .unwrap();
    assert_eq!((servers, asked), (vec![backend(2)], 1));
}

#[test]
fn a_dump_that_overran_the_socket_is_asked_for_again_after_its_end() {
    let (servers, asked) = servers_from(|asked, sequence| match asked {
        1 => vec![
            Step::Datagram(server(sequence, backend(2))),
            Step::Errno(ENOBUFS),
            Step::Datagram(done(sequence, 0)),
        ],
        _ => dump(&[&[2, 3]], sequence),
    })
    .unwrap();
    assert_eq!((servers, asked), (vec![backend(2), backend(3)], 2));
}

#[test]
fn an_overrun_message_is_an_overrun() {
    let (_, asked) = servers_from(|asked, sequence| {
        let mut answer = server(sequence, backend(2));
        if asked == 1 {
            answer.extend(message(sequence, NLMSG_OVERRUN, 0, &[]));
        }
        answer.extend(done(sequence, 0));
        vec![Step::Datagram(answer)]
    })
    .unwrap();
    assert_eq!(asked, 2);
}

#[test]
fn a_datagram_that_was_cut_off_is_asked_for_again_with_room_for_it() {
    let count = 2_000u16;
    let address = |number: u16| SocketAddr::from(([10, 1, (number >> 8) as u8, number as u8], 80));
    let (servers, asked) = servers_from(|_, sequence| {
        let many: Vec<u8> = (0..count)
            .flat_map(|number| server(sequence, address(number)))
            .collect();
        assert!(many.len() > 128 << 10);
        vec![Step::Datagram(many), Step::Datagram(done(sequence, 0))]
    })
    .unwrap();
    assert_eq!((servers.len(), asked), (usize::from(count), 2));
}

#[test]
fn a_dump_that_was_disturbed_is_asked_for_again() {
    let disturbed = |sequence| {
        let mut answer = server(sequence, backend(2));
        answer[6] |= NLM_F_DUMP_INTR as u8;
        answer
    };
    let (servers, asked) = servers_from(|asked, sequence| {
        let answer = match asked {
            1 => disturbed(sequence),
            _ => server(sequence, backend(3)),
        };
        vec![Step::Datagram([answer, done(sequence, 0)].concat())]
    })
    .unwrap();
    assert_eq!((servers, asked), (vec![backend(3)], 2));

    let error = servers_from(|_, sequence| {
        vec![Step::Datagram(
            [disturbed(sequence), done(sequence, 0)].concat(),
        )]
    })
    .unwrap_err();
    assert!(matches!(error, Error::Inconsistent { .. }), "{error:?}");
}

#[test]
fn another_dump_finds_entries_that_a_dump_in_two_datagrams_skipped() {
    // All dumps except the last skip server 5. Only the last one links to the datagram
    // before it.
    let (servers, asked) = servers_from(|asked, sequence| {
        let cut: &[&[u8]] = match asked {
            1 | 3 => &[&[2, 3, 4], &[6, 7]],
            2 | 4 => &[&[2], &[3], &[4], &[6, 7]],
            5 => &[&[2, 3, 4, 5, 6], &[7]],
            _ => panic!("asked {asked} times"),
        };
        dump(cut, sequence)
    })
    .unwrap();
    assert_eq!(servers, [2, 3, 4, 5, 6, 7].map(backend));
    assert_eq!(asked, 5);
}

#[test]
fn a_listing_that_never_links_up_is_an_error_that_names_the_cause() {
    let error = servers_from(|_, sequence| dump(&[&[2, 3], &[5, 6]], sequence)).unwrap_err();
    assert!(matches!(error, Error::Inconsistent { .. }), "{error:?}");
    assert!(
        error.to_string().contains("in this network namespace or"),
        "{error}"
    );
}

#[test]
fn a_listing_during_which_the_kernel_gave_the_services_another_order_is_repeated() {
    let key = |number: &u8| tcp(&format!("10.0.0.{number}:80"));
    let mut asked = 0;
    let (mut ipvs, _) = kernel(|request: &Request| {
        asked += 1;
        // The table of services grows after the first two datagrams of a dump. Each bucket
        // becomes two: 2 4 6 8, then 3 5 7 9. So both dumps lack service 6.
        let cut: &[&[u8]] = match asked {
            1 => &[&[2], &[3, 4, 5], &[3, 5, 7, 9]],
            2 => &[&[2, 3, 4], &[8, 3, 5, 7, 9]],
            3 => &[&[2], &[4], &[6], &[8, 3, 5], &[7, 9]],
            4 => &[&[2, 4, 6, 8], &[3, 5, 7], &[9]],
            _ => panic!("asked {asked} times"),
        };
        let datagram = |numbers: &&[u8]| {
            let services = numbers.iter().map(|n| service(request.sequence, &key(n)));
            Step::Datagram(services.flatten().collect())
        };
        let end = Step::Datagram(done(request.sequence, 0));
        cut.iter().map(datagram).chain([end]).collect()
    });
    let keys = ipvs.service_keys().unwrap();
    assert_eq!(keys, [2, 3, 4, 5, 6, 7, 8, 9].iter().map(key).collect());
}

#[test]
fn a_dump_that_repeats_its_end_with_a_new_entry_in_it_is_complete() {
    // 8 and 9 were added in front of the place where the dump continues.
    let (servers, asked) =
        servers_from(|_, sequence| dump(&[&[2, 3, 4, 5, 6, 7], &[4, 5, 9, 6, 7, 10]], sequence))
            .unwrap();
    assert_eq!(servers, [2, 3, 4, 5, 6, 7, 9, 10].map(backend));
    assert_eq!(asked, 1);
}

#[test]
fn messages_of_another_sequence_number_are_passed_over() {
    let (servers, _) = servers_from(|_, sequence| {
        vec![
            Step::Datagram(done(sequence - 1, -EIO)),
            Step::Datagram(
                [
                    server(sequence + 1, backend(9)),
                    refusal(sequence - 1, EBUSY),
                    server(sequence, backend(2)),
                    message(sequence, NLMSG_NOOP, 0, &[]),
                    done(sequence, 0),
                ]
                .concat(),
            ),
        ]
    })
    .unwrap();
    assert_eq!(servers, [backend(2)]);
}

#[test]
fn a_dump_is_read_to_its_end_after_a_message_that_cannot_be_read() {
    let mut asked = 0;
    let mut ipvs = answering(|command, sequence| {
        asked += 1;
        match (command, asked) {
            (Command::GetService, 1) => {
                let cut = attribute(1, &[&[9, 0, 1, 0][..], &[0; 2]].concat());
                let body = [&[1, 1, 0, 0][..], &cut].concat();
                vec![
                    message(sequence, FAMILY, 2, &body),
                    service(sequence, &web()),
                    done(sequence, 0),
                ]
            }
            (Command::GetService, _) => vec![service(sequence, &web()), done(sequence, 0)],
            _ => vec![server(sequence, backend(2)), done(sequence, 0)],
        }
    });
    let error = ipvs.services().unwrap_err();
    assert!(matches!(error, Error::Malformed { .. }), "{error:?}");
    assert_eq!(ipvs.services().unwrap().len(), 1);
}

#[test]
fn a_change_whose_answer_is_lost_is_not_sent_twice() {
    for fault in [Some(Step::Errno(ENOBUFS)), None] {
        let mut fault = Some(fault);
        let (mut ipvs, requests) = kernel(|request: &Request| match fault.take() {
            Some(step) => step.into_iter().collect(),
            // The lost answer may still arrive, before the next one.
            None => vec![
                Step::Datagram(refusal(request.sequence - 1, ESRCH)),
                Step::Datagram(ack(request.sequence)),
            ],
        });
        let error = ipvs.remove_service(&web()).unwrap_err();
        assert!(matches!(error, Error::Lost { .. }), "{error:?}");
        assert_eq!(requests.borrow().len(), 1);
        ipvs.remove_service(&web()).unwrap();
    }
}

#[test]
fn a_socket_that_fails_is_an_error_that_says_so() {
    let (mut ipvs, _) = kernel(|_: &Request| vec![Step::Errno(EIO)]);
    let error = ipvs.flush().unwrap_err();
    assert!(matches!(error, Error::Socket { .. }), "{error:?}");
    assert!(error.to_string().contains("Input/output error"), "{error}");
}

/// Cuts every message at every length and changes every byte of it, in every place where
/// answers are parsed.
fn daemon_and_timeouts(sequence: u32) -> Vec<u8> {
    let daemon = SyncDaemon {
        interface: "eth2".into(),
        id: 1,
        group: "ff02::81".parse().unwrap(),
        port: 8849,
        ttl: 2,
        sync_maxlen: Some(1400),
    };
    let daemon = daemon::all_attributes(SyncState::Backup, &daemon);
    let attributes = vec![CmdAttribute::Daemon(daemon), CmdAttribute::TimeoutTcp(900)];
    dumped(sequence, Command::NewDaemon, attributes)
}

#[test]
fn no_bytes_make_the_reader_panic() {
    let sequence = 2;
    let whole = [
        service(sequence, &web()),
        server(sequence, backend(2)),
        daemon_and_timeouts(sequence),
        refusal(sequence, ESRCH),
        crate::scripted::refusal_saying(sequence, ESRCH, "no", Some(&[1; 20])),
        done(sequence, 0),
    ]
    .concat();
    let spoiled = (0..whole.len()).flat_map(|at| {
        let cut = whole[..at].to_vec();
        let changed = [0x00, 0x01, 0x7f, 0x80, 0xff].map(|byte| {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            bytes
        });
        std::iter::once(cut).chain(changed)
    });
    for bytes in spoiled {
        // The first question of a handle has sequence number 2.
        let ask = || kernel(|_: &Request| vec![Step::Datagram(bytes.clone())]).0;
        let _ = ask().services();
        let _ = ask().info();
        let _ = ask().daemons();
        let _ = ask().timeouts();
        let _ = ask().flush();
    }
}
