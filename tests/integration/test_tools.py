# SPDX-License-Identifier: LGPL-2.1-or-later
"""Unmodified tools of systemd, GLib and D-Bus on the bus socket and on aliases: they say what they say
inside the guest, change what polkit allows at both ends, and are refused the rest."""
import json
import re
import subprocess

import pytest

from guests import HOSTNAME, HOSTNAME_PATH, guest_run, started, wait_for

MACHINE = "work"
SOCKET = f"unix:path=/run/tombolo/bus/{MACHINE}"
LOGIN = "org.freedesktop.login1"
LOGIN_PATH = "/org/freedesktop/login1"
BUOY = "tombolo-test-buoy.service"  # which a rule of the guest lets its host start and stop, and no more


@pytest.fixture(scope="module", autouse=True)
def work(test_host):
    started(test_host, MACHINE)


def on_socket(host, command, user="operator", **options):
    return host.run(command, user=user, environment={"DBUS_SYSTEM_BUS_ADDRESS": SOCKET}, **options)


def alias(name, machine=MACHINE):
    return f"org.tombolo.Guest1.{machine}.{name}"


# What differs by where and when a tool runs is cut away.

def unchanged(text):
    return text


def without_times(text):
    return re.sub(r"\d\d:\d\d:\d\d|CPU: .*", "", text)


def sorted_lists(text):
    """systemd tells some lists of names in an order of its own each time."""
    return [sorted(re.split(r"[=\s]", line)) for line in text.splitlines()]


def without_identity(text):
    """hostnamectl reads the identity of the machine that it runs on."""
    return re.sub(r"(Machine|Boot) ID:.*", "", text)


def without_processes(text):
    """systemctl looks a pid's name up where it runs."""
    return re.sub(r"(Main PID: \d+).*", r"\1", without_times(text))


def by_service(text):
    """busctl's trees of services, whose order is the bus's."""
    return sorted(part.strip() for part in re.split(r"^(?=Service )", text, flags=re.MULTILINE))


def exported_services(text):
    return [part for part in by_service(text)
            if re.match(r"Service org\.freedesktop\.(?!DBus:|PolicyKit1:)", part)]


SAME = [
    (["hostnamectl", "--json=short"], unchanged),
    (["hostnamectl", "status"], without_identity),
    (["timedatectl", "status"], without_times),
    (["timedatectl", "show"], without_times),
    (["timedatectl", "list-timezones"], unchanged),
    (["localectl", "status"], unchanged),
    (["loginctl", "list-sessions"], unchanged),
    (["loginctl", "list-users"], unchanged),
    (["loginctl", "show-seat", "seat0"], unchanged),
    (["systemctl", "list-units", "--all", "--full", "--plain"], unchanged),
    (["systemctl", "list-unit-files"], unchanged),
    (["systemctl", "list-dependencies", "--plain", "multi-user.target"], unchanged),
    (["systemctl", "list-timers", "--all", "--output=json"], unchanged),
    (["systemctl", "show", BUOY], sorted_lists),
    (["systemctl", "cat", "dbus.service"], unchanged),
    (["systemctl", "is-enabled", "tombolo-guestd.service"], unchanged),
    (["systemctl", "is-active", "dbus.service"], unchanged),
    (["systemctl", "status", "--lines=0", "dbus.service"], without_processes),
    (["busctl", "tree"], exported_services),
    (["busctl", "introspect", LOGIN, LOGIN_PATH], unchanged),
    (["busctl", "get-property", HOSTNAME, HOSTNAME_PATH, HOSTNAME, "Hostname", "KernelName"], unchanged),
    (["busctl", "--json=pretty", "call", LOGIN, LOGIN_PATH, f"{LOGIN}.Manager", "ListSeats"], unchanged),
    (["gdbus", "introspect", "--system", "--dest", LOGIN, "-o", LOGIN_PATH, "--recurse"], unchanged),
    (["gdbus", "call", "--system", "--dest", LOGIN, "-o", LOGIN_PATH, "-m", f"{LOGIN}.Manager.ListSeats"],
     unchanged),
    (["gdbus", "wait", "--system", "--timeout", "10", LOGIN], unchanged),
    (["dbus-send", "--system", "--print-reply=literal", f"--dest={LOGIN}", LOGIN_PATH,
      f"{LOGIN}.Manager.ListSeats"], unchanged),
]


@pytest.mark.parametrize("command,cut", SAME, ids=lambda value: " ".join(value[:3]) if isinstance(value, list) else "")
def test_a_tool_says_what_it_says_in_the_guest(host, command, cut):
    def compared():
        told = cut(on_socket(host, command).stdout)
        inside = cut(guest_run(host, MACHINE, command, check=False).stdout)
        return told, inside

    told, inside = compared()
    if told != inside:  # the guest does not stand still
        told, inside = compared()
    assert told == inside
    assert told or command[:2] == ["gdbus", "wait"]


def calls(login, hostname):
    """Commands with the names of two services as they are called on a bus."""
    return [
        ["busctl", "tree", login],
        ["busctl", "introspect", login, LOGIN_PATH],
        ["busctl", "get-property", hostname, HOSTNAME_PATH, HOSTNAME, "Hostname"],
        ["busctl", "call", login, LOGIN_PATH, f"{LOGIN}.Manager", "ListSeats"],
        ["gdbus", "introspect", "--system", "--dest", login, "-o", LOGIN_PATH, "--recurse"],
        ["gdbus", "call", "--system", "--dest", login, "-o", LOGIN_PATH, "-m", f"{LOGIN}.Manager.ListSeats"],
    ]


