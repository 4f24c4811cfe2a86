#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-2.0-only
"""UDP for the lab: datagrams of any size, and the ICMP errors about them.

usage: lab/net/udp.py echo PORT [KEY=VALUE…]        says "ready", sends back what comes
       lab/net/udp.py ask ADDRESS PORT SIZE… [KEY=VALUE…]
                                                    "whole" if SIZE bytes come back, for
                                                    each, from a socket of its own
       lab/net/udp.py error ADDRESS PORT [KEY=VALUE…]
                                                    sends a datagram; prints the error:
                                                    "ERRNO TYPE CODE SENDER"
       lab/net/udp.py knock ADDRESS PORT [KEY=VALUE…]
                                                    sends one and is gone
       lab/net/udp.py answer PORT [KEY=VALUE…]      answers one datagram again and again
                                                    until there is an error; prints that

KEY: from (address), source (port), ttl, ipoptions (hexadecimal),
     after (a file: answers begin when it is there)
"""

import contextlib
import os
import select
import socket
import struct
import sys
import time

# <linux/in.h>, <linux/in6.h>
IP_RECVERR, IPV6_RECVERR = 11, 25


def opened(family, keys):
    udp = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if "ttl" in keys:
        level, option = {
            socket.AF_INET: (socket.IPPROTO_IP, socket.IP_TTL),
            socket.AF_INET6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS),
        }[family]
        udp.setsockopt(level, option, int(keys["ttl"]))
    if "ipoptions" in keys and family == socket.AF_INET:
        options = bytes.fromhex(keys["ipoptions"])
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, options)
    if "source" in keys or "from" in keys:
        udp.bind((keys.get("from", ""), int(keys.get("source", 0))))
    return udp


def towards(address, port, keys):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    udp = opened(family, keys)
    udp.connect((address, int(port)))
    return udp


def listen_to_errors(udp):
    if udp.family == socket.AF_INET6:
        udp.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
    else:
        udp.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)


def error(udp, seconds):
    """The next one in the error queue, or None."""
    poll = select.poll()
    poll.register(udp, 0)
    if not poll.poll(seconds * 1000):
        return None
    ancillary = udp.recvmsg(65535, 1000, socket.MSG_ERRQUEUE)[1]
    for level, _, data in ancillary:
        number, _, kind, code = struct.unpack_from("=IBBB", data)
        if level == socket.IPPROTO_IPV6:
            sender = socket.inet_ntop(socket.AF_INET6, data[24:40])
        else:
            sender = socket.inet_ntop(socket.AF_INET, data[20:24])
        return f"{number} {kind} {code} {sender}"


def content(size):
    return bytes(i * 7 % 251 for i in range(size))


def echo(port, **keys):
    inet, inet6 = [opened(f, keys) for f in (socket.AF_INET, socket.AF_INET6)]
    for udp in inet, inet6:
        udp.bind(("", int(port)))
    print("ready", flush=True)
    while True:
        for udp in select.select([inet, inet6], [], [])[0]:
            try:
                udp.sendto(*udp.recvfrom(65535))
            except OSError as trouble:
                print(trouble, file=sys.stderr)


def ask(address, port, *sizes, **keys):
    for size in sizes:
        print(asked(towards(address, port, keys), size), flush=True)


def asked(udp, size):
    """Up to five times: either end may first have to learn the path's MTU."""
    data = content(int(size))
    for _ in range(5):
        try:
            udp.settimeout(5)
            udp.send(data)
            answer = udp.recv(65535)
            return "whole" if answer == data else f"{len(answer)} other bytes"
        except OSError as trouble:
            print(trouble, file=sys.stderr)
    return "nothing"


def report(address, port, **keys):
    udp = towards(address, port, keys)
    listen_to_errors(udp)
    udp.send(b"x")
    print(error(udp, 20))


def knock(address, port, **keys):
    towards(address, port, keys).send(b"x")


def answer(port, **keys):
    inet, inet6 = [opened(f, keys) for f in (socket.AF_INET, socket.AF_INET6)]
    for udp in inet, inet6:
        udp.bind(("", int(port)))
    udp = select.select([inet, inet6], [], [])[0][0]
    udp.connect(udp.recvfrom(65535)[1])
    listen_to_errors(udp)
    while "after" in keys and not os.path.exists(keys["after"]):
        time.sleep(0.1)
    for _ in range(100):
        with contextlib.suppress(OSError):  # it is in the queue, too
            udp.send(b"x")
        said = error(udp, 0.3)
        if said:
            print(said)
            return
    print("no error")


arguments = [word for word in sys.argv[2:] if "=" not in word]
keys = dict(word.split("=", 1) for word in sys.argv[2:] if "=" in word)
{"echo": echo, "ask": ask, "error": report, "knock": knock, "answer": answer}[sys.argv[1]](
    *arguments, **keys
)
