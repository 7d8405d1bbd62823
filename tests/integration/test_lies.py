# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that was taken over, its agent replaced by one that lies (test-rogue): whoever calls it may
be told nonsense, others hear nothing, and another guest's callers do not notice. Each lie has its own
line in tests/unit/bridge/test-lies.c; here it is real guests and the real bus policy."""
import json

import pytest

from testbed import place

from guests import (CLIENTS, HOSTNAME, HOSTNAME_PATH, client, guest_root, guest_run, machine_property, started,
                    unit_property, wait_for)

MACHINE = "work"
NAME = "org.example.Echo1"
ALIAS = f"org.tombolo.Guest1.{MACHINE}.{NAME}"
FOLDER = "/usr/local/lib/tombolo-tests"
DROP_IN = "/run/systemd/system/tombolo-guestd.service.d"
BRIDGE = f"tombolo-bridge@{MACHINE}.service"
ROUTES = {"alias": ("unix:path=/run/dbus/system_bus_socket", ALIAS),
          "socket": (f"unix:path=/run/tombolo/bus/{MACHINE}", NAME)}

# Answered, and nobody is worse off.
ANSWERED = ["ReplySender", "ReplyDestination", "ReplyTwice", "OwnerOfOthers", "CallUncalled"]
# The guest's own signals and calls, to its own caller.
SIGNALLED = ["SignalWithSerial", "SignalDestination", "OwnerFromService", "Storm"]
CALLED = ["CallDestination", "CallGood", "CallSwapped"]
# Cost the guest the channel.
CLOSED = ["ReplyOtherSerial", "SignalStranger", "SignalOfCaller", "OwnerNoUniqueName", "Descriptors",
          "CallNameless", "CallStranger", "CallDriver", "CallDescriptors", "BadUtf8", "BadPadding",
          "BadBoolean", "BadRest", "ArrayPastEnd", "ArrayOverCap", "TooDeep", "OversizeHeader",
          "OversizeMessage", "SizesThatWrap", "LocalInterface", "Truncated"]


@pytest.fixture
def rogue(host):
    """`work` with the liar in its agent's place; `net` is as ever."""
    started(host, MACHINE)
    started(host, "net")
    program = place.build("sanitize" if host.sanitize else "") / "tests/unit/bridge/test-rogue"
    host.push(program, f"{guest_root(MACHINE)}{FOLDER}/rogue")
    host.push(CLIENTS / "liar.py", f"{FOLDER}/liar.py")
    link = guest_run(host, MACHINE, ["sh", "-c", "ls /sys/class/net | grep ^tg-"]).stdout.strip()
    guest_run(host, MACHINE, ["mkdir", "-p", DROP_IN])
    guest_run(host, MACHINE, ["tee", f"{DROP_IN}/rogue.conf"],
              input=f"[Service]\nType=simple\nExecStart=\nExecStart={FOLDER}/rogue {link}\n")
    restart(host)
    wait_for(lambda: list(machine_property(host, MACHINE, "Exports").values())[:1] == [ALIAS], 10,
             "the liar's names are there")
    yield
    guest_run(host, MACHINE, ["rm", f"{DROP_IN}/rogue.conf"])
    restart(host)
    wait_for(lambda: HOSTNAME in machine_property(host, MACHINE, "Exports"), 10, "the agent is back")


def restart(host):
    guest_run(host, MACHINE, ["systemctl", "daemon-reload"])
    guest_run(host, MACHINE, ["systemctl", "restart", "tombolo-guestd.service"])


def lie(host, route, name, members):
    return json.loads(host.run(["python3", f"{FOLDER}/liar.py", *ROUTES[route], name, *members],
                               user="operator", timeout=120).stdout)


def heard(process):
    process.stdin.close()
    return json.loads(process.stdout.read().splitlines()[-1])


@pytest.mark.parametrize("route", ROUTES)
def test_lies_reach_nobody_else(host, rogue, route):
    bridge = unit_property(host, BRIDGE, "MainPID")
    caller = client(host, "bystander.py", [ALIAS], user="operator")
    stranger = client(host, "bystander.py", [], user="visitor")
    names = [process.stdout.readline().strip() for process in (caller, stranger)]
    stream = client(host, "stream.py", ["12", f"org.tombolo.Guest1.net.{HOSTNAME}", HOSTNAME_PATH, HOSTNAME,
                                        "Hostname"], user="operator")

    for name in names:
        said = lie(host, route, name, [*ANSWERED, *SIGNALLED, *CALLED, *CLOSED])
        assert {member: said[member] for member in ANSWERED} == {member: ["", []] for member in ANSWERED}
        assert {member: said[member] for member in SIGNALLED} == {member: ["", ["SignalMessage"]]
                                                                 for member in SIGNALLED}
        assert {member: said[member] for member in CALLED} == {member: ["", ["MethodCallMessage"]]
                                                              for member in CALLED}
        assert [member for member in CLOSED if not said[member][0] or said[member][1]] == []

    assert heard(caller) == []
    assert heard(stranger) == []
    entries = json.loads(stream.communicate(timeout=60)[0])
    assert len(entries) > 1000
    assert [entry for entry in entries if entry[2]] == []
    assert unit_property(host, BRIDGE, "MainPID") == bridge
