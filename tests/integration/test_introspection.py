# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every object of everything that a guest exports introspects the same through the bridge, on the bus
socket and by alias, as on the guest's own bus."""
import json

import pytest

from guests import CLIENTS, machine_property, on_guest_bus, started

SCRIPT = "/usr/local/lib/tombolo-tests/introspect.py"
SYSTEMD = "org.freedesktop.systemd1"
# The guest's bus policy keeps it for root, and the host's callers are not root there.
ROOTS_ALONE = "org.freedesktop.nm_dispatcher"
DENIED = {"/": "org.freedesktop.DBus.Error.AccessDenied"}
HOST_BUS = "unix:path=/run/dbus/system_bus_socket"


def exports(host, machine):
    """What the guest exports and the aliases, less what tests run there for a while."""
    return {name: alias for name, alias in machine_property(host, machine, "Exports").items()
            if not name.startswith("org.tombolo.Test1.")}


def without_passing_units(trees):
    """Units come and go in a guest: those that were not there each time are left out."""
    paths = [set(tree[SYSTEMD]) for tree in trees]
    passing = set.union(*paths) - set.intersection(*paths)
    assert all(path.startswith("/org/freedesktop/systemd1/unit/") for path in passing), passing
    assert len(passing) < len(paths[0]) / 4, passing
    for tree in trees:
        tree[SYSTEMD] = {path: node for path, node in tree[SYSTEMD].items() if path not in passing}
    return trees


@pytest.mark.parametrize("machine", ["work", "net"])
def test_all_exported_objects_introspect_the_same(host, machine):
    started(host, machine)
    host.push(CLIENTS / "introspect.py", SCRIPT)
    named = exports(host, machine)
    assert len(named) >= 5

    def walk(address, names):
        done = host.run(["python3", SCRIPT, address, *names], user="operator", timeout=120)
        return dict(zip(named, json.loads(done.stdout).values()))

    def compared():
        inside = json.loads(on_guest_bus(
            host, machine, lambda address: ["python3", SCRIPT, address, *named]).stdout)
        if ROOTS_ALONE in named:
            inside[ROOTS_ALONE] = DENIED
        return (inside, walk(f"unix:path=/run/tombolo/bus/{machine}", named.keys()), walk(HOST_BUS, named.values()))

    inside, on_socket, by_alias = without_passing_units(compared())
    assert on_socket == inside
    assert by_alias == inside
    assert [name for name, tree in inside.items() if "/" not in tree] == []
