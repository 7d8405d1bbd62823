# SPDX-License-Identifier: LGPL-2.1-or-later
"""Machine.OpenBus(): a guest's bus with the authority of who opened it, and as long as that one is there."""
import time

import pytest

from guests import CLIENTS, guest_run, machine_property, started, stopped, unit_property

HOST = "org.tombolo.Host1"
WORK = "/org/tombolo/Host1/machine/work"
SCRIPT = "/usr/local/lib/tombolo-tests/open-bus.py"


@pytest.fixture(autouse=True)
def script(host):
    host.push(CLIENTS / "open-bus.py", SCRIPT)
    started(host, "work")


def run(host, user, *words):
    return host.run(["python3", SCRIPT, "work", *words], user=user, check=False)


def call(host, user, *arguments):
    return host.run(["gdbus", "call", "--system", "--dest", HOST, "--object-path", WORK, "--method",
                     f"{HOST}.Machine.OpenBus", *arguments], user=user, check=False)


def test_the_bus_is_the_guests(host):
    answer = run(host, "operator", "call")
    assert answer.stdout.strip() == guest_run(host, "work", ["hostname"]).stdout.strip(), answer.stderr


def test_visitor_may_open_and_is_refused_there(host):
    """What a bus gives nobody who may not: not even Hello."""
    answer = run(host, "visitor", "call")
    assert answer.returncode != 0
    assert "InteractiveAuthorizationRequired" in answer.stderr or "AccessDenied" in answer.stderr, answer.stderr


def test_its_authority_is_the_openers(host):
    """Not that of the process which holds the socket."""
    name = guest_run(host, "work", ["hostname"]).stdout.strip()
    assert run(host, "root", "lend", "visitor").stdout.strip() == f"got {name}"


def test_a_visitors_bus_gives_root_nothing_either(host):
    """The same the other way round, by a socket that visitor opened and root's process uses."""
    answer = host.run(["python3", "-c", LENT_BY_VISITOR, SCRIPT], check=False)
    assert answer.stdout.startswith("refused"), answer.stdout + answer.stderr


LENT_BY_VISITOR = """
import os, pwd, subprocess, sys, socket, array
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
names = {"__name__": "lent"}
source = open(sys.argv[1]).read().replace("\\nmain()\\n", "\\n")
exec(source, names)
child = os.fork()
if child == 0:
    entry = pwd.getpwnam("visitor")
    os.setgroups([]); os.setgid(entry.pw_gid); os.setuid(entry.pw_uid)
    bus = names["connect"]()
    socket.send_fds(theirs, [b"x"], [names["open_bus"](bus, "work")])
    theirs.recv(1)
    os._exit(0)
_, fds, _, _ = socket.recv_fds(ours, 1, 1)
try:
    print("got", names["get_hostname"](fds[0]))
except names["GLib"].Error as error:
    print("refused", error.message)
ours.send(b"x")
os.waitpid(child, 0)
"""


def test_it_ends_with_the_opener(host):
    assert run(host, "operator", "leave").stdout.strip() == "ended"


def test_limit(host):
    number, error = run(host, "operator", "many", "70").stdout.split(" ", 1)
    assert int(number) == 64
    assert "LimitsExceeded" in error
    assert run(host, "operator", "call").returncode == 0


@pytest.mark.parametrize("options", ["{'bus': <'user'>}", "{'bus': <1>}", "{'speed': <'fast'>}"])
def test_wrong_options(host, options):
    answer = call(host, "operator", options)
    assert "org.tombolo.Error.InvalidArgument" in answer.stderr, answer.stderr


def test_not_connected(host):
    stopped(host, "work")
    answer = call(host, "operator", "@a{sv} {}")
    assert "org.tombolo.Error.Disconnected" in answer.stderr, answer.stderr
    assert "does not run" in answer.stderr


def test_bridge_not_there(host):
    host.run(["systemctl", "stop", "tombolo-bridge@work.service"])
    try:
        answer = call(host, "operator", "@a{sv} {}")
        assert "org.tombolo.Error.Disconnected" in answer.stderr, answer.stderr
    finally:
        host.run(["systemctl", "start", "tombolo-bridge@work.service"])
    started(host, "work")
    assert run(host, "operator", "call").returncode == 0


def test_it_works_after_a_restart_of_tombolod(host):
    """The bridge reports to the new one, which learns by that whom to ask."""
    host.run(["systemctl", "restart", "tombolod"])
    started(host, "work")
    assert run(host, "operator", "call").returncode == 0


def bridge_names(host):
    """Of all connections of the bridge; the first that it made is the one that tombolod calls."""
    pid = unit_property(host, "tombolo-bridge@work.service", "MainPID")
    rows = host.run(["busctl", "list", "--unique", "--no-legend", "--no-pager"]).stdout.splitlines()
    names = [row.split()[0] for row in rows if row.split()[1] == pid]
    return sorted(names, key=lambda name: int(name.split(".")[1]))


@pytest.mark.parametrize("user,words", [
    ("root", "AccessDenied"),
    ("operator", "AccessDenied"),
    ("visitor", "AccessDenied"),
    ("tombolo-bridge", "AccessDenied"),
    ("tombolo", "A bridge takes calls of tombolod alone."),  # past the bus' policy, and no further
])
def test_a_bridge_takes_calls_of_tombolod_alone(host, user, words):
    names = bridge_names(host)
    assert len(names) > 1
    become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "python3", SCRIPT, "work", "bridge"]
    assert words in host.run([*become, names[0]]).stdout
    for name in names[1:]:
        assert "opened" not in host.run([*become, name]).stdout


def test_no_descriptor_is_left(host):
    pid = unit_property(host, "tombolod.service", "MainPID")
    bridge = unit_property(host, "tombolo-bridge@work.service", "MainPID")
    run(host, "operator", "many", "5")
    before = [len(host.run(["ls", f"/proc/{p}/fd"]).stdout.split()) for p in (pid, bridge)]
    for _ in range(5):
        run(host, "operator", "many", "20")
    time.sleep(1)
    after = [len(host.run(["ls", f"/proc/{p}/fd"]).stdout.split()) for p in (pid, bridge)]
    assert all(now <= then + 2 for now, then in zip(after, before)), (before, after)
    assert machine_property(host, "work", "AgentState") == "connected"
