#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Listens to everything that reaches a connection to the system bus, until its input ends; then
prints as JSON what came from others than the bus: kind, sender, member.

bystander.py [DESTINATION]
With a destination it calls Echo there first, and so is a caller itself. Prints its unique name.
"""
import json
import sys

import dbus
import dbus.lowlevel
import dbus.mainloop.glib
from gi.repository import GLib

PATH, INTERFACE = "/org/example/Echo1", "org.example.Echo1"


def main():
    bus = dbus.SystemBus(mainloop=dbus.mainloop.glib.DBusGMainLoop())
    loop = GLib.MainLoop()
    heard = []

    def hear(_bus, message):
        if message.get_sender() != "org.freedesktop.DBus":
            heard.append([type(message).__name__, message.get_sender(), message.get_member()])
        return dbus.lowlevel.HANDLER_RESULT_NOT_YET_HANDLED

    bus.add_message_filter(hear)
    bus.add_match_string("type='signal',path_namespace='/org/example'")
    bus.add_match_string("type='signal',sender='org.tombolo.Guest1.work.org.example.Echo1'")
    if sys.argv[1:]:
        bus.call_blocking(sys.argv[1], PATH, INTERFACE, "Echo", "s", ("x",), timeout=20.0)
    print(bus.get_unique_name(), flush=True)
    print("ready", file=sys.stderr, flush=True)
    GLib.io_add_watch(sys.stdin, GLib.PRIORITY_DEFAULT, GLib.IO_HUP | GLib.IO_IN, lambda *_: loop.quit())
    loop.run()
    print(json.dumps(heard))


main()
