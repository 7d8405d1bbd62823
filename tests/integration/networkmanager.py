# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host without a NetworkManager of its own, and the router guest's in its place."""
import contextlib

from guests import started, stopped, wait_for

MACHINE = "net"
NAME = "org.freedesktop.NetworkManager"
MACHINE_FILE = f"/etc/tombolo/machines/{MACHINE}.machine"
POLICY_FILE = "/etc/dbus-1/system.d/tombolo-test-alias.conf"
POLICY = f"""\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <policy user="tombolo-bridge"><allow own="{NAME}"/></policy>
  <policy context="default"><allow send_destination="{NAME}"/></policy>
</busconfig>
"""


def write(host, path, text):
    host.run(["sh", "-c", 'cat > "$1"', "write", path], input=text)


def reload(host):
    host.run(["busctl", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
              "ReloadConfig"])
    host.run(["tomboloctl", "reload"])


def restart(host):
    stopped(host, MACHINE)
    started(host, MACHINE)


def has_owner(host, name):
    return host.run(["busctl", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                     "NameHasOwner", "s", name]).stdout.strip() == "b true"


@contextlib.contextmanager
def in_place_of_the_hosts(host):
    """The alias that bears NetworkManager's own name; afterwards everything is as it was."""
    machine = host.run(["cat", MACHINE_FILE]).stdout
    host.run(["systemctl", "mask", "--now", "NetworkManager.service"])
    try:
        write(host, POLICY_FILE, POLICY)
        write(host, MACHINE_FILE, machine.replace("[Bus]\n", f"[Bus]\nAlias={NAME}:{NAME}\n"))
        reload(host)
        restart(host)
        wait_for(lambda: has_owner(host, NAME), 20, "the alias is owned")
        yield
    finally:
        write(host, MACHINE_FILE, machine)
        host.run(["rm", "-f", POLICY_FILE])
        reload(host)
        restart(host)
        host.run(["systemctl", "unmask", "NetworkManager.service"])
        host.run(["systemctl", "start", "NetworkManager.service"])
