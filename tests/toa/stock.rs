// SPDX-License-Identifier: GPL-2.0-only
//! Unmodified servers of distributions (`lab/software/stock.sh`) with real clients of a director:
//! the addresses that they log, allow, and pass on.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::{fs, thread};

use crate::director::{Director, FORGER4, FORGER6, LOCAL_IP4, LOCAL_IP6, output_of, written};
use crate::programs::Program;
use crate::server::accept;
use crate::tool::{FILE, Host};

const WEB4: &str = "http://10.9.0.1:8084/";
const WEB6: &str = "http://[fd09::1]:8084/";

/// A server that trusts the director, and the director.
fn both() -> (Host, Director) {
    let host = Host::new();
    host.apply(FILE);
    let director = Director::new(&host);
    (host, director)
}

/// A configuration without the package's paths. It logs to standard error and allows only
/// the clients.
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
         allow 198.51.100.7;\n\
         allow 2001:db8::7;\n\
         deny all;\n\
         server {{ listen 8084; listen [fd09::1]:8084; root {folder}; }}\n\
         server {{ listen [::]:8086 ipv6only=off; root {folder}; }}\n\
         server {{\n\
         listen 8085;\n\
         location / {{\n\
         proxy_pass http://10.9.0.1:8090;\n\
         proxy_set_header X-Forwarded-For $remote_addr;\n\
         }}\n\
         }}\n\
         }}\n"
    )
}

fn nginx(folder: &Path) -> Program {
    written(folder, "index.html", "hello\n");
    let file = written(folder, "nginx.conf", &nginx_configuration(folder));
    let mut program = Program::start(&[
        "lab/software/stock.sh",
        "nginx",
        "-e",
        "stderr",
        "-c",
        &file,
    ]);
    program.line("start worker process ");
    program
}

#[test]
fn nginx_logs_clients_and_lets_them_in_by_their_addresses() {
    let (_host, director) = both();
    let folder = tempfile::tempdir().unwrap();
    let mut program = nginx(folder.path());
    let mut logged = |from: &str, url: &str| {
        let answer = director.get(from, url);
        let line = program.line("] \"GET / HTTP/1.1\" ");
        let (client, _) = line.split_once(' ').unwrap();
        (client.to_owned(), answer)
    };
    let hello = "hello\n200";
    for (from, url, client) in [
        (LOCAL_IP4, WEB4, "198.51.100.7"),
        (LOCAL_IP6, WEB6, "2001:db8::7"),
        // A socket for both families.
        (LOCAL_IP4, "http://10.9.0.1:8086/", "::ffff:198.51.100.7"),
    ] {
        assert_eq!(logged(from, url), (client.to_owned(), hello.to_owned()));
    }
    for (from, url) in [(FORGER4, WEB4), (FORGER6, WEB6)] {
        let (client, answer) = logged(from, url);
        assert_eq!(client, from);
        assert!(answer.ends_with("403"), "{answer}");
    }
}

/// A request that a proxy passes on to port 8090. Answers it and returns the lines of its
/// head.
fn passed_on(listener: &TcpListener, client: &mut Command) -> Vec<String> {
    thread::scope(|scope| {
        let client = scope.spawn(|| output_of(client));
        let (stream, _) = accept(listener);
        let lines = BufReader::new(&stream).lines();
        let head: Vec<String> = lines
            .map(Result::unwrap)
            .take_while(|line| !line.is_empty())
            .collect();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        (&stream).write_all(answer).unwrap();
        drop(stream);
        assert_eq!(client.join().unwrap(), "200");
        head
    })
}

#[test]
fn nginx_passes_the_client_on_in_a_header() {
    let (_host, director) = both();
    let folder = tempfile::tempdir().unwrap();
    let _program = nginx(folder.path());
    let listener = TcpListener::bind("10.9.0.1:8090").unwrap();
    let mut curl = director.curl(LOCAL_IP4, "http://10.9.0.1:8085/");
    let head = passed_on(&listener, &mut curl);
    let header = "X-Forwarded-For: 198.51.100.7".to_owned();
    assert!(head.contains(&header), "{head:#?}");
}