def test_a_tool_says_the_same_on_an_alias(host):
    for outside, inside in zip(calls(alias(LOGIN), alias(HOSTNAME)), calls(LOGIN, HOSTNAME)):
        assert host.run(outside, user="operator").stdout == guest_run(host, MACHINE, inside).stdout


def test_busctl_list_names_what_is_exported_and_no_process_of_the_host(host):
    listed = json.loads(on_socket(host, ["busctl", "list", "--json=short"]).stdout)
    names = {entry["name"] for entry in listed}
    inside = json.loads(guest_run(host, MACHINE, ["busctl", "list", "--json=short"]).stdout)
    assert {HOSTNAME, LOGIN, "org.freedesktop.systemd1"} <= names
    assert {name for name in names if not name.startswith(":")} <= {entry["name"] for entry in inside}
    # Of the driver, busctl asks the socket itself, whose other end systemd has made.
    assert {entry["pid"] for entry in listed if entry["name"] != "org.freedesktop.DBus"} == {None}, listed


def active(host, unit=BUOY):
    return guest_run(host, MACHINE, ["systemctl", "is-active", unit], check=False).stdout.strip()


def test_systemctl_starts_and_stops_a_unit(host):
    on_socket(host, ["systemctl", "stop", BUOY])
    assert active(host) == "inactive"
    on_socket(host, ["systemctl", "start", BUOY])
    assert active(host) == "active"
    assert "active (exited)" in on_socket(host, ["systemctl", "status", BUOY]).stdout
    on_socket(host, ["systemctl", "stop", BUOY])
    assert active(host) == "inactive"


REFUSED_BY_THE_GUEST = [
    ["systemctl", "restart", BUOY],
    ["systemctl", "stop", "dbus.service"],
    ["systemctl", "set-property", BUOY, "CPUWeight=5"],
    ["systemctl", "freeze", BUOY],
    ["systemctl", "enable", BUOY],
    ["systemctl", "daemon-reload"],
    ["systemctl", "reboot"],
    ["systemd-run", "/bin/true"],
    ["localectl", "set-locale", "LANG=C"],
    ["busctl", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName", "su",
     "org.tombolo.Test1.Claimed", "0"],
]
REFUSAL = re.compile("Access denied|Interactive authentication required")


def test_the_guest_refuses_what_no_rule_names(host):
    for command in REFUSED_BY_THE_GUEST:
        refused = on_socket(host, command, check=False)
        assert refused.returncode != 0, command
        assert REFUSAL.search(refused.stderr), (command, refused.stderr)


VISITOR = [
    ["hostnamectl"], ["timedatectl"], ["localectl"], ["loginctl"], ["systemctl", "start", BUOY], ["busctl", "tree"],
    ["gdbus", "monitor", "--system", "--dest", HOSTNAME], ["nmcli"],
]


def test_the_host_refuses_who_may_nothing(host):
    for command in VISITOR:
        refused = on_socket(host, command, user="visitor", check=False)
        assert refused.returncode != 0, command
        assert re.search("denied|needs authentication|authentication required", refused.stderr, re.IGNORECASE), (
            command, refused.stderr)
    assert active(host) == "inactive"


def test_nobody_monitors_the_others(host):
    for tool in (["busctl", "monitor"], ["busctl", "capture"]):
        refused = on_socket(host, tool, check=False)
        assert refused.returncode != 0
        assert "BecomeMonitor failed: Access denied" in refused.stderr
    listener = host.popen(["timeout", "3", "dbus-monitor", "--address", SOCKET], user="operator",
                          stderr=subprocess.STDOUT)
    host.run(["sleep", "1"])
    on_socket(host, ["hostnamectl"])
    heard, _ = listener.communicate(timeout=30)
    assert "unable to enable new-style monitoring" in heard
    assert HOSTNAME not in heard


def monitor(host, arguments):
    """gdbus monitor, when it listens."""
    process = host.popen(["gdbus", "monitor", *arguments], user="operator")
    for line in process.stdout:
        if " is owned by " in line:
            return process
    raise AssertionError(process.stderr.read())


@pytest.mark.parametrize("machine,arguments", [
    (MACHINE, ["--address", SOCKET, "--dest", HOSTNAME]),
    ("net", ["--system", "--dest", alias(HOSTNAME, "net")]),  # whose machine file says Broadcast=
], ids=["socket", "alias"])
def test_gdbus_monitor_hears_of_a_change(host, machine, arguments):
    started(host, machine)
    guest_run(host, machine, ["hostnamectl", "--pretty", "set-hostname", "Ebb"])
    process = monitor(host, arguments)
    host.run(["sleep", "0.5"])  # it says that before its match rule is there
    guest_run(host, machine, ["hostnamectl", "--pretty", "set-hostname", "Flood"])
    for line in process.stdout:
        if "PrettyHostname" in line:
            break
    assert line.startswith(f"{HOSTNAME_PATH}: org.freedesktop.DBus.Properties.PropertiesChanged")
    assert "'PrettyHostname': <'Flood'>" in line


def test_hostnamectl_changes_the_guests_name(host):
    on_socket(host, ["hostnamectl", "--pretty", "set-hostname", "Sandbank"])
    assert json.loads(on_socket(host, ["hostnamectl", "--json=short"]).stdout)["PrettyHostname"] == "Sandbank"
    told = guest_run(host, MACHINE, ["hostnamectl", "--pretty"]).stdout
    assert told.strip() == "Sandbank"
    wait_for(lambda: "Sandbank" in guest_run(host, MACHINE, ["cat", "/etc/machine-info"]).stdout, 10,
             "the name is written")
