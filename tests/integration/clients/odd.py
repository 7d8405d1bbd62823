#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls that a bus daemon lets through, and that tombolo does not: one of each kind.

odd.py DESTINATION
Prints what became of each as JSON: the error's name, "none" for a call that was never answered, or
"lost" where the bus itself ended the connection.
"""
import json
import os
import socket
import struct
import sys

PATH = "/org/freedesktop/hostname1"
MEBIBYTE = 1 << 20


def pad(data, alignment):
    return data + bytes(-len(data) % alignment)


def string(text):
    return struct.pack("<I", len(text)) + text.encode() + b"\0"


def field(code, kind, value):
    return bytes([code, 1]) + kind.encode() + b"\0" + value


def call(serial, destination, signature, body, path=PATH, interface="org.freedesktop.hostname1", member="Odd"):
    fields = b""
    parts = [field(1, "o", string(path)), field(2, "s", string(interface)), field(3, "s", string(member)),
             field(6, "s", string(destination))]
    if signature:
        parts.append(field(8, "g", bytes([len(signature)]) + signature.encode() + b"\0"))
    for part in parts:
        fields = pad(fields, 8) + part
    start = b"l\1\0\1" + struct.pack("<III", len(body), serial, len(fields))
    return pad(start + fields, 8) + body


def nested(depth):
    """A variant in a variant in a variant …"""
    return b"\1v\0" * depth + b"\1y\0" + b"\7"


ODD = {
    "descriptor that is not there": ("h", struct.pack("<I", 0), {}),
    "nested too deeply": ("v", nested(61), {}),
    "too large": ("ay", struct.pack("<I", 20 * MEBIBYTE) + bytes(20 * MEBIBYTE), {}),
    "path too long": ("", b"", {"path": "/a" * 40000}),
}


def connect():
    bus = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bus.connect("/run/dbus/system_bus_socket")
    bus.settimeout(4)
    bus.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
    assert bus.recv(4096).startswith(b"OK")
    bus.sendall(b"BEGIN\r\n" + call(1, "org.freedesktop.DBus", "", b"", path="/org/freedesktop/DBus",
                                    interface="org.freedesktop.DBus", member="Hello"))
    return bus


def read_message(stream):
    start = stream.read(16)
    if len(start) < 16:
        return None
    body, _, fields = struct.unpack("<III", start[4:])
    rest = stream.read(fields + -fields % 8 + body)
    return start[1], rest[:fields]


def outcome(kind, destination):
    signature, body, options = ODD[kind]
    bus = connect()
    stream = bus.makefile("rb")
    try:
        bus.sendall(call(2, destination, signature, body, **options))
        while True:
            message = read_message(stream)
            if message is None:
                return "lost"
            if message[0] == 3:
                for word in message[1].split(b"\0"):
                    if b".Error." in word:
                        return word[word.index(b"org."):].decode()
    except TimeoutError:
        return "none"
    except OSError:
        return "lost"


print(json.dumps({kind: outcome(kind, sys.argv[1]) for kind in ODD}))
