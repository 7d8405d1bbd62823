#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Listens to PropertiesChanged of one interface at one sender; prints a JSON line a signal.

listen.py SECONDS SENDER PATH INTERFACE [call]
With `call` it reads the properties once first: that is what entitles a caller to unicast signals.
"""
import json
import sys

from gi.repository import Gio, GLib


def main():
    seconds, sender, path, interface = sys.argv[1:5]
    bus = Gio.bus_get_sync(Gio.BusType.SYSTEM, None)
    loop = GLib.MainLoop()

    def arrived(_bus, _sender, _path, _interface, _signal, parameters):
        changed = parameters.unpack()
        if changed[0] == interface:
            print(json.dumps({"changed": changed[1], "invalidated": changed[2]}), flush=True)

    bus.signal_subscribe(
        sender,
        "org.freedesktop.DBus.Properties",
        "PropertiesChanged",
        path,
        None,
        Gio.DBusSignalFlags.NONE,
        arrived,
    )
    if "call" in sys.argv[5:]:
        bus.call_sync(
            sender,
            path,
            "org.freedesktop.DBus.Properties",
            "GetAll",
            GLib.Variant("(s)", (interface,)),
            None,
            Gio.DBusCallFlags.NONE,
            10000,
            None,
        )
    print("ready", file=sys.stderr, flush=True)
    GLib.timeout_add(int(float(seconds) * 1000), loop.quit)
    loop.run()


main()
