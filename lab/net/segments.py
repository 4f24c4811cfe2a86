#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-2.0-only
"""TCP segments as they are on the wire.

usage: lab/net/segments.py watch INTERFACE PORT
           says "ready", and a line for each segment to that port, until SIGTERM:
           FROM FLAGS DATA SIZE OPTIONS, which are the address and port that it comes
           from, letters as in tcpdump, the bytes of data and of the whole packet, and the
           options in hexadecimal, or "-"
       lab/net/segments.py client INTERFACE FROM:PORT TO:PORT STEP…
           a client at an address that nobody has, which does what the steps say:
           syn[=OPTIONS]         waits for the server's SYN
           open[=OPTIONS]        a SYN with a request, TCP Fast Open
           ack[=OPTIONS]         ends the handshake
           stray[=OPTIONS]       a segment out of window; waits for the answer to it
           restart=SEQ           a SYN with this sequence number, for nobody's answer
           wild[=OPTIONS]        a SYN with data, out of window; waits for an answer
                                 without a SYN, and goes on from its numbers
           get[=OPTIONS]         a request; waits for the answer, which it acknowledges
                                 without options, and prints it
           answer                waits for the answer to the request of `open`
           full=SIZE[=OPTIONS]   a request that makes a packet of that size; the same
           again                 the last segment once more
           reset                 an RST
           hold                  says "held"; waits for a line of standard input
           OPTIONS are in hexadecimal. IPv6 addresses are in brackets.
"""

import ipaddress
import signal
import socket
import struct
import sys

FIN, SYN, RST, PUSH, ACK = 1, 2, 4, 8, 16
LETTERS = ((SYN, "S"), (FIN, "F"), (RST, "R"), (PUSH, "P"), (ACK, "A"))
TCP, PATIENCE = 6, 120


class Segment:
    """false where it is none of TCP."""

    def __init__(self, packet):
        self.size = len(packet)
        version = packet[0] >> 4
        if version == 4 and packet[9] == TCP:
            self.size = struct.unpack("!H", packet[2:4])[0]
            self.source, self.to = packet[12:16], packet[16:20]
            tcp = packet[(packet[0] & 15) * 4 : self.size]
        elif version == 6 and packet[6] == TCP:
            self.source, self.to = packet[8:24], packet[24:40]
            tcp = packet[40:]
        else:
            self.is_tcp = False
            return
        self.is_tcp = True
        self.sport, self.dport, self.seq, self.ack = struct.unpack("!HHII", tcp[:12])
        header = (tcp[12] >> 4) * 4
        self.flags = tcp[13]
        self.options, self.data = tcp[20:header], tcp[header:]

    def __str__(self):
        source = ipaddress.ip_address(self.source)
        source = f"[{source}]" if source.version == 6 else str(source)
        letters = "".join(letter for flag, letter in LETTERS if self.flags & flag)
        options = self.options.hex() or "-"
        return f"{source}:{self.sport} {letters} {len(self.data)} {self.size} {options}"


def listen(interface):
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    packets.bind((interface, 3))
    return packets


def watch(interface, port):
    packets = listen(interface)
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    packets.settimeout(0.2)
    print("ready", flush=True)
    while True:
        try:
            packet, address = packets.recvfrom(1 << 17)
        except TimeoutError:
            if ended:
                return
            continue
        segment = Segment(packet)
        is_incoming = address[2] != socket.PACKET_OUTGOING
        if is_incoming and segment.is_tcp and segment.dport == int(port):
            print(segment, flush=True)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def endpoint(text):
    address, port = text.rsplit(":", 1)
    return ipaddress.ip_address(address.strip("[]")), int(port)


class Client:
    def __init__(self, interface, own, to):
        self.own, self.to = endpoint(own), endpoint(to)
        self.packets = listen(interface)
        self.packets.settimeout(PATIENCE)
        family = socket.AF_INET6 if self.to[0].version == 6 else socket.AF_INET
        self.raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.seq, self.acked = 1000, 0

    def send(self, flags, options=b"", data=b"", seq=None):
        options += b"\1" * (-len(options) % 4)
        seq = self.seq if seq is None else seq
        tcp = struct.pack(
            "!HHIIBBHHH",
            self.own[1],
            self.to[1],
            seq,
            self.acked,
            (20 + len(options)) << 2,
            flags,
            60000,
            0,
            0,
        )
        tcp += options + data
        own, to = self.own[0].packed, self.to[0].packed
        check = checksum(own + to + struct.pack("!II", len(tcp), TCP) + tcp)
        tcp = tcp[:16] + struct.pack("!H", check) + tcp[18:]
        if self.to[0].version == 6:
            header = struct.pack("!IHBB", 6 << 28, len(tcp), TCP, 64) + own + to
        else:
            size = 20 + len(tcp)
            header = struct.pack("!BBHHHBBH", 0x45, 0, size, 0, 0x4000, 64, TCP, 0)
            header += own + to
            header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
        self.last = header + tcp
        self.again()

    def again(self):
        self.raw.sendto(self.last, (str(self.to[0]), 0))

    def receive(self, wanted):
        while True:
            segment = Segment(self.packets.recv(1 << 17))
            if not segment.is_tcp or segment.source != self.to[0].packed:
                continue
            if segment.dport == self.own[1] and wanted(segment):
                return segment

    def syn(self, options=b"", data=b""):
        self.send(SYN, options, data)
        answer = self.receive(lambda segment: segment.flags & SYN)
        self.seq, self.acked = answer.ack, answer.seq + 1

    def open(self, options=b""):
        self.syn(options, request(100))

    def ack(self, options=b""):
        self.send(ACK, options)

    def stray(self, options=b""):
        self.send(ACK, options, seq=self.seq + (1 << 30) & 0xFFFFFFFF)
        self.receive(lambda segment: not segment.flags & (SYN | RST))

    def restart(self, seq):
        self.seq, self.acked = int(seq), 0
        self.send(SYN)

    def wild(self, options=b""):
        self.send(SYN, options, request(100), seq=self.seq + (1 << 30) & 0xFFFFFFFF)
        answer = self.receive(lambda segment: not segment.flags & (SYN | RST))
        self.seq, self.acked = answer.ack, answer.seq

    def get(self, options=b"", data=None):
        data = data or request(100)
        self.send(ACK | PUSH, options, data)
        self.seq += len(data)
        self.answer()

    def answer(self):
        text = b""
        while not text.endswith(b"\n") or text.endswith(b"\r\n"):
            segment = self.receive(lambda it: it.data and it.seq == self.acked)
            self.acked += len(segment.data)
            text += segment.data
            self.send(ACK)
        print(text.decode().split("\r\n\r\n")[1].strip())

    def reset(self):
        self.send(RST)

    def hold(self):
        print("held", flush=True)
        sys.stdin.readline()

    def full(self, size, options=b""):
        header = (40 if self.to[0].version == 6 else 20) + 20 + len(options)
        self.get(options, request(int(size) - header))


def request(size):
    """lab/net/server.py answers it when it is whole."""
    begin, end = b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"\r\n\r\n"
    return begin + b"x" * (size - len(begin) - len(end)) + end


def client(interface, own, to, *steps):
    it = Client(interface, own, to)
    for step in steps:
        name, *values = step.split("=")
        if name in ("full", "restart"):
            values[1:] = [bytes.fromhex(value) for value in values[1:]]
        else:
            values = [bytes.fromhex(value) for value in values]
        getattr(it, name)(*values)


if __name__ == "__main__":
    {"watch": watch, "client": client}[sys.argv[1]](*sys.argv[2:])
