// SPDX-License-Identifier: GPL-2.0-only
//! A client that makes one connection after another.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use crate::lab::{Lab, eventually};
use crate::talk::{Answer, answer};

/// Requests of the client, one connection after another.
const REQUESTS: &str = r"
import socket, sys, time
address, port = sys.argv[1:]
while True:
    try:
        s = socket.create_connection((address, int(port)), timeout=120)
        s.sendall(b'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
        text = b''
        while data := s.recv(1000):
            text += data
        s.close()
        body = text.decode().split('\r\n\r\n')[1]
        if not body.endswith('\n'):
            raise OSError('the server died within its answer')
        print(body.strip(), flush=True)
    except (OSError, IndexError) as error:
        print('error:', error, flush=True)
        time.sleep(.1)
";

pub struct Requests {
    program: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Requests {
    pub fn begin(lab: &Lab, to: (&str, u16)) -> Self {
        let port = to.1.to_string();
        let words = ["/usr/bin/python3", "-ISc", REQUESTS, to.0, &port];
        let mut command = lab.command("client", &words);
        let mut program = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let output = BufReader::new(program.stdout.take().unwrap());
        let into = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                into.lock().unwrap().push(line);
            }
        });
        Requests { program, lines }
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// The answers to the next requests that begin after this call. None may fail.
    pub fn next(&self, number: usize) -> Vec<Answer> {
        // One request is already running.
        let first = self.lines().len() + 1;
        eventually("requests go on", || self.lines().len() >= first + number);
        let lines = self.lines();
        lines[first..first + number]
            .iter()
            .map(|line| answer(line))
            .collect()
    }

    /// Checks that every answer came through full NAT.
    pub fn all_were_full_nat(&self) -> usize {
        let lines = self.lines();
        let answered = lines.iter().filter(|line| !line.starts_with("error:"));
        let answers: Vec<Answer> = answered.map(|line| answer(line)).collect();
        for answer in &answers {
            assert_eq!(answer.peer, "10.2.0.100");
        }
        answers.len()
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// The names of the servers that answered, each once.
pub fn servers_of(answers: &[Answer]) -> Vec<&str> {
    let mut servers: Vec<_> = answers.iter().map(|answer| &*answer.server).collect();
    servers.sort_unstable();
    servers.dedup();
    servers
}
