#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Clients of the services of lab/demo/dashboard.sh, for some minutes.

usage: lab/demo/visitors.py SECONDS

Visitors of the web service come and go like a day that lasts ten minutes, each with
connections of their own; a few stay and load something all the time. Resolvers ask
by UDP, from sockets that stay. A service whose pool is too narrow gets more clients
than it has ports for. Failures are what a client of a busy service sees: they are
counted, and printed at the end.
"""

import collections
import http.client
import math
import socket
import sys
import threading
import time

VIP = "10.0.0.1"
end = time.monotonic() + float(sys.argv[1])
begin = time.monotonic()
results = collections.Counter()


def while_open(work):
    """Runs it again and again, each time until it fails or returns."""

    def run():
        while time.monotonic() < end:
            try:
                work()
                results[work.__name__] += 1
            except OSError as error:
                results[f"{work.__name__}: {type(error).__name__}"] += 1
                time.sleep(1)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def get(port, path):
    connection = http.client.HTTPConnection(VIP, port, timeout=20)
    connection.request("GET", path)
    connection.getresponse().read()
    connection.close()


def visit():
    day = (time.monotonic() - begin) / 600
    get(80, "/bytes/20000")
    time.sleep(1 / (2.5 - 1.5 * math.cos(2 * math.pi * day)))


def load():
    connection = http.client.HTTPConnection(VIP, 80, timeout=60)
    for _ in range(120):
        connection.request("GET", "/bytes/100000")
        connection.getresponse().read()
        time.sleep(0.5)
    connection.close()


def resolve():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.settimeout(5)
    udp.connect((VIP, 7))
    for _ in range(600):
        udp.send(b"who is it?")
        udp.recv(2000)
        time.sleep(0.1)
    udp.close()


def squeeze():
    get(81, "/")
    time.sleep(2)


threads = [while_open(work) for work in [visit] * 3 + [load] * 4 + [resolve] * 3 + [squeeze] * 2]
for thread in threads:
    thread.join()
for name, count in sorted(results.items()):
    print(count, name)
