#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Introspects every object of services on one bus: {name: {path: XML or error}} as JSON.

introspect.py ADDRESS NAME…
"""
import json
import sys
import xml.etree.ElementTree as ElementTree

import dbus
import dbus.bus

LIMIT = 2000


def canonical(text):
    """The node, and its interfaces in one form of XML that says the same."""
    root = ElementTree.fromstring(text)
    return root, sorted(ElementTree.canonicalize(ElementTree.tostring(child), strip_text=True)
                        for child in root if child.tag == "interface")


def walk(bus, name):
    found, waiting = {}, ["/"]
    while waiting:
        path = waiting.pop()
        try:
            text = bus.call_blocking(name, path, "org.freedesktop.DBus.Introspectable", "Introspect", "", (),
                                     timeout=30)
        except dbus.DBusException as error:
            found[path] = error.get_dbus_name()
            continue
        root, found[path] = canonical(text)
        assert len(found) < LIMIT, f"{name} has too many objects"
        waiting.extend(path.rstrip("/") + "/" + node.get("name") for node in root if node.tag == "node")
    return found


def main():
    bus = dbus.bus.BusConnection(sys.argv[1])
    print(json.dumps({name: walk(bus, name) for name in sys.argv[2:]}))


main()
