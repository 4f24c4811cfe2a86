#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The other ends of a machine's cards (see lab/vm/run.sh --generator): it sends frames
to them in bursts, and takes what comes out. The machine says when, at a serial port.

usage: lab/vm/generator.py FOLDER

FOLDER gets the sockets control, wire1 and wire2. A line on standard output says that
they are there.

A card's socket carries frames, each after its length as a 32-bit number (QEMU's `stream`).
All numbers are in network order. What is written at once to the socket is delivered to
the card at once, before the machine's processor takes the card's interrupt.

The port carries requests, one byte and its data, and their answers:

  l wire length frames   keeps these frames, as they are on the socket, for that wire
  s burst answered       sends what it keeps, in bursts of so many frames. If `answered`
                         is 1, it sends the next burst when as many frames have come out
                         as it has sent. Answers when that is done, with their number
  t                      answers with the number of different frames that came out since
                         the last `t`, and for each its count, wire, length, bytes

Multicast frames are not counted: a host tells of its groups now and then.
"""

import collections
import selectors
import socket
import struct
import sys

PATIENCE = 60  # seconds until a burst counts as lost


class Stream:
    """A socket of which whole records are read."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.held = bytearray()

    def accept(self):
        self.socket, _ = self.listener.accept()
        self.listener.close()

    def receive(self):
        data = self.socket.recv(1 << 20)
        if not data:
            sys.exit(0)  # the machine has ended
        self.held += data

    def take(self, size):
        record = bytes(self.held[:size])
        del self.held[:size]
        return record


def frames_in(data):
    """The frames at the beginning of data, and where they end."""
    frames, begin = [], 0
    while len(data) >= begin + 4:
        (length,) = struct.unpack_from(">I", data, begin)
        if len(data) < begin + 4 + length:
            break
        frames.append(bytes(data[begin + 4 : begin + 4 + length]))
        begin += 4 + length
    return frames, begin


class Generator:
    def __init__(self, control, wires):
        self.control, self.wires = control, wires
        self.wire, self.frames = 0, []
        self.arrived, self.count = collections.Counter(), 0
        self.selector = selectors.DefaultSelector()
        for stream in [control, *wires]:
            stream.accept()
            self.selector.register(stream.socket, selectors.EVENT_READ, stream)

    def wait(self, patience=None):
        """Receives what comes first. False: nothing came."""
        ready = self.selector.select(patience)
        for key, _ in ready:
            stream = key.data
            stream.receive()
            if stream is self.control:
                continue
            frames, end = frames_in(stream.held)
            del stream.held[:end]
            number = self.wires.index(stream)
            ours = [(number, frame) for frame in frames if not frame[0] & 1]
            self.arrived.update(ours)
            self.count += len(ours)
        return bool(ready)

    def need(self, size):
        while len(self.control.held) < size:
            self.wait()
        return self.control.take(size)

    def load(self):
        self.wire, length = struct.unpack(">BI", self.need(5))
        self.frames, _ = frames_in(self.need(length))

    def send(self):
        burst, answered = struct.unpack(">HB", self.need(3))
        before, sent = self.count, 0
        while sent < len(self.frames):
            frames = self.frames[sent : sent + burst]
            records = [struct.pack(">I", len(frame)) + frame for frame in frames]
            self.wires[self.wire].socket.sendall(b"".join(records))
            sent += len(frames)
            while answered and self.count - before < sent:
                if not self.wait(PATIENCE):
                    sent = len(self.frames)
                    break
        self.control.socket.sendall(struct.pack(">I", self.count - before))

    def tell(self):
        answer = [struct.pack(">I", len(self.arrived))]
        for (wire, frame), count in self.arrived.items():
            answer += [struct.pack(">IBI", count, wire, len(frame)), frame]
        self.arrived.clear()
        self.control.socket.sendall(b"".join(answer))

    def serve(self):
        requests = {b"l": self.load, b"s": self.send, b"t": self.tell}
        while True:
            requests[self.need(1)]()


def main():
    folder = sys.argv[1]
    streams = [Stream(f"{folder}/{name}") for name in ("control", "wire1", "wire2")]
    print("ready", flush=True)
    Generator(streams[0], streams[1:]).serve()


main()
