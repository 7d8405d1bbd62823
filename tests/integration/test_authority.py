# SPDX-License-Identifier: LGPL-2.1-or-later
"""Deny by default: who may not, may not, and a caller that vanishes leaves nothing."""
import json
import time

import pytest

from guests import (ALIAS_HOSTNAME, HOSTNAME, HOSTNAME_PATH, guest_run, machine_property, started,
                    stopped, unit_property)

HOST = "org.tombolo.Host1"
ROOT = "/org/tombolo/Host1"
WORK = ROOT + "/machine/work"
GOOD = "{'Machine': {'Monitor': <'qemu'>}, 'Qemu': {'Kernel': <'/srv/kernel'>}}"
ALIASED = ("{'Machine': {'Monitor': <'qemu'>}, 'Qemu': {'Kernel': <'/usr/bin/id'>}, "
           "'Bus': {'Alias': <'org.example.App:org.freedesktop.NetworkManager'>}}")
DENIED = ("AccessDenied", "InteractiveAuthorizationRequired")


def call(host, user, path, interface, method, *arguments):
    return host.run(["gdbus", "call", "--system", "--dest", HOST, "--object-path", path, "--method",
                     f"{interface}.{method}", *arguments], user=user, check=False)


@pytest.mark.parametrize("path,interface,method,arguments", [
    (WORK, HOST + ".Machine", "Start", ["@a{sv} {}"]),
    (WORK, HOST + ".Machine", "Stop", ["@a{sv} {}"]),
    (WORK, HOST + ".Machine", "Restart", ["@a{sv} {}"]),
    (WORK, HOST + ".Machine", "Kill", ["@a{sv} {}"]),
    (WORK, HOST + ".Machine", "Pause", []),
    (WORK, HOST + ".Machine", "Resume", []),
    (ROOT, HOST + ".Manager", "CreateMachine", ["evil", GOOD, "@a{sv} {}"]),
    (ROOT, HOST + ".Manager", "CreateMachine", ["evil", GOOD.replace("/srv/kernel", "/srv/none"), "@a{sv} {}"]),
    (ROOT, HOST + ".Manager", "Reload", []),
    (ROOT, HOST + ".Bridge", "Report", ["work", "connected", "", "@a{ss} {}", "@a{ss} {}", "@as []"]),
])
def test_visitor_may_not(host, path, interface, method, arguments):
    stopped(host, "work")
    answer = call(host, "visitor", path, interface, method, *arguments)
    assert answer.returncode != 0
    assert any(name in answer.stderr for name in DENIED), answer.stderr
    assert machine_property(host, "work", "State") == "stopped"


def test_nobody_but_the_bridge_reports(host):
    for user in ("root", "operator"):
        answer = call(host, user, ROOT, HOST + ".Bridge", "Report", "work", "connected", "", "@a{ss} {}", "@a{ss} {}", "@as []")
        assert "AccessDenied" in answer.stderr, answer.stderr
    assert machine_property(host, "work", "AgentState") == "none"


def test_everybody_may_read(host):
    answer = host.run(["tomboloctl", "list", "--json=short"], user="visitor")
    assert {"work", "net", "lab"} <= {machine["name"] for machine in json.loads(answer.stdout)}


