# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guest's NetworkManager, unmodified, asks an agent on the host for a password: on the bus socket it
gets it, by way of the alias it is refused to ask."""
import re

import pytest

from guests import client, guest_run, started, unit_property, wait_for

MACHINE = "net"
NAME = "org.freedesktop.NetworkManager"
SOCKET = f"unix:path=/run/tombolo/bus/{MACHINE}"
ROUTES = {"socket": (SOCKET, NAME),
          "alias": ("unix:path=/run/dbus/system_bus_socket", f"org.tombolo.Guest1.{MACHINE}.{NAME}")}
CONNECTION = ["type", "ethernet", "ifname", "nowhere0", "con-name", "agented", "autoconnect", "no",
              "802-1x.eap", "md5", "802-1x.identity", "me", "802-1x.password-flags", "1"]


def nmcli(host, *words):
    return host.run(["nmcli", *words], user="operator", environment={"DBUS_SYSTEM_BUS_ADDRESS": SOCKET}).stdout


@pytest.fixture(autouse=True)
def connection(host):
    """A connection whose password only an agent knows."""
    started(host, MACHINE)
    nmcli(host, "connection", "add", *CONNECTION)
    yield
    guest_run(host, MACHINE, ["nmcli", "connection", "delete", "agented"], check=False)


def password(host):
    return nmcli(host, "--get-values", "802-1x.password", "--show-secrets", "connection", "show", "agented").strip()


def refused_calls(host):
    """What the bridge's status says of them."""
    found = re.search(r"(\d+) calls?\b", unit_property(host, f"tombolo-bridge@{MACHINE}.service", "StatusText"))
    return int(found[1]) if found else 0


def test_the_agent_is_asked_on_the_bus_socket(host):
    assert password(host) == ""
    agent = client(host, "secret-agent.py", [*ROUTES["socket"], "tide"], user="operator")
    assert password(host) == "tide"
    assert agent.stdout.readline().strip() == "802-1x"
    agent.kill()
    agent.wait()
    wait_for(lambda: password(host) == "", 5, "NetworkManager knows that its agent is gone")


def test_the_agent_is_not_asked_by_way_of_the_alias(host):
    """Its interface is on no list of those that a guest may call on the host's bus."""
    before = refused_calls(host)
    agent = client(host, "secret-agent.py", [*ROUTES["alias"], "tide"], user="operator")
    assert password(host) == ""
    agent.kill()
    assert agent.communicate(timeout=10)[0] == ""
    wait_for(lambda: refused_calls(host) > before, 5, "the bridge has counted the call")


def test_nmcli_registers_as_an_agent(host):
    """libnm does so with a name of root's, which the guest's is on its own bus."""
    agent = host.popen(["nmcli", "agent", "secret"], user="operator", environment={"DBUS_SYSTEM_BUS_ADDRESS": SOCKET})
    assert "successfully registered" in agent.stdout.readline()
