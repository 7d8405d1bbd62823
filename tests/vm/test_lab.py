# SPDX-License-Identifier: LGPL-2.1-or-later
"""The same against a real QEMU guest: call, refusal, signal, pause, recovery, ordered stop."""
import json
import time

import pytest

from guests import (HOSTNAME, HOSTNAME_PATH, client, in_links_namespace, machine_property, started,
                    stopped, unit_property, wait_for)

ALIAS = "org.tombolo.Guest1.lab."
BUS_SOCKET = "unix:path=/run/tombolo/bus/lab"
RECOVERY_SECONDS = 3


@pytest.fixture(scope="module")
def lab(test_host):
    host = test_host
    started(host, "lab", 180)
    yield
    stopped(host, "lab")


def read_hostname(host, user, check=True):
    return host.run(["busctl", "get-property", ALIAS + HOSTNAME, HOSTNAME_PATH, HOSTNAME, "Hostname"],
                    user=user, check=check, timeout=60)


def test_root_reads_the_guests_host_name(host, lab):
    inside = json.loads(host.run(
        ["busctl", "--json=short", "get-property", ALIAS + HOSTNAME, HOSTNAME_PATH, HOSTNAME, "KernelRelease"],
        timeout=60).stdout)["data"]
    assert inside != host.run(["uname", "-r"]).stdout.strip()
    assert read_hostname(host, "root").stdout.strip() == 's "lab"'


# operator's rule covers `work` and `net` only.
others = pytest.mark.parametrize("user", ["operator", "visitor"])


def refused(answer):
    """Neither of them may authenticate here, and gdbus does not let them: that is what they hear."""
    assert answer.returncode != 0
    assert "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired" in answer.stderr, answer.stderr


@others
def test_others_are_refused(host, lab, user):
    refused(host.run(["gdbus", "call", "--system", "--dest", ALIAS + HOSTNAME, "--object-path", HOSTNAME_PATH,
                      "--method", "org.freedesktop.DBus.Properties.Get", HOSTNAME, "Hostname"],
                     user=user, check=False))


def introspect(host, user, **options):
    return host.run(["gdbus", "introspect", "--system", "--dest", ALIAS + HOSTNAME, "--object-path",
                     HOSTNAME_PATH], user=user, **options)


def test_introspection(host, lab):
    shown = introspect(host, "root").stdout
    assert "interface org.freedesktop.hostname1" in shown
    assert "SetPrettyHostname" in shown


@others
def test_others_are_refused_introspection(host, lab, user):
    answer = introspect(host, user, check=False)
    assert "SetPrettyHostname" not in answer.stdout
    assert "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired" in answer.stderr, answer.stderr


def test_bus_socket_lists_the_exported_names_only(host, lab):
    answer = host.run(["busctl", f"--address={BUS_SOCKET}", "list", "--json=short"], timeout=60)
    names = {entry["name"] for entry in json.loads(answer.stdout)}
    assert {"org.freedesktop.DBus", HOSTNAME, "org.freedesktop.systemd1"} <= names
    assert "org.freedesktop.PolicyKit1" not in names  # is in the guest, is not exported


@others
def test_others_are_refused_on_the_bus_socket(host, lab, user):
    refused(host.run(["gdbus", "call", "--address", BUS_SOCKET, "--dest", "org.freedesktop.DBus", "--object-path",
                      "/org/freedesktop/DBus", "--method", "org.freedesktop.DBus.ListNames"],
                     user=user, check=False))
    listed = host.run(["busctl", f"--address={BUS_SOCKET}", "list"], user=user, check=False)
    assert listed.returncode != 0
    assert HOSTNAME not in listed.stdout


def test_signals_reach_who_called_and_nobody_else(host, lab):
    arguments = ["8", ALIAS + HOSTNAME, HOSTNAME_PATH, HOSTNAME]
    called = client(host, "listen.py", [*arguments, "call"], user="root")
    others = [client(host, "listen.py", arguments, user=user) for user in ("root", "operator", "visitor")]
    host.run(["busctl", "call", ALIAS + HOSTNAME, HOSTNAME_PATH, HOSTNAME, "SetPrettyHostname", "sb",
              "Lighthouse", "false"], timeout=60)
    heard = [json.loads(line)["changed"] for line in called.communicate(timeout=60)[0].splitlines()]
    assert [changed.get("PrettyHostname") for changed in heard].count("Lighthouse") == 1, heard
    for process in others:
        assert process.communicate(timeout=60)[0] == ""


