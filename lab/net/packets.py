#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-2.0-only
"""Packets that no socket would send, by way of the default gateway or, with
via=ADDRESS, of a neighbour.

usage: lab/net/packets.py ask FROM:PORT TO:PORT SIZE    a UDP datagram in fragments, the
                                                        last one first; "whole" if it
                                                        comes back
       lab/net/packets.py answer PORT                   says "ready"; sends datagrams back
                                                        in such fragments
       lab/net/packets.py hole FROM TO COUNT            fragments that nobody completes
       lab/net/packets.py source-route FROM:PORT TO:PORT
                                                        UDP with an option of IPv4
       lab/net/packets.py error FROM TO INNER_FROM:PORT INNER_TO:PORT [broken]
                                                        a port unreachable, or an error of
                                                        the type kind=NUMBER;
                                                        patch=OFFSET:HEX overwrites bytes of
                                                        the inner packet, which has
                                                        size=BYTES of data; df=1: IPv4 routers
                                                        cannot fragment the error
       lab/net/packets.py first FROM:PORT TO:PORT PROTOCOL COUNT
                                                        the first packet of a flow: udp, tcp
                                                        (a SYN) or sctp (ports and zeros);
                                                        tcp-ack is a later segment
       lab/net/packets.py get FROM:PORT TO:PORT [CLIENT:PORT]
                                                        GET / over TCP, from an address that
                                                        this host need not have; each segment
                                                        of the client names it (option 254);
                                                        the answer
       lab/net/packets.py fuzz SEED COUNT FROM TO INNER_FROM:PORT INNER_TO:PORT
                                                        errors and fragments that are
                                                        not as they should be

IPv6 addresses are in brackets where a port follows.
"""

import ipaddress
import os
import random
import select
import socket
import struct
import sys

ICMP, TCP, UDP, ICMPV6, FRAGMENT = 1, 6, 17, 58, 44
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
TOA = 254


def endpoint(text):
    address, port = text.rsplit(":", 1)
    return address.strip("[]"), int(port)


def is_ipv6(address):
    return ":" in address


def packed(address):
    return ipaddress.ip_address(address).packed


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo(source, to, protocol, length):
    if is_ipv6(source):
        return packed(source) + packed(to) + struct.pack("!II", length, protocol)
    return packed(source) + packed(to) + struct.pack("!HH", protocol, length)


def datagram(source, to, data):
    (source, sport), (to, dport) = source, to
    header = struct.pack("!HHHH", sport, dport, 8 + len(data), 0)
    check = checksum(pseudo(source, to, UDP, 8 + len(data)) + header + data)
    return header[:6] + struct.pack("!H", check or 0xFFFF) + data


def packet(source, to, protocol, payload, fragment=None, options=b"", ttl=64, df=0):
    """fragment: identification, offset, whether more follow. df: of IPv4."""
    number, offset, more = fragment or (0, 0, 0)
    if is_ipv6(source):
        if fragment:
            header = struct.pack("!BBHI", protocol, 0, offset | more, number)
            protocol, payload = FRAGMENT, header + payload
        header = struct.pack("!IHBB", 6 << 28, len(payload) & 0xFFFF, protocol, ttl)
        return header + packed(source) + packed(to) + payload
    header = struct.pack(
        "!BBHHHBBH4s4s",
        0x40 | (20 + len(options)) // 4,
        0,
        (20 + len(options) + len(payload)) & 0xFFFF,
        number & 0xFFFF,
        df << 14 | more << 13 | offset // 8,
        ttl,
        protocol,
        0,
        packed(source),
        packed(to),
    )
    header += options
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return header + payload


def icmp(source, to, kind, code, rest, inner, broken=False, df=0):
    protocol = ICMPV6 if is_ipv6(source) else ICMP
    message = struct.pack("!BBHI", kind, code, 0, rest) + inner
    head = pseudo(source, to, ICMPV6, len(message)) if is_ipv6(source) else b""
    check = checksum(head + message) ^ (0x5555 if broken else 0)
    message = message[:2] + struct.pack("!H", check) + message[4:]
    return packet(source, to, protocol, message, df=df)


def fragments(source, to, protocol, payload, size=1400):
    number = random.getrandbits(32)
    return [
        packet(
            source,
            to,
            protocol,
            payload[offset : offset + size],
            (number, offset, int(offset + size < len(payload))),
        )
        for offset in range(0, len(payload), size)
    ]


class Wire:
    """Sends whole packets, whatever is in them, to the next hop."""

    def __init__(self, to, via=None):
        # Some commands do not need it, and it takes long to load.
        import subprocess

        route = self.ip("route", "get", to)[0]
        hop = via or route.get("gateway", to)
        subprocess.run(["ping", "-c1", "-W5", hop], stdout=subprocess.DEVNULL)
        near = self.ip("neigh", "show", hop, "dev", route["dev"])[0]
        self.address = (
            route["dev"],
            0x86DD if is_ipv6(to) else 0x0800,
            0,
            0,
            bytes.fromhex(near["lladdr"].replace(":", "")),
        )
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)

    @staticmethod
    def ip(*words):
        import json
        import subprocess

        return json.loads(subprocess.check_output(["ip", "-j", *words]))

    def send(self, data):
        self.socket.sendto(data, self.address)


