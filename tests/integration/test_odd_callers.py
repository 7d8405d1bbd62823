# SPDX-License-Identifier: LGPL-2.1-or-later
"""What anybody on the host can send to an alias harms nobody but its sender."""
import json

import pytest

from guests import (ALIAS_HOSTNAME, CLIENTS, HOSTNAME, HOSTNAME_PATH, client, started, unit_property)

ODD = "/usr/local/lib/tombolo-tests/odd.py"


@pytest.fixture(autouse=True)
def work(host):
    started(host, "work")
    host.push(CLIENTS / "odd.py", ODD)


@pytest.mark.parametrize("user", ["visitor", "operator"])
def test_odd_calls_leave_the_alias_alone(host, user):
    owner = ["busctl", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
             "GetNameOwner", "s", ALIAS_HOSTNAME]
    before = host.run(owner).stdout, unit_property(host, "tombolo-bridge@work.service", "MainPID")
    stream = client(host, "stream.py", ["8", ALIAS_HOSTNAME, HOSTNAME_PATH, HOSTNAME, "Hostname"],
                    user="operator")
    outcomes = json.loads(host.run(["python3", ODD, ALIAS_HOSTNAME], user=user).stdout)
    output, _ = stream.communicate(timeout=60)
    assert [entry for entry in json.loads(output) if entry[2]] == []
    assert (host.run(owner).stdout, unit_property(host, "tombolo-bridge@work.service", "MainPID")) == before
    # The sender is told: by us, or already by the bus.
    assert {kind for kind, outcome in outcomes.items() if outcome == "none"} <= {"path too long"}, outcomes


def test_the_sender_is_told(host):
    """On dbus-daemon none of these ends the sender's own connection."""
    if host.bus != "dbus-daemon":
        pytest.skip("dbus-broker drops some of these itself")
    outcomes = json.loads(host.run(["python3", ODD, ALIAS_HOSTNAME], user="visitor").stdout)
    assert outcomes["nested too deeply"] == "org.tombolo.Error.LimitsExceeded"
    assert outcomes["too large"] == "org.tombolo.Error.LimitsExceeded"
    assert outcomes["descriptor that is not there"] == "org.tombolo.Error.InvalidArgument"
