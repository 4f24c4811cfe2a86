// SPDX-License-Identifier: GPL-2.0-only
//! Replays the answers of a real kernel to `ipvsadm`. The requests must be the same as
//! those of `ipvsadm`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::Path;
use std::rc::Rc;

use ipvs_bpf::ipvs_netlink::daemon::DaemonAttribute;
use ipvs_bpf::ipvs_netlink::destination::DestAttribute;
use ipvs_bpf::ipvs_netlink::message::{Attributes, CmdAttribute, Command, IpvsMessage};
use ipvs_bpf::ipvs_netlink::service::SvcAttribute;
use ipvs_bpf::ipvs_netlink::socket::Transport;
use netlink_packet_core::{NLM_F_ACK, NetlinkDeserializable, NetlinkHeader};
use netlink_packet_generic::GenlMessage;

const NLCTRL: u16 = 16;

/// A request and the datagrams of its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub request: Vec<u8>,
    pub answers: Vec<Vec<u8>>,
}

/// The exchanges of a file in `golden/`, made by `capture.py`.
pub fn golden(name: &str) -> Vec<Exchange> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/netlink/golden");
    let text = fs::read_to_string(path.join(name)).unwrap();
    let mut exchanges: Vec<Exchange> = Vec::new();
    for line in text.lines() {
        match line.split_at(1) {
            (">", hex) => exchanges.push(Exchange {
                request: bytes(hex),
                answers: Vec::new(),
            }),
            ("<", hex) => exchanges.last_mut().unwrap().answers.push(bytes(hex)),
            (mark, _) => assert_eq!(mark, "#"),
        }
    }
    assert!(!exchanges.is_empty());
    exchanges
}

fn bytes(hex: &str) -> Vec<u8> {
    let hex = hex.trim();
    assert!(hex.len().is_multiple_of(2));
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

pub fn header(message: &[u8]) -> NetlinkHeader {
    let number = |at: usize| u32::from_ne_bytes(message[at..at + 4].try_into().unwrap());
    let mut header = NetlinkHeader::default();
    header.length = number(0);
    header.message_type = number(4) as u16;
    header.flags = (number(4) >> 16) as u16;
    header.sequence_number = number(8);
    header
}

/// The messages of a datagram.
pub fn messages(datagram: &[u8]) -> Vec<&[u8]> {
    let mut rest = datagram;
    let mut messages = Vec::new();
    while !rest.is_empty() {
        let (message, next) = rest.split_at(header(rest).length as usize);
        messages.push(message);
        rest = next;
    }
    messages
}

pub fn parsed(message: &[u8]) -> IpvsMessage {
    GenlMessage::deserialize(&header(message), &message[16..])
        .unwrap()
        .payload
}

/// The parts of a request that the kernel reads. If a command only identifies a service,
/// a server or a daemon, `ipvsadm` also sends all of its (empty) properties.
fn essence(mut message: IpvsMessage) -> IpvsMessage {
    let command = message.command;
    let Attributes::Cmd(attributes) = &mut message.attributes else {
        return message;
    };
    for attribute in attributes {
        match attribute {
            CmdAttribute::Service(service)
                if !matches!(command, Command::NewService | Command::SetService) =>
            {
                service.retain(|attribute| {
                    use SvcAttribute::*;
                    matches!(
                        attribute,
                        Af(_) | Protocol(_) | Addr(_) | Port(_) | Fwmark(_)
                    )
                });
            }
            CmdAttribute::Dest(server) if command == Command::DelDest => {
                server.retain(|attribute| {
                    use DestAttribute::*;
                    matches!(attribute, AddrFamily(_) | Addr(_) | Port(_))
                });
            }
            CmdAttribute::Daemon(daemon) if command == Command::DelDaemon => {
                daemon.retain(|attribute| matches!(attribute, DaemonAttribute::State(_)));
            }
            _ => {}
        }
    }
    message
}

/// True if the requests differ only in sequence number, sender, the acknowledgement flag,
/// and parts that the kernel does not read. The order of the attributes must be the same.
fn same(captured: &[u8], ours: &[u8]) -> bool {
    let (theirs, our) = (header(captured), header(ours));
    if theirs.message_type != our.message_type || (theirs.flags ^ our.flags) & !NLM_F_ACK != 0 {
        return false;
    }
    if our.message_type == NLCTRL {
        // The version of nlctrl's header (1 or 2) has no meaning.
        return captured[16] == ours[16] && captured[18..] == ours[18..];
    }
    // Our request must have no parts that the kernel does not read.
    let message = parsed(ours);
    assert_eq!(essence(message.clone()), message);
    captured[16..20] == ours[16..20] && essence(parsed(captured)) == message
}

pub struct Replay {
    exchanges: Rc<RefCell<Vec<Exchange>>>,
    answers: VecDeque<Vec<u8>>,
    in_order: bool,
}

impl Replay {
    /// Replays the family's number and the exchanges of these files, in any order.
    pub fn of(names: &[&str]) -> Self {
        let mut exchanges = golden("connect.hex");
        exchanges.extend(names.iter().flat_map(|name| golden(name)));
        Replay {
            exchanges: Rc::new(RefCell::new(exchanges)),
            answers: VecDeque::new(),
            in_order: false,
        }
    }

    /// Replays the family's number, and then exactly the exchanges of this file in order.
    pub fn exactly(name: &str) -> Self {
        let mut exchanges = golden(name);
        exchanges.insert(0, golden("connect.hex").remove(0));
        Replay {
            exchanges: Rc::new(RefCell::new(exchanges)),
            answers: VecDeque::new(),
            in_order: true,
        }
    }
}

impl Transport for Replay {
    fn send(&mut self, ours: &[u8]) -> io::Result<()> {
        let mut exchanges = self.exchanges.borrow_mut();
        let matching = |exchange: &Exchange| same(&exchange.request, ours);
        let index = if self.in_order {
            Some(0).filter(|&first| exchanges.get(first).is_some_and(matching))
        } else {
            exchanges.iter().position(matching)
        };
        let Some(index) = index else {
            let expected = exchanges.first().map(|next| parsed(&next.request));
            panic!("asked {:#?}\nexpected {expected:#?}", parsed(ours));
        };
        let exchange = exchanges.remove(index);
        for mut datagram in exchange.answers {
            let mut at = 0;
            while at < datagram.len() {
                let length = header(&datagram[at..]).length as usize;
                datagram[at + 8..at + 12].copy_from_slice(&ours[8..12]);
                at += length;
            }
            self.answers.push_back(datagram);
        }
        Ok(())
    }

    fn receive(&mut self, datagram: &mut Vec<u8>) -> io::Result<usize> {
        *datagram = self
            .answers
            .pop_front()
            .ok_or_else(|| io::Error::from_raw_os_error(nix::libc::EAGAIN))?;
        Ok(datagram.len())
    }

    fn another(&self) -> io::Result<Self> {
        Ok(Replay {
            exchanges: self.exchanges.clone(),
            answers: VecDeque::new(),
            in_order: self.in_order,
        })
    }
}