def bound(port, address=""):
    family = socket.AF_INET6 if is_ipv6(address) else socket.AF_INET
    udp = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    udp.bind((address, port))
    return udp


def ask(source, to, size, via=None):
    source, to = endpoint(source), endpoint(to)
    udp = bound(source[1], source[0])
    udp.settimeout(20)
    data = bytes(i * 7 % 251 for i in range(int(size)))
    wire = Wire(to[0], via)
    for part in reversed(fragments(source[0], to[0], UDP, datagram(source, to, data))):
        wire.send(part)
    print("whole" if udp.recv(65535) == data else "something else")


def answer(port):
    sockets = [bound(int(port)), bound(int(port), "::")]
    print("ready", flush=True)
    while True:
        for udp in select.select(sockets, [], [])[0]:
            data, peer = udp.recvfrom(65535)
            # Whom it was sent to: the address that a socket to the peer has.
            with socket.socket(udp.family, socket.SOCK_DGRAM) as other:
                other.connect(peer[:2])
                source = other.getsockname()[0], int(port)
            wire = Wire(peer[0])
            payload = datagram(source, peer[:2], data)
            for part in reversed(fragments(source[0], peer[0], UDP, payload)):
                wire.send(part)


def hole(source, to, count, via=None):
    wire = Wire(to, via)
    payload = datagram((source, 1), (to, 7), bytes(3000))
    for _ in range(int(count)):
        wire.send(random.choice(fragments(source, to, UDP, payload)))


def source_route(source, to, via=None):
    source, to = endpoint(source), endpoint(to)
    payload = datagram(source, to, b"x")
    # Loose source and record route, then the end of the options.
    route = bytes([131, 7, 4]) + packed(source[0]) + b"\0"
    Wire(to[0], via).send(packet(source[0], to[0], UDP, payload, options=route))


def error(
    source, to, inner_source, inner_to, broken="", kind=None, patch="", size=1, df=0, via=None
):
    inner_source, inner_to = endpoint(inner_source), endpoint(inner_to)
    payload = datagram(inner_source, inner_to, b"x" * int(size))
    inner = packet(inner_source[0], inner_to[0], UDP, payload)
    if patch:
        offset, data = int(patch.split(":")[0]), bytes.fromhex(patch.split(":")[1])
        inner = inner[:offset] + data + inner[offset + len(data) :]
    unreachable, code = (1, 4) if is_ipv6(source) else (3, 3)
    kind = unreachable if kind is None else int(kind)
    Wire(to, via).send(icmp(source, to, kind, code, 0, inner, bool(broken), int(df)))


def first(source, to, protocol, count, via=None):
    source, to = endpoint(source), endpoint(to)
    number = {"udp": UDP, "tcp": TCP, "tcp-ack": TCP, "sctp": 132}[protocol]
    payload = datagram(source, to, b"x")
    if protocol != "udp":
        flags = ACK if protocol == "tcp-ack" else SYN
        payload = struct.pack("!HHIIBBHI", source[1], to[1], 1, 0, 0x50, flags, 8192, 0)
        check = checksum(pseudo(source[0], to[0], number, len(payload)) + payload)
        payload = payload[:16] + struct.pack("!H", check) + payload[18:]
    wire = Wire(to[0], via)
    for _ in range(int(count)):
        wire.send(packet(source[0], to[0], number, payload))


def segment(source, to, sequence, acknowledged, flags, options=b"", data=b""):
    (source, sport), (to, dport) = source, to
    size = 20 + len(options)
    fields = sport, dport, sequence % 2**32, acknowledged % 2**32, size // 4 << 4, flags, 65535
    header = struct.pack("!HHIIBBHI", *fields, 0) + options
    check = checksum(pseudo(source, to, TCP, size + len(data)) + header + data)
    return header[:16] + struct.pack("!H", check) + header[18:] + data


