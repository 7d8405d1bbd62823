# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients on each of the D-Bus libraries get the same answers of a guest's service through the
bridge as on the guest's own bus: echo, errors, large messages, late replies, properties, signals."""
import json

import pytest

from testbed import place

from guests import CLIENTS, guest_root, guest_run, on_guest_bus, started

MACHINE = "work"
NAME = "org.tombolo.Test1.Echo"
UNIT = "tombolo-test-echo.service"
FOLDER = "/usr/local/lib/tombolo-tests"
HOST_BUS = "unix:path=/run/dbus/system_bus_socket"

NO_ANSWER = ("org.freedesktop.DBus.Error.NoReply: Did not receive a reply. Possible causes include: the remote "
             "application did not send a reply, the message bus security policy blocked the reply, the reply "
             "timeout expired, or the network connection was broken.")
# How each library says that a call was not answered in time.
LIBRARIES = {
    "sd-bus": "org.freedesktop.DBus.Error.Timeout: Connection timed out",
    "gdbus": "g-io-error-quark: Timeout was reached",
    "libdbus": NO_ANSWER,
    "dbus-python": NO_ANSWER,
}
ANSWERS = {
    "echo basic": "same ybnqiuxtdsog",
    "echo containers": "same a{sv}ayaas(s(iv))avauat",
    "echo empty": "same ",
    "error with detail": "org.tombolo.Test1.Error.Reef: Ran aground, depth 7",
    "error of the method": "org.freedesktop.DBus.Error.UnknownMethod: "
                           f"Unknown method Sink or interface {NAME}.",
    "error of the object": "org.freedesktop.DBus.Error.UnknownObject: Unknown object '/org/tombolo/Nowhere'.",
    "error of the interface": "org.freedesktop.DBus.Error.UnknownMethod: "
                              "Unknown method TakeNotes or interface org.tombolo.Test1.Nothing.",
    "error of the arguments": "org.freedesktop.DBus.Error.InvalidArgs: "
                              f"Invalid arguments '' to call {NAME}.Note(), expecting 's'.",
    "send 1 MiB": "1048576 ef0e6054",
    "receive 1 MiB": "1048576 ef0e6054",
    "send 15 MiB": "15728640 ab833d83",
    "receive 15 MiB": "15728640 ab833d83",
    "send 17 MiB": "17825792 ea2beb41",
    "receive 17 MiB": "17825792 ea2beb41",
    "no reply": "first second third ",
    "late reply": "late",
    "property": "sandbank 42",
    "unknown property": "org.freedesktop.DBus.Error.UnknownProperty: "
                        f"Unknown interface {NAME} or property Depth.",
    "read-only property": "org.freedesktop.DBus.Error.PropertyReadOnly: Property 'Kind' is not writable.",
    "changed property": "Value: high water; Value: low water; low water",
    "signals of a path": "2",
    "signals below a path": "5",
    "signals with an argument": "3",
    "signals of a namespace": "2",
    "signals of a member": "6",
    "signals of no member": "0",
}
# What does not cross: more than 16 MiB, either way.
REFUSALS = {
    "send 17 MiB": "org.tombolo.Error.LimitsExceeded: The call does not cross into machine “work”: the message or "
                   "its header is too large.",
    "receive 17 MiB": "org.tombolo.Error.LimitsExceeded: The reply does not cross from the guest: the message or "
                      "its header is too large.",
}
# Of the client that knows no library's time-outs and filters.
RAW_ANSWERS = {name: answer for name, answer in ANSWERS.items()
               if not name.startswith("signals") or name == "signals of a path"}


def built(host, program):
    return place.build("sanitize" if host.sanitize else "") / "tests/clients" / program


@pytest.fixture(scope="module", autouse=True)
def service(test_host):
    """The echo service in the guest, and its clients on the host."""
    started(test_host, MACHINE)
    test_host.push(built(test_host, "tombolo-echo-service"), f"{guest_root(MACHINE)}{FOLDER}/echo-service")
    for library in ("sd-bus", "gdbus", "libdbus"):
        test_host.push(built(test_host, f"tombolo-client-{library}"), f"{FOLDER}/client-{library}")
    for script in ("echo-dbus-python.py", "echo-raw.py"):
        test_host.push(CLIENTS / script, f"{FOLDER}/{script}")
    guest_run(test_host, MACHINE, ["systemd-run", "--quiet", "--collect", f"--unit={UNIT}",
                                   "--property=Type=notify", f"{FOLDER}/echo-service"])
    yield
    guest_run(test_host, MACHINE, ["systemctl", "stop", UNIT])


def answers(done):
    return json.loads(done.stdout)


def inside(host, command):
    return answers(on_guest_bus(host, MACHINE, lambda address: command(address, NAME)))


def through_bridge(host, command):
    """What it says on the bus socket, and by way of the alias."""
    return [answers(host.run(command(*where), user="operator"))
            for where in ((f"unix:path=/run/tombolo/bus/{MACHINE}", NAME),
                          (HOST_BUS, f"org.tombolo.Guest1.{MACHINE}.{NAME}"))]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_gets_the_same_answers(host, library):
    program = (["python3", f"{FOLDER}/echo-{library}.py"] if library == "dbus-python"
               else [f"{FOLDER}/client-{library}"])

    def command(address, destination):
        return [*program, address, destination]

    expected = {**ANSWERS, "time-out": LIBRARIES[library]}
    assert inside(host, command) == expected
    for said in through_bridge(host, command):
        assert said == {**expected, **REFUSALS}


@pytest.mark.parametrize("order", ["l", "B"])
def test_both_byte_orders_cross(host, order):
    def command(address, destination):
        return ["python3", f"{FOLDER}/echo-raw.py", address, destination, order]

    assert inside(host, command) == RAW_ANSWERS
    for said in through_bridge(host, command):
        assert said == {**RAW_ANSWERS, **REFUSALS}
