# SPDX-License-Identifier: LGPL-2.1-or-later
"""The session bus of a guest's user: called by alias and socket as that user, apart from the system
bus in rules, broadcasts and names, and gone when the session is."""
import json

import pytest

from guests import (CLIENTS, client, guest_root, guest_run, machine_property, started, stopped,
                    wait_for)
from testbed import place

MACHINE_FILE = "/etc/tombolo/machines/work.machine"
GUEST_FILE = "/etc/tombolo/guest.conf"
ECHO = "org.tombolo.Test1.Echo"
ECHO_PATH = "/org/tombolo/Test1/Echo"
SYSTEMD = "org.freedesktop.systemd1"
MANAGER = ["/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"]
SYSTEM = "org.tombolo.Guest1.work."
SESSION = "org.tombolo.GuestSession1.work."
SOCKET = "/run/tombolo/bus/work"
SESSION_SOCKET = SOCKET + ".session"
ALICE, BOB = 1000, 1001
HELPER = "/usr/libexec/tombolo/tombolo-guest-session"
SERVICE = "/usr/local/lib/tombolo-tests/echo-service"
UNITS = {"system": "tombolo-test-echo", "session": "tombolo-test-echo-session"}


def as_user(host, uid, command, **options):
    """In the guest, with the environment of that user's session."""
    return guest_run(host, "work", ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "env",
                                    f"XDG_RUNTIME_DIR=/run/user/{uid}",
                                    f"DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/{uid}/bus", *command], **options)


def start_services(host):
    """The same service, with the same name, on both buses; anew where it ran."""
    guest_run(host, "work", ["systemctl", "stop", *UNITS.values()], check=False)
    guest_run(host, "work", ["systemd-run", "--quiet", "--collect", f"--unit={UNITS['system']}",
                             "--property=Type=notify", SERVICE])
    guest_run(host, "work", ["systemd-run", "--quiet", "--collect", f"--unit={UNITS['session']}", f"--uid={ALICE}",
                             "--property=Type=notify", f"--setenv=DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/user/{ALICE}/bus",
                             SERVICE])
    for prefix in (SYSTEM, SESSION):
        wait_for(lambda prefix=prefix: owned(host, prefix + ECHO), 10, f"{prefix}{ECHO} is owned")


def restart(host):
    stopped(host, "work")
    started(host, "work")
    wait_for(lambda: owned(host, SESSION + SYSTEMD), 20, "alice's session is there")
    start_services(host)


class Work:
    """Its machine file and its guest.conf, which tests change and which are put back."""

    def __init__(self, host):
        self.host = host
        self.machine = host.run(["cat", MACHINE_FILE]).stdout
        started(host, "work")
        self.guest = guest_run(host, "work", ["cat", GUEST_FILE]).stdout

    def write_machine(self, text=""):
        """With a broadcast of the name that both buses have, whatever else."""
        self.host.run(["tee", MACHINE_FILE], input=f"{self.machine}\n[Bus]\nBroadcast={ECHO}\n{text}")
        self.host.run(["tomboloctl", "reload"])
        restart(self.host)

    def write_guest(self, rules):
        export = self.guest.split("[Call]", maxsplit=1)[0]
        guest_run(self.host, "work", ["tee", GUEST_FILE], input=f"{export}[Call]\n{rules}\n")
        self.restart_agent()

    def restart_agent(self):
        guest_run(self.host, "work", ["systemctl", "restart", "tombolo-guestd"])
        started(self.host, "work")
        wait_for(lambda: owned(self.host, SESSION + ECHO), 10, "the session is exported again")

    def restore(self):
        guest_run(self.host, "work", ["tee", GUEST_FILE], input=self.guest)
        self.host.run(["tee", MACHINE_FILE], input=self.machine)
        self.host.run(["tomboloctl", "reload"])
        stopped(self.host, "work")


@pytest.fixture(scope="module")
def work(test_host):
    work = Work(test_host)
    built = place.build("sanitize" if test_host.sanitize else "") / "tests/clients/tombolo-echo-service"
    test_host.push(built, guest_root("work") + SERVICE)
    test_host.push(CLIENTS / "both-buses.py", "/usr/local/lib/tombolo-tests/both-buses.py")
    work.write_machine()
    yield work
    work.restore()