const HAPROXY: &str = "
global
    log stderr format raw local0
defaults
    mode http
    log global
    option httplog
    timeout connect 1m
    timeout client 1m
    timeout server 1m
frontend web
    bind 10.9.0.1:8084
    bind [fd09::1]:8084
    http-request deny unless { src 198.51.100.7 2001:db8::7 }
    default_backend web
backend web
    option forwardfor
    server one 10.9.0.1:8090 send-proxy
";

#[test]
fn haproxy_logs_clients_and_passes_them_on_by_the_proxy_protocol() {
    let (_host, director) = both();
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "haproxy.cfg", HAPROXY);
    let mut program = Program::start(&["lab/software/stock.sh", "haproxy", "-db", "-f", &file]);
    let listener = TcpListener::bind("10.9.0.1:8090").unwrap();
    for (from, url, proxy, client, logged) in [
        (
            LOCAL_IP4,
            WEB4,
            "PROXY TCP4 198.51.100.7 10.9.0.1 40001 8084",
            "198.51.100.7",
            "198.51.100.7:40001 [",
        ),
        (
            LOCAL_IP6,
            WEB6,
            "PROXY TCP6 2001:db8::7 fd09::1 40002 8084",
            "2001:db8::7",
            "2001:db8::7:40002 [",
        ),
    ] {
        let head = passed_on(&listener, &mut director.curl(from, url));
        assert_eq!(head[0], proxy);
        let header = format!("x-forwarded-for: {client}");
        assert!(head.contains(&header), "{head:#?}");
        let line = program.line(" web ");
        assert!(line.contains(logged), "{line}");
    }
    for (from, url) in [(FORGER4, WEB4), (FORGER6, WEB6)] {
        let answer = director.get(from, url);
        assert!(answer.ends_with("403"), "{answer}");
        let line = program.line(" web ");
        assert!(line.contains(&format!("{from}:")), "{line}");
    }
}

#[test]
fn a_web_server_of_python_logs_clients() {
    let (_host, director) = both();
    let server = "import http.server as h, sys\n\
        s = h.ThreadingHTTPServer(('0.0.0.0', 8084), h.SimpleHTTPRequestHandler)\n\
        print('ready', file=sys.stderr, flush=True)\n\
        s.serve_forever()";
    let mut program = Program::start(&["/usr/bin/python3", "-u", "-c", server]);
    program.line("ready");
    for (from, client) in [(LOCAL_IP4, "198.51.100.7 "), (FORGER4, "10.3.0.100 ")] {
        director.get(from, WEB4);
        let line = program.line("GET / HTTP/1.1");
        assert!(line.starts_with(client), "{line}");
    }
}

/// Starts sshd and makes a key that is valid only from the addresses of clients. `deny`:
/// its hosts.deny (hosts_access(5)).
fn sshd(folder: &Path, deny: &str) -> (Program, String) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let key = |name: &str| {
        let path = folder.join(name).to_str().unwrap().to_owned();
        let words = ["-q", "-t", "ed25519", "-N", "", "-f", &path];
        output_of(Command::new("ssh-keygen").args(words));
        path
    };
    let (of_host, of_user) = (key("host"), key("user"));
    let public = fs::read_to_string(format!("{of_user}.pub")).unwrap();
    let keys = format!("from=\"198.51.100.7,2001:db8::7\" {public}");
    let keys = written(folder, "keys", &keys);
    let configuration = format!(
        "ListenAddress 10.9.0.1:8022\n\
         ListenAddress [fd09::1]:8022\n\
         HostKey {of_host}\n\
         AuthorizedKeysFile {keys}\n\
         PidFile none\n\
         PermitRootLogin prohibit-password\n\
         StrictModes no\n\
         UsePAM no\n"
    );
    let file = written(folder, "sshd_config", &configuration);
    let denying = "mount --bind $0 /etc/hosts.deny && exec lab/software/stock.sh sshd -D -e -f $1";
    let mut program = Program::start(&["unshare", "--mount", "sh", "-ec", denying, deny, &file]);
    for _ in 0..2 {
        program.line("Server listening on");
    }
    (program, of_user)
}

