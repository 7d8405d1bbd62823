#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A program as applets are: waits for the watching service, takes a lock, registers an agent and
subscribes to ticks; does all of it again when the service, or the bus, has gone and come back.

applet.py ADDRESS DESTINATION
Prints what happens to it, a word a line: watching, ticking, vanished, closed, cancelled, asked.
"""
import sys

from gi.repository import Gio, GLib

PATH = "/org/tombolo/Test1/Watch"
INTERFACE = "org.tombolo.Test1.Watch"
AGENT = Gio.DBusNodeInfo.new_for_xml("""<node><interface name="org.bluez.Agent1">
<method name="RequestPinCode"><arg type="o" direction="in"/><arg type="s" direction="out"/></method>
<method name="Cancel"/></interface></node>""").interfaces[0]
AGAIN_MS = 200


def say(word):
    print(word, flush=True)


class Applet:
    def __init__(self, address, destination):
        self.address, self.destination = address, destination
        self.waiting = []  # answers that are never given
        self.connect()

    def connect(self):
        flags = (Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
                 | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION)
        try:
            self.bus = Gio.DBusConnection.new_for_address_sync(self.address, flags, None, None)
        except GLib.Error:  # not there yet
            GLib.timeout_add(AGAIN_MS, self.connect)
            return GLib.SOURCE_REMOVE
        self.bus.connect("closed", self.closed)
        self.bus.register_object("/agent", AGENT, self.asked, None, None)
        self.bus.signal_subscribe(self.destination, INTERFACE, "Tick", PATH, None,
                                  Gio.DBusSignalFlags.NONE, self.ticked)
        self.ticking = False
        Gio.bus_watch_name_on_connection(self.bus, self.destination, Gio.BusNameWatcherFlags.NONE,
                                         self.appeared, self.vanished)
        return GLib.SOURCE_REMOVE

    def closed(self, bus, _vanished, _error):
        say("closed")
        GLib.timeout_add(AGAIN_MS, self.connect)

    def appeared(self, bus, _name, owner):
        steps = [("Lock", GLib.Variant("(s)", ("applet",))),
                 ("RegisterAgent", GLib.Variant("(os)", ("/agent", "KeyboardDisplay"))),
                 ("Subscribe", None)]

        def next_step(source=None, result=None):
            if result is not None:
                try:
                    source.call_finish(result)
                except GLib.Error as error:
                    # The name went again: it will come back.
                    print(error.message, file=sys.stderr, flush=True)
                    return
            if not steps:
                say("watching")
                return
            member, arguments = steps.pop(0)
            bus.call(owner, PATH, INTERFACE, member, arguments, None, Gio.DBusCallFlags.NONE, 10000,
                     None, next_step)

        next_step()

    def vanished(self, _bus, _name):
        say("vanished")

    def ticked(self, *_signal):
        if not self.ticking:
            self.ticking = True
            say("ticking")

    def asked(self, _bus, _sender, _path, _interface, method, arguments, invocation):
        if method == "Cancel":
            say("cancelled")
            return
        say("asked")
        device = arguments.unpack()[0]
        if device.endswith("bad"):
            invocation.return_dbus_error("org.bluez.Error.Rejected", "Not this one")
        elif device.endswith("never"):
            self.waiting.append(invocation)
        else:
            invocation.return_value(GLib.Variant("(s)", ("0000",)))


def main():
    applet = Applet(*sys.argv[1:3])
    print("ready", file=sys.stderr, flush=True)
    GLib.MainLoop().run()
    del applet


main()
