#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes a property change many times, each call answered by a large reply, many of them in flight:
each change has to be told before the reply to the call that made it, and after the one before.

order.py ADDRESS DESTINATION CALLS SIZE
Prints as JSON how many replies and signals came, and the first that came out of order.
"""
import json
import sys

import dbus
import dbus.bus
import dbus.mainloop.glib
from gi.repository import GLib

PATH = "/org/tombolo/Test1/Watch"
INTERFACE = "org.tombolo.Test1.Watch"
PROPERTIES = "org.freedesktop.DBus.Properties"
IN_FLIGHT = 64


def main():
    address, destination, calls, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    bus = dbus.bus.BusConnection(address, mainloop=dbus.mainloop.glib.DBusGMainLoop())
    loop = GLib.MainLoop()
    seen = {"replies": 0, "signals": 0, "disorder": None, "error": None}
    events = []  # (what, level) in the order in which libdbus gave them out
    made = 0

    def step():
        nonlocal made
        made += 1
        bus.call_async(destination, PATH, INTERFACE, "Step", "u", (size,), replied, failed, timeout=30.0,
                       byte_arrays=True)

    def replied(level, data):
        events.append(("reply", int(level)))
        seen["replies"] += 1
        if len(data) != size or any(data[at] != level & 0xff for at in (0, size // 2, size - 1)):
            seen["disorder"] = f"the bytes of reply {level} are not its own"
        if made < calls:
            step()
        elif seen["replies"] == calls:
            loop.quit()

    def failed(error):
        seen["error"] = str(error)
        loop.quit()

    def changed(_interface, properties, _invalidated):
        events.append(("signal", int(properties["Level"])))
        seen["signals"] += 1

    bus.add_signal_receiver(changed, "PropertiesChanged", PROPERTIES, destination, PATH)
    # On an alias a caller hears signals once it has called.
    bus.call_blocking(destination, PATH, PROPERTIES, "Get", "ss", (INTERFACE, "Level"), timeout=10.0)
    for _ in range(min(IN_FLIGHT, calls)):
        step()
    GLib.timeout_add_seconds(50, loop.quit)
    loop.run()

    first = events[0][1] if events else 0
    expected = [(what, first + at) for at in range(calls) for what in ("signal", "reply")]
    for at, (was, should) in enumerate(zip(events, expected)):
        if was != should and seen["disorder"] is None:
            seen["disorder"] = f"event {at} is {was}, not {should}"
    print(json.dumps(seen))


main()
