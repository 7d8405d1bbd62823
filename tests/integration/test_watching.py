# SPDX-License-Identifier: LGPL-2.1-or-later
"""Services that watch their callers, and call them back: the same through the bridge as on the
guest's own bus, also when callers are killed and when the guest starts anew."""
import json
import os
import signal
import threading

import pytest

from testbed import place

from guests import CLIENTS, guest_leader, guest_root, guest_run, started, wait_for

MACHINE = "work"
NAME = INTERFACE = "org.tombolo.Test1.Watch"
PATH = "/" + NAME.replace(".", "/")
UNIT = "tombolo-test-watch.service"
FOLDER = "/usr/local/lib/tombolo-tests"
ROUTES = ["guest", "socket", "alias"]
NOBODY, APPLET = ([], 0, False), (["applet"], 1, True)
SECONDS = 10


def serve(host):
    """Runs the service in the guest."""
    program = place.build("sanitize" if host.sanitize else "") / "tests/services/tombolo-watch-service"
    host.push(program, f"{guest_root(MACHINE)}{FOLDER}/watch-service")
    guest_run(host, MACHINE, ["systemd-run", "--quiet", "--collect", f"--unit={UNIT}", "--property=Type=notify",
                              f"{FOLDER}/watch-service"])


@pytest.fixture(autouse=True)
def service(host):
    started(host, MACHINE)
    serve(host)
    for script in ("applet.py", "order.py"):
        host.push(CLIENTS / script, f"{FOLDER}/{script}")
    yield
    guest_run(host, MACHINE, ["systemctl", "stop", UNIT], check=False)


def call(host, member, *arguments, check=True):
    """Calls the service on the guest's own bus."""
    done = guest_run(host, MACHINE, ["busctl", "--json=short", "--timeout=20", "call", NAME, PATH, INTERFACE,
                                     member, *arguments], check=check)
    return json.loads(done.stdout)["data"] if done.stdout else done.stderr


def watched(host):
    locks, subscribers, agent = call(host, "Watched")
    return locks, subscribers, agent


def command(host, route, script, *arguments):
    """A client's command, and the user that it runs as."""
    if route == "guest":
        leader = guest_leader(host, MACHINE)
        address = f"unix:path=/proc/{leader}/root/run/dbus/system_bus_socket"
        return (["nsenter", "--user", f"--target={leader}", "python3", f"{FOLDER}/{script}", address, NAME,
                 *arguments], "root")
    where = {"socket": (f"unix:path=/run/tombolo/bus/{MACHINE}", NAME),
             "alias": ("unix:path=/run/dbus/system_bus_socket", f"org.tombolo.Guest1.{MACHINE}.{NAME}")}[route]
    return ["python3", f"{FOLDER}/{script}", *where, *arguments], "operator"


class Applet:
    """applet.py, and what it says."""

    def __init__(self, host, route):
        argv, user = command(host, route, "applet.py")
        self.process = host.popen(argv, user=user)
        self.words = []
        threading.Thread(target=self._read, daemon=True).start()
        self.await_word("watching")

    def _read(self):
        for line in self.process.stdout:
            self.words.append(line.strip())

    def await_word(self, word, times=1, seconds=SECONDS):
        wait_for(lambda: self.words.count(word) >= times, seconds, f"{word} (×{times}) in {self.words}")

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.mark.parametrize("route", ROUTES)
def test_what_a_caller_held_ends_when_it_is_killed(host, route):
    """The inhibitor's lock, the monitor's subscription, the agent."""
    assert watched(host) == NOBODY
    applet = Applet(host, route)
    assert watched(host) == APPLET
    applet.await_word("ticking")
    applet.kill()
    wait_for(lambda: watched(host) == NOBODY, 2, "the service knows that its caller is gone")


@pytest.mark.parametrize("route", ROUTES)
def test_an_agent_is_called_back(host, route):
    applet = Applet(host, route)
    assert call(host, "Pair", "o", "/device/good") == ["0000", ""]
    assert call(host, "Pair", "o", "/device/bad") == ["", "org.bluez.Error.Rejected"]
    call(host, "Cancel")
    applet.await_word("cancelled")
    assert applet.words.count("asked") == 2


@pytest.mark.parametrize("route", ROUTES)
def test_an_agent_killed_while_it_is_asked(host, route):
    applet = Applet(host, route)
    answers = []
    asking = threading.Thread(target=lambda: answers.append(call(host, "Pair", "o", "/device/never")))
    asking.start()
    applet.await_word("asked")
    # It holds up nobody: not itself, not others.
    assert call(host, "Pair", "o", "/device/good") == ["0000", ""]
    applet.kill()
    asking.join(5)
    assert answers == [["", "org.freedesktop.DBus.Error.NoReply"]]
    assert "There is no agent" in call(host, "Pair", "o", "/device/good", check=False)


@pytest.mark.parametrize("route", ROUTES)
def test_a_service_that_comes_back_is_used_anew(host, route):
    applet = Applet(host, route)
    guest_run(host, MACHINE, ["systemctl", "kill", "-s", "KILL", UNIT])
    applet.await_word("vanished")
    wait_for(lambda: guest_run(host, MACHINE, ["systemctl", "is-active", UNIT], check=False).returncode != 0,
             SECONDS, "the service's unit has ended")
    serve(host)
    applet.await_word("watching", 2)
    assert watched(host) == APPLET
    assert call(host, "Pair", "o", "/device/good") == ["0000", ""]


@pytest.mark.parametrize("route", ["socket", "alias"])
def test_a_guest_that_starts_anew(host, route):
    """On the alias the name goes and comes; on the socket the bus does: a client's own affair as on
    any bus that is started again."""
    applet = Applet(host, route)
    gone = "closed" if route == "socket" else "vanished"
    for times in (1, 2):
        host.run(["tomboloctl", "restart", MACHINE], user="operator", timeout=120)
        applet.await_word(gone, times)
        started(host, MACHINE)
        serve(host)
        applet.await_word("watching", times + 1, 30)
        wait_for(lambda: watched(host) == APPLET, 2, "the service knows its new caller, once")
        assert call(host, "Pair", "o", "/device/good") == ["0000", ""]
    applet.kill()
    wait_for(lambda: watched(host) == NOBODY, 2, "the service knows that its caller is gone")


@pytest.mark.parametrize("route", ROUTES)
def test_changes_and_large_replies_keep_their_order(host, route):
    """300 property changes, each told before the 64 KiB reply to the call that made it."""
    argv, user = command(host, route, "order.py", "300", "65536")
    seen = json.loads(host.run(argv, user=user, timeout=120).stdout)
    assert seen == {"replies": 300, "signals": 300, "disorder": None, "error": None}
