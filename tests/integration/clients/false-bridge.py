#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in a bridge's place, as its unit's main process, and reports what no bridge should.

Prints a line for each report: its label, and the error's name or "taken"; then it stays.
"""
import os
import socket
import time

import dbus

MANY = {f"org.example.N{n}": f"org.tombolo.Guest1.net.org.example.N{n}" for n in range(65)}
FEW = dict(list(MANY.items())[:64])
ONE = {"org.example.N": "org.tombolo.Guest1.net.org.example.N"}
REPORTS = [
    ("state none", "net", "none", "", {}, {}),
    ("no state", "net", "", "", {}, {}),
    ("unknown state", "net", "CONNECTED", "", {}, {}),
    ("exports while connecting", "net", "connecting", "", ONE, {}),
    ("too many exports", "net", "connected", "", MANY, {}),
    ("too many with those of the session", "net", "connected", "", FEW, ONE),
    ("session exports while connecting", "net", "connecting", "", {}, ONE),
    ("session alias that is none", "net", "connected", "", {}, {"org.example.N": "/"}),
    ("exported name that is none", "net", "connected", "", {"no name": "org.example.N"}, {}),
    ("exported unique name", "net", "connected", "", {":1.7": "org.example.N"}, {}),
    ("alias that is none", "net", "connected", "", {"org.example.N": "/"}, {}),
    ("unique alias", "net", "connected", "", {"org.example.N": ":1.7"}, {}),
    ("problems while connecting", "net", "connecting", "", {}, ["It rains."]),
    ("too many problems", "net", "connected", "", {}, ["It rains."] * 65),
    ("another machine", "work", "connecting", "I am not its bridge", {}, {}),
    ("no machine", "nobody", "connecting", "", {}, {}),
    ("no name", "../net", "connecting", "", {}, {}),
    ("control characters", "net", "connecting", "a\x1b[31m\nb", {}, {}),
]


def main():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
    time.sleep(0.5)  # until systemd has told the unit's new state
    bus = dbus.SystemBus()
    for label, *arguments, exports, session_exports in REPORTS:
        problems = []
        if isinstance(session_exports, list):
            session_exports, problems = {}, session_exports
        result = "taken"
        try:
            bus.call_blocking("org.tombolo.Host1", "/org/tombolo/Host1", "org.tombolo.Host1.Bridge", "Report",
                              "sssa{ss}a{ss}as",
                              [*arguments, dbus.Dictionary(exports, signature="ss"),
                               dbus.Dictionary(session_exports, signature="ss"),
                               dbus.Array(problems, signature="s")])
        except dbus.DBusException as error:
            result = error.get_dbus_name()
        print(f"{label}: {result}", flush=True)
    print("that is all", flush=True)
    time.sleep(60)


main()
