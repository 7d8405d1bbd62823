#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client of a bus socket that asks for much, reads nothing for a while, and then reads on.

slow-reader.py SOCKET SECONDS CALLS
Prints as JSON how many calls were answered in order, and how the connection ended.
"""
import json
import os
import socket
import struct
import sys
import time

PATH = "/org/freedesktop/systemd1"


def pad(data, alignment):
    return data + bytes(-len(data) % alignment)


def field(code, kind, text):
    return bytes([code, 1]) + kind.encode() + b"\0" + struct.pack("<I", len(text)) + text.encode() + b"\0"


def call(serial, destination, path, interface, member):
    fields = b""
    for part in (field(1, "o", path), field(2, "s", interface), field(3, "s", member),
                 field(6, "s", destination)):
        fields = pad(fields, 8) + part
    return pad(b"l\1\0\1" + struct.pack("<III", 0, serial, len(fields)) + fields, 8)


class Reader:
    """Whole messages of a socket."""

    def __init__(self, bus):
        self._bus = bus
        self._data = bytearray()

    def _fill(self, size):
        while len(self._data) < size:
            data = self._bus.recv(1 << 16)
            if not data:
                raise EOFError
            self._data += data

    def line(self):
        while b"\r\n" not in self._data:
            self._fill(len(self._data) + 1)
        line, _, self._data = self._data.partition(b"\r\n")
        return bytes(line)

    def reply_serial(self):
        """The serial that the next message answers, or None where it answers none."""
        self._fill(16)
        body, _, fields = struct.unpack_from("<III", self._data, 4)
        kind = self._data[1]
        size = 16 + fields + (-fields % 8) + body
        self._fill(size)
        header, self._data = bytes(self._data[16:16 + fields]), self._data[size:]
        at = header.find(b"\5\1u\0")
        return struct.unpack_from("<I", header, at + 4)[0] if kind in (2, 3) and at >= 0 else None


def main():
    path, seconds, calls = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    bus = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bus.connect(path)
    bus.settimeout(20)
    reader = Reader(bus)
    bus.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\nBEGIN\r\n")
    reader.line()
    bus.sendall(call(1, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello"))
    while reader.reply_serial() != 1:
        pass

    for serial in range(2, 2 + calls):
        bus.sendall(call(serial, "org.freedesktop.systemd1", PATH, "org.freedesktop.DBus.Introspectable",
                         "Introspect"))
    time.sleep(seconds)

    answered, end = 0, "open"
    try:
        while answered < calls:
            serial = reader.reply_serial()
            if serial is not None:
                assert serial == 2 + answered, f"{serial} instead of {2 + answered}"
                answered += 1
    except (EOFError, OSError) as error:
        end = type(error).__name__
    print(json.dumps({"answered": answered, "end": end}))


main()
