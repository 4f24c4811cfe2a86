// SPDX-License-Identifier: GPL-2.0-only
//! Programs that people run as servers: what they write about their clients.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

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
        // It may have processes of its own to end.
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// A client of the director asks for a page.
fn ask(host: &Host) {
    ask_with(host, &option(IPV4.client()));
}

/// A segment from the director with these options asks for a page.
fn ask_with(host: &Host, options: &[u8]) {
    let mut client = IPV4.through_director(&host.network);
    client.connect(options);
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

/// A configuration without the paths of the package, which logs to standard error, and lets
/// in no more than the client.
fn nginx_configuration(folder: &Path) -> String {
    let folder = folder.display();
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = kinds
        .iter()
        .map(|kind| format!("{kind}_temp_path {folder}/{kind};\n"))
        .collect();
    format!(
        "daemon off;\n\
         user root;\n\
         pid {folder}/pid;\n\
         error_log stderr notice;\n\
         events {{}}\n\
         http {{\n\
         {temporary}\
         access_log /dev/stderr;\n\
         server {{ listen 8084; root {folder}; allow 198.51.100.7; deny all; }}\n\
         }}\n"
    )
}

#[test]
fn nginx_logs_the_client_and_lets_it_in() {
    let host = Host::new();
    host.apply(FILE);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("index.html"), "hello\n").unwrap();
    let file = folder.path().join("nginx.conf");
    fs::write(&file, nginx_configuration(folder.path())).unwrap();
    let file = file.to_str().unwrap();
    let mut program = Program::start(&["lab/nginx", "-e", "stderr", "-c", file]);
    program.line("start worker process ");
    ask(&host);
    let line = program.line("GET / HTTP/1.0");
    assert!(line.starts_with("198.51.100.7 "), "{line}");
    assert!(line.contains("\" 200 6 "), "{line}");
    // The director itself is refused.
    ask_with(&host, &[]);
    program.line("access forbidden by rule, client: 10.2.0.100,");
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
