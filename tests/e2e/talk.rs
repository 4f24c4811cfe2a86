// SPDX-License-Identifier: GPL-2.0-only
//! A client whose flow stays open between its questions.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use crate::lab::Lab;

/// Asks `lab/server` once for each line that it reads, over one connection or
/// from one UDP socket, and prints the answer, or what went wrong.
const SCRIPT: &str = r"
import socket, sys
kind, source, source_port, address, port = sys.argv[1:]
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == 'tcp' else socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((source, int(source_port)))
s.settimeout(120)
s.connect((address, int(port)))
print('open', flush=True)
for wait in sys.stdin:
    s.settimeout(float(wait))
    try:
        if kind == 'tcp':
            s.sendall(b'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
            text = b''
            while not text.endswith(b'\n') or text.endswith(b'\r\n'):
                data = s.recv(65535)
                if not data:
                    raise ConnectionResetError('closed')
                text += data
            text = text.split(b'\r\n\r\n')[1]
        else:
            s.send(b'hello')
            text = s.recv(65535)
        print(text.decode().strip(), flush=True)
    except OSError as error:
        print('error:', error, flush=True)
";

pub struct Talk {
    program: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

/// What a server says: its name, and the address and port of its peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub server: String,
    pub peer: String,
    pub port: u16,
}

pub fn answer(text: &str) -> Answer {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [server, peer, port, ..] = words[..] else {
        panic!("{text}");
    };
    Answer {
        server: server.to_owned(),
        peer: peer.to_owned(),
        port: port.parse().expect(text),
    }
}

impl Talk {
    /// `kind` is `tcp` or `udp`; port 0 is any.
    pub fn from(lab: &Lab, host: &str, kind: &str, source: (&str, u16), to: (&str, u16)) -> Self {
        let (source_port, port) = (source.1.to_string(), to.1.to_string());
        let words = ["/usr/bin/python3", "-c", SCRIPT, kind];
        let words = [&words[..], &[source.0, &source_port, to.0, &port]].concat();
        let mut program = lab
            .command(host, &words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let questions = program.stdin.take().unwrap();
        let mut answers = BufReader::new(program.stdout.take().unwrap()).lines();
        assert_eq!(answers.next().expect("a connection").unwrap(), "open");
        Talk {
            program,
            questions,
            answers,
        }
    }

    /// From the client, from any port.
    pub fn new(lab: &Lab, kind: &str, to: (&str, u16)) -> Self {
        Talk::from(lab, "client", kind, ("", 0), to)
    }

    /// The answer, or what went wrong within so many seconds.
    pub fn try_ask(&mut self, seconds: u32) -> Result<Answer, String> {
        writeln!(self.questions, "{seconds}").unwrap();
        let text = self.answers.next().unwrap().unwrap();
        match text.strip_prefix("error: ") {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer(&text)),
        }
    }

    pub fn ask(&mut self) -> Answer {
        self.try_ask(120).unwrap()
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
