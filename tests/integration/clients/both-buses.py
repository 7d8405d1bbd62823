#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""One connection that uses a service of the same name on both buses of a guest at once.

both-buses.py COUNT: calls Slow and then Note on each, COUNT times, without waiting in between;
prints what each service has noted, in its order, as JSON.
"""
import json
import sys

from gi.repository import Gio, GLib

NAME = "org.tombolo.Test1.Echo"
PATH = "/org/tombolo/Test1/Echo"
ALIASES = {"system": f"org.tombolo.Guest1.work.{NAME}", "session": f"org.tombolo.GuestSession1.work.{NAME}"}


def main():
    count = int(sys.argv[1])
    bus = Gio.bus_get_sync(Gio.BusType.SYSTEM, None)
    loop = GLib.MainLoop()
    pending = {"calls": 0}

    def call(alias, method, arguments, done=None):
        pending["calls"] += 1

        def finish(_bus, result):
            answer = bus.call_finish(result)
            pending["calls"] -= 1
            if done:
                done(answer.unpack())
            if not pending["calls"]:
                loop.quit()

        bus.call(alias, PATH, NAME, method, arguments, None, Gio.DBusCallFlags.NONE, 20000, None, finish)

    for number in range(count):
        for which, alias in ALIASES.items():
            call(alias, "Slow", GLib.Variant("(u)", (20,)))
            call(alias, "Note", GLib.Variant("(s)", (f"{which} {number}",)))
    loop.run()

    notes = {}
    for which, alias in ALIASES.items():
        call(alias, "TakeNotes", None, lambda answer, which=which: notes.update({which: answer[0]}))
    loop.run()
    print(json.dumps(notes))


main()
