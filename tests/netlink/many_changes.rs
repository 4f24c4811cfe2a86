// SPDX-License-Identifier: GPL-2.0-only
//! Several changes in one datagram, with answers of the kernel to some of them.

use std::net::SocketAddr;

use ipvs_bpf::ipvs_netlink::{Change, Error, Reason};
use netlink_packet_core::NLM_F_ACK;
use nix::libc::{EEXIST, ENOBUFS, ENOENT};

use crate::encoding::{masq, plain, tcp};
use crate::scripted::{Request, Step, ack, kernel, refusal};

fn backend(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number], 80))
}

/// Five changes of one service. The third is never sent.
fn changes<V>(
    answer: impl FnMut(&Request) -> Vec<Step>,
    run: impl FnOnce(Vec<Result<(), Error>>, Vec<Request>) -> V,
) -> V {
    let (service, masq, bad) = (plain(), masq(), {
        let mut bad = plain();
        bad.scheduler = "a\0b".into();
        bad
    });
    let key = tcp("10.0.0.1:80");
    let (mut ipvs, requests) = kernel(answer);
    let results = ipvs.carry_out(&[
        Change::AddService(&key, &service),
        Change::AddServer(&key, backend(2), &masq),
        Change::ChangeService(&key, &bad),
        Change::AddServer(&key, backend(3), &masq),
        Change::RemoveServer(&key, backend(4)),
    ]);
    run(results, requests.take())
}

#[test]
fn the_last_of_many_changes_alone_is_acknowledged_and_the_refused_ones_answer() {
    let mut first = None;
    changes(
        |request: &Request| {
            let first = *first.get_or_insert(request.sequence);
            match request.sequence - first {
                1 => vec![Step::Datagram(refusal(request.sequence, EEXIST))],
                4 => vec![Step::Datagram(ack(request.sequence))],
                _ => vec![],
            }
        },
        |results, requests| {
            let reasons: Vec<_> = results
                .iter()
                .map(|result| result.as_ref().map_err(|error| error.reason().unwrap()))
                .collect();
            let name = "a\0b".to_owned();
            assert_eq!(
                reasons,
                [
                    Ok(&()),
                    Err(&Reason::ServerExists),
                    Err(&Reason::BadName { name }),
                    Ok(&()),
                    Ok(&())
                ]
            );
            let asked: Vec<_> = requests.iter().map(|r| r.flags & NLM_F_ACK != 0).collect();
            assert_eq!(asked, [false, false, false, true]);
        },
    );
}

#[test]
fn the_last_change_may_be_the_one_refused() {
    changes(
        |request: &Request| match request.flags & NLM_F_ACK {
            0 => vec![],
            _ => vec![Step::Datagram(refusal(request.sequence, ENOENT))],
        },
        |results, _| {
            let failed: Vec<_> = results.iter().map(Result::is_err).collect();
            assert_eq!(failed, [false, false, true, false, true]);
        },
    );
}

#[test]
fn when_an_answer_was_lost_no_change_counts_as_done() {
    for fault in [Some(Step::Errno(ENOBUFS)), None] {
        let mut fault = Some(fault);
        changes(
            |request: &Request| match fault.take() {
                Some(step) => {
                    let mut steps: Vec<Step> = step.into_iter().collect();
                    steps.push(Step::Datagram(refusal(request.sequence, EEXIST)));
                    steps
                }
                None => vec![],
            },
            |results, _| {
                let first = results[0].as_ref().unwrap_err();
                assert_eq!(first.reason(), Some(&Reason::ServiceExists));
                for index in [1, 3, 4] {
                    let error = results[index].as_ref().unwrap_err();
                    assert!(matches!(error, Error::Lost { .. }), "{error:?}");
                }
            },
        );
    }
}