/// ssh from this address. It prints what sshd knows about the connection.
fn ssh(director: &Director, from: &str, to: &str, key: &str) -> Command {
    let options = [
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "BatchMode=yes",
    ];
    let options = options.iter().flat_map(|option| ["-o", option]);
    let place = [
        "-F", "none", "-p", "8022", "-b", from, "-i", key, "-l", "root", to,
    ];
    let question = ["echo", "$SSH_CONNECTION"];
    let words = ["ssh"]
        .into_iter()
        .chain(options)
        .chain(place)
        .chain(question);
    director.client(&words.collect::<Vec<_>>())
}

#[test]
fn sshd_tells_sessions_their_client_and_takes_its_key_from_there_alone() {
    let (_host, director) = both();
    let folder = tempfile::tempdir().unwrap();
    let (mut program, key) = sshd(folder.path(), "/dev/null");
    for (from, to, connection, logged) in [
        (
            LOCAL_IP4,
            "10.9.0.1",
            "198.51.100.7 40001 10.9.0.1 8022\n",
            "from 198.51.100.7 port 40001 ",
        ),
        (
            LOCAL_IP6,
            "fd09::1",
            "2001:db8::7 40002 fd09::1 8022\n",
            "from 2001:db8::7 port 40002 ",
        ),
    ] {
        assert_eq!(output_of(&mut ssh(&director, from, to, &key)), connection);
        let line = program.line("Accepted publickey");
        assert!(line.contains(logged), "{line}");
    }
    for (from, to) in [(FORGER4, "10.9.0.1"), (FORGER6, "fd09::1")] {
        let output = ssh(&director, from, to, &key).output().unwrap();
        assert!(!output.status.success(), "{output:?}");
        let line = program.line("correct key but not from a permitted host");
        assert!(line.contains(from), "{line}");
    }
}

#[test]
fn sshd_refuses_clients_by_hosts_deny() {
    let (_host, director) = both();
    let folder = tempfile::tempdir().unwrap();
    let deny = written(folder.path(), "deny", "sshd: 198.51.100.7\n");
    let (mut program, key) = sshd(folder.path(), &deny);
    let ssh = |from| ssh(&director, from, "10.9.0.1", &key).output().unwrap();
    let refused = ssh(LOCAL_IP4);
    assert!(!refused.status.success(), "{refused:?}");
    // This one gets as far as authentication by key.
    ssh(FORGER4);
    let mut seen = Vec::new();
    let line = program.line_after("correct key but not from a permitted host", &mut seen);
    assert!(line.contains(FORGER4), "{line}");
    assert!(!seen.concat().contains("198.51.100.7"), "{seen:#?}");
}

/// Tools that look at packets or at the kernel's list of connections.
#[test]
fn packet_filters_and_ss_see_the_local_ip() {
    let (_host, director) = both();
    let rules = "add table inet lab
        add chain inet lab input { type filter hook input priority 0; }
        add rule inet lab input ip saddr 198.51.100.7 drop
        add rule inet lab input ip saddr 10.2.0.100 counter";
    output_of(Command::new("nft").arg(rules));
    let listener = TcpListener::bind("10.9.0.1:8090").unwrap();
    // It ends when the server does.
    let mut client = director.client(&["nc", "-n", "-s", LOCAL_IP4, "10.9.0.1", "8090"]);
    let mut client = client.spawn().unwrap();
    let (stream, peer) = accept(&listener);
    assert_eq!(peer, "198.51.100.7:40001".parse().unwrap());
    let listed = ["-Htn", "sport", "8090"];
    let sockets = output_of(Command::new("ss").args(listed));
    assert!(sockets.contains(" 10.2.0.100:"), "{sockets}");
    assert!(!sockets.contains("198.51.100.7"), "{sockets}");
    let counted = output_of(Command::new("nft").args(["list", "chain", "inet", "lab", "input"]));
    assert!(!counted.contains("packets 0 "), "{counted}");
    drop(stream);
    client.wait().unwrap();
}
