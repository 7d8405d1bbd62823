#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tells every connection of some users' that connections of another user's have left the bus, and
that polkit has changed, in the name of whoever runs this. forge.py SECONDS TOLD-USER,… LEFT-USER"""
import pwd
import sys
import time

from gi.repository import Gio, GLib


def main():
    seconds, told, left = float(sys.argv[1]), sys.argv[2].split(","), sys.argv[3]
    bus = Gio.bus_get_sync(Gio.BusType.SYSTEM, None)

    def ask(method, *name):
        arguments = GLib.Variant("(s)", name) if name else None
        return bus.call_sync("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", method,
                             arguments, None, 0, -1, None).unpack()[0]

    def of(users):
        uids = [pwd.getpwnam(user).pw_uid for user in users]
        found = []
        for name in ask("ListNames"):
            try:
                if name.startswith(":") and ask("GetConnectionUnixUser", name) in uids:
                    found.append(name)
            except GLib.Error:  # has left since
                pass
        return found

    def send(destination, path, interface, member, body):
        message = Gio.DBusMessage.new_signal(path, interface, member)
        message.set_destination(destination)
        if body is not None:
            message.set_body(body)
        bus.send_message(message, Gio.DBusSendMessageFlags.NONE)

    listeners, leavers = of(told), of([left])
    print(len(listeners), len(leavers), flush=True)
    print("ready", file=sys.stderr, flush=True)
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        for listener in listeners:
            for name in [*leavers, "org.freedesktop.PolicyKit1", "org.freedesktop.systemd1"]:
                old = name if name in leavers else ":1.0"
                send(listener, "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged",
                     GLib.Variant("(sss)", (name, old, "")))
            send(listener, "/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.PolicyKit1.Authority",
                 "Changed", None)
        bus.flush_sync(None)
        time.sleep(0.1)


main()
