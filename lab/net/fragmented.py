#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-2.0-only
"""Sends ICMP errors of 64 KiB while the machine's free memory is in small pieces: a kernel
that may not sleep can copy hardly any of them. Their own memory is allocated before.

usage: lab/net/fragmented.py FROM:PORT TO:PORT COUNT
                                      errors about a UDP datagram FROM → TO, sent to FROM;
                                      says how many blocks that are large enough are left

No file may be opened and no program started meanwhile.
"""

import contextlib
import ctypes
import fcntl
import mmap
import socket
import struct
import sys
import time

SIZE = 65000  # with the buffer's end more than 64 KiB
ORDER = 5  # so a copy needs a block of 128 KiB
BLOCK = mmap.PAGESIZE << ORDER
PIECE = 8 * mmap.PAGESIZE
# The size of two areas. One is freed, in pieces, and the kernel goes on with that.
AREA = 160 << 20
COMPACT = "/proc/sys/vm/compact_unevictable_allowed"
SOL_PACKET, PACKET_RX_RING = 263, 5  # <linux/if_packet.h>
SIOCOUTQ = 0x5411  # <linux/sockios.h>

libc = ctypes.CDLL(None, use_errno=True)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def error(source, destination):
    """A port unreachable about a datagram that fills it."""
    inner = struct.pack(
        "!BBHHHBBH4s4sHHHH",
        *(0x45, 0, SIZE - 8, 1, 0, 64, socket.IPPROTO_UDP, 0),
        *(socket.inet_aton(source[0]), socket.inet_aton(destination[0])),
        *(source[1], destination[1], SIZE - 28, 0),
    )
    inner += bytes(SIZE - 8 - len(inner))
    return struct.pack("!BBHI", 3, 3, checksum(b"\3\3\0\0" + inner), 0) + inner


def area():
    pages = mmap.mmap(-1, AREA, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    # A kernel without huge pages, such as the lab's debugging kernel, refuses that.
    with contextlib.suppress(OSError):
        pages.madvise(mmap.MADV_NOHUGEPAGE)
    return pages


def pieces():
    """Splits free memory; returns what has to stay allocated. It cannot be moved together."""
    kept, freed = area(), area()
    filled = bytes(PIECE)
    for at in range(0, AREA, PIECE):
        kept[at : at + PIECE] = filled
        freed[at : at + PIECE] = filled
    address = ctypes.addressof(ctypes.c_char.from_buffer(kept))
    if libc.mlock(ctypes.c_void_p(address), ctypes.c_size_t(AREA)):
        sys.exit("mlock failed")
    freed.close()
    return kept


def large_blocks(table, old=False):
    """Free ones, those of the zone of old devices or the others."""
    table.seek(0)
    blocks = 0
    for line in table.read().splitlines():
        _, _, _, zone, *free = line.split()
        if (zone == "DMA") == old:
            blocks += sum(int(count) << at for at, count in enumerate(free[ORDER:]))
    return blocks


def ring(blocks):
    """The ring of a packet socket consists of such blocks, or else of pages."""
    holder = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    size = struct.pack("=4I", BLOCK, blocks, BLOCK, blocks)
    holder.setsockopt(SOL_PACKET, PACKET_RX_RING, size)
    return holder


def take_large_blocks(table):
    """The kernel may move pages meanwhile, and make more. In the zone of old devices it keeps
    some free, also from those who may not sleep."""
    rings = []
    for old in False, True, False:
        for _ in range(1 if old else 100):
            blocks = large_blocks(table, old)
            if blocks == 0:
                break
            rings.append(ring(min(blocks, 1024)))
    return rings


def main(source, destination, count):
    data = error(source, destination)
    senders = []
    for _ in range(count):
        sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        sender.connect((source[0], 0))
        # The rest of the error sends all of it.
        sender.send(data[:-2], socket.MSG_MORE)
        senders.append(sender)
    with open("/proc/buddyinfo", encoding="ascii") as table:
        memory = pieces(), take_large_blocks(table)
        for sender in senders:
            sender.send(data[-2:])
        while any(struct.unpack("=i", fcntl.ioctl(s, SIOCOUTQ, bytes(4)))[0] for s in senders):
            time.sleep(0.1)
        print(large_blocks(table), "large blocks of", len(memory[1]), "rings")


def endpoint(text):
    address, port = text.split(":")
    return address, int(port)


with open(COMPACT, "r+", encoding="ascii") as compact:
    before = compact.read()
    compact.write("0")
    compact.flush()
    try:
        main(endpoint(sys.argv[1]), endpoint(sys.argv[2]), int(sys.argv[3]))
    finally:
        compact.write(before)
