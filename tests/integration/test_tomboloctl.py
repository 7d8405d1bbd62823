# SPDX-License-Identifier: LGPL-2.1-or-later
"""tomboloctl on the test host: each verb, its output forms and its exit codes."""
import json

import pytest

from guests import HOSTNAME, HOSTNAME_PATH, guest_run, machine_property, started, stopped, wait_for

DONE, FAILED, USAGE, NOT_FOUND, DENIED, NO_DAEMON, UNREACHABLE, TIMED_OUT = range(8)
PROPERTIES = "org.freedesktop.DBus.Properties"
PUBLIC_FILE = "/usr/bin/busctl"  # never booted


def ctl(host, *words, user="operator", **options):
    options.setdefault("check", False)
    return host.run(["tomboloctl", *words], user=user, **options)


def failed(answer, code):
    """One line on standard error, nothing on the other, and this exit code."""
    assert answer.returncode == code, answer.stdout + answer.stderr
    assert answer.stdout == ""
    assert answer.stderr.startswith("tomboloctl: ")
    assert answer.stderr.count("\n") == 1
    return answer.stderr


def call(host, *words, user="operator"):
    return ctl(host, "call", *words, user=user)


def get_host_name(host, *words, user="operator"):
    return call(host, *words, "work", HOSTNAME, HOSTNAME_PATH, PROPERTIES, "Get", "ss", HOSTNAME,
                "Hostname", user=user)


def test_list(host):
    table = ctl(host, "list", check=True).stdout.splitlines()
    assert table[0].split() == ["NAME", "STATE", "AGENT", "MONITOR", "DESCRIPTION"]
    assert table[-1].endswith("machines.")
    bare = ctl(host, "list", "--no-legend", check=True).stdout.splitlines()
    assert [line.split() for line in bare] == [line.split() for line in table[1:-2]]
    machines = json.loads(ctl(host, "list", "--json=short", check=True).stdout)
    assert [line.split()[0] for line in bare] == [machine["name"] for machine in machines]
    assert json.loads(ctl(host, "--json=pretty", check=True).stdout) == machines


def test_list_fits_the_line(host):
    for width in ("55", "70"):
        lines = ctl(host, "list", check=True, environment={"COLUMNS": width}).stdout.splitlines()
        assert all(len(line) <= int(width) for line in lines)


def test_status(host):
    started(host, "work")
    shown = ctl(host, "status", "work", check=True).stdout
    for text in ("State: running", "Agent: connected", "tombolo-container@work.service",
                 "/run/tombolo/bus/work", f"org.tombolo.Guest1.work.{HOSTNAME}"):
        assert text in shown
    described = json.loads(ctl(host, "status", "work", "--json=short", check=True).stdout)
    assert described[0]["agent_state"] == "connected"
    assert described[0]["exports"][HOSTNAME] == f"org.tombolo.Guest1.work.{HOSTNAME}"
    assert len(described[0]["invocation_id"]) == 32


def test_unknown_machine(host):
    for verb in ("status", "start", "stop", "restart", "kill", "pause", "resume"):
        assert "nobody" in failed(ctl(host, verb, "nobody"), NOT_FOUND)
    failed(ctl(host, "delete", "nobody", user="root"), NOT_FOUND)
    failed(ctl(host, "call", "nobody", HOSTNAME, "/", "a.b", "M"), NOT_FOUND)


def test_first_failure_is_the_exit_code(host):
    answer = ctl(host, "status", "nobody", "work", "Not-A-Name")
    assert answer.returncode == NOT_FOUND
    assert answer.stderr.count("\n") == 2
    assert "work" in answer.stdout


@pytest.mark.parametrize("words", [
    ["frob"], ["list", "x"], ["start"], ["start", "--timeout=3", "work"], ["--json=yes"],
    ["stop", "work", "--timeout=soon"], ["create", "x"], ["create", "x", "--file=/dev/null"],
    ["create", "x", "--file=/nowhere", "--memory=1G"], ["status", "Not A Name"],
    ["call", "work", HOSTNAME, HOSTNAME_PATH, PROPERTIES],
    ["call", "work", ":1.1", HOSTNAME_PATH, PROPERTIES, "Get"],
    ["call", "work", HOSTNAME, "path", PROPERTIES, "Get"],
    ["call", "work", HOSTNAME, HOSTNAME_PATH, PROPERTIES, "Get", "ss", "one"],
    ["call", "work", HOSTNAME, HOSTNAME_PATH, PROPERTIES, "Get", "h", "0"],
    ["call", "Not A Name", HOSTNAME, "/", "a.b", "M"],
])
def test_usage(host, words):
    failed(ctl(host, *words), USAGE)


def test_help_for_each_verb(host):
    general = ctl(host, "--help", check=True).stdout
    listed = general.partition("Verbs")[2].partition("Options")[0].splitlines()
    verbs = [line.split()[0] for line in listed if line.strip()]
    assert {"list", "status", "call", "monitor", "create"} <= set(verbs)
    for verb in verbs:
        assert f" {verb}" in ctl(host, verb, "--help", check=True).stdout.splitlines()[0]
        assert ctl(host, "help", verb, check=True).stdout


def test_version(host):
    ours, theirs = ctl(host, "version", check=True).stdout.split("\n")[:2]
    assert ours.split()[1] == theirs.split()[1]


def test_denied(host):
    stopped(host, "work")
    for words in (["start", "work"], ["reload"],
                  ["create", "x", "--monitor=qemu", f"--kernel={PUBLIC_FILE}"]):
        failed(ctl(host, *words, "--no-ask-password", user="visitor"), DENIED)
    started(host, "work")
    failed(get_host_name(host, user="visitor"), DENIED)


