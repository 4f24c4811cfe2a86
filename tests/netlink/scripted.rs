// SPDX-License-Identifier: GPL-2.0-only
//! A kernel that gives the answers of a test.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use ipvs_bpf::ipvs_netlink::Ipvs;
use ipvs_bpf::ipvs_netlink::message::{CmdAttribute, Command, IpvsMessage};
use ipvs_bpf::ipvs_netlink::socket::Transport;
use netlink_packet_core::{
    NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_MULTIPART, NLMSG_DONE, NLMSG_ERROR, NetlinkDeserializable,
    NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_generic::GenlMessage;

pub const FAMILY: u16 = 0x1b;
const NLCTRL: u16 = 16;

/// The kernel's reaction when it is asked to receive.
pub enum Step {
    Datagram(Vec<u8>),
    Errno(i32),
}

#[derive(Clone)]
pub struct Request {
    pub sequence: u32,
    pub flags: u16,
    pub message: IpvsMessage,
}

pub type Requests = Rc<RefCell<Vec<Request>>>;

pub struct Scripted<F> {
    answer: Rc<RefCell<F>>,
    steps: VecDeque<Step>,
    requests: Requests,
}

impl<F: FnMut(&Request) -> Vec<Step>> Transport for Scripted<F> {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sequence = number(bytes, 8);
        let kind = u16::from_ne_bytes(bytes[4..6].try_into().unwrap());
        if kind == NLCTRL {
            let family = [&[1, 2, 0, 0][..], &attribute(1, &FAMILY.to_ne_bytes())].concat();
            let answer = [message(sequence, NLCTRL, 0, &family), ack(sequence)];
            self.steps.extend(answer.map(Step::Datagram));
            return Ok(());
        }
        assert_eq!(kind, FAMILY);
        let mut rest = bytes;
        while !rest.is_empty() {
            let (bytes, next) = rest.split_at(number(rest, 0) as usize);
            rest = next;
            let header = NetlinkMessage::<GenlMessage<IpvsMessage>>::deserialize(bytes)
                .unwrap()
                .header;
            let request = Request {
                sequence: header.sequence_number,
                flags: header.flags,
                message: GenlMessage::deserialize(&header, &bytes[16..])
                    .unwrap()
                    .payload,
            };
            self.steps.extend((self.answer.borrow_mut())(&request));
            self.requests.borrow_mut().push(request);
        }
        Ok(())
    }

    fn receive(&mut self, datagram: &mut Vec<u8>) -> io::Result<usize> {
        match self.steps.pop_front() {
            Some(Step::Datagram(bytes)) => {
                datagram.clear();
                datagram.extend_from_slice(&bytes[..bytes.len().min(datagram.capacity())]);
                Ok(bytes.len())
            }
            Some(Step::Errno(errno)) => Err(io::Error::from_raw_os_error(errno)),
            None => Err(io::Error::from_raw_os_error(nix::libc::EAGAIN)),
        }
    }

    /// Answered by the same function, from a queue of its own.
    fn another(&self) -> io::Result<Self> {
        Ok(Scripted {
            answer: self.answer.clone(),
            steps: VecDeque::new(),
            requests: self.requests.clone(),
        })
    }
}

/// A handle to a kernel that answers with `answer`, and the list of its requests.
pub fn kernel<F: FnMut(&Request) -> Vec<Step>>(answer: F) -> (Ipvs<Scripted<F>>, Requests) {
    let requests = Requests::default();
    let transport = Scripted {
        answer: Rc::new(RefCell::new(answer)),
        steps: VecDeque::new(),
        requests: requests.clone(),
    };
    (Ipvs::over(transport).unwrap(), requests)
}

/// A kernel with one answer for each command, in one datagram.
pub fn answering(
    mut answer: impl FnMut(Command, u32) -> Vec<Vec<u8>>,
) -> Ipvs<Scripted<impl FnMut(&Request) -> Vec<Step>>> {
    kernel(move |request: &Request| {
        vec![Step::Datagram(
            answer(request.message.command, request.sequence).concat(),
        )]
    })
    .0
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub fn message(sequence: u32, kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(((16 + body.len()) as u32).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend(0u32.to_ne_bytes());
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

pub fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(((4 + value.len()) as u16).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// One message of a dump.
pub fn dumped(sequence: u32, command: Command, attributes: Vec<CmdAttribute>) -> Vec<u8> {
    let mut message = GenlMessage::from_payload(IpvsMessage::new(command, attributes));
    message.set_resolved_family_id(FAMILY);
    let mut message = NetlinkMessage::new(
        NetlinkHeader::default(),
        NetlinkPayload::InnerMessage(message),
    );
    message.header.sequence_number = sequence;
    message.header.flags = NLM_F_MULTIPART;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

pub fn done(sequence: u32, code: i32) -> Vec<u8> {
    message(sequence, NLMSG_DONE, NLM_F_MULTIPART, &code.to_ne_bytes())
}

pub fn ack(sequence: u32) -> Vec<u8> {
    refusal(sequence, 0)
}

/// `NLMSG_ERROR` with a capped request.
pub fn refusal(sequence: u32, errno: i32) -> Vec<u8> {
    let body = [&(-errno).to_ne_bytes()[..], &[0; 16]].concat();
    message(sequence, NLMSG_ERROR, NLM_F_CAPPED, &body)
}

/// `NLMSG_ERROR` with the kernel's message, after a capped or a whole request.
pub fn refusal_saying(sequence: u32, errno: i32, text: &str, request: Option<&[u8]>) -> Vec<u8> {
    let offset = attribute(2, &[0; 4]);
    let text = attribute(1, &[text.as_bytes(), &[0]].concat());
    let request = match request {
        Some(body) => message(sequence, FAMILY, 5, body),
        None => message(sequence, FAMILY, 5, &[]),
    };
    let capped = if request.len() == 16 { NLM_F_CAPPED } else { 0 };
    let body = [&(-errno).to_ne_bytes()[..], &request, &offset, &text].concat();
    message(sequence, NLMSG_ERROR, NLM_F_ACK_TLVS | capped, &body)
}
