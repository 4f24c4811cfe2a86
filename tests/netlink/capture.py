#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Records what ipvsadm and the kernel say to each other, into golden/*.hex.

Runs as root where ip_vs can be loaded and nothing is lost if the services of
this machine are: in the lab's VM.

    mkdir -p tests/netlink/golden
    lab/vm/run.sh --writable tests/netlink/golden -- tests/netlink/capture.py

A line is a comment ("#": the command, or what it printed), a datagram to the
kernel (">") or one from it ("<"), as nlmon shows them. What every ipvsadm asks
first (the family's number, the version) is in connect.hex only.
"""

import pathlib
import socket
import struct
import subprocess
import threading
import time

GOLDEN = pathlib.Path(__file__).parent / "golden"
NETLINK_GENERIC = 16
NLCTRL = 16
GET_INFO = 15
NLM_F_REQUEST = 1

CHANGES = """
-A -t 10.0.0.1:80 -s wrr
-E -t 10.0.0.1:80 -s wlc -p 300 -M 255.255.255.0
-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -m -w 3
-e -t 10.0.0.1:80 -r 10.0.0.2:8080 -m -w 0 -x 1000 -y 10
-a -t 10.0.0.1:80 -r 10.0.0.3:80 -g -w 2147483647
-a -t 10.0.0.1:80 -r 10.0.0.4:80 -i
-a -t 10.0.0.1:80 -r 10.0.0.5:80 -i --tun-type gue --tun-port 6080 --tun-nocsum
-a -t 10.0.0.1:80 -r 10.0.0.6:80 -i --tun-type gue --tun-port 6081 --tun-remcsum
-a -t 10.0.0.1:80 -r 10.0.0.7:80 -i --tun-type gre --tun-csum
-a -t 10.0.0.1:80 -r [fd00::8]:80 -i
-A -u 10.0.0.1:53 -s sh -b sh-fallback,sh-port
-a -u 10.0.0.1:53 -r 10.0.0.2:53 -m
-A -u 10.0.0.1:5353 -s rr -o
-A -u 10.0.0.1:5060 -s rr -p 60 --pe sip
-A --sctp-service 10.0.0.1:132 -s mh -b flag-1,flag-3
-A -t [fd00::1]:443 -s wrr -p 600 -M 64
-a -t [fd00::1]:443 -r [fd00::2]:8443 -m -w 5 -x 4294967 -y 2
-A -f 305419896 -s wrr
-a -f 305419896 -r 10.0.0.2:0 -g -w 1
-A -f 7 -6 -s lc -p 360 -M 128
-a -f 7 -6 -r [fd00::2]:0 -g -w 1
-A -t 10.0.0.9:0 -s rr -p 300
-a -t 10.0.0.9:0 -r 10.0.0.2:0 -m
-d -t 10.0.0.9:0 -r 10.0.0.2:0
-D -t 10.0.0.9:0
"""

REFUSALS = """
-A -t 10.0.0.1:80 -s wrr
-A -t 10.0.0.1:81 -s quantum
-E -t 10.0.0.1:81 -s wrr
-D -t 10.0.0.1:81
-a -t 10.0.0.1:81 -r 10.0.0.2:80 -m
-a -t 10.0.0.1:80 -r 10.0.0.3:80 -g -w 1
-e -t 10.0.0.1:80 -r 10.0.0.99:80 -g -w 1
-d -t 10.0.0.1:80 -r 10.0.0.99:80
-a -t 10.0.0.1:80 -r 224.0.0.1:80 -g -w 1
-a -t 10.0.0.1:80 -r [fd00::9]:80 -m -w 1
"""


def sh(command):
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True)


class Recording:
    def __init__(self, name, whole=False):
        self.name, self.whole, self.lines = name, whole, []
        self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.tap.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        self.tap.bind(("nlmon0", 0))
        self.tap.settimeout(0.3)

    def command(self, arguments, shown=False):
        command = ["ipvsadm", *arguments.split()]
        result = subprocess.run(command, capture_output=True, text=True)
        self.lines.append("# " + " ".join(command))
        if shown or result.returncode:
            printed = (result.stdout + result.stderr).splitlines()
            self.lines += [f"#   {line}".rstrip() for line in printed]
        recorded = True
        while True:
            try:
                datagram, address = self.tap.recvfrom(1 << 18)
            except TimeoutError:
                return
            if address[1] != NETLINK_GENERIC:
                continue
            kind, flags = struct.unpack_from("=HH", datagram, 4)
            answer = not flags & NLM_F_REQUEST
            if not answer:
                recorded = self.whole or (kind != NLCTRL and datagram[16] != GET_INFO)
            if recorded:
                self.lines.append(("< " if answer else "> ") + datagram.hex())

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.tap.close()
        (GOLDEN / self.name).write_text("\n".join(self.lines) + "\n")


def lines(text):
    return text.strip().splitlines()


def serve_one_kilobyte(listener):
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"x" * 1024)


def main():
    sh("modprobe ip_vs; modprobe nlmon; ipvsadm -C; ip link set lo up")
    sh("ip link add nlmon0 type nlmon; ip link set nlmon0 up")
    sh("ip link add vip0 type dummy; ip link set vip0 up; ip addr add 10.0.0.1/24 dev vip0")

    with Recording("connect.hex", whole=True) as recording:
        recording.command("-Ln", shown=True)
    # Before a server of the other family: the daemon cannot live with one.
    with Recording("daemon.hex") as recording:
        recording.command("--start-daemon master --mcast-interface vip0 --syncid 9")
        recording.command(
            "--start-daemon backup --mcast-interface vip0 --syncid 9"
            " --mcast-group ff02::81 --mcast-port 8849 --mcast-ttl 2 --sync-maxlen 1400"
        )
        recording.command("-L --daemon", shown=True)
        recording.command("--stop-daemon master")
        recording.command("--stop-daemon backup")
    with Recording("changes.hex") as recording:
        for arguments in lines(CHANGES):
            recording.command(arguments)
    with Recording("services.hex") as recording:
        recording.command("-Sn", shown=True)
    with Recording("service.hex") as recording:
        for service in ["-u 10.0.0.1:5353", "-u 10.0.0.1:5060", "--sctp-service 10.0.0.1:132"]:
            recording.command(f"-Ln {service}", shown=True)
    with Recording("refusals.hex") as recording:
        for arguments in lines(REFUSALS):
            recording.command(arguments)
    with Recording("config.hex") as recording:
        recording.command("--set 800 100 200")
        recording.command("-L --timeout", shown=True)
    with Recording("zero_and_flush.hex") as recording:
        recording.command("-Z")
        recording.command("-Z -t 10.0.0.1:80")
        recording.command("-C")

    listener = socket.create_server(("127.0.0.1", 8000))
    threading.Thread(target=serve_one_kilobyte, args=[listener], daemon=True).start()
    sh("ipvsadm -A -t 10.0.0.1:80 -s rr; ipvsadm -a -t 10.0.0.1:80 -r 127.0.0.1:8000 -m")
    for _ in range(3):
        with socket.create_connection(("10.0.0.1", 80)) as client:
            client.sendall(b"hello")
            while client.recv(4096):
                pass
    held = socket.create_connection(("10.0.0.1", 80))
    time.sleep(5)  # the kernel sums up every two seconds
    with Recording("statistics.hex") as recording:
        recording.command("-Ln --stats --exact", shown=True)
        recording.command("-Ln", shown=True)
    held.close()


main()