@pytest.mark.parametrize("path,interface,method,arguments,error", [
    (WORK, HOST + ".Machine", "Start", ["{'speed': <1>}"], "org.tombolo.Error.InvalidArgument"),
    (WORK, HOST + ".Machine", "Stop", ["{'timeout': <'soon'>}"], "org.tombolo.Error.InvalidArgument"),
    (WORK, HOST + ".Machine", "Stop", ["{'timeout': <uint64 18446744073709551615>}"], "org.tombolo.Error.InvalidArgument"),
    (WORK, HOST + ".Machine", "Kill", ["{'signal': <9>}"], "org.tombolo.Error.InvalidArgument"),
    (WORK, HOST + ".Machine", "Restart", ["{'x': <9>}"], "org.tombolo.Error.InvalidArgument"),
    (WORK, HOST + ".Machine", "Pause", [], "org.tombolo.Error.InvalidState"),
    (WORK, HOST + ".Machine", "Resume", [], "org.tombolo.Error.InvalidState"),
    (ROOT, HOST + ".Manager", "FindMachine", ["nobody"], "org.tombolo.Error.NoSuchMachine"),
    (ROOT, HOST + ".Manager", "FindMachine", ["../etc"], "org.tombolo.Error.InvalidName"),
    (ROOT, HOST + ".Manager", "DeleteMachine", ["nobody", "@a{sv} {}"], "org.tombolo.Error.NoSuchMachine"),
    (ROOT, HOST + ".Manager", "DeleteMachine", ["work", "@a{sv} {}"], "org.tombolo.Error.NotSupported"),
    (ROOT, HOST + ".Manager", "DeleteMachine", ["work", "{'force': <true>}"], "org.tombolo.Error.InvalidArgument"),
    (ROOT, HOST + ".Manager", "CreateMachine", ["No Name", "{'Machine': {'Monitor': <'qemu'>}}", "@a{sv} {}"], "org.tombolo.Error.InvalidName"),
    (ROOT, HOST + ".Manager", "CreateMachine", ["a", "{'Machine': {'Monitor': <'container'>}, 'Container': {'Root': <'/srv'>}}", "@a{sv} {}"], "org.tombolo.Error.NotSupported"),
    (ROOT, HOST + ".Manager", "CreateMachine", ["a", ALIASED, "@a{sv} {}"], "org.tombolo.Error.NotSupported"),
    (ROOT, HOST + ".Manager", "CreateMachine", ["a", "{'Machine': {'Monitor': <'vax'>}}", "@a{sv} {}"], "org.tombolo.Error.InvalidSettings"),
    (ROOT, HOST + ".Manager", "CreateMachine", ["a", "{'Machine': {'Monitor': <uint32 7>}}", "@a{sv} {}"], "org.tombolo.Error.InvalidSettings"),
    (ROOT, HOST + ".Manager", "CreateMachine", ["a", "{'Machine': {'Monitor': <'qemu\\n[Qemu]'>}}", "@a{sv} {}"], "org.tombolo.Error.InvalidSettings"),
    (ROOT, HOST + ".Manager", "CreateMachine", ["a", "@a{sa{sv}} {}", "@a{sv} {}"], "org.tombolo.Error.InvalidSettings"),
    (ROOT, HOST + ".Manager", "CreateMachine", ["work", "{'Machine': {'Monitor': <'qemu'>}, 'Qemu': {'Kernel': <'/boot/none'>}}", "@a{sv} {}"], "org.tombolo.Error.MachineExists"),
])
def test_bad_arguments_get_a_named_error(host, path, interface, method, arguments, error):
    stopped(host, "work")
    answer = call(host, "root", path, interface, method, *arguments)
    assert answer.returncode != 0
    assert error in answer.stderr, answer.stderr


def test_arguments_of_a_wrong_type(host):
    answer = host.run(["busctl", "call", HOST, WORK, HOST + ".Machine", "Start", "s", "x"], check=False)
    assert answer.returncode != 0
    assert "invalid arg" in answer.stderr.lower() or "type" in answer.stderr.lower(), answer.stderr


@pytest.mark.parametrize("path,why", [
    ("/var/lib/tombolo/ca/ca.key", "not every local user may reach it"),
    ("/etc/shadow", "Permission denied"),
])
def test_created_machine_reads_only_what_everybody_may(host, path, why):
    """CreateMachine() is no way to read tombolod's own files, or root's."""
    host.run(["test", "-s", path])
    settings = f"{{'Machine': {{'Monitor': <'qemu'>}}, 'Qemu': {{'Type': <'microvm'>, 'Kernel': <'{path}'>}}}}"
    answer = call(host, "root", ROOT, HOST + ".Manager", "CreateMachine", "thief", settings, "@a{sv} {}")
    assert answer.returncode == 0, answer.stderr  # its files are looked at when it starts
    try:
        answer = host.run(["tomboloctl", "start", "thief"], check=False)
        assert answer.returncode != 0
        assert f"“{path}”: {why}" in answer.stderr, answer.stderr
        assert machine_property(host, "thief", "State") == "failed"
    finally:
        host.run(["tomboloctl", "delete", "thief"], check=False)
    assert "thief" not in host.run(["tomboloctl", "list"]).stdout