def test_no_service_of_the_host_is_on_its_link(host, lab):
    """Its link ends where nothing listens and nothing is forwarded. (What a container guest sees of
    the same end, with every protocol, is in test_isolation.py.)"""
    interface = machine_property(host, "lab", "Interface")
    assert interface not in host.run(["ip", "-o", "link"]).stdout
    assert interface in in_links_namespace(host, ["ip", "-o", "link"]).stdout
    assert in_links_namespace(host, ["ss", "-Hlntuw"]).stdout == ""
    addresses = in_links_namespace(host, ["ip", "-o", "addr", "show", "dev", interface]).stdout
    assert [line.split()[3] for line in addresses.splitlines()] == ["fe80::1/64"]
    for switch in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        assert in_links_namespace(host, ["cat", f"/proc/sys/net/{switch}"]).stdout.strip() == "0"


def test_pause_and_resume_by_qmp(host, lab):
    host.run(["tomboloctl", "pause", "lab"], user="operator")
    assert machine_property(host, "lab", "State") == "paused"
    answer = host.run(["busctl", "--timeout=2", "get-property", ALIAS + HOSTNAME, HOSTNAME_PATH, HOSTNAME,
                       "Hostname"], check=False)
    assert answer.returncode != 0
    host.run(["tomboloctl", "resume", "lab"], user="operator")
    assert machine_property(host, "lab", "State") == "running"
    wait_for(lambda: read_hostname(host, "root", check=False).returncode == 0, 20, "calls work again")


def test_long_pause_recovers(host, lab):
    """Past the keep-alive: the tunnel breaks, and comes back without help."""
    host.run(["tomboloctl", "pause", "lab"], user="operator")
    wait_for(lambda: machine_property(host, "lab", "AgentState") == "connecting", 20, "the dead peer is found")
    host.run(["tomboloctl", "resume", "lab"], user="operator")
    wait_for(lambda: machine_property(host, "lab", "AgentState") == "connected", 20, "connected again")
    assert read_hostname(host, "root").returncode == 0


def test_tombolod_killed_is_noticed_by_no_call(host, lab):
    host.run(["kill", "-9", unit_property(host, "tombolod.service", "MainPID")])
    begin = time.monotonic()
    while time.monotonic() - begin < RECOVERY_SECONDS:
        assert read_hostname(host, "root").stdout.strip() == 's "lab"'


def test_tombolod_killed_adopts_it_again(host, lab):
    before = unit_property(host, "tombolo-machine@lab.service", "MainPID")
    host.run(["kill", "-9", unit_property(host, "tombolod.service", "MainPID")])
    wait_for(lambda: host.run(["busctl", "status", "org.tombolo.Host1"], check=False).returncode == 0, 10, "it is back")
    wait_for(lambda: machine_property(host, "lab", "AgentState") == "connected", 10, "adopted")
    assert machine_property(host, "lab", "State") == "running"
    assert unit_property(host, "tombolo-machine@lab.service", "MainPID") == before
    host.run(["tomboloctl", "pause", "lab"], user="operator")  # QMP was found again
    host.run(["tomboloctl", "resume", "lab"], user="operator")


def test_bridge_killed(host, lab):
    host.run(["kill", "-9", unit_property(host, "tombolo-bridge@lab.service", "MainPID")])
    wait_for(lambda: read_hostname(host, "root", check=False).returncode == 0, RECOVERY_SECONDS,
             "calls work again")
    assert machine_property(host, "lab", "State") == "running"


def test_monitor_killed_leaves_nothing(host):
    started(host, "lab", 180)
    interface = machine_property(host, "lab", "Interface")
    host.run(["kill", "-9", unit_property(host, "tombolo-machine@lab.service", "MainPID")])
    wait_for(lambda: machine_property(host, "lab", "State") in ("failed", "stopped"), 10, "noticed")
    daemon = unit_property(host, "tombolod.service", "MainPID")
    assert interface not in host.run(["nsenter", "-n", "-t", daemon, "ip", "-o", "link"]).stdout
    assert host.run(["find", "/run/tombolo", "-name", "lab*"]).stdout.strip() == ""
    started(host, "lab", 180)


def test_ordered_stop(host, lab):
    started(host, "lab", 180)
    host.run(["tomboloctl", "stop", "lab"], user="operator", timeout=120)
    assert machine_property(host, "lab", "State") == "stopped"
