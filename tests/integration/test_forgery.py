# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who says what others should have said: a local user in the bus's name, a bridge in another's."""
import json
import time

import pytest

from guests import (ALIAS_HOSTNAME, CLIENTS, HOSTNAME, HOSTNAME_PATH, client, guest_run,
                    machine_property, started, unit_property, wait_for)

DROP_IN = "/run/systemd/system/tombolo-bridge@net.service.d/false.conf"
PROGRAM = "/usr/local/lib/tombolo-tests/false-bridge.py"
INVALID, DENIED = "org.tombolo.Error.InvalidArgument", "org.freedesktop.DBus.Error.AccessDenied"


def test_a_forged_departure_is_not_believed(host):
    """visitor tells bridge and tombolod, with the bus's signal, that operator has left."""
    started(host, "work")
    listener = client(host, "listen.py", ["9", ALIAS_HOSTNAME, HOSTNAME_PATH, HOSTNAME, "call"], user="operator")
    stream = client(host, "stream.py", ["5", ALIAS_HOSTNAME, HOSTNAME_PATH, HOSTNAME, "Hostname"],
                    user="operator")
    time.sleep(0.5)
    forger = client(host, "forge.py", ["3", "tombolo,tombolo-bridge", "operator"], user="visitor")
    told, left = forger.stdout.readline().split()
    assert int(told) >= 2 and int(left) >= 2
    time.sleep(3.5)
    name = f"Truth {time.monotonic()}"
    guest_run(host, "work", ["hostnamectl", "--pretty", "set-hostname", name])
    entries = json.loads(stream.communicate(timeout=60)[0])
    assert len(entries) > 50
    assert [entry for entry in entries if entry[2]] == []
    heard = [json.loads(line)["changed"].get("PrettyHostname")
             for line in listener.communicate(timeout=60)[0].splitlines()]
    assert name in heard  # its channel is still hers
    assert machine_property(host, "work", "AgentState") == "connected"


@pytest.fixture
def false_bridge(host):
    """What it said, by label. It is `net`'s bridge, so far as systemd knows."""
    started(host, "work")
    started(host, "net")
    host.push(CLIENTS / "false-bridge.py", PROGRAM)
    host.run(["mkdir", "-p", DROP_IN.rpartition("/")[0]])
    host.run(["tee", DROP_IN], input=f"[Service]\nExecStart=\nExecStart=/usr/bin/python3 {PROGRAM}\n")
    host.run(["systemctl", "daemon-reload"])
    daemon = unit_property(host, "tombolod.service", "MainPID")
    since = host.cursor()
    host.run(["systemctl", "restart", "tombolo-bridge@net.service"])
    wait_for(lambda: "that is all" in host.journal_since(since), 15, "it has said all")
    lines = [line.split("]: ", 1)[1] for line in host.journal_since(since).splitlines()
             if "tombolo-bridge[" in line]
    yield dict(line.split(": ", 1) for line in lines if ": " in line)
    host.run(["rm", DROP_IN])
    host.run(["systemctl", "daemon-reload"])
    host.run(["systemctl", "restart", "tombolo-bridge@net.service"])
    assert unit_property(host, "tombolod.service", "MainPID") == daemon


def test_what_a_bridge_taken_over_reports(host, false_bridge):
    assert false_bridge == {
        "state none": INVALID,
        "no state": INVALID,
        "unknown state": INVALID,
        "exports while connecting": INVALID,
        "too many exports": INVALID,
        "too many with those of the session": INVALID,
        "session exports while connecting": INVALID,
        "session alias that is none": INVALID,
        "problems while connecting": INVALID,
        "too many problems": INVALID,
        "exported name that is none": INVALID,
        "exported unique name": INVALID,
        "alias that is none": INVALID,
        "unique alias": INVALID,
        "another machine": DENIED,
        "no machine": DENIED,
        "no name": "org.tombolo.Error.InvalidName",
        "control characters": "taken",
    }
    assert machine_property(host, "work", "AgentState") == "connected"
    assert machine_property(host, "net", "AgentState") == "connecting"
    assert machine_property(host, "net", "Exports") == {}
    reason = machine_property(host, "net", "AgentReason")
    assert reason.startswith("a") and reason.isprintable()
