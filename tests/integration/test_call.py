# SPDX-License-Identifier: LGPL-2.1-or-later
"""A typed call into a guest: who may, who may not, and who hears the signals."""
import json

import pytest

from guests import ALIAS_HOSTNAME, HOSTNAME, HOSTNAME_PATH, client, guest_run, started

REFUSED = (
    "org.freedesktop.DBus.Error.AccessDenied",
    "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
)


@pytest.fixture(autouse=True)
def work(host):
    started(host, "work")


def get_property(host, user, destination=ALIAS_HOSTNAME):
    return host.run(
        ["gdbus", "call", "--system", "--dest", destination, "--object-path", HOSTNAME_PATH,
         "--method", "org.freedesktop.DBus.Properties.Get", HOSTNAME, "Hostname"],
        user=user, check=False)


def test_operator_reads_the_guests_host_name(host):
    answer = host.run(
        ["busctl", "get-property", ALIAS_HOSTNAME, HOSTNAME_PATH, HOSTNAME, "Hostname"],
        user="operator")
    inside = guest_run(host, "work", ["hostname"]).stdout.strip()
    outside = host.run(["hostname"]).stdout.strip()
    assert answer.stdout.strip() == f's "{inside}"'
    assert inside != outside


def test_introspection(host):
    answer = host.run(
        ["gdbus", "introspect", "--system", "--dest", ALIAS_HOSTNAME, "--object-path", HOSTNAME_PATH],
        user="operator")
    assert "interface org.freedesktop.hostname1" in answer.stdout
    assert "SetHostname" in answer.stdout


def test_bus_socket_lists_the_exported_names_only(host):
    answer = host.run(["busctl", "--address=unix:path=/run/tombolo/bus/work", "list", "--json=short"],
                      user="operator")
    names = {entry["name"] for entry in json.loads(answer.stdout)}
    assert "org.freedesktop.DBus" in names
    assert HOSTNAME in names
    assert "org.freedesktop.PolicyKit1" not in names  # runs in the guest, is not exported


def test_bus_socket_serves_unmodified_programs(host):
    answer = host.run(
        ["env", "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/tombolo/bus/work", "hostnamectl", "--json=short"],
        user="operator")
    inside = guest_run(host, "work", ["hostname"]).stdout.strip()
    assert json.loads(answer.stdout)["Hostname"] == inside


def nmcli(host, user, *words):
    return host.run(["nmcli", *words], user=user, check=False,
                    environment={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/run/tombolo/bus/net"})


def test_nmcli_runs_on_the_bus_socket(host):
    """libnm, with objects, properties and signals: it sees the guest's devices, not the host's."""
    started(host, "net")
    general = nmcli(host, "operator", "-t", "-f", "state", "general")
    assert general.returncode == 0, general.stderr
    assert general.stdout.strip()
    devices = nmcli(host, "operator", "-t", "-f", "device,type", "device").stdout.split()
    assert any(device.startswith("tg-") for device in devices), devices
    refused = nmcli(host, "visitor", "general")
    assert refused.returncode != 0
    assert any(name in refused.stderr for name in REFUSED), refused.stderr


def test_visitor_is_refused_on_the_alias(host):
    answer = get_property(host, "visitor")
    assert answer.returncode != 0
    assert any(name in answer.stderr for name in REFUSED), answer.stderr


def test_visitor_is_refused_introspection(host):
    answer = host.run(
        ["gdbus", "introspect", "--system", "--dest", ALIAS_HOSTNAME, "--object-path", HOSTNAME_PATH],
        user="visitor", check=False)
    assert "SetHostname" not in answer.stdout
    assert any(name in answer.stderr for name in REFUSED), answer.stderr


def test_visitor_is_refused_on_the_bus_socket(host):
    answer = host.run(["busctl", "--address=unix:path=/run/tombolo/bus/work", "list"],
                      user="visitor", check=False)
    assert answer.returncode != 0
    assert HOSTNAME not in answer.stdout
    assert "denied" in answer.stderr.lower() or "authentication" in answer.stderr.lower(), answer.stderr


def test_a_name_that_is_not_exported_is_nobodys(host):
    answer = get_property(host, "operator", "org.tombolo.Guest1.work.org.freedesktop.PolicyKit1")
    assert answer.returncode != 0
    assert "ServiceUnknown" in answer.stderr


def test_errors_of_the_service_pass_unchanged(host):
    answer = host.run(
        ["gdbus", "call", "--system", "--dest", ALIAS_HOSTNAME, "--object-path", HOSTNAME_PATH,
         "--method", "org.freedesktop.hostname1.NoSuchMethod"],
        user="operator", check=False)
    assert "org.freedesktop.DBus.Error.UnknownMethod" in answer.stderr


def listeners(host, *, name=ALIAS_HOSTNAME):
    """operator after a call, operator without one, visitor without one."""
    arguments = ["12", name, HOSTNAME_PATH, HOSTNAME]
    return (client(host, "listen.py", [*arguments, "call"], user="operator"),
            client(host, "listen.py", arguments, user="operator"),
            client(host, "listen.py", arguments, user="visitor"))


def heard(process):
    output, _ = process.communicate(timeout=60)
    return [json.loads(line)["changed"] for line in output.splitlines()]


def set_pretty_name(host, machine, value):
    guest_run(host, machine, ["hostnamectl", "--pretty", "set-hostname", value])


def test_signals_reach_who_called_and_nobody_else(host):
    called, silent, visitor = listeners(host)
    set_pretty_name(host, "work", "Sandbank")
    assert any(changed.get("PrettyHostname") == "Sandbank" for changed in heard(called))
    assert heard(silent) == []
    assert heard(visitor) == []


def test_broadcast_signals_reach_everybody(host):
    """Machine file `net` says Broadcast= for hostname1."""
    started(host, "net")
    everybody = listeners(host, name="org.tombolo.Guest1.net.org.freedesktop.hostname1")
    set_pretty_name(host, "net", "Lighthouse")
    for process in everybody:
        names = [changed.get("PrettyHostname") for changed in heard(process)]
        assert names.count("Lighthouse") == 1, names  # once: not again by unicast