def answers(hearing, source, to):
    """Sequence number, flags and data of each segment that comes back."""
    while True:
        data = hearing.recv(65535)
        if is_ipv6(source[0]):
            size, protocol, start, addresses = 40 + data[4] * 256 + data[5], data[6], 40, 8
        else:
            size, protocol = data[2] * 256 + data[3], data[9]
            start, addresses = data[0] % 16 * 4, 12
        ends = packed(to[0]) + packed(source[0])
        if protocol != TCP or data[addresses : addresses + len(ends)] != ends:
            continue
        tcp = data[start:size]
        sport, dport, sequence, _, offset, flags = struct.unpack("!HHIIBB", tcp[:14])
        if (sport, dport) == (to[1], source[1]):
            yield sequence, flags, tcp[offset // 16 * 4 :]


def get(source, to, client=None, via=None):
    source, to = endpoint(source), endpoint(to)
    option = b""
    if client:
        address, port = endpoint(client)
        option = struct.pack("!BBH", TOA, 4 + len(packed(address)), port) + packed(address)
    wire = Wire(to[0], via)
    hearing = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(wire.address[1]))
    hearing.settimeout(120)
    sequence = random.getrandbits(32)

    def send(flags, options=b"", data=b""):
        tcp = segment(source, to, sequence, acknowledged, flags, options, data)
        wire.send(packet(source[0], to[0], TCP, tcp))

    acknowledged = 0
    send(SYN)
    sequence += 1
    answer = b""
    for number, flags, data in answers(hearing, source, to):
        if flags & RST:
            sys.exit("reset")
        if flags & SYN and not acknowledged:
            acknowledged = number + 1
            send(ACK, option)
            question = b"GET / HTTP/1.0\r\n\r\n"
            send(ACK | PSH, option, question)
            sequence += len(question)
        elif not flags & SYN and number == acknowledged % 2**32:
            answer += data
            acknowledged += len(data)
            if flags & FIN:
                break
            if data:
                send(ACK, option)
    send(RST | ACK)
    sys.stdout.write(answer.decode().split("\r\n\r\n", 1)[1])


def mangled(data, times):
    data = bytearray(data)
    for _ in range(times):
        if data:
            data[random.randrange(len(data))] = random.getrandbits(8)
    return bytes(data)


def extension_headers():
    """Of IPv6, of random kinds and lengths, and what stands before them."""
    kinds = [random.choice([0, 43, 44, 51, 60, 59, 135]) for _ in range(9)]
    data = b"".join(
        bytes([following, random.choice([0, 0, 0, 1, 255])]) + os.urandom(6)
        for following in kinds[1:] + [random.choice([UDP, ICMPV6, 6, 59])]
    )
    return kinds[0], data


def odd(source, to, inner_source, inner_to):
    payload = datagram(inner_source, inner_to, os.urandom(random.randrange(40)))
    if random.random() < 0.3:
        payload = os.urandom(4) + payload[4:]
    if is_ipv6(source) and random.random() < 0.3:
        before, headers = extension_headers()
        inner = packet(inner_source[0], inner_to[0], before, headers + payload)
    else:
        protocol = random.choice([UDP, UDP, 6, 132, 1, 47, 255])
        options = os.urandom(4 * random.choice([0, 0, 0, 1, 10]))
        part = (random.getrandbits(16), random.choice([0, 0, 8, 1480]), 1)
        inner = packet(
            inner_source[0],
            inner_to[0],
            protocol,
            payload,
            random.choice([None, None, part]),
            options,
        )
    if random.random() < 0.5:
        inner = mangled(inner, random.choice([1, 1, 3]))
    inner = inner[: random.choice([len(inner), len(inner), random.randrange(80)])]
    kind = random.choice([1, 2, 3, 4, 5, 11, 12, random.getrandbits(8)])
    code = random.randrange(16)
    ttl = random.choice([64, 64, 1, 0])
    choice = random.random()
    whole = icmp(source, to, kind, code, random.getrandbits(32), inner, random.random() < 0.2)
    if choice < 0.5:
        return [whole]
    if choice < 0.6:
        header = 40 if is_ipv6(source) else 20
        protocol = ICMPV6 if is_ipv6(source) else ICMP
        parts = fragments(source, to, protocol, whole[header:], random.choice([8, 16, 24]))
        random.shuffle(parts)
        return parts[: random.choice([len(parts), 1, 2])]
    if choice < 0.7:
        return [mangled(whole, random.choice([1, 2, 5]))]
    if choice < 0.8:
        return [whole[: random.randrange(len(whole))]]
    if choice < 0.9:
        part = (random.getrandbits(3), 8 * random.randrange(8192), random.getrandbits(1))
        data = os.urandom(random.randrange(1400))
        return [packet(source, to, random.choice([ICMP, UDP, 6, ICMPV6]), data, part, ttl=ttl)]
    payload = datagram((source, 9), (to, inner_source[1]), os.urandom(30))
    if is_ipv6(source):
        before, headers = extension_headers()
        return [packet(source, to, before, headers + payload, ttl=ttl)]
    return [packet(source, to, UDP, payload, options=os.urandom(4 * random.randrange(11)))]


def fuzz(seed, count, source, to, inner_source, inner_to, via=None):
    random.seed(int(seed))
    os.urandom = random.randbytes
    wire = Wire(to, via)
    for _ in range(int(count)):
        for data in odd(source, to, endpoint(inner_source), endpoint(inner_to)):
            wire.send(data)


arguments = [word for word in sys.argv[2:] if "=" not in word]
keys = dict(word.split("=", 1) for word in sys.argv[2:] if "=" in word)
{
    "ask": ask,
    "answer": answer,
    "hole": hole,
    "source-route": source_route,
    "error": error,
    "first": first,
    "get": get,
    "fuzz": fuzz,
}[sys.argv[1]](*arguments, **keys)
