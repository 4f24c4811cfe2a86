// SPDX-License-Identifier: GPL-2.0-only
//! Reads of `/proc/net/ip_vs_bpf/sessions` that go on while sessions end.

use crate::lab::Lab;

/// Two services that nobody answers, and thousands of sessions of both. The third service
/// stays: without any, the end of another test's director unloads the module.
const UNANSWERED: &str = r#"
[director]
interfaces = ["eth0", "eth1"]

[timeouts]
udp_unanswered = "10h"

[local_ips.default]
addresses = ["10.2.0.100"]

[[service]]
address = "udp://10.0.0.1:9"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "10.2.0.2:9"

[[service]]
address = "udp://10.0.0.1:10"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "10.2.0.2:10"

[[service]]
address = "udp://10.0.0.1:11"
scheduler = "rr"
snat = "default"
"#;

/// Begins many reads, which stop at different sessions. Ends the services of these ports with
/// their sessions, and continues the reads. Prints how many sessions of the other service they
/// left out.
const READS: &str = r"
import os, sys, time
sessions_of_each, number, *ended = [int(word) for word in sys.argv[1:]]
folder = '/proc/net/ip_vs_bpf/'
def write(text):
    os.write(os.open(folder + 'services', os.O_WRONLY), text)
def sessions(text, *ports):
    lines = (line.split() for line in text.decode().splitlines())
    return {tuple(words[1:3]) for words in lines if int(words[2].split(':')[1]) in ports}
def rest(file):
    return b''.join(iter(lambda: os.read(file, 65536), b''))
def all():
    with open(folder + 'sessions', 'rb') as file:
        return file.read()
stay = sessions(all(), 10) if 10 not in ended else set()
assert len(sessions(all(), 9, 10)) > 1.9 * sessions_of_each
reads = []
for size in range(70, 70 * (number + 1), 70):
    file, text = os.open(folder + 'sessions', os.O_RDONLY), b''
    while len(text) < size:
        text += os.read(file, size - len(text))
    reads.append((file, text))
for port in ended:
    write(b'- udp 10.0.0.1:%d' % port)
write(b'flush')
while sessions(all(), *ended):
    pass
# A grace period passes, and the table has shrunk.
time.sleep(3)
rests = [(text, rest(file)) for file, text in reads]
print(sum(len(stay - sessions(text + end, 10)) for text, end in rests))
";

/// Reads while the services of these ports end. Returns what the reads left out.
fn reads(sessions_of_each: u32, number: u32, ended: &[&str]) -> String {
    let lab = Lab::new();
    lab.apply(UNANSWERED);
    let send = "import socket, sys\n\
        for port in range(20000, 20000 + int(sys.argv[1])):\n    \
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n    \
            s.bind(('10.1.0.2', port))\n    \
            for to in (9, 10): s.sendto(b'x', ('10.0.0.1', to))\n";
    let [sessions, number] = [sessions_of_each, number].map(|it| it.to_string());
    lab.exec("client", &["/usr/bin/python3", "-ISc", send, &sessions]);
    let words = ["/usr/bin/python3", "-ISc", READS, &sessions, &number];
    lab.exec("director", &[&words, ended].concat())
}

#[test]
fn a_read_of_all_sessions_leaves_none_out_when_others_end() {
    assert_eq!(reads(1500, 100, &["9"]), "0\n");
}

/// Linux before 7.2 leaves the place of a read in the old table, although that session is freed
/// (8173f7e2ce67). Where freed memory is poisoned (slub_debug=FZPU), following it is fatal.
#[test]
fn a_read_goes_on_after_all_sessions_have_ended_and_their_table_has_shrunk() {
    assert_eq!(reads(1500, 100, &["9", "10"]), "0\n");
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn many_reads_go_on_when_thousands_of_sessions_end() {
    for ended in [&["9"][..], &["9", "10"]] {
        assert_eq!(reads(3000, 400, ended), "0\n");
    }
}