def owned(host, name):
    answer = host.run(["busctl", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                       "NameHasOwner", "s", name])
    return answer.stdout.strip() == "b true"


def note(host, user, destination, text="x", where="--system"):
    """With gdbus, which shows the error's own words."""
    return host.run(["gdbus", "call", where, "--dest", destination, "--object-path", ECHO_PATH, "--method",
                     f"{ECHO}.Note", text], user=user, check=False)


def take_notes(host, destination):
    answer = host.run(["busctl", "--json=short", "call", destination, ECHO_PATH, ECHO, "TakeNotes"], user="operator")
    return json.loads(answer.stdout)["data"][0]


def control_group(host, prefix):
    answer = host.run(["busctl", "--json=short", "get-property", prefix + SYSTEMD, *MANAGER, "ControlGroup"],
                      user="operator")
    return json.loads(answer.stdout)["data"]


ALICES_GROUP = f"/user.slice/user-{ALICE}.slice/user@{ALICE}.service"


def test_alias_and_socket_reach_the_session(host, work):
    address = f"unix:path={SESSION_SOCKET}"
    by_socket = host.run(["busctl", f"--address={address}", "get-property", SYSTEMD, *MANAGER, "ControlGroup"],
                         user="operator")
    by_gdbus = host.run(["gdbus", "call", "--session", "--dest", SYSTEMD, "--object-path", MANAGER[0], "--method",
                         "org.freedesktop.DBus.Properties.Get", MANAGER[1], "ControlGroup"], user="operator",
                        environment={"DBUS_SESSION_BUS_ADDRESS": address})
    by_systemctl = host.run(["systemctl", "--user", "is-active", "tombolo-guest-session.service"], user="operator",
                            environment={"DBUS_SESSION_BUS_ADDRESS": address})
    assert control_group(host, SESSION) == ALICES_GROUP
    assert ALICES_GROUP in by_socket.stdout
    assert ALICES_GROUP in by_gdbus.stdout
    assert by_systemctl.stdout.strip() == "active"
    assert control_group(host, SYSTEM) != ALICES_GROUP


WHO_AM_I = """
import dbus, dbus.bus, sys
bus = dbus.bus.BusConnection("unix:path=" + sys.argv[1])
print(bus.get_unix_user(bus.get_unique_name()))
"""


def test_the_bus_sees_its_own_user(host, work):
    """And the system bus still sees the agent's."""
    agent = guest_run(host, "work", ["id", "-u", "tombolo-guest"]).stdout.strip()
    seen = [host.run(["python3", "-c", WHO_AM_I, socket], user="operator").stdout.strip()
            for socket in (SESSION_SOCKET, SOCKET)]
    assert seen == [str(ALICE), agent]
    assert "tombolo-guest" in guest_run(host, "work", ["ps", "-o", "user:20=", "-C", "tombolo-guestd"]).stdout


def test_properties_tell_both(host, work):
    assert machine_property(host, "work", "SessionBusSocket") == SESSION_SOCKET
    assert machine_property(host, "work", "SessionExports") == {
        SYSTEMD: SESSION + SYSTEMD, ECHO: SESSION + ECHO}
    assert machine_property(host, "work", "Exports")[ECHO] == SYSTEM + ECHO


def test_a_caller_uses_both_at_once(host, work):
    """Two channels, each with its own order, and serials that do not mix."""
    answer = host.run(["python3", "/usr/local/lib/tombolo-tests/both-buses.py", "12"], user="operator")
    assert json.loads(answer.stdout) == {which: [f"{which} {number}" for number in range(12)]
                                         for which in ("system", "session")}


def changes(process):
    """Ends a listener and returns what it heard."""
    process.wait(timeout=20)
    return [json.loads(line) for line in process.stdout.read().splitlines()]


