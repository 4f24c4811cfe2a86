#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-2.0-only
"""Reads clients' addresses from the packets at a server, where toa.ko and DPVS read them:
in the segment that ends the handshake.

usage: lab/net/toa_reader.py INTERFACE PORT
           says "ready"; after SIGTERM, a line for each connection to that port:
           FROM SYN CLIENT TOLD LATE TOTAL
           FROM and CLIENT are an address and a port, the latter from the option of the
           segment that ends the handshake, SYN is from that of the SYN; "-" is none.
           TOTAL segments came after the SYN, TOLD had the option, and LATE of these
           acknowledged data of the server.
"""

import ipaddress
import signal
import socket
import struct
import sys

SO_RCVBUFFORCE = 33  # asm-generic/socket.h
TCP, SYN, RST, ACK = 6, 2, 4, 16
TOA, EOL, NOP = 254, 0, 1
# The length of the option, by that of the address.
LENGTHS = {8: 4, 20: 16}


def read_option(options):
    """The port and address of the first such option; None without one."""
    while options and options[0] != EOL:
        if options[0] == NOP:
            options = options[1:]
            continue
        if len(options) < 2 or not 2 <= options[1] <= len(options):
            return None
        kind, length = options[:2]
        if kind == TOA and length in LENGTHS:
            (port,) = struct.unpack("!H", options[2:4])
            return ipaddress.ip_address(options[4:length]), port
        options = options[length:]
    return None


def split(packet):
    """Both addresses and the segment; None without one."""
    if packet[0] >> 4 == 4 and packet[9] == TCP:
        (size,) = struct.unpack("!H", packet[2:4])
        return packet[12:16], packet[16:20], packet[(packet[0] & 15) * 4 : size]
    if packet[0] >> 4 == 6 and packet[6] == TCP:
        return packet[8:24], packet[24:40], packet[40:]
    return None


def text(end):
    return "{} {}".format(*end) if end else "- -"


class Connection:
    def __init__(self, syn):
        self.syn = syn
        self.client = self.begin = None
        self.told = self.late = self.total = 0

    def answered(self, sequence):
        """By a SYN with that sequence number."""
        self.begin = (sequence + 1) & 0xFFFFFFFF

    def segment(self, acknowledged, option):
        self.total += 1
        if self.total == 1:
            self.client = option
        if option:
            self.told += 1
            self.late += acknowledged != self.begin

    def __str__(self):
        counts = f"{self.told} {self.late} {self.total}"
        return f"{text(self.syn)} {text(self.client)} {counts}"


def read(connections, packet, port):
    source, to, tcp = packet
    sport, dport, sequence, acknowledged = struct.unpack("!HHII", tcp[:12])
    header, flags = (tcp[12] >> 4) * 4, tcp[13]
    if sport == port and flags & SYN:
        connections[to, dport].answered(sequence)
    elif dport == port and flags & SYN:
        connections[source, sport] = Connection(read_option(tcp[20:header]))
    elif dport == port and flags & ACK and not flags & RST:
        option = read_option(tcp[20:header])
        connections[source, sport].segment(acknowledged, option)


def main(interface, port):
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    # On a busy host this program may be late.
    packets.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 26)
    packets.bind((interface, 3))
    packets.settimeout(0.2)
    connections, ended = {}, []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    print("ready", flush=True)
    while True:
        try:
            packet = split(packets.recv(1 << 17))
        except TimeoutError:
            if ended:
                break
            continue
        if packet:
            read(connections, packet, int(port))
    for (address, sport), connection in connections.items():
        print(ipaddress.ip_address(address), sport, connection)


if __name__ == "__main__":
    main(*sys.argv[1:])
