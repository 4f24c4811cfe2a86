// SPDX-License-Identifier: GPL-2.0-only
//! Multipath TCP of the kernel at the client, at the server, or at both, and a server that
//! sees the client.

use ipvs_bpf::toa::abi::Outcome;

use super::told::{Receiver, nothing_failed, told};
use crate::lab::Lab;

/// The ports of the server for Multipath TCP and of the one for TCP.
const MPTCP: u16 = 8082;
const TCP: u16 = 8083;

/// Prints how a connection runs, as its end knows it.
const KIND: &str = r"
import hashlib, socket, sys, time
MPTCP, SO_PROTOCOL, SOL_MPTCP, MPTCP_INFO = 262, 38, 284, 1
def kind(s):
    if s.getsockopt(socket.SOL_SOCKET, SO_PROTOCOL) != MPTCP:
        return 'tcp'
    try:
        s.getsockopt(SOL_MPTCP, MPTCP_INFO, 64)
    except OSError:  # it has fallen back
        return 'tcp'
    return 'mptcp'
";

/// Answers when the client has sent everything.
const SERVER: &str = r"
def serve(protocol, port):
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, protocol)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(('', port))
    s.listen(8)
    print('ready', flush=True)
    while True:
        c, peer = s.accept()
        data = hashlib.sha256()
        while part := c.recv(65536):
            data.update(part)
        assert c.getpeername() == peer
        address = peer[0].removeprefix('::ffff:')
        text = f'{kind(c)} {data.hexdigest()} {address} {peer[1]}\n'
        c.sendall(text.encode())
        c.close()
protocol, port = map(int, sys.argv[1:])
serve(protocol, port)
";

/// Prints its own view of the connection, and that of the server. If it has to, it waits
/// for an answer to the join of another subflow before it sends the second half.
const CLIENT: &str = r"
def joined():
    lines = [line.split() for line in open('/proc/net/netstat') if line.startswith('MPTcpExt')]
    return int(dict(zip(*lines))['MPJoinSynAckRx'])
vip, port, protocol, joins = sys.argv[1], *map(int, sys.argv[2:])
half = bytes(range(256)) * 4000
family = socket.AF_INET6 if ':' in vip else socket.AF_INET
s = socket.socket(family, socket.SOCK_STREAM, protocol)
s.connect((vip, port))
s.sendall(half)
while joined() < joins:
    time.sleep(0.05)
s.sendall(half)
s.shutdown(socket.SHUT_WR)
answer = s.makefile().read().split()
assert answer[1] == hashlib.sha256(half * 2).hexdigest(), answer
print(kind(s), *s.getsockname()[:2])
print(answer[0], *answer[2:])
";

/// A lab with both servers, or `None` if programs cannot know a network namespace (before
/// 5.15), which the receiver needs for such servers.
fn lab() -> Option<(Lab, Receiver)> {
    let (mut lab, receiver) = told(&[MPTCP, TCP]);
    if !receiver.has_mptcp() {
        return None;
    }
    let script = format!("{KIND}{SERVER}");
    for (protocol, port) in [("262", MPTCP), ("6", TCP)] {
        let port = port.to_string();
        let words = ["/usr/bin/python3", "-ISc", &script, protocol, &port];
        lab.start("server1", &words, "ready");
    }
    Some((lab, receiver))
}

/// Sends data from a socket of that protocol. Returns the kind of the connection and the
/// client's address and port, as the client knows them and as the server does.
fn ask(lab: &Lab, vip: &str, port: u16, protocol: &str, joins: &str) -> [String; 2] {
    let script = format!("{KIND}{CLIENT}");
    let port = port.to_string();
    let words = [
        "timeout",
        "300",
        "/usr/bin/python3",
        "-ISc",
        &script,
        vip,
        &port,
        protocol,
        joins,
    ];
    let text = lab.exec("client", &words);
    let (own, seen) = text.trim_end().split_once('\n').unwrap();
    [own, seen].map(str::to_owned)
}

#[test]
fn multipath_tcp_at_one_end_falls_back_and_the_server_sees_the_client() {
    let Some((lab, receiver)) = lab() else {
        return;
    };
    for vip in ["10.0.0.1", "fd00::1"] {
        for (port, protocol) in [(TCP, "262"), (MPTCP, "6")] {
            let [own, seen] = ask(&lab, vip, port, protocol, "0");
            assert!(own.starts_with("tcp "), "{own}");
            assert_eq!(own, seen, "{port}");
        }
    }
    assert_eq!(receiver.outcomes(), [(Outcome::Told, 4)]);
    nothing_failed(&lab);
}

/// Both options fill the header. With IPv6, that is without timestamps.
#[test]
fn multipath_tcp_at_both_ends_passes_and_the_server_sees_the_client() {
    let Some((lab, receiver)) = lab() else {
        return;
    };
    let [own, seen] = ask(&lab, "10.0.0.1", MPTCP, "262", "0");
    assert!(own.starts_with("mptcp "), "{own}");
    assert_eq!(own, seen);
    let [own, seen] = ask(&lab, "fd00::1", MPTCP, "262", "0");
    assert!(own.starts_with("mptcp fd00:1::"), "{own}");
    assert!(seen.starts_with("mptcp fd00:2::"), "{seen}");
    assert_eq!(
        receiver.outcomes(),
        [(Outcome::Told, 1), (Outcome::Absent, 1)]
    );
    assert!(lab.counter("toa_no_room") > 0);

    lab.exec("client", &["sysctl", "-qw", "net.ipv4.tcp_timestamps=0"]);
    for vip in ["10.0.0.1", "fd00::1"] {
        let [own, seen] = ask(&lab, vip, MPTCP, "262", "0");
        assert!(own.starts_with("mptcp "), "{own}");
        assert_eq!(own, seen);
    }
    assert_eq!(
        receiver.outcomes(),
        [(Outcome::Told, 3), (Outcome::Absent, 1)]
    );
    assert_eq!(lab.counter("toa_failed"), 0);
}

#[test]
fn a_second_subflow_joins_and_the_server_sees_the_address_of_the_first() {
    let Some((lab, _receiver)) = lab() else {
        return;
    };
    for host in ["client", "server1"] {
        lab.exec(host, &["ip", "mptcp", "limits", "set", "subflows", "1"]);
    }
    let words = "ip mptcp endpoint add 10.1.0.3 dev eth0 subflow";
    lab.exec("client", &words.split(' ').collect::<Vec<_>>());
    let [own, seen] = ask(&lab, "10.0.0.1", MPTCP, "262", "1");
    assert!(own.starts_with("mptcp 10.1.0.2 "), "{own}");
    assert_eq!(own, seen);
    let table = lab.sessions().join("\n");
    assert!(table.contains("10.1.0.3:"), "{table}");
}
