#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Copies the streams of a virtual machine (see lab/vm/run.sh) as they arrive.

usage: lab/vm/relay.py TOKEN OUT ERR REPORT REPORT_FILE

OUT, ERR and REPORT are named pipes, copied to standard output, standard error
and REPORT_FILE. The token ends a stream: by it, and not by the end of the
machine, it is known that nothing is still on its way.

Exit status: 0 when every stream came to its token, 1 when one ended without,
2 when standard output or error took no more, 3 when its reader has gone.
"""

import os
import select
import sys

token = sys.argv[1].encode()
inputs = [os.open(path, os.O_RDONLY) for path in sys.argv[2:5]]
report = os.open(sys.argv[5], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
outputs = dict(zip(inputs, [1, 2, report]))
held = dict.fromkeys(inputs, b"")  # what may be the beginning of the token


def write(output, data):
    while data:
        try:
            data = data[os.write(output, data) :]
        except BlockingIOError:  # the caller's pipe may be of that kind
            select.select([], [output], [])


def begun(data):
    """How many bytes at the end of data may begin the token."""
    for size in range(min(len(data), len(token)), 0, -1):
        if token.startswith(data[-size:]):
            return size
    return 0


status = 0
try:
    while outputs:
        for stream in select.select(list(outputs), [], [])[0]:
            chunk = os.read(stream, 65536)
            data = held[stream] + chunk
            if data.endswith(token):
                write(outputs.pop(stream), data[: -len(token)])
            elif not chunk:
                write(outputs.pop(stream), data)
                status = 1
            else:
                size = begun(data)
                held[stream] = data[len(data) - size :]
                write(outputs[stream], data[: len(data) - size])
except BrokenPipeError:
    status = 3
except OSError as error:
    print(f"lab/vm/run.sh: the command's output: {error}", file=sys.stderr)
    status = 2
sys.exit(status)
