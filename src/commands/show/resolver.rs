// SPDX-License-Identifier: GPL-2.0-only
//! Resolves names for `--names` with the system's resolver. This happens in
//! separate threads, so that a slow or dead resolver delays the output only
//! briefly.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use dns_lookup::getnameinfo;
use nix::libc;

use crate::model::{Protocol, ServiceKey};
use crate::output::grid::{Grid, Value};
use crate::output::names::{Nameless, Names};

/// The time that the first table waits for names. Later names appear in the
/// next table, if there is one.
const PATIENCE: Duration = Duration::from_secs(2);
/// The number of addresses that are resolved at the same time.
const HOSTS_AT_ONCE: usize = 16;

pub(super) struct Resolver {
    names: Names,
    asked: HashSet<Nameless>,
    hosts: Option<Sender<Nameless>>,
    /// Port names have a separate queue. They come from a file and need not
    /// wait for hosts.
    ports: Option<Sender<Nameless>>,
    answers: Receiver<Answer>,
    answer_to: Sender<Answer>,
    waiting_for: usize,
    deadline: Option<Instant>,
}

type Answer = (Nameless, Option<String>);

impl Resolver {
    pub fn new() -> Self {
        let (answer_to, answers) = channel();
        Resolver {
            names: Names::default(),
            asked: HashSet::new(),
            hosts: None,
            ports: None,
            answers,
            answer_to,
            waiting_for: 0,
            deadline: None,
        }
    }

    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Requests the new names of the table, and collects the answers that
    /// arrive in time.
    pub fn resolve(&mut self, grid: &Grid) {
        let values = grid.rows.iter().flat_map(|row| {
            let servers = row.servers.iter().flatten();
            row.values.iter().chain(servers)
        });
        for what in values.filter_map(nameless).flatten() {
            self.ask(what);
        }
        let deadline = *self
            .deadline
            .get_or_insert_with(|| Instant::now() + PATIENCE);
        while self.waiting_for > 0 {
            let patience = deadline.saturating_duration_since(Instant::now());
            let Ok((what, name)) = self.answers.recv_timeout(patience) else {
                break;
            };
            self.waiting_for -= 1;
            if let Some(name) = name {
                self.names.insert(what, name);
            }
        }
    }

    fn ask(&mut self, what: Nameless) {
        if !self.asked.insert(what) {
            return;
        }
        let (queue, threads) = match what {
            Nameless::Host(_) => (&mut self.hosts, HOSTS_AT_ONCE),
            Nameless::Port(..) => (&mut self.ports, 1),
        };
        let queue = queue.get_or_insert_with(|| start(threads, &self.answer_to));
        // If no thread receives the request, the value stays a number.
        if queue.send(what).is_ok() {
            self.waiting_for += 1;
        }
    }
}

fn nameless(value: &Value) -> Option<[Nameless; 2]> {
    let (address, protocol) = match value {
        Value::Address { address, protocol } => (*address, (*protocol)?),
        Value::Service(ServiceKey::Address { address, protocol }) => (*address, *protocol),
        _ => return None,
    };
    Some([
        Nameless::Host(address.ip()),
        Nameless::Port(address.port(), protocol),
    ])
}

/// Starts threads that answer requests. They end with the process, because a
/// resolver that hangs cannot be interrupted.
fn start(threads: usize, answers: &Sender<Answer>) -> Sender<Nameless> {
    let (queue, questions) = channel::<Nameless>();
    let questions = Arc::new(Mutex::new(questions));
    for _ in 0..threads {
        let questions = Arc::clone(&questions);
        let answers = answers.clone();
        let work = move || {
            loop {
                let next = match questions.lock() {
                    Ok(questions) => questions.recv(),
                    Err(_) => break,
                };
                let Ok(what) = next else { break };
                if answers.send((what, name(what))).is_err() {
                    break;
                }
            }
        };
        // With fewer threads, resolving takes longer.
        let _ = thread::Builder::new().spawn(work);
    }
    queue
}

fn name(what: Nameless) -> Option<String> {
    match what {
        Nameless::Host(ip) => {
            let (host, _) = getnameinfo(&SocketAddr::new(ip, 0), libc::NI_NAMEREQD).ok()?;
            Some(host)
        }
        Nameless::Port(port, protocol) => {
            let flags = match protocol {
                Protocol::Udp => libc::NI_NUMERICHOST | libc::NI_DGRAM,
                Protocol::Tcp | Protocol::Sctp => libc::NI_NUMERICHOST,
            };
            let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
            let (_, name) = getnameinfo(&address, flags).ok()?;
            (name != port.to_string()).then_some(name)
        }
    }
}
