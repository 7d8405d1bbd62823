#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Opens a machine's bus with OpenBus() and uses it.

open-bus.py MACHINE call                 gets the guest's host name and prints it
open-bus.py MACHINE many NUMBER          opens so many, and prints how many it got and the last error
open-bus.py MACHINE lend USER            has another user's process use the bus, and prints what it got
open-bus.py MACHINE bridge NAME          asks its bridge NAME itself, as tombolod does, and prints what it says
open-bus.py MACHINE leave                leaves the bus, and prints whether its socket ended with it
"""
import os
import pwd
import socket
import sys

import gi
gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

HOSTNAME = "org.freedesktop.hostname1"


def connect():
    address = Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM)
    return Gio.DBusConnection.new_for_address_sync(
        address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION)


def open_bus(bus, machine, options=None):
    """A descriptor."""
    reply, descriptors = bus.call_with_unix_fd_list_sync(
        "org.tombolo.Host1", f"/org/tombolo/Host1/machine/{machine}", "org.tombolo.Host1.Machine", "OpenBus",
        GLib.Variant("(a{sv})", [options or {}]), None, Gio.DBusCallFlags.NONE, -1, None)
    return descriptors.get(reply[0])


def get_hostname(descriptor):
    stream = Gio.Socket.new_from_fd(descriptor).connection_factory_create_connection()
    bus = Gio.DBusConnection.new_sync(
        stream, None, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
        | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
    return bus.call_sync(HOSTNAME, "/org/freedesktop/hostname1", "org.freedesktop.DBus.Properties", "Get",
                         GLib.Variant("(ss)", (HOSTNAME, "Hostname")), None, Gio.DBusCallFlags.NONE, 5000, None)[0]


def many(bus, machine, number):
    opened, error = [], ""
    for _ in range(number):
        try:
            opened.append(open_bus(bus, machine))
        except GLib.Error as problem:
            error = problem.message
            break
    print(len(opened), error)


def lend(machine, user):
    """The borrower is forked first: GDBus' threads do not live through that."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
        _, descriptors, _, _ = socket.recv_fds(theirs, 1, 1)
        try:
            print("got", get_hostname(descriptors[0]), flush=True)
        except GLib.Error as error:
            print("refused", error.message, flush=True)
        os._exit(0)
    bus = connect()
    socket.send_fds(ours, [b"x"], [open_bus(bus, machine)])
    os.waitpid(child, 0)


def ask_bridge(bus, name):
    ours, theirs = socket.socketpair()
    descriptors = Gio.UnixFDList.new_from_array([theirs.detach()])
    try:
        bus.call_with_unix_fd_list_sync(
            name, "/org/tombolo/Bridge1", "org.tombolo.Bridge1", "OpenBus",
            GLib.Variant("(ssh)", (bus.get_unique_name(), "system", 0)), None, Gio.DBusCallFlags.NONE, 5000, descriptors)
        print("opened")
    except GLib.Error as error:
        print(error.message)
    ours.close()


def leave(bus, machine):
    end = socket.socket(fileno=open_bus(bus, machine))
    end.settimeout(1)
    try:
        end.recv(1)
        print("ended too early")
        return
    except TimeoutError:
        pass
    bus.close_sync(None)
    end.settimeout(5)
    print("ended" if end.recv(1) == b"" else "goes on")


def main():
    machine, act, *words = sys.argv[1:]
    if act == "lend":
        lend(machine, words[0])
        return
    bus = connect()
    bus.set_exit_on_close(False)
    if act == "call":
        print(get_hostname(open_bus(bus, machine)))
    elif act == "many":
        many(bus, machine, int(words[0]))
    elif act == "bridge":
        ask_bridge(bus, words[0])
    else:
        leave(bus, machine)


main()
