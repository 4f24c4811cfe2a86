// SPDX-License-Identifier: GPL-2.0-only
//! Programs that a test starts as servers, and the client addresses that they log.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStderr, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::client::option;
use crate::server::IPV4;
use crate::tool::{FILE, Host};

pub struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
}

impl Program {
    /// Starts a program of this namespace that writes to standard error.
    pub fn start(words: &[&str]) -> Self {
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{words:?}: {error}; run `make deps`"));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Program { child, lines }
    }

    /// The next line that contains this.
    pub fn line(&mut self, word: &str) -> String {
        self.line_after(word, &mut Vec::new())
    }

    /// The same, and the lines before it.
    pub fn line_after(&mut self, word: &str, before: &mut Vec<String>) -> String {
        for line in &mut self.lines {
            let line = line.unwrap();
            if line.contains(word) {
                return line;
            }
            before.push(line);
        }
        panic!("the program ended without a line with {word:?}: {before:?}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have child processes to end.
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// A client of the director requests a page.
fn ask(host: &Host) {
    let mut client = IPV4.through_director(&host.network);
    client.connect(&option(IPV4.client()));
    client.ack(&[], b"GET / HTTP/1.0\r\n\r\n");
}

#[test]
fn netcat_names_the_client() {
    let host = Host::new();
    host.apply(FILE);
    let mut program = Program::start(&["nc", "-n", "-v", "-l", "0.0.0.0", "8084"]);
    program.line("Listening");
    ask(&host);
    let line = program.line("Connection received");
    assert!(line.contains("198.51.100.7 40001"), "{line}");
}

#[test]
fn socat_lets_the_client_in_by_its_address() {
    let host = Host::new();
    host.apply(FILE);
    let listen = "TCP4-LISTEN:8084,reuseaddr,range=198.51.100.7/32";
    let mut program = Program::start(&["socat", "-d", "-d", listen, "PIPE"]);
    program.line("listening on");
    ask(&host);
    let line = program.line("accepting connection from");
    assert!(line.contains("198.51.100.7:40001"), "{line}");
}
