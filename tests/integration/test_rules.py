# SPDX-License-Identifier: LGPL-2.1-or-later
"""Call rules at both ends: the first that fits decides, for the real caller, before polkit is asked;
at the guest what none allows is refused; one bad rule refuses its file as a whole."""
import pytest

from guests import (ALIAS_HOSTNAME, HOSTNAME, HOSTNAME_PATH, guest_run, machine_property, started,
                    stopped, unit_property, wait_for)

MACHINE_FILE = "/etc/tombolo/machines/work.machine"
GUEST_FILE = "/etc/tombolo/guest.conf"
PROPERTIES = "org.freedesktop.DBus.Properties"
REFUSED = ["Access denied", "may not call", "needs authentication", "The guest refuses",
           "The guest does not allow"]


class Files:
    """Puts rules into the files of both ends, and knows what stood there before."""

    def __init__(self, host):
        self.host = host
        self.machine = host.run(["cat", MACHINE_FILE]).stdout
        started(host, "work")
        self.guest = guest_run(host, "work", ["cat", GUEST_FILE]).stdout

    def write_machine(self, *rules):
        text = self.machine + "[Call]\n" + "".join(f"Rule={rule}\n" for rule in rules)
        self.host.run(["tee", MACHINE_FILE], input=text)
        self.host.run(["tomboloctl", "reload"])

    def restart(self, *rules):
        self.write_machine(*rules)
        stopped(self.host, "work")
        started(self.host, "work")

    def write_guest(self, *rules):
        export = self.guest.split("[Call]", maxsplit=1)[0]
        text = export + "[Call]\n" + "".join(f"Rule={rule}\n" for rule in rules)
        guest_run(self.host, "work", ["tee", GUEST_FILE], input=text)
        self.restart_agent()

    def restart_agent(self):
        guest_run(self.host, "work", ["systemctl", "restart", "tombolo-guestd"])
        started(self.host, "work")

    def restore(self):
        self.host.run(["tee", MACHINE_FILE], input=self.machine)
        self.host.run(["tomboloctl", "reload"])
        stopped(self.host, "work")
        started(self.host, "work")
        guest_run(self.host, "work", ["tee", GUEST_FILE], input=self.guest)
        self.restart_agent()


@pytest.fixture
def files(host):
    files = Files(host)
    yield files
    files.restore()


def get_property(host, user, name="Hostname", address=()):
    destination = HOSTNAME if address else ALIAS_HOSTNAME
    return host.run(["busctl", *address, "get-property", destination, HOSTNAME_PATH, HOSTNAME, name],
                    user=user, check=False)


def get_by_call(host, user, name):
    """With gdbus, which shows the error's own words."""
    return host.run(["gdbus", "call", "--system", "--dest", ALIAS_HOSTNAME, "--object-path", HOSTNAME_PATH,
                     "--method", f"{PROPERTIES}.Get", HOSTNAME, name], user=user, check=False)


def allowed(answer):
    if answer.returncode != 0:
        assert any(words in answer.stderr for words in REFUSED), answer.stderr
    return answer.returncode == 0


# Rules of the machine file, and who may then get the property; without rules polkit lets operator
# alone do it.
HOST_RULES = [
    ([f"allow {HOSTNAME} from=user:visitor"], {"operator": True, "visitor": True}),
    ([f"allow {HOSTNAME}={PROPERTIES}.Get from=user:visitor"], {"operator": True, "visitor": True}),
    ([f"allow {HOSTNAME}={PROPERTIES}.GetAll from=user:visitor"], {"operator": True, "visitor": False}),
    ([f"allow {HOSTNAME}@/org/freedesktop/* from=group:visitor"], {"operator": True, "visitor": True}),
    ([f"allow {HOSTNAME} from=group:nogroup"], {"operator": True, "visitor": False}),
    ([f"deny {HOSTNAME} from=user:operator", f"allow {HOSTNAME}"], {"operator": False, "visitor": True}),
    ([f"allow {HOSTNAME} from=machine:net"], {"operator": True, "visitor": False}),
    ([f"allow {HOSTNAME} from=user:nobody-of-that-name"], {"operator": True, "visitor": False}),
    ([f"deny {HOSTNAME} from=group:nobody-of-that-name"], {"operator": False, "visitor": False}),
    ([f"ask {HOSTNAME}", f"allow {HOSTNAME}"], {"operator": True, "visitor": False}),
    (["deny org.freedesktop.login1"], {"operator": True, "visitor": False}),
]


