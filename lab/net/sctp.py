#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-2.0-only
"""SCTP for the lab, one-to-one associations.

usage: lab/net/sctp.py serve NAME PORT      says "ready"; answers each message with
                                            "NAME PEER_ADDRESS PEER_PORT MESSAGE"
       lab/net/sctp.py ask ADDRESS PORT MESSAGE [SOURCE_PORT] [SOURCE_ADDRESS]
                                            prints the answer
       lab/net/sctp.py bulk ADDRESS PORT N  sends N messages of 1000 bytes and checks
                                            each answer
"""

import socket
import sys
import threading


def opened(family):
    sctp = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
    sctp.settimeout(20)
    return sctp


def answer(name, association, peer):
    with association:
        while message := association.recv(65535):
            about = "{} {} {} ".format(name, *peer[:2]).encode()
            association.sendall(about + message)


def listen(name, sctp):
    while True:
        association, peer = sctp.accept()
        arguments = name, association, peer
        threading.Thread(target=answer, args=arguments, daemon=True).start()


def serve(name, port):
    listening = []
    for family in socket.AF_INET, socket.AF_INET6:
        sctp = opened(family)
        sctp.settimeout(None)
        if family == socket.AF_INET6:
            sctp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sctp.bind(("", int(port)))
        sctp.listen()
        listening.append(threading.Thread(target=listen, args=(name, sctp)))
        listening[-1].start()
    print("ready", flush=True)
    for thread in listening:
        thread.join()


def connected(address, port, source_port=0, source_address=""):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sctp = opened(family)
    if source_port or source_address:
        sctp.bind((source_address, int(source_port)))
    sctp.connect((address, int(port)))
    return sctp


def ask(address, port, message, *source):
    with connected(address, port, *source) as sctp:
        sctp.sendall(message.encode())
        print(sctp.recv(65535).decode())


def bulk(address, port, count):
    with connected(address, port) as sctp:
        for number in range(int(count)):
            message = (f"{number} " * 1000)[:1000].encode()
            sctp.sendall(message)
            answer = sctp.recv(65535)
            assert answer.endswith(message), answer
    print("whole")


{"serve": serve, "ask": ask, "bulk": bulk}[sys.argv[1]](*sys.argv[2:])