def test_no_daemon(host):
    nowhere = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"}
    failed(ctl(host, "list", environment=nowhere), NO_DAEMON)


def test_call(host):
    started(host, "work")
    inside = guest_run(host, "work", ["hostname"]).stdout.strip()
    assert get_host_name(host).stdout == f'v s "{inside}"\n'
    answer = get_host_name(host, "--json=short")
    assert json.loads(answer.stdout) == {"type": "v", "data": [{"type": "s", "data": inside}]}
    ping = call(host, "work", HOSTNAME, HOSTNAME_PATH, "org.freedesktop.DBus.Peer", "Ping")
    assert (ping.returncode, ping.stdout) == (DONE, "")


def test_call_writes_as_busctl_does(host):
    started(host, "work")
    ours = call(host, "work", HOSTNAME, HOSTNAME_PATH, PROPERTIES, "GetAll", "s", HOSTNAME)
    theirs = host.run(["busctl", "call", f"org.tombolo.Guest1.work.{HOSTNAME}", HOSTNAME_PATH,
                       PROPERTIES, "GetAll", "s", HOSTNAME], user="operator")
    assert sorted(ours.stdout.split()) == sorted(theirs.stdout.split())


def test_call_that_fails(host):
    started(host, "work")
    error = failed(call(host, "work", HOSTNAME, HOSTNAME_PATH, HOSTNAME, "Nothing"), FAILED)
    assert "org.freedesktop.DBus.Error.UnknownMethod" in error
    assert "export" in failed(call(host, "work", "org.example.None", "/", "a.b", "M"), UNREACHABLE)


def test_call_into_a_stopped_machine(host):
    stopped(host, "work")
    assert "start" in failed(get_host_name(host), UNREACHABLE)


def test_start_waits_for_the_agent(host):
    stopped(host, "work")
    ctl(host, "start", "work", "--wait-agent=60", check=True)
    assert machine_property(host, "work", "AgentState") == "connected"
    before = machine_property(host, "work", "InvocationID")
    ctl(host, "restart", "work", "--wait-agent=60", check=True)
    assert machine_property(host, "work", "AgentState") == "connected"
    assert machine_property(host, "work", "InvocationID") != before
    failed(ctl(host, "start", "work"), FAILED)  # it runs


def test_pause_and_resume(host):
    started(host, "work")
    ctl(host, "pause", "work", check=True)
    assert machine_property(host, "work", "State") == "paused"
    ctl(host, "resume", "work", check=True)
    assert machine_property(host, "work", "State") == "running"


def test_stop_is_done_when_it_returns(host):
    started(host, "work")
    ctl(host, "stop", "work", "--timeout=20", check=True)
    assert machine_property(host, "work", "State") == "stopped"
    ctl(host, "stop", "work", check=True)


def test_monitor(host):
    stopped(host, "work")
    watcher = host.popen(["tomboloctl", "monitor", "--json=short", "work"], user="visitor")
    wait_for(lambda: "tomboloctl" in host.run(["busctl", "list", "--no-legend"]).stdout, 10,
             "the monitor is on the bus")
    ctl(host, "start", "work", check=True)
    states = []
    while "running" not in states:
        event = json.loads(watcher.stdout.readline())
        assert event["event"] == "changed" and event["machine"] == "work"
        states += [event["properties"]["state"]] if "state" in event["properties"] else []


def test_create_and_delete(host):
    try:
        ctl(host, "create", "made:here", "--monitor=qemu", f"--kernel={PUBLIC_FILE}",
            "--memory=64M", "--description=Made of words", user="root", check=True)
        assert machine_property(host, "made:here", "Description") == "Made of words"
        failed(ctl(host, "delete", "made:here", "--no-ask-password", user="visitor"), DENIED)
        again = ctl(host, "create", "made:here", "--monitor=qemu", f"--kernel={PUBLIC_FILE}",
                    user="root")
        failed(again, FAILED)
    finally:
        ctl(host, "delete", "made:here", user="root")
    failed(ctl(host, "status", "made:here"), NOT_FOUND)


def test_create_from_a_file(host):
    text = ("# a comment\n[Machine]\nMonitor=qemu\n\n"
            f"[Qemu]\nKernel={PUBLIC_FILE}\nDisk=/usr/bin/id:raw:ro\nDisk=/usr/bin/env:raw:ro\n")
    try:
        ctl(host, "create", "from-file", "--file=-", user="root", input=text, check=True)
        assert machine_property(host, "from-file", "State") == "stopped"
    finally:
        ctl(host, "delete", "from-file", user="root")
    text = "[Machine]\nMonitor=vax\n"
    refused = ctl(host, "create", "from-file", "--file=-", user="root", input=text)
    assert "vax" in failed(refused, USAGE)


def on_terminal(host, *words, environment=()):
    """What a terminal would show."""
    script = " ".join(["env", "TERM=xterm", *environment, "tomboloctl", *words])
    return host.run(["script", "-qec", script, "/dev/null"], user="operator").stdout


def test_terminal(host):
    assert "\033[" in on_terminal(host, "list", "--no-pager")
    assert "\033[" not in on_terminal(host, "list", "--no-pager", environment=["NO_COLOR=1"])
    pager = ["SYSTEMD_PAGER='sed s/machines/paged/'"]
    assert "paged" in on_terminal(host, "list", environment=pager)
    assert "paged" not in on_terminal(host, "list", "--no-pager", environment=pager)
