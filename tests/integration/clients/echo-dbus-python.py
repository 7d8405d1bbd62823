#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The echo service's client on dbus-python; prints what tests/clients/client.c prints.

echo-dbus-python.py ADDRESS DESTINATION
"""
import json
import sys
import zlib

import dbus
import dbus.bus
import dbus.lowlevel
import dbus.mainloop.glib
from gi.repository import GLib

PATH = "/org/tombolo/Test1/Echo"
INTERFACE = "org.tombolo.Test1.Echo"
PROPERTIES = "org.freedesktop.DBus.Properties"
MEBIBYTE = 1 << 20
PATIENCE = 60
EMISSIONS = [(PATH, "org.tombolo.Test1.Reef", 2), (PATH + "/Deep", "other", 3),
             ("/org/tombolo/Else", "org.tombolo.Test12", 1)]

BASIC = ("ybnqiuxtdsog",
         [255, True, -2**15, 2**16 - 1, -2**31, 2**32 - 1, -2**63, 2**64 - 1, -0.1,
          "Ebb – flood – 🌊", "/a/b_1", "a{sv}(ii)"])
CONTAINERS = ("a{sv}ayaas(s(iv))avauat",
              [{"one": dbus.UInt32(1), "nested": dbus.String("deep", variant_level=2),
                "list": dbus.Array(["a", "b"], signature="s")},
               [0, 1, 2], [["x"], dbus.Array([], signature="s")], ("", (-1, 1.5)),
               [dbus.Byte(7), dbus.Struct(("p", "q"), signature="ss")], [], []])


class Client:
    def __init__(self, address, destination):
        self.bus = dbus.bus.BusConnection(address)
        self.destination = destination
        self.results = {}

    def call(self, member, signature="", *arguments, path=PATH, interface=INTERFACE, patience=PATIENCE):
        return self.bus.call_blocking(self.destination, path, interface, member, signature, arguments,
                                      timeout=patience)

    def note(self, name, outcome):
        """What `outcome` returns, or the error that it raises."""
        try:
            self.results[name] = outcome()
        except dbus.DBusException as error:
            self.results[name] = f"{error.get_dbus_name()}: {error.args[0]}"

    # What a client can do

    def echo(self, signature="", arguments=()):
        call = dbus.lowlevel.MethodCallMessage(self.destination, PATH, INTERFACE, "Echo")
        call.append(*arguments, signature=signature)
        reply = self.bus.send_message_with_reply_and_block(call, PATIENCE)
        same = repr(reply.get_args_list()) == repr(call.get_args_list())
        return f"{'same' if same else 'different'} {reply.get_signature()}"

    def error_with_detail(self):
        """As a pending call, for a call that blocks throws the detail away."""
        call = dbus.lowlevel.MethodCallMessage(self.destination, PATH, INTERFACE, "Fail")
        call.append("org.tombolo.Test1.Error.Reef", "Ran aground")
        replies = []
        self.bus.send_message_with_reply(call, replies.append, PATIENCE).block()
        text, detail = replies[0].get_args_list()
        return f"{replies[0].get_error_name()}: {text}, depth {detail['depth']}"

    def send(self, size):
        counted, checksum = self.call("Sum", "ay", (bytes(range(251)) * (size // 251 + 1))[:size])
        return f"{counted} {checksum:08x}"

    def receive(self, size):
        call = dbus.lowlevel.MethodCallMessage(self.destination, PATH, INTERFACE, "Large")
        call.append(size, signature="t")
        reply = self.bus.send_message_with_reply_and_block(call, PATIENCE)
        (data,) = reply.get_args_list(byte_arrays=True)
        return f"{len(data)} {zlib.crc32(data):08x}"

    def no_reply(self):
        for text in ("first", "second", "third"):
            call = dbus.lowlevel.MethodCallMessage(self.destination, PATH, INTERFACE, "Note")
            call.append(text)
            call.set_no_reply(True)
            self.bus.send_message(call)
        return "".join(f"{text} " for text in self.call("TakeNotes"))

    def wait(self, slow_ms, patience):
        return str(self.call("Slow", "u", slow_ms, patience=patience))

    def get(self, name):
        return self.call("Get", "ss", INTERFACE, name, interface=PROPERTIES)

    def set(self, name, value):
        self.call("Set", "ssv", INTERFACE, name, value, interface=PROPERTIES)

    def kind(self):
        text, number = self.get("Kind")
        return f"{text} {number}"

    def set_values(self):
        heard = []
        receiver = self.bus.add_signal_receiver(
            lambda _interface, changed, _gone: heard.extend(f"{k}: {v}; " for k, v in changed.items()),
            "PropertiesChanged", PROPERTIES, self.destination, PATH, arg0=INTERFACE)
        self.set("Value", "high water")
        self.set("Value", "low water")
        process_all()
        receiver.remove()
        return "".join(heard) + self.get("Value")

    def emit(self):
        for path, first, count in EMISSIONS:
            self.call("Emit", "osu", path, first, count)
        process_all()

    def signals(self, member=None, path=None, **keys):
        heard = []
        receiver = self.bus.add_signal_receiver(lambda *arguments: heard.append(arguments), member,
                                                INTERFACE, self.destination, path, **keys)
        self.emit()
        receiver.remove()
        return str(len(heard))

    def signals_by_rule(self, more, wanted):
        """dbus-python makes no rules with namespaces, so that a client makes them itself."""
        heard = []

        def look(_bus, message):
            if isinstance(message, dbus.lowlevel.SignalMessage) and message.get_interface() == INTERFACE:
                heard.append(wanted(message))
            return dbus.lowlevel.HANDLER_RESULT_NOT_YET_HANDLED

        rule = f"type='signal',sender='{self.destination}',interface='{INTERFACE}',{more}"
        self.bus.add_message_filter(look)
        self.bus.add_match_string(rule)
        self.emit()
        self.bus.remove_match_string(rule)
        self.bus.remove_message_filter(look)
        return str(sum(heard))


def process_all():
    while GLib.MainContext.default().iteration(False):
        pass


def within(name, space, separator):
    return name == space or name.startswith(space + separator)


def main():
    client = Client(*sys.argv[1:])
    note = client.note
    note("echo basic", lambda: client.echo(*BASIC))
    note("echo containers", lambda: client.echo(*CONTAINERS))
    note("echo empty", client.echo)
    note("error with detail", client.error_with_detail)
    note("error of the method", lambda: client.call("Sink"))
    note("error of the object", lambda: client.call("TakeNotes", path="/org/tombolo/Nowhere"))
    note("error of the interface", lambda: client.call("TakeNotes", interface="org.tombolo.Test1.Nothing"))
    note("error of the arguments", lambda: client.call("Note"))
    for size in (1, 15, 17):
        note(f"send {size} MiB", lambda: client.send(size * MEBIBYTE))
        note(f"receive {size} MiB", lambda: client.receive(size * MEBIBYTE))
    note("no reply", client.no_reply)
    note("time-out", lambda: client.wait(400, 0.1))
    note("late reply", lambda: client.wait(600, PATIENCE))
    note("property", client.kind)
    note("unknown property", lambda: client.get("Depth"))
    note("read-only property", lambda: client.set("Kind", "shoal"))
    note("changed property", client.set_values)
    note("signals of a path", lambda: client.signals(path=PATH))
    note("signals below a path", lambda: client.signals_by_rule(
        f"path_namespace='{PATH}'", lambda message: within(message.get_path(), PATH, "/")))
    note("signals with an argument", lambda: client.signals(arg0="other"))
    note("signals of a namespace", lambda: client.signals_by_rule(
        "arg0namespace='org.tombolo.Test1'",
        lambda message: within(message.get_args_list()[0], "org.tombolo.Test1", ".")))
    note("signals of a member", lambda: client.signals("Tick"))
    note("signals of no member", lambda: client.signals("Tock"))
    print(json.dumps(client.results))


dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
main()
