# SPDX-License-Identifier: LGPL-2.1-or-later
"""NetworkManager's graphical editor, unmodified, on a host without a NetworkManager of its own: it shows
the connections and devices of the router guest, and what becomes of them meanwhile."""
import json
import pathlib

import pytest

from guests import guest_run
from networkmanager import MACHINE, in_place_of_the_hosts

LOOK = "/usr/local/lib/tombolo-tests/look.py"
PICTURE = "/tmp/tombolo-test-editor.png"
PAINTED = 50  # more values than these has any picture with text on it


@pytest.fixture(scope="module", autouse=True)
def alias(test_host):
    with in_place_of_the_hosts(test_host):
        test_host.push(pathlib.Path(__file__).parent / "clients/look.py", LOOK)
        yield


@pytest.fixture
def reef(host):
    """A pair of devices in the guest, and a connection for one of them; its UUID."""
    inside(host, "connection", "add", "autoconnect", "yes", "type", "veth", "ifname", "reef0", "con-name", "pair",
           "peer", "reef1", "ipv4.method", "disabled", "ipv6.method", "disabled")
    inside(host, "connection", "up", "pair")
    add_ethernet(host, "Reef survey")
    yield inside(host, "-g", "connection.uuid", "connection", "show", "Reef survey").strip()
    for name in ("Reef survey", "Shoal survey", "pair"):
        guest_run(host, MACHINE, ["nmcli", "connection", "delete", name], check=False)


def inside(host, *words):
    return guest_run(host, MACHINE, ["nmcli", *words]).stdout


def add_ethernet(host, name):
    inside(host, "connection", "add", "autoconnect", "no", "type", "ethernet", "ifname", "reef1", "con-name", name)


def look(host, words, *arguments, user="operator", seconds=40):
    return host.popen(["python3", LOOK, str(seconds), PICTURE, *words, "--", "nm-connection-editor", *arguments],
                      user=user)


def seen(process):
    output, errors = process.communicate(timeout=90)
    assert output, errors
    return json.loads(output.splitlines()[-1])  # programs of the session bus say things before


@pytest.fixture(autouse=True)
def no_picture(host):
    yield
    host.run(["rm", "-f", PICTURE])


def test_the_editor_lists_the_guests_connections(host, reef):
    shown = seen(look(host, ["Network Connections", "Reef survey"]))
    assert shown["found"], shown
    assert shown["values"] > PAINTED
    assert host.run(["head", "-c", "4", PICTURE]).stdout.endswith("PNG")


def test_the_editor_offers_the_guests_devices(host, reef):
    devices = [line for line in inside(host, "-g", "device", "device").split() if line != "lo"]
    assert len(devices) >= 3
    shown = seen(look(host, ["Editing Reef survey", *devices], "--edit", reef))
    assert shown["found"], (devices, shown)
    assert shown["values"] > PAINTED


def test_the_editor_hears_of_a_new_connection(host, reef):
    process = look(host, ["Reef survey", "Shoal survey"])
    for line in process.stderr:
        if line.strip() == "ready":
            break
    add_ethernet(host, "Shoal survey")
    assert seen(process)["found"]


def test_the_editor_shows_nothing_to_who_may_nothing(host, reef):
    shown = seen(look(host, ["Network Connections", "Reef survey"], user="visitor", seconds=8))
    assert "Network Connections" in shown["names"], shown
    assert "Reef survey" not in shown["names"]
