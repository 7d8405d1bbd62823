#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The echo service's client on nothing but a socket: libraries send this machine’s byte order
alone; prints what the others print of the same.

echo-raw.py ADDRESS DESTINATION l|B
"""
import json
import os
import socket
import struct
import sys
import zlib

PATH = "/org/tombolo/Test1/Echo"
INTERFACE = "org.tombolo.Test1.Echo"
PROPERTIES = "org.freedesktop.DBus.Properties"
DRIVER = "org.freedesktop.DBus"
MEBIBYTE = 1 << 20
CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
NO_REPLY = 1
EMISSIONS = [(PATH, "org.tombolo.Test1.Reef", 2), (PATH + "/Deep", "other", 3),
             ("/org/tombolo/Else", "org.tombolo.Test12", 1)]
NUMBERS = {"y": "B", "b": "I", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d"}
ALIGNMENT = {"n": 2, "q": 2, "x": 8, "t": 8, "d": 8, "(": 8, "{": 8, "y": 1, "g": 1, "v": 1}


def split(signature):
    """The complete types that a signature holds."""
    types = []
    while signature:
        end, depth = 0, 0
        while True:
            depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(signature[end], 0)
            end += 1
            if depth == 0 and signature[end - 1] != "a":
                break
        types.append(signature[:end])
        signature = signature[end:]
    return types


class Writer:
    def __init__(self, order):
        self.order = {"l": "<", "B": ">"}[order]
        self.data = bytearray()

    def align(self, kind):
        self.data += bytes(-len(self.data) % ALIGNMENT.get(kind[0], 4))

    def write(self, kind, value):
        self.align(kind)
        if kind[0] in NUMBERS:
            self.data += struct.pack(self.order + NUMBERS[kind], value)
        elif kind in ("s", "o", "g"):
            data = value.encode()
            self.data += struct.pack(self.order + ("B" if kind == "g" else "I"), len(data)) + data + b"\0"
        elif kind == "v":
            self.write("g", value[0])
            self.write(*value)
        elif kind[0] == "a":
            self.array(kind[1:], value)
        else:
            for part, field in zip(split(kind[1:-1]), value):
                self.write(part, field)

    def array(self, kind, values):
        place = len(self.data)
        self.data += bytes(4)
        self.align(kind)
        start = len(self.data)
        if kind == "y":
            self.data += bytes(values)
        else:
            for value in values.items() if isinstance(values, dict) else values:
                self.write(kind, value)
        struct.pack_into(self.order + "I", self.data, place, len(self.data) - start)


class Reader:
    def __init__(self, order, data, offset=0):
        self.order = {"l": "<", "B": ">"}[order]
        self.data, self.offset = data, offset

    def align(self, kind):
        self.offset += -self.offset % ALIGNMENT.get(kind[0], 4)

    def take(self, form):
        (value,) = struct.unpack_from(self.order + form, self.data, self.offset)
        self.offset += struct.calcsize(form)
        return value

    def read(self, kind):
        self.align(kind)
        if kind[0] in NUMBERS:
            return self.take(NUMBERS[kind])
        if kind in ("s", "o", "g"):
            size = self.take("B" if kind == "g" else "I")
            self.offset += size + 1
            return self.data[self.offset - size - 1:self.offset - 1].decode()
        if kind == "v":
            inner = self.read("g")
            return (inner, self.read(inner))
        if kind[0] == "a":
            return self.array(kind[1:])
        return tuple(self.read(part) for part in split(kind[1:-1]))

    def array(self, kind):
        size = self.take("I")
        self.align(kind)
        end = self.offset + size
        if kind == "y":
            self.offset = end
            return bytes(self.data[end - size:end])
        values = []
        while self.offset < end:
            values.append(self.read(kind))
        return dict(values) if kind[0] == "{" else values


class Message:
    def __init__(self, order, kind, fields, body):
        self.order, self.kind, self.fields, self.data = order, kind, fields, body

    @property
    def signature(self):
        return self.fields.get(8, "")

    @property
    def body(self):
        reader = Reader(self.order, self.data)
        return [reader.read(kind) for kind in split(self.signature)]


class Client:
    def __init__(self, address, destination, order):
        self.order, self.destination = order, destination
        self.serial = 0
        self.signals = []
        self.bus = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.bus.connect(address.removeprefix("unix:path="))
        self.bus.settimeout(60)
        self.bus.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\nBEGIN\r\n")
        self.stream = self.bus.makefile("rb")
        assert self.stream.readline().startswith(b"OK ")
        self.driver("Hello")

    def send(self, destination, path, interface, member, signature, arguments, flags=0):
        self.serial += 1
        body = Writer(self.order)
        for kind, value in zip(split(signature), arguments):
            body.write(kind, value)
        fields = [(1, ("o", path)), (2, ("s", interface)), (3, ("s", member)), (6, ("s", destination))]
        if signature:
            fields.append((8, ("g", signature)))
        header = Writer(self.order)
        for kind, value in zip("yyyyuu", (ord(self.order), CALL, flags, 1, len(body.data), self.serial)):
            header.write(kind, value)
        header.write("a(yv)", fields)
        header.align("(")
        self.bus.sendall(header.data + body.data)
        return self.serial

    def receive(self):
        start = self.stream.read(16)
        order = chr(start[0])
        body_size, _, fields_size = struct.unpack({"l": "<", "B": ">"}[order] + "III", start[4:])
        padded = fields_size + -fields_size % 8
        rest = self.stream.read(padded + body_size)
        fields = Reader(order, start + rest, 12).read("a(yv)")
        return Message(order, start[1], {code: value[1] for code, value in fields}, rest[padded:])

    def answer(self, serial):
        """The reply to a call; signals that come before it are kept."""
        while True:
            message = self.receive()
            if message.kind == SIGNAL:
                self.signals.append(message)
            elif message.fields[5] == serial:
                return message

    def driver(self, member, signature="", *arguments):
        reply = self.answer(self.send(DRIVER, "/org/freedesktop/DBus", DRIVER, member, signature, arguments))
        assert reply.kind == RETURN, reply.body
        return reply.body

    def call(self, member, signature="", *arguments, path=PATH, interface=INTERFACE):
        return self.answer(self.send(self.destination, path, interface, member, signature, arguments))

    # What a client can do

    def echo(self, signature="", *arguments):
        reply = self.call("Echo", signature, *arguments)
        return f"{'same' if reply.body == list(arguments) else 'different'} {reply.signature}"

    def error(self, reply):
        return f"{reply.fields[4]}: {reply.body[0]}"

    def error_with_detail(self):
        reply = self.call("Fail", "ss", "org.tombolo.Test1.Error.Reef", "Ran aground")
        return f"{self.error(reply)}, depth {reply.body[1]['depth'][1]}"

    def send_large(self, size):
        reply = self.call("Sum", "ay", (bytes(range(251)) * (size // 251 + 1))[:size])
        return self.error(reply) if reply.kind == ERROR else "{} {:08x}".format(*reply.body)

    def receive_large(self, size):
        reply = self.call("Large", "t", size)
        return (self.error(reply) if reply.kind == ERROR
                else f"{len(reply.body[0])} {zlib.crc32(reply.body[0]):08x}")

    def no_reply(self):
        for text in ("first", "second", "third"):
            self.send(self.destination, PATH, INTERFACE, "Note", "s", [text], NO_REPLY)
        return "".join(f"{text} " for text in self.call("TakeNotes").body[0])

    def get(self, name):
        reply = self.call("Get", "ss", INTERFACE, name, interface=PROPERTIES)
        return self.error(reply) if reply.kind == ERROR else reply.body[0][1]

    def heard(self, rule, act, interface):
        rule = f"type='signal',sender='{self.destination}',{rule}"
        self.driver("AddMatch", "s", rule)
        self.signals.clear()
        act()
        self.driver("RemoveMatch", "s", rule)
        return [signal for signal in self.signals if signal.fields[2] == interface]

    def set_values(self):
        def act():
            for value in ("high water", "low water"):
                self.call("Set", "ssv", INTERFACE, "Value", ("s", value), interface=PROPERTIES)

        signals = self.heard(f"path='{PATH}',interface='{PROPERTIES}'", act, PROPERTIES)
        return "".join(f"{name}: {value[1]}; " for signal in signals
                       for name, value in signal.body[1].items()) + self.get("Value")

    def count(self, path):
        def act():
            for emission in EMISSIONS:
                self.call("Emit", "osu", *emission)

        signals = self.heard(f"path='{path}',interface='{INTERFACE}'", act, INTERFACE)
        return str(len([signal for signal in signals if signal.fields[1] == path]))


def main():
    client = Client(*sys.argv[1:])
    results = {
        "echo basic": client.echo(
            "ybnqiuxtdsog", 255, True, -2**15, 2**16 - 1, -2**31, 2**32 - 1, -2**63, 2**64 - 1, -0.1,
            "Ebb – flood – 🌊", "/a/b_1", "a{sv}(ii)"),
        "echo containers": client.echo(
            "a{sv}ayaas(s(iv))avauat",
            {"one": ("u", 1), "nested": ("v", ("s", "deep")), "list": ("as", ["a", "b"])}, b"\0\1\2",
            [["x"], []], ("", (-1, ("d", 1.5))), [("y", 7), ("(ss)", ("p", "q"))], [], []),
        "echo empty": client.echo(),
        "error with detail": client.error_with_detail(),
        "error of the method": client.error(client.call("Sink")),
        "error of the object": client.error(client.call("TakeNotes", path="/org/tombolo/Nowhere")),
        "error of the interface": client.error(
            client.call("TakeNotes", interface="org.tombolo.Test1.Nothing")),
        "error of the arguments": client.error(client.call("Note")),
    }
    for size in (1, 15, 17):
        results[f"send {size} MiB"] = client.send_large(size * MEBIBYTE)
        results[f"receive {size} MiB"] = client.receive_large(size * MEBIBYTE)
    results.update({
        "no reply": client.no_reply(),
        "late reply": client.call("Slow", "u", 600).body[0],
        "property": "{} {}".format(*client.get("Kind")),
        "unknown property": client.get("Depth"),
        "read-only property": client.error(
            client.call("Set", "ssv", INTERFACE, "Kind", ("s", "shoal"), interface=PROPERTIES)),
        "changed property": client.set_values(),
        "signals of a path": client.count(PATH),
    })
    print(json.dumps(results))


main()
