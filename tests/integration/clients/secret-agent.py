#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A secret agent of NetworkManager's, without libnm: registers, and answers what it is asked.

secret-agent.py ADDRESS DESTINATION PASSWORD
Prints the setting that it is asked for, a line each.
"""
import sys

from gi.repository import Gio, GLib

AGENT = Gio.DBusNodeInfo.new_for_xml("""<node><interface name="org.freedesktop.NetworkManager.SecretAgent">
<method name="GetSecrets"><arg type="a{sa{sv}}" direction="in"/><arg type="o" direction="in"/>
<arg type="s" direction="in"/><arg type="as" direction="in"/><arg type="u" direction="in"/>
<arg type="a{sa{sv}}" direction="out"/></method>
<method name="CancelGetSecrets"><arg type="o" direction="in"/><arg type="s" direction="in"/></method>
<method name="SaveSecrets"><arg type="a{sa{sv}}" direction="in"/><arg type="o" direction="in"/></method>
<method name="DeleteSecrets"><arg type="a{sa{sv}}" direction="in"/><arg type="o" direction="in"/></method>
</interface></node>""").interfaces[0]


def main():
    address, destination, password = sys.argv[1:]
    bus = Gio.DBusConnection.new_for_address_sync(
        address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION,
        None, None)

    def asked(_bus, _sender, _path, _interface, method, arguments, invocation):
        if method != "GetSecrets":
            invocation.return_value(None)
            return
        setting = arguments.unpack()[2]
        print(setting, flush=True)
        invocation.return_value(GLib.Variant("(a{sa{sv}})", ({setting: {"password": GLib.Variant("s", password)}},)))

    bus.register_object("/org/freedesktop/NetworkManager/SecretAgent", AGENT, asked, None, None)
    bus.call_sync(destination, "/org/freedesktop/NetworkManager/AgentManager",
                  "org.freedesktop.NetworkManager.AgentManager", "Register",
                  GLib.Variant("(s)", ("org.tombolo.test",)), None, Gio.DBusCallFlags.NONE, 10000, None)
    print("ready", file=sys.stderr, flush=True)
    GLib.MainLoop().run()


main()