def test_signals_reach_callers_and_are_never_broadcast(host, work):
    """Although the machine file broadcasts that name: it is the system bus' that is meant."""
    listeners = {}
    for prefix in (SYSTEM, SESSION):
        listeners[prefix, "operator"] = client(host, "listen.py", ["6", prefix + ECHO, ECHO_PATH, ECHO, "call"], "operator")
        listeners[prefix, "visitor"] = client(host, "listen.py", ["6", prefix + ECHO, ECHO_PATH, ECHO], "visitor")
    for prefix in (SYSTEM, SESSION):
        host.run(["busctl", "set-property", prefix + ECHO, ECHO_PATH, ECHO, "Value", "s", "high"], user="operator")
    heard = {key: [change["changed"] for change in changes(process)] for key, process in listeners.items()}
    assert heard == {
        (SYSTEM, "operator"): [{"Value": "high"}],
        (SYSTEM, "visitor"): [{"Value": "high"}],
        (SESSION, "operator"): [{"Value": "high"}],
        (SESSION, "visitor"): [],
    }


def test_visitor_is_refused(host, work):
    by_alias = note(host, "visitor", SESSION + ECHO)
    by_socket = note(host, "visitor", ECHO, where=f"--address=unix:path={SESSION_SOCKET}")
    assert by_alias.returncode != 0 and by_socket.returncode != 0
    assert take_notes(host, SESSION + ECHO) == []


def test_tomboloctl_calls_and_shows_it(host, work):
    words = ["work", ECHO, ECHO_PATH, ECHO, "Note", "s", "by tomboloctl"]
    host.run(["tomboloctl", "call", "--session", *words], user="operator")
    assert take_notes(host, SESSION + ECHO) == ["by tomboloctl"]
    assert take_notes(host, SYSTEM + ECHO) == []

    shown = host.run(["tomboloctl", "status", "work"]).stdout
    assert f"Session bus: {SESSION_SOCKET}\n" in shown
    assert f"→ {SESSION}{ECHO}\n" in shown

    absent = host.run(["tomboloctl", "call", "--session", "work", "org.freedesktop.hostname1", *words[2:]],
                      user="operator", check=False)
    assert absent.returncode != 0
    assert "exports no “org.freedesktop.hostname1” of a session now" in absent.stderr


def test_rules_can_be_asked_for_each_bus(host, work):
    """At both ends: what they say is what happens above."""
    call = [ECHO, ECHO_PATH, ECHO, "Note"]
    work.write_machine(f"[Call]\nSessionRule=allow {ECHO} from=user:visitor\nRule=deny {ECHO}\n")
    try:
        verdicts = [host.run(["tomboloctl", "rules", "test", *option, "work", "user:visitor", *call], user="operator",
                             check=False).stdout.split(":")[0] for option in (["--session"], [])]
        assert verdicts == ["allow", "deny"]
    finally:
        work.write_machine()

    text = f"[Export]\nSystem={ECHO}\nSession={ECHO}\nUser=alice\n[Call]\nSessionRule=allow {ECHO}\n"
    guest_run(host, "work", ["tee", "/tmp/session-test.conf"], input=text)
    codes = [guest_run(host, "work", ["/usr/libexec/tombolo/tombolo-guestd", "--policy=/tmp/session-test.conf", "--test-call",
                                      *option, "user:7", *call], check=False).returncode for option in (["--session"], [])]
    assert codes == [0, 9]


RULES_DIRECTORY = "/etc/polkit-1/rules.d"
POLKIT_RULE = """
polkit.addRule(function (action, subject) {
  if (action.id === "org.tombolo.Host1.call-guest" && subject.user === "visitor"
      && action.lookup("bus") === "session" && action.lookup("name") === "org.tombolo.Test1.Echo")
    return polkit.Result.YES;
  return polkit.Result.NOT_HANDLED;
});
"""


def test_polkit_is_told_the_bus(host, work):
    host.run(["tee", f"{RULES_DIRECTORY}/30-session.rules"], input=POLKIT_RULE)
    try:
        wait_for(lambda: note(host, "visitor", SESSION + ECHO, "session").returncode == 0, 10, "polkit reads the rule")
        assert note(host, "visitor", SYSTEM + ECHO, "system").returncode != 0
        assert set(take_notes(host, SESSION + ECHO)) == {"session"}
        assert take_notes(host, SYSTEM + ECHO) == []
    finally:
        host.run(["rm", f"{RULES_DIRECTORY}/30-session.rules"])


