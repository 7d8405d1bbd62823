# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each process killed under a stream of calls: nothing hangs, no machine stops, calls come back."""
import json
import time

import pytest

from guests import (ALIAS_HOSTNAME, HOSTNAME, HOSTNAME_PATH, client, guest_leader, guest_run,
                    in_links_namespace, machine_property, started, unit_property, wait_for)

RECOVERY_SECONDS = 3.0
DEAD_PEER_SECONDS = 10.0
CUT_SECONDS = 15
# Attempts at the guest's address come every 2 s by then, and each takes up to 1 s.
MENDED_SECONDS = 4.0
STREAM_SECONDS = 9
KILL_AT = 2.0
# What a call in flight, or one made while its way is down, may end in.
NAMED = (
    "org.tombolo.Error.",
    "org.freedesktop.DBus.Error.NoReply",
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.Disconnected",
)


@pytest.fixture(autouse=True)
def work(host):
    started(host, "work")


def streamed(host, strike):
    """Streams calls, strikes after KILL_AT seconds; returns the entries, with the strike's time."""
    process = client(host, "stream.py",
                     [str(STREAM_SECONDS), ALIAS_HOSTNAME, HOSTNAME_PATH, HOSTNAME, "Hostname"],
                     user="operator")
    begin = time.monotonic()
    time.sleep(KILL_AT)
    strike()
    struck = time.monotonic() - begin
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return json.loads(output), struck


def judge(entries, struck):
    failures = [entry for entry in entries if entry[2]]
    for at, took, error in entries:
        assert not error.startswith("local:"), (at, took, error)
        assert took < 4.0, f"a call at {at:.2f} s took {took:.2f} s: it hung"
    for at, took, error in failures:
        assert error.startswith(NAMED), error
        assert at > struck - 0.5, f"{error} at {at:.2f} s, before the strike at {struck:.2f} s"
        assert at < struck + RECOVERY_SECONDS, f"{error} at {at:.2f} s, strike at {struck:.2f} s"
    late = [entry for entry in entries if entry[0] > struck + RECOVERY_SECONDS]
    assert len(late) > 100, "no calls after the recovery"
    return failures


def main_pid(host, unit):
    pid = unit_property(host, unit, "MainPID")
    assert pid != "0"
    return pid


def test_tombolod_killed(host):
    before = guest_leader(host, "work")
    entries, struck = streamed(
        host, lambda: host.run(["kill", "-9", main_pid(host, "tombolod.service")]))
    assert judge(entries, struck) == [], "a call noticed that tombolod died"
    wait_for(lambda: machine_property(host, "work", "AgentState") == "connected", 5, "adopted again")
    assert machine_property(host, "work", "State") == "running"
    assert guest_leader(host, "work") == before


def test_bridge_killed(host):
    before = guest_leader(host, "work")
    entries, struck = streamed(
        host, lambda: host.run(["kill", "-9", main_pid(host, "tombolo-bridge@work.service")]))
    judge(entries, struck)
    assert guest_leader(host, "work") == before
    assert machine_property(host, "work", "State") == "running"


def test_agent_killed(host):
    before = guest_leader(host, "work")
    entries, struck = streamed(
        host, lambda: guest_run(host, "work", ["systemctl", "kill", "-s", "KILL", "tombolo-guestd.service"]))
    judge(entries, struck)
    assert guest_leader(host, "work") == before


def test_guests_bus_restarted_agent_recovers(host):
    guest_run(host, "work", ["systemctl", "restart", "tombolo-guestd.service"])
    wait_for(lambda: machine_property(host, "work", "AgentState") == "connected", 5, "connected again")


def test_bridge_and_tombolod_killed_together(host):
    before = guest_leader(host, "work")
    pids = [main_pid(host, "tombolod.service"), main_pid(host, "tombolo-bridge@work.service")]
    entries, struck = streamed(host, lambda: host.run(["kill", "-9", *pids]))
    judge(entries, struck)
    assert guest_leader(host, "work") == before


@pytest.fixture
def cut(host):
    """Cuts the link of `work`: nothing that the guest sends arrives any more. Returns how to mend it."""
    link = machine_property(host, "work", "Interface")
    table = ["nft", "delete", "table", "inet", "cut"]

    def cut_now():
        in_links_namespace(host, ["nft", "-f", "-"], input=(
            "table inet cut {\n chain in {\n type filter hook input priority 0\n"
            f'iifname "{link}" drop\n}}\n}}\n'))
        return lambda: in_links_namespace(host, table)

    yield cut_now
    in_links_namespace(host, table, check=False)


def test_a_link_cut_for_a_while_recovers(host, cut):
    before = guest_leader(host, "work")
    mend = cut()
    began = time.monotonic()
    took = wait_for(lambda: machine_property(host, "work", "AgentState") == "connecting",
                    DEAD_PEER_SECONDS, "the dead peer is found")
    assert took > 0.5, "the link was not cut: nothing was there to find"
    answer = host.run(["busctl", "--timeout=4", "get-property", ALIAS_HOSTNAME, HOSTNAME_PATH, HOSTNAME,
                       "Hostname"], user="operator", check=False)
    assert answer.returncode != 0
    time.sleep(max(0, CUT_SECONDS - (time.monotonic() - began)))
    assert machine_property(host, "work", "AgentState") == "connecting"
    mend()
    wait_for(lambda: host.run(["busctl", "get-property", ALIAS_HOSTNAME, HOSTNAME_PATH, HOSTNAME, "Hostname"],
                              user="operator", check=False).returncode == 0,
             MENDED_SECONDS, "calls work again")
    assert guest_leader(host, "work") == before


def test_guest_reboots(host):
    before = guest_leader(host, "work")
    guest_run(host, "work", ["systemctl", "reboot"], check=False)
    wait_for(lambda: unit_property(host, "tombolo-container@work.service", "ActiveState") == "active"
             and host.run(["sh", "-c", "pgrep -P $(systemctl show --value -p MainPID tombolo-container@work.service)"],
                          check=False).stdout.split()[:1] not in ([], [before]), 30, "rebooted")
    started(host, "work")
    answer = host.run(["busctl", "get-property", ALIAS_HOSTNAME, HOSTNAME_PATH, HOSTNAME, "Hostname"],
                      user="operator")
    assert answer.stdout.startswith("s ")


def test_frozen_guest_goes_on_after_resume(host):
    host.run(["tomboloctl", "pause", "work"], user="operator")
    try:
        assert machine_property(host, "work", "State") == "paused"
        answer = host.run(["busctl", "--timeout=1", "call", ALIAS_HOSTNAME, HOSTNAME_PATH,
                           "org.freedesktop.DBus.Properties", "Get", "ss", HOSTNAME, "Hostname"], user="operator", check=False)
        assert answer.returncode != 0
    finally:
        host.run(["tomboloctl", "resume", "work"], user="operator")
    wait_for(lambda: host.run(["busctl", "get-property", ALIAS_HOSTNAME, HOSTNAME_PATH, HOSTNAME,
                               "Hostname"], user="operator", check=False).returncode == 0,
             5, "calls work again")
