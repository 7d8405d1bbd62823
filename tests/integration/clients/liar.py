#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls a guest whose agent lies, one lie a member, in a caller's place.

liar.py ADDRESS DESTINATION NAME MEMBER…
NAME is somebody's unique name, which lies quote. Prints as JSON, by member: the error's name or "",
and what this connection heard besides: signals and calls.
"""
import json
import sys

import dbus
import dbus.bus
import dbus.lowlevel
import dbus.mainloop.glib
from gi.repository import GLib

INTERFACE = "org.example.Echo1"
PATH = "/" + INTERFACE.replace(".", "/")
SETTLE_MS = 50


def main():
    address, destination, name, *members = sys.argv[1:]
    loop = GLib.MainLoop()
    results = {}
    for member in members:
        # A lie may cost a client of the bus socket its connection.
        bus = dbus.bus.BusConnection(address, mainloop=dbus.mainloop.glib.DBusGMainLoop())
        bus.set_exit_on_disconnect(False)
        heard = []

        def hear(_bus, message, into=heard):
            if message.get_sender() not in (None, "org.freedesktop.DBus"):  # the library says that the bus is gone
                into.append(type(message).__name__)
            return dbus.lowlevel.HANDLER_RESULT_NOT_YET_HANDLED

        bus.add_message_filter(hear)
        error = ""
        try:
            bus.call_blocking(destination, PATH, INTERFACE, "Echo", "s", ("x",), timeout=20.0)
            bus.call_blocking(destination, PATH, INTERFACE, member, "s", (name,), timeout=20.0)
        except dbus.DBusException as failure:
            error = failure.get_dbus_name()
        GLib.timeout_add(SETTLE_MS, loop.quit)
        loop.run()
        results[member] = [error, sorted(set(heard))]
        bus.close()
    print(json.dumps(results))


main()
