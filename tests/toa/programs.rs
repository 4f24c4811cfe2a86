// SPDX-License-Identifier: GPL-2.0-only
//! Programs that people run as servers: what they write about their clients.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::client::option;
use crate::server::IPV4;
use crate::tool::{FILE, Host};

struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
}

impl Program {
    /// Starts a program of this namespace that writes to standard error.
    fn start(words: &[&str]) -> Self {
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
    fn line(&mut self, word: &str) -> String {
        let mut seen = Vec::new();
        for line in &mut self.lines {
            let line = line.unwrap();
            if line.contains(word) {
                return line;
            }
            seen.push(line);
        }
        panic!("the program ended without a line with {word:?}: {seen:?}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client of the director asks for a page.
fn ask(host: &Host) {
    let mut client = IPV4.through_director(&host.network);
    client.connect(&option(IPV4.client()));
    client.ack(&[], b"GET / HTTP/1.0\r\n\r\n");
}

#[test]
fn a_web_server_of_python_logs_the_client() {
    let host = Host::new();
    host.apply(FILE);
    let server = "import http.server as h, sys\n\
        s = h.ThreadingHTTPServer(('0.0.0.0', 8084), h.SimpleHTTPRequestHandler)\n\
        print('ready', file=sys.stderr, flush=True)\n\
        s.serve_forever()";
    let mut program = Program::start(&["python3", "-u", "-c", server]);
    program.line("ready");
    ask(&host);
    let line = program.line("GET / HTTP/1.0");
    assert!(line.starts_with("198.51.100.7 "), "{line}");
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
