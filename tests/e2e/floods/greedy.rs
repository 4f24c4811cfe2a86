// SPDX-License-Identifier: GPL-2.0-only
//! A client that completes its connections and keeps them. Such sessions are answered, so
//! they give way to nobody. A limit of new connections for each client leaves ports to
//! others (docs/guides/floods.md).

use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::{WEB, file};
use crate::lab::{Lab, eventually};
use crate::talk::Talk;

/// The ports of a local IP, for two servers.
const PORTS: usize = 50;
const SPACE: usize = 2 * PORTS;

const GREEDY: &str = "10.1.0.2";
const HONEST: (&str, u16) = ("10.1.0.3", 0);

/// Tries three times as many connections as there are ports.
fn take_all(lab: &Lab) -> Vec<Socket> {
    let to = SocketAddr::from(([10, 0, 0, 1], WEB.to.1));
    let from = SocketAddr::new(GREEDY.parse().unwrap(), 0);
    lab.inside("client", || {
        let connect = |_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.bind(&from.into()).unwrap();
            socket.set_linger(Some(Duration::ZERO)).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&to.into());
            socket
        };
        (0..3 * SPACE).map(connect).collect()
    })
}

fn is_served(lab: &Lab) -> bool {
    let talk = Talk::try_from(lab, "tcp", HONEST, WEB.to, 5);
    talk.and_then(|mut talk| talk.try_ask(5)).is_ok()
}

fn connected(sockets: &[Socket]) -> usize {
    sockets
        .iter()
        .filter(|socket| socket.peer_addr().is_ok())
        .count()
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_client_that_takes_every_port_is_held_off_by_a_limit_of_new_connections() {
    let lab = Lab::alone();
    lab.apply(&file().replace("4000-8999", &format!("4000-{}", 4000 + PORTS - 1)));
    let greedy = take_all(&lab);
    eventually("no port is left", || {
        connected(&greedy) == SPACE && lab.counter("refused_ports_exhausted") > 0
    });
    assert!(!is_served(&lab));
    drop(greedy);
    eventually("the connections end", || lab.counter("sessions") == 0);

    // 20 connections at once, and one more each minute.
    let limit = "nft add table ip guard; \
        nft 'add chain ip guard clients { type filter hook prerouting priority -450; }'; \
        nft 'add set ip guard meters { type ipv4_addr; size 65536; flags dynamic, timeout; \
            timeout 10m; }'; \
        nft 'add rule ip guard clients ip daddr 10.0.0.1 tcp dport 80 \
            tcp flags & (syn | ack) == syn \
            update @meters { ip saddr limit rate over 1/minute burst 20 packets } drop'";
    lab.exec("director", &["sh", "-ec", limit]);
    let refused = lab.counter("refused_ports_exhausted");
    let greedy = take_all(&lab);
    eventually("the limit lets some through", || connected(&greedy) >= 20);
    for _ in 0..15 {
        assert!(is_served(&lab));
    }
    let connected = connected(&greedy);
    println!("{connected} of {} greedy connections", greedy.len());
    assert!(connected < SPACE / 2);
    assert_eq!(lab.counter("refused_ports_exhausted"), refused);
}