@pytest.mark.parametrize("allowed,denied,rules", [
    (SESSION, SYSTEM, f"SessionRule=allow {ECHO} from=user:visitor\nRule=deny {ECHO}={ECHO}.Note\n"),
    (SYSTEM, SESSION, f"Rule=allow {ECHO} from=user:visitor\nSessionRule=deny {ECHO}={ECHO}.Note\n"),
])
def test_a_rule_of_one_bus_says_nothing_of_the_other(host, work, allowed, denied, rules):
    work.write_machine(f"[Call]\n{rules}")
    try:
        assert note(host, "visitor", allowed + ECHO, "allowed").returncode == 0
        for user in ("visitor", "operator"):
            answer = note(host, user, denied + ECHO, "denied")
            assert answer.returncode != 0
            assert "machine file" in answer.stderr, answer.stderr
        assert take_notes(host, allowed + ECHO) == ["allowed"]
        assert take_notes(host, denied + ECHO) == []
    finally:
        work.write_machine()


@pytest.mark.parametrize("rule,open_prefix,closed_prefix,missing", [
    (f"Rule=allow {ECHO}", SYSTEM, SESSION, "SessionRule="),
    (f"SessionRule=allow {ECHO}", SESSION, SYSTEM, "Rule="),
])
def test_nor_does_a_rule_of_the_guest(host, work, rule, open_prefix, closed_prefix, missing):
    work.write_guest(rule)
    try:
        assert note(host, "operator", open_prefix + ECHO, "in").returncode == 0
        answer = note(host, "operator", closed_prefix + ECHO, "out")
        assert answer.returncode != 0
        assert f"does not allow calls of Note on “{ECHO}”; {missing} in" in answer.stderr, answer.stderr
    finally:
        guest_run(host, "work", ["tee", GUEST_FILE], input=work.guest)
        work.restart_agent()
    assert take_notes(host, open_prefix + ECHO) == ["in"]
    assert take_notes(host, closed_prefix + ECHO) == []


@pytest.mark.parametrize("uid", [BOB, 0])
def test_nobody_else_poses_as_the_session(host, work, uid):
    """Neither another user of the guest nor its root: they are told and turned away, and it is logged."""
    begin = guest_run(host, "work", ["date", "+%s.%N"]).stdout.strip()
    answer = as_user(host, uid, [HELPER], check=False)
    assert answer.returncode == 77, answer.stderr
    assert "names another user" in answer.stderr
    log = guest_run(host, "work", ["journalctl", "-q", "-u", "tombolo-guestd", f"--since=@{begin}"]).stdout
    assert f"User {uid} offered a session bus and was turned away: guest.conf names user {ALICE}." in log, log
    assert control_group(host, SESSION) == ALICES_GROUP


def wait_owned(host, name, wanted, seconds=10):
    return wait_for(lambda: owned(host, name) == wanted, seconds, f"{name} is {'' if wanted else 'not '}owned")


def test_a_session_ends_and_comes_back(host, work):
    waiting = client(host, "listen.py", ["20", SESSION + ECHO, ECHO_PATH, ECHO, "call"], "operator")
    guest_run(host, "work", ["systemctl", "stop", f"user@{ALICE}.service"])
    try:
        wait_owned(host, SESSION + SYSTEMD, False)
        wait_owned(host, SESSION + ECHO, False)
        wait_for(lambda: machine_property(host, "work", "SessionExports") == {}, 5, "tombolod knows it")
        assert machine_property(host, "work", "AgentState") == "connected"
        assert control_group(host, SYSTEM) != ALICES_GROUP

        answer = host.run(["busctl", f"--address=unix:path={SESSION_SOCKET}", "list"], user="operator", check=False)
        assert answer.returncode != 0
        answer = host.run(["python3", "-c", WHO_AM_I, SESSION_SOCKET], user="operator", check=False)
        assert "has no session there" in answer.stderr, answer.stderr
    finally:
        guest_run(host, "work", ["systemctl", "start", f"user@{ALICE}.service"])
    wait_owned(host, SESSION + SYSTEMD, True)
    assert control_group(host, SESSION) == ALICES_GROUP
    assert waiting.poll() is None
    start_services(host)


