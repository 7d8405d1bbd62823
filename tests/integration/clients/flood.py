#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Floods a guest's service, by its alias or over the bus socket, in one of several ways.

flood.py KIND ADDRESS DESTINATION SECONDS [INTERFACE.MEMBER]
KIND: pending (10,000 calls, replies read), unread (calls whose replies nobody reads), large (16 MiB calls), rules
(match rules, each when the one before is answered), connect (connections that come and go), half (connections that
stop in the middle of their authentication). Calls are of Ping, or what is given. Goes on for SECONDS and prints
what became of it as JSON: counts by outcome.
"""
import collections
import json
import os
import select
import socket
import struct
import sys
import time

PATH = "/org/freedesktop/hostname1"
MEBIBYTE = 1 << 20
CALL, RETURN, ERROR = 1, 2, 3
DRIVER = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")


def pad(data, alignment):
    return data + bytes(-len(data) % alignment)


def string(text):
    return struct.pack("<I", len(text)) + text.encode() + b"\0"


def field(code, kind, value):
    return bytes([code, 1]) + kind.encode() + b"\0" + value


def call(serial, destination, path, interface, member, signature="", body=b""):
    parts = [field(1, "o", string(path)), field(2, "s", string(interface)), field(3, "s", string(member)),
             field(6, "s", string(destination))]
    if signature:
        parts.append(field(8, "g", bytes([len(signature)]) + signature.encode() + b"\0"))
    fields = b""
    for part in parts:
        fields = pad(fields, 8) + part
    return pad(b"l\1\0\1" + struct.pack("<III", len(body), serial, len(fields)) + fields, 8) + body


class Connection:
    """A bus connection of raw messages that never waits for anything but its own Hello."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(20)
        self.socket.connect(address)
        self.socket.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
        self.received = b""
        while b"\r\n" not in self.received:
            self._receive()
        assert self.received.startswith(b"OK"), self.received
        self.received = self.received.split(b"\r\n", 1)[1]
        self.serial = 0
        self.socket.sendall(b"BEGIN\r\n" + self.next(*DRIVER, "Hello"))
        while not list(self.messages()):
            self._receive()
        self.socket.setblocking(False)

    def next(self, *arguments):
        self.serial += 1
        return call(self.serial, *arguments)

    def _receive(self):
        data = self.socket.recv(MEBIBYTE)
        if not data:
            raise ConnectionResetError
        self.received += data

    def messages(self):
        """Takes whole messages off what was received: type and the bytes of each."""
        while len(self.received) >= 16:
            body, _, fields = struct.unpack("<III", self.received[4:16])
            size = 16 + fields + -fields % 8 + body
            if len(self.received) < size:
                return
            message, self.received = self.received[:size], self.received[size:]
            yield message[1], message

    def read(self):
        while True:
            try:
                self._receive()
            except BlockingIOError:
                return

    def send(self, data, deadline, reads):
        """Sends all of it; false where the time is over before."""
        while data:
            try:
                data = data[self.socket.send(data):]
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return False
                select.select([self.socket] if reads else [], [self.socket], [], 0.1)
            if reads:
                self.read()
        return True


def count(connection, counts):
    for kind, message in connection.messages():
        if kind == RETURN:
            counts["answered"] += 1
        elif kind == ERROR:
            name = message[16:].partition(b"org.")[2].split(b"\0")[0].decode()
            counts["org." + name] += 1


def answers(counts):
    return sum(counts.values()) - counts["sent"]


def calls(connection, destination, deadline, counts, *, reads=True, at_most=10 ** 9, at_once=10 ** 9, make):
    while time.monotonic() < deadline and counts["sent"] < at_most:
        if not connection.send(make(connection, destination), deadline, reads):
            break
        counts["sent"] += 1
        while reads:
            count(connection, counts)
            if counts["sent"] - answers(counts) < at_once or time.monotonic() > deadline:
                break
            select.select([connection.socket], [], [], 0.1)
            connection.read()
    while reads and time.monotonic() < deadline:
        select.select([connection.socket], [], [], 0.1)
        connection.read()
        count(connection, counts)
        if answers(counts) >= counts["sent"]:
            break


def plain(method):
    interface, _, member = method.rpartition(".")
    return lambda connection, destination: connection.next(destination, PATH, interface, member)


def large(connection, destination):
    size = 16 * MEBIBYTE - 1024
    return connection.next(destination, PATH, "org.freedesktop.hostname1", "Large", "ay",
                           struct.pack("<I", size) + bytes(size))


def add_match(connection, _):
    rule = f"type='signal',arg0='{connection.serial}'"
    return connection.next(*DRIVER, "AddMatch", "s", string(rule))


def connect(address, deadline, counts):
    while time.monotonic() < deadline:
        try:
            Connection(address).socket.close()
            counts["connected"] += 1
        except OSError:
            counts["turned away"] += 1


def half(address, deadline, counts):
    held = []
    while time.monotonic() < deadline:
        try:
            one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            one.settimeout(1)
            one.connect(address)
            one.sendall(b"\0AUTH EXTER")
            held.append(one)
            counts["connected"] += 1
        except OSError:
            counts["turned away"] += 1
        time.sleep(0.01)


def main():
    kind, address, destination, seconds = sys.argv[1:5]
    method = sys.argv[5] if len(sys.argv) > 5 else "org.freedesktop.DBus.Peer.Ping"
    counts = collections.Counter()
    deadline = time.monotonic() + float(seconds)
    if kind in ("connect", "half"):
        print("ready", file=sys.stderr, flush=True)
        (connect if kind == "connect" else half)(address, deadline, counts)
    else:
        connection = Connection(address)
        print("ready", file=sys.stderr, flush=True)
        make = {"large": large, "rules": add_match}.get(kind, plain(method))
        try:
            calls(connection, destination, deadline, counts, make=make, reads=kind != "unread",
                  at_most={"rules": 600, "pending": 10000}.get(kind, 10 ** 9),
                  at_once=1 if kind == "rules" else 10 ** 9)
        except (ConnectionResetError, BrokenPipeError):
            counts["disconnected"] += 1
    # Who does not read stays until the time is over, and holds on to what it has.
    time.sleep(max(0, deadline - time.monotonic()))
    print(json.dumps(counts))


main()
