#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Asks by one HTTP connection, again and again, and fails when that breaks.

usage: talk URL_HOST COUNT_FILE END_FILE

Each answer must say the same peer. COUNT_FILE has how many came; the end is when
there is END_FILE.
"""

import http.client
import os
import sys
import time

host, count_file, end_file = sys.argv[1:]
connection = http.client.HTTPConnection(host, timeout=120)
connection.connect()
# A connection that broke is not opened anew.
connection.auto_open = 0
peers = set()
count = 0
while not os.path.exists(end_file):
    connection.request("GET", "/")
    peers.add(connection.getresponse().read())
    assert len(peers) == 1, peers
    count += 1
    with open(count_file + ".new", "w") as file:
        file.write(str(count))
    os.rename(count_file + ".new", count_file)
    time.sleep(0.2)
print("talked", count, "times:", peers.pop().decode().strip())
