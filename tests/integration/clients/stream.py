#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stream of calls, one after the other, for a while; prints what became of each as JSON.

stream.py SECONDS DESTINATION PATH INTERFACE PROPERTY [TIME-OUT]
Each entry is [seconds since the start, seconds it took, error name or ""].
"""
import json
import sys
import time

from gi.repository import Gio, GLib

TIME_OUT_SECONDS = 5  # a call that takes longer counts as hanging


def main():
    seconds, destination, path, interface, name = sys.argv[1:6]
    time_out = float(sys.argv[6]) if len(sys.argv) > 6 else TIME_OUT_SECONDS
    bus = Gio.bus_get_sync(Gio.BusType.SYSTEM, None)
    begin = time.monotonic()
    entries = []
    print("ready", file=sys.stderr, flush=True)
    while time.monotonic() - begin < float(seconds):
        at = time.monotonic()
        error = ""
        try:
            bus.call_sync(
                destination,
                path,
                "org.freedesktop.DBus.Properties",
                "Get",
                GLib.Variant("(ss)", (interface, name)),
                None,
                Gio.DBusCallFlags.NONE,
                int(time_out * 1000),
                None,
            )
        except GLib.Error as failure:
            error = Gio.DBusError.get_remote_error(failure) or f"local: {failure.message}"
        entries.append([at - begin, time.monotonic() - at, error])
        if error:
            time.sleep(0.02)
    json.dump(entries, sys.stdout)


main()