@pytest.mark.parametrize("rules,expected", HOST_RULES, ids=lambda value: value[0] if isinstance(value, list) else None)
def test_rules_of_the_machine_file(host, files, rules, expected):
    files.restart(*rules)
    for user, may in expected.items():
        assert allowed(get_property(host, user)) == may, (user, rules)


def test_arguments(host, files):
    files.restart(f"allow {HOSTNAME}={PROPERTIES}.Get arg0={HOSTNAME} arg1=Hostname", "deny *")
    assert allowed(get_by_call(host, "visitor", "Hostname"))
    refused = get_by_call(host, "visitor", "KernelRelease")
    assert not allowed(refused)
    assert "line " in refused.stderr


def test_rules_hold_on_the_bus_socket(host, files):
    """Where the driver is a name like others."""
    address = ["--address=unix:path=/run/tombolo/bus/work"]
    files.restart(f"allow {HOSTNAME} from=group:visitor", "allow org.freedesktop.DBus from=user:visitor")
    assert allowed(get_property(host, "visitor", address=address))
    files.restart(f"allow {HOSTNAME} from=group:visitor", "deny org.freedesktop.DBus from=user:visitor")
    assert get_property(host, "visitor", address=address).returncode != 0
    assert allowed(get_property(host, "operator", address=address))


def test_rules_count_from_the_next_start(host, files):
    files.write_machine(f"allow {HOSTNAME} from=user:visitor")
    assert not allowed(get_property(host, "visitor"))
    stopped(host, "work")
    started(host, "work")
    assert allowed(get_property(host, "visitor"))


def test_a_bad_rule_fails_the_machine(host, files):
    line = files.machine.count("\n") + 3
    stopped(host, "work")
    files.write_machine("deny *", "allow everything")
    assert machine_property(host, "work", "State") == "failed"
    assert f"work.machine:{line}: Rule=allow everything" in machine_property(host, "work", "StateReason")
    assert host.run(["tomboloctl", "start", "work"], user="operator", check=False).returncode != 0


GUEST_RULES = [
    ([f"allow {HOSTNAME}"], True),
    (["allow *"], True),
    ([], False),
    (["allow org.freedesktop.login1"], False),
    ([f"deny {HOSTNAME}={PROPERTIES}", "allow *"], False),
    ([f"allow {HOSTNAME}={PROPERTIES}.Get arg1=Hostname"], True),
    ([f"allow {HOSTNAME}={PROPERTIES}.Get arg1=Chassis"], False),
    (["allow * from=user:{uid}"], True),
    (["allow * from=group:{gid}"], True),
    (["allow * from=user:0"], False),
    (["allow * from=machine:net"], False),
]


@pytest.mark.parametrize("rules,may", GUEST_RULES, ids=lambda value: " ".join(value) if isinstance(value, list) else None)
def test_rules_of_the_guest(host, files, rules, may):
    ids = {word: host.run(["id", f"-{word[0]}", "operator"]).stdout.strip() for word in ("uid", "gid")}
    files.write_guest(*(rule.format(**ids) for rule in rules))
    answer = get_by_call(host, "operator", "Hostname")
    assert allowed(answer) == may, rules
    if not may:
        assert GUEST_FILE in answer.stderr


def test_a_bad_rule_exports_nothing(host, files):
    files.write_guest("allow *", "ask *")
    wait_for(lambda: machine_property(host, "work", "Exports") == {}, 20, "nothing is exported")
    assert get_property(host, "operator").returncode != 0
    journal = guest_run(host, "work", ["journalctl", "-b", "-u", "tombolo-guestd"]).stdout
    assert f"{GUEST_FILE}:" in journal and "Rule=ask *" in journal
    assert unit_property(host, "tombolo-bridge@work.service", "ActiveState") == "active"