def test_created_machine_reads_nothing_of_the_kernels(host):
    """What tombolod may open in /proc is more than its callers may, whatever the mode says."""
    pid = unit_property(host, "tombolod.service", "MainPID")
    settings = GOOD.replace("/srv/kernel", f"/proc/{pid}/maps")
    answer = call(host, "root", ROOT, HOST + ".Manager", "CreateMachine", "thief", settings, "@a{sv} {}")
    if answer.returncode == 0:
        answer = host.run(["tomboloctl", "start", "thief"], check=False)
        host.run(["tomboloctl", "delete", "thief"], check=False)
    assert answer.returncode != 0
    assert "it is the kernel's, not a file" in answer.stderr, answer.stderr


def test_created_and_deleted(host):
    host.run(["touch", "/srv/kernel"])
    answer = call(host, "root", ROOT, HOST + ".Manager", "CreateMachine", "team:web", GOOD, "@a{sv} {}")
    assert "/org/tombolo/Host1/machine/team_3aweb" in answer.stdout, answer.stderr
    assert machine_property(host, "team:web", "State") == "stopped"
    host.run(["systemctl", "restart", "tombolod"])
    assert machine_property(host, "team:web", "State") == "stopped"
    answer = call(host, "visitor", ROOT, HOST + ".Manager", "DeleteMachine", "team:web", "@a{sv} {}")
    assert any(name in answer.stderr for name in DENIED), answer.stderr
    host.run(["tomboloctl", "delete", "team:web"])
    assert call(host, "root", ROOT, HOST + ".Manager", "FindMachine", "team:web").returncode != 0


SLOW_RULE = """
polkit.addRule(function(action, subject) {
  if (subject.user == "visitor" && action.id.indexOf("org.tombolo.Host1.") == 0) {
    polkit.spawn(["/bin/sleep", "2"]);
    return polkit.Result.YES;
  }
});
"""


@pytest.fixture
def slow_polkit(host):
    """polkit takes two seconds, and then says yes to visitor."""
    path = "/etc/polkit-1/rules.d/00-slow.rules"
    host.run(["tee", path], input=SLOW_RULE)
    time.sleep(1)
    yield
    host.run(["rm", path])
    time.sleep(1)


def test_a_caller_that_vanishes_during_the_check_is_denied(host, slow_polkit):
    stopped(host, "work")
    pid = unit_property(host, "tombolod.service", "MainPID")
    descriptors = len(host.run(["ls", f"/proc/{pid}/fd"]).stdout.split())
    for _ in range(3):
        host.run(["timeout", "-s", "KILL", "0.5", "gdbus", "call", "--system", "--dest", HOST, "--object-path", WORK,
                  "--method", HOST + ".Machine.Start", "@a{sv} {}"], user="visitor", check=False)
    time.sleep(8)
    assert machine_property(host, "work", "State") == "stopped"
    assert unit_property(host, "tombolod.service", "MainPID") == pid
    assert len(host.run(["ls", f"/proc/{pid}/fd"]).stdout.split()) <= descriptors + 1


def set_pretty_name(host, name, before):
    """As visitor, by a program that has so many seconds."""
    return host.run(["timeout", "-s", "KILL", before, "gdbus", "call", "--system", "--dest", ALIAS_HOSTNAME,
                     "--object-path", HOSTNAME_PATH, "--method", HOSTNAME + ".SetPrettyHostname", name,
                     "false"], user="visitor", check=False)


def test_a_caller_that_vanishes_during_the_check_of_a_call(host, slow_polkit):
    """The call never reaches the guest; that of a caller who waits does."""
    started(host, "work")
    guest_run(host, "work", ["hostnamectl", "--pretty", "set-hostname", "Before"])
    assert set_pretty_name(host, "Vanished", "0.5").returncode != 0
    time.sleep(4)
    shown = guest_run(host, "work", ["hostnamectl", "--pretty"]).stdout.strip()
    assert shown == "Before"
    assert set_pretty_name(host, "Waited", "20").returncode == 0
    assert guest_run(host, "work", ["hostnamectl", "--pretty"]).stdout.strip() == "Waited"
    assert machine_property(host, "work", "AgentState") == "connected"
