#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-2.0-only
"""A real server for the lab: HTTP and UDP echo, saying who it is and who asks,
over IPv4 and IPv6.

usage: lab/net/server.py NAME
       lab/net/server.py --each

With --each, a server starts for each line "NAMESPACE NAME" of standard input,
in that network namespace; the answer is a line of its process's number. They end
with this process. To start Python costs an emulated processor more than all else
in most tests.

GET /            "NAME PEER_ADDRESS PEER_PORT"
GET /bytes/N     N bytes, always the same
GET /held/PATH   1000000 bytes, the last half when there is a file of that path
GET /file/PATH   the file of that path
POST             the SHA-256 of the body
UDP              "NAME PEER_ADDRESS PEER_PORT LENGTH " and the datagram's first
                 1000 of LENGTH bytes

Most answers of HTTP have the header "Peer: PEER_ADDRESS PEER_PORT".
"""

import ctypes
import hashlib
import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer

HTTP_PORT = 8080
UDP_PORT = 7
CLONE_NEWNET = 0x40000000  # linux/sched.h
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/bytes/"):
            size = int(self.path.removeprefix("/bytes/"))
            body = (b"0123456789abcdef" * (size // 16 + 1))[:size]
        elif self.path.startswith("/held/"):
            return self.held(self.path.removeprefix("/held"))
        elif self.path.startswith("/file/"):
            with open(self.path.removeprefix("/file"), "rb") as file:
                body = file.read()
        else:
            body = f"{self.server.name} {self.peer()}\n".encode()
        self.answer(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(hashlib.sha256(body).hexdigest().encode() + b"\n")

    def peer(self):
        return "{} {}".format(*self.client_address[:2])

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Peer", self.peer())
        self.end_headers()
        self.wfile.write(body)

    def held(self, path):
        half = bytes(500000)
        self.send_response(200)
        self.send_header("Content-Length", str(2 * len(half)))
        self.end_headers()
        self.wfile.write(half)
        while not os.path.exists(path):
            time.sleep(0.05)
        self.wfile.write(half)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, name, family):
        self.name = name
        self.address_family = family
        super().__init__(("", HTTP_PORT), Handler)

    def server_bind(self):
        only_ipv6(self.socket)
        TCPServer.server_bind(self)  # HTTPServer's asks for names

    def handle_error(self, request, client_address):
        """A client that goes in the middle is nothing to tell."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def only_ipv6(sock):
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)


def echo(name, udp):
    while True:
        data, peer = udp.recvfrom(65535)
        about = "{} {} {} {} ".format(name, *peer[:2], len(data))
        try:
            udp.sendto(about.encode() + data[:1000], peer)
        except OSError as error:  # no route to that peer
            print(error, file=sys.stderr)


def serve(name, ready):
    servers = []
    for family in socket.AF_INET, socket.AF_INET6:
        udp = socket.socket(family, socket.SOCK_DGRAM)
        only_ipv6(udp)
        udp.bind(("", UDP_PORT))
        threading.Thread(target=echo, args=(name, udp), daemon=True).start()
        servers.append(Server(name, family))
    threading.Thread(target=servers[1].serve_forever, daemon=True).start()
    print(ready, flush=True)
    servers[0].serve_forever()


def each():
    libc = ctypes.CDLL(None, use_errno=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        namespace, name = line.split()
        if os.fork():
            continue
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        with open("/run/netns/" + namespace) as file:
            if libc.setns(file.fileno(), CLONE_NEWNET):
                sys.exit(f"{namespace}: {os.strerror(ctypes.get_errno())}")
        serve(name, os.getpid())


if __name__ == "__main__":
    each() if sys.argv[1] == "--each" else serve(sys.argv[1], "ready")
