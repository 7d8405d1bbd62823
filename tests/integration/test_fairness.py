# SPDX-License-Identifier: LGPL-2.1-or-later
"""Floods, from one caller and from one guest: others of the same guest and of other guests are answered as
ever, the flood meets a limit that says its name, or waits, and the bridge's memory stays bounded. Each limit
by itself has its test among the unit tests; here real daemons meet them together."""
import json
import time

import pytest

from guests import (HOSTNAME, HOSTNAME_PATH, client, guest_leader, guest_run, started, unit_property, wait_for)
from test_identity import PEER, agentless, identities  # noqa: F401 (fixtures)
from test_lies import rogue  # noqa: F401 (a fixture)

SYSTEM_BUS = "/run/dbus/system_bus_socket"
BUS_SOCKET = "/run/tombolo/bus/work"
BRIDGE = "tombolo-bridge@work.service"
ALIAS = f"org.tombolo.Guest1.work.{HOSTNAME}"
TIMEDATE = "org.freedesktop.timedate1"
LIMITS_EXCEEDED = "org.tombolo.Error.LimitsExceeded"
# The host's bus has a limit of its own, which may come first.
BUS_LIMITS_EXCEEDED = "org.freedesktop.DBus.Error.LimitsExceeded"

# A machine that does everything at once is slow, and so is polkit on it. That many calls are answered while the
# flood lasts is what counts, that none fails, and that none waits for the flood's end.
FLOOD_SECONDS = 8
DEADLINE_SECONDS = 6
LEAST_CALLS = 20
# What one user's connections and waiting calls may hold, and as much again for the bridge itself.
MOST_MEMORY_KB = (64 + 32 + 64) * 1024
LEFT_MEMORY_KB = 24 * 1024


@pytest.fixture(autouse=True)
def guests(host):
    started(host, "work")
    started(host, "net")


def memory(host):
    """VmRSS and VmHWM of the bridge of `work`, in KiB. The high-water mark is from now on."""
    pid = unit_property(host, BRIDGE, "MainPID")
    lines = dict(line.split(":", 1) for line in host.run(["cat", f"/proc/{pid}/status"]).stdout.splitlines())
    host.run(["sh", "-c", f"echo 5 > /proc/{pid}/clear_refs"])
    return int(lines["VmRSS"].split()[0]), int(lines["VmHWM"].split()[0])


def bystanders(host, seconds, name=HOSTNAME, others=True):
    """Calls that have nothing to do with the flood, one after the other: of another user into the same guest, of
    the same user into the same guest (with `others`), and of the same user into another guest."""
    return [client(host, "stream.py", [str(seconds), destination, HOSTNAME_PATH, HOSTNAME, "Hostname",
                                    str(DEADLINE_SECONDS)], user=user)
            for user, destination in [*([("root", f"org.tombolo.Guest1.work.{name}"),
                                         ("operator", f"org.tombolo.Guest1.work.{name}")] if others else []),
                                      ("operator", f"org.tombolo.Guest1.net.{HOSTNAME}")]]


def judge(processes):
    for process in processes:
        output, errors = process.communicate(timeout=90)
        assert process.returncode == 0, errors
        entries = json.loads(output)
        assert [entry for entry in entries if entry[2]] == [], "a bystander's call failed"
        assert max(took for _, took, _ in entries) < DEADLINE_SECONDS, "a bystander's call took too long"
        assert len(entries) >= LEAST_CALLS


def flooded(host, kind, address, destination, method=None, name=HOSTNAME):
    """Floods while bystanders call; returns the counts, when everybody has been judged."""
    bridge = unit_property(host, BRIDGE, "MainPID")
    before, _ = memory(host)
    calls = bystanders(host, FLOOD_SECONDS, name)
    flood = client(host, "flood.py", [kind, address, destination, str(FLOOD_SECONDS), *([method] if method else [])],
                   user="operator")
    judge(calls)
    output, errors = flood.communicate(timeout=90)
    assert flood.returncode == 0, errors
    _, most = memory(host)
    assert most < MOST_MEMORY_KB
    assert unit_property(host, BRIDGE, "MainPID") == bridge
    wait_for(lambda: memory(host)[0] < before + LEFT_MEMORY_KB, 10, "the memory is given back")
    return json.loads(output)


@pytest.mark.parametrize("route,address,destination", [
    ("alias", SYSTEM_BUS, ALIAS),
    ("socket", BUS_SOCKET, HOSTNAME),
])
@pytest.mark.parametrize("kind", ["unread", "large"])
def test_a_flood_of_calls_slows_nobody_else(host, kind, route, address, destination):
    counts = flooded(host, kind, address, destination)
    # The bus, or back-pressure, or an error: what was sent was not all carried out in silence.
    assert counts["sent"] > 0


def test_clients_that_come_and_go(host):
    assert flooded(host, "connect", BUS_SOCKET, HOSTNAME)["connected"] > 10