def test_the_user_takes_back_what_she_lent(host, work):
    """Whoever stops the helper ends what the host does in her session, also on open connections."""
    holder = host.popen(["python3", "-c", WHO_AM_I + "\nimport time\nprint('there', flush=True)\n"
                         "bus.call_on_disconnection(lambda connection: None)\n"
                         "import dbus.mainloop.glib\nfrom gi.repository import GLib\nGLib.MainLoop().run()",
                         SESSION_SOCKET], user="operator")
    assert holder.stdout.readline().strip() == str(ALICE)
    as_user(host, ALICE, ["systemctl", "--user", "stop", "tombolo-guest-session.service"])
    try:
        wait_owned(host, SESSION + SYSTEMD, False)
        connections = as_user(host, ALICE, ["busctl", "--user", "list", "--no-legend"]).stdout
        assert "tombolo-guest-s" not in connections, connections
    finally:
        as_user(host, ALICE, ["systemctl", "--user", "start", "tombolo-guest-session.service"])
    wait_owned(host, SESSION + SYSTEMD, True)


def test_the_helper_outlives_the_agent(host, work):
    def helper():
        return as_user(host, ALICE, ["systemctl", "--user", "show", "--value", "-p", "MainPID",
                                     "tombolo-guest-session.service"]).stdout.strip()

    def agents():
        log = guest_run(host, "work", ["journalctl", "-q", "-b", "-u", "tombolo-guestd"]).stdout
        return log.count("The session of user “alice” is there.")

    before = helper()
    for command in (["restart"], ["kill", "--signal=KILL"]):
        count = agents()
        guest_run(host, "work", ["systemctl", *command, "tombolo-guestd"])
        wait_for(lambda count=count: agents() > count, 10, "the next agent has found the helper")
        started(host, "work")
        wait_owned(host, SESSION + SYSTEMD, True, 20)
        assert control_group(host, SESSION) == ALICES_GROUP
    assert helper() == before != "0"


def test_a_stopped_agent_stays_stopped(host, work):
    guest_run(host, "work", ["systemctl", "stop", "tombolo-guestd"])
    try:
        wait_owned(host, SESSION + SYSTEMD, False)
        answer = guest_run(host, "work", ["systemctl", "is-active", "tombolo-guestd"], check=False)
        assert answer.stdout.strip() == "inactive"
    finally:
        guest_run(host, "work", ["systemctl", "start", "tombolo-guestd"])
    wait_owned(host, SESSION + SYSTEMD, True, 20)


def test_no_such_user(host, work):
    """The agent says so, and serves the system bus."""
    begin = guest_run(host, "work", ["date", "+%s.%N"]).stdout.strip()
    guest_run(host, "work", ["tee", GUEST_FILE], input=work.guest.replace("User=alice", "User=carol"))
    guest_run(host, "work", ["systemctl", "restart", "tombolo-guestd"])
    try:
        started(host, "work")
        wait_owned(host, SYSTEM + ECHO, True)
        assert not owned(host, SESSION + SYSTEMD)
        log = guest_run(host, "work", ["journalctl", "-q", "-u", "tombolo-guestd", f"--since=@{begin}"]).stdout
        assert "There is no user “carol” here" in log
    finally:
        guest_run(host, "work", ["tee", GUEST_FILE], input=work.guest)
        as_user(host, ALICE, ["systemctl", "--user", "restart", "tombolo-guest-session.service"])
        work.restart_agent()


def test_a_guest_without_a_session_says_so(host):
    started(host, "net")
    answer = host.run(["python3", "-c", WHO_AM_I, "/run/tombolo/bus/net.session"], user="operator", check=False)
    assert "exports no session bus; User= and Session=" in answer.stderr, answer.stderr
    assert machine_property(host, "net", "SessionExports") == {}


def test_a_guest_that_restarts_brings_it_back(host, work):
    stopped(host, "work")
    assert not owned(host, SESSION + SYSTEMD)
    restart(host)
    assert control_group(host, SESSION) == ALICES_GROUP