def test_clients_that_stop_half_way(host):
    """Their places are as many as one user has; then they are turned away, and others are not."""
    counts = flooded(host, "half", BUS_SOCKET, HOSTNAME)
    assert counts["connected"] > 64
    host.run(["busctl", f"--address=unix:path={BUS_SOCKET}", "get-property", HOSTNAME, HOSTNAME_PATH, HOSTNAME,
              "Hostname"])


def test_match_rules_have_a_limit(host):
    """Each client has 512, and is told."""
    counts = flooded(host, "rules", BUS_SOCKET, HOSTNAME)
    assert counts["answered"] == 512
    assert counts[LIMITS_EXCEEDED] == 600 - 512


@pytest.fixture
def deaf_service(host):
    """hostnamed in `work` takes calls and answers none, until it may."""
    host.run(["busctl", "call", ALIAS, HOSTNAME_PATH, "org.freedesktop.DBus.Peer", "Ping"], user="operator")
    guest_run(host, "work", ["systemctl", "kill", "-s", "STOP", "systemd-hostnamed.service"])
    yield
    guest_run(host, "work", ["systemctl", "kill", "-s", "CONT", "systemd-hostnamed.service"])


@pytest.mark.parametrize("address,destination", [(SYSTEM_BUS, ALIAS), (BUS_SOCKET, HOSTNAME)])
def test_ten_thousand_pending_calls(host, deaf_service, address, destination):
    """128 wait for the service; the others are refused at once, and another service of the guest answers."""
    flood = client(host, "flood.py", ["pending", address, destination, str(FLOOD_SECONDS)], user="operator")
    others = [client(host, "stream.py", [str(FLOOD_SECONDS), name, path, interface, prop, str(DEADLINE_SECONDS)],
                     user="operator")
              for name, path, interface, prop in [
                  (f"org.tombolo.Guest1.work.{TIMEDATE}", "/org/freedesktop/timedate1", TIMEDATE, "Timezone"),
                  (ALIAS.replace(".work.", ".net."), HOSTNAME_PATH, HOSTNAME, "Hostname")]]
    judge(others)
    output, errors = flood.communicate(timeout=60)
    assert flood.returncode == 0, errors
    counts = json.loads(output)
    assert counts["sent"] == 10000
    assert counts[LIMITS_EXCEEDED] + counts.get(BUS_LIMITS_EXCEEDED, 0) == 10000 - 128
    assert counts.get("answered", 0) == 0


# --- Floods from a guest: its agent is replaced by one that does what it is called for ---

ECHO = "org.example.Echo1"


@pytest.mark.parametrize("address,destination,member", [
    (SYSTEM_BUS, f"org.tombolo.Guest1.work.{ECHO}", "Largest"),
    (BUS_SOCKET, ECHO, "Largest"),
    (BUS_SOCKET, ECHO, "Flood"),
    (SYSTEM_BUS, f"org.tombolo.Guest1.work.{ECHO}", "Flood"),
])
def test_a_guest_floods_a_caller_who_does_not_read(host, rogue, address, destination, member):
    """Storms of signals, and the largest replies: for that caller alone."""
    counts = flooded(host, "unread", address, destination, f"{ECHO}.{member}", ECHO)
    assert counts["sent"] > 0


@pytest.mark.parametrize("member", ["Flap", "Churn"])
def test_a_restless_guest(host, rogue, member):
    """Owners that change, and channels that close as soon as they are open: others do not notice."""
    bridge = unit_property(host, BRIDGE, "MainPID")
    neighbour = bystanders(host, FLOOD_SECONDS, others=False)
    host.run(["busctl", "call", f"org.tombolo.Guest1.work.{ECHO}", "/org/example/Echo1", ECHO, member],
             user="operator")
    judge(neighbour)
    assert unit_property(host, BRIDGE, "MainPID") == bridge


@pytest.mark.parametrize("kind,identity", [("tls", "other-ca"), ("flood", ""), ("stall", "")])
def test_a_guest_that_spoils_handshakes(host, agentless, kind, identity):
    """Each attempt of the bridge's meets a false guest; another guest's callers do not notice."""
    bridge = unit_property(host, BRIDGE, "MainPID")
    link = host.run(["nsenter", "-n", "-t", guest_leader(host, "work"), "sh", "-c",
                     "ip -o -6 addr show scope link | grep fe80::2/ | cut -d' ' -f2"]).stdout.split()[0]
    arguments = [kind, link] + ([f"/run/identities/{identity}"] if identity else [])
    false = host.popen(["nsenter", "-n", "-t", guest_leader(host, "work"), "python3", PEER, *arguments])
    try:
        assert false.stderr.readline().strip() == "ready"
        judge([client(host, "stream.py", [str(FLOOD_SECONDS), f"org.tombolo.Guest1.net.{HOSTNAME}", HOSTNAME_PATH,
                                          HOSTNAME, "Hostname", str(DEADLINE_SECONDS)], user="operator")])
    finally:
        host.run(["pkill", "-f", PEER], check=False)
        false.communicate(timeout=10)
    assert unit_property(host, BRIDGE, "MainPID") == bridge
