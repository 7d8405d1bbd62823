# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names that a guest gets: `work` calls services of `net`, and of the host, on its own bus."""
import json

import pytest

from guests import (HOSTNAME, HOSTNAME_PATH, guest_leader, guest_run, machine_property, started, stopped,
                    unit_property, wait_for)

MACHINES = "/etc/tombolo/machines"
GUESTS = "/var/lib/tombolo-guests"
POLKIT_RULE = "/etc/polkit-1/rules.d/30-imports.rules"
NET_HOSTNAME, NM, HOST1 = "org.example.NetHostname", "org.freedesktop.NetworkManager", "org.tombolo.Host1"
TIME, UNLISTED = "org.example.HostTime", "org.example.Unlisted"
ROOT = "/org/tombolo/Host1"
BUS_POLICY = "/etc/dbus-1/system.d/tombolo-imports.conf"

WORK = f"""
[Bus]
Import={HOSTNAME}:{NET_HOSTNAME}@net {NM}@net
Import={HOST1}@.host org.freedesktop.timedate1:{TIME}@.host org.freedesktop.login1:{UNLISTED}@.host
[Import]
Rule=deny org.freedesktop.timedate1=org.freedesktop.timedate1.SetTimezone
Rule=allow org.freedesktop.timedate1
Rule=allow {HOST1}=org.freedesktop.DBus.ObjectManager
Rule=allow {HOST1}={HOST1}.Manager
Rule=allow {HOST1}={HOST1}.Machine
"""
NET = f"""
[Call]
Rule=deny {HOSTNAME}={HOSTNAME}.SetHostname
Rule=allow {HOSTNAME} from=machine:work
Rule=allow {NM} from=machine:work
"""


class Files:
    """What the tests change, and what stood there before."""

    def __init__(self, host):
        self.host = host
        self.before = {}

    def write(self, path, text):
        if path not in self.before:
            shown = self.host.run(["cat", path], check=False)
            self.before[path] = shown.stdout if shown.returncode == 0 else None
        self.host.run(["tee", path], input=text)

    def append(self, path, text):
        self.write(path, self.host.run(["cat", path]).stdout + text)

    def restore(self):
        for path, text in self.before.items():
            if text is None:
                self.host.run(["rm", "-f", path])
            else:
                self.host.run(["tee", path], input=text)


@pytest.fixture(scope="module", autouse=True)
def lent(test_host):
    files = Files(test_host)
    files.append(f"{MACHINES}/work.machine", WORK)
    files.append(f"{MACHINES}/net.machine", NET)
    files.append(f"{GUESTS}/work/etc/tombolo/guest.conf",
                 f"\n[Import]\nSystem={NET_HOSTNAME} {NM} {HOST1} {TIME}\n")
    test_host.run(["tomboloctl", "reload"])
    for name in ("net", "work"):
        stopped(test_host, name)
        started(test_host, name)
    text = guest_run(test_host, "work", ["/usr/libexec/tombolo/tombolo-guestd", "--bus-policy"]).stdout
    files.write(f"{GUESTS}/work{BUS_POLICY}", text)
    guest_run(test_host, "work", ["systemctl", "reload", "dbus"])
    guest_run(test_host, "work", ["systemctl", "restart", "tombolo-guestd"])
    yield files
    files.restore()
    test_host.run(["tomboloctl", "reload"])
    for name in ("net", "work"):
        stopped(test_host, name)


@pytest.fixture(autouse=True)
def owned(host):
    for name in ("net", "work"):
        started(host, name)
    wait_for(lambda: {NET_HOSTNAME, NM, HOST1, TIME} <= owned_names(host), 20, "the names are owned")


def restart_polkit(host):
    host.run(["systemctl", "reset-failed", "polkit"])
    host.run(["systemctl", "restart", "polkit"])


@pytest.fixture
def polkit_rule(host):
    """Puts the body of a rule into place, before all others'."""
    def put(condition):
        host.run(["tee", POLKIT_RULE], input="polkit.addRule(function (action, subject) {\n"
                 f"  if ({condition})\n    return polkit.Result.YES;\n"
                 "  return polkit.Result.NOT_HANDLED;\n});\n")
        restart_polkit(host)

    yield put
    host.run(["rm", "-f", POLKIT_RULE])
    restart_polkit(host)


def owned_names(host):
    names = guest_run(host, "work", ["busctl", "call", "--json=short", "org.freedesktop.DBus",
                                     "/org/freedesktop/DBus", "org.freedesktop.DBus", "ListNames"]).stdout
    return set(json.loads(names)["data"][0])


def call(host, name, path, interface, member, *arguments):
    """From inside `work`, with gdbus, which shows the error's own words."""
    return guest_run(host, "work", ["gdbus", "call", "--system", "--dest", name, "--object-path", path,
                                    "--method", f"{interface}.{member}", *arguments], check=False)


def get_hostname(host):
    return call(host, NET_HOSTNAME, HOSTNAME_PATH, "org.freedesktop.DBus.Properties", "Get", HOSTNAME, "Hostname")


def test_the_names_that_the_guest_lists_are_owned(host):
    assert UNLISTED not in owned_names(host)
    states = {entry[0]: entry[1:] for entry in machine_property(host, "work", "Imports")}
    assert states == {
        NET_HOSTNAME: ["net", HOSTNAME, "available"],
        NM: ["net", NM, "available"],
        HOST1: [".host", HOST1, "available"],
        TIME: [".host", "org.freedesktop.timedate1", "available"],
        UNLISTED: [".host", "org.freedesktop.login1", "refused"],
    }
    assert f"does not take the import “{UNLISTED}”" in host.journal_since(None)
    inside = guest_run(host, "work", ["journalctl", "-b", "-u", "tombolo-guestd"]).stdout
    assert f"offers the name “{UNLISTED}”" in inside
    shown = host.run(["tomboloctl", "status", "work"], user="operator").stdout
    assert f"← {NM}@net: available" in shown and f"← org.freedesktop.login1@.host: refused" in shown


def test_a_service_of_another_machine(host):
    """By a rule of that machine's, from=machine:work."""
    assert get_hostname(host).stdout.strip() == "(<'net'>,)"
    refused = call(host, NET_HOSTNAME, HOSTNAME_PATH, HOSTNAME, "SetHostname", "x", "false")
    assert "line " in refused.stderr and "refuses it" in refused.stderr


def test_polkit_sees_the_machine(host, lent, polkit_rule):
    """Without a rule for it polkit is asked, and hears which machine calls."""
    lent.write(f"{MACHINES}/net.machine", lent.before[f"{MACHINES}/net.machine"])
    try:
        host.run(["tomboloctl", "reload"])
        stopped(host, "net")
        started(host, "net")
        wait_for(lambda: NET_HOSTNAME in owned_names(host), 20, "the name is back")
        answer = get_hostname(host)
        assert answer.returncode != 0 and "may not call" in answer.stderr, answer.stderr
        polkit_rule('action.id == "org.tombolo.Host1.call-guest" && action.lookup("caller-machine") == "net"')
        assert get_hostname(host).returncode != 0
        polkit_rule('action.id == "org.tombolo.Host1.call-guest" && subject.user == "tombolo-bridge" '
                    '&& action.lookup("caller-machine") == "work" && action.lookup("machine") == "net" '
                    f'&& action.lookup("name") == "{HOSTNAME}" && action.lookup("member") == "Get"')
        assert get_hostname(host).stdout.strip() == "(<'net'>,)"
    finally:
        lent.write(f"{MACHINES}/net.machine", lent.before[f"{MACHINES}/net.machine"] + NET)
        host.run(["tomboloctl", "reload"])
        stopped(host, "net")


def test_services_of_the_host(host, polkit_rule):
    zone = call(host, TIME, "/org/freedesktop/timedate1", "org.freedesktop.DBus.Properties", "Get",
                "org.freedesktop.timedate1", "Timezone")
    assert zone.returncode == 0, zone.stderr
    refused = call(host, TIME, "/org/freedesktop/timedate1", "org.freedesktop.timedate1", "SetTimezone", "UTC", "false")
    assert "line " in refused.stderr and "refuses it" in refused.stderr
    # No rule fits: polkit.
    peer = [HOST1, ROOT, "org.freedesktop.DBus.Peer", "Ping"]
    assert "may not call Ping" in call(host, *peer).stderr
    polkit_rule('action.id == "org.tombolo.Host1.call-guest" && action.lookup("machine") == ".host" '
                '&& action.lookup("caller-machine") == "work" && action.lookup("name") == "org.tombolo.Host1"')
    assert call(host, *peer).returncode == 0


def test_machines_are_listed_from_inside(host):
    answer = guest_run(host, "work", ["busctl", "call", "--json=short", HOST1, ROOT,
                                      "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"]).stdout
    assert {f"{ROOT}/machine/{name}" for name in ("lab", "net", "work")} <= set(json.loads(answer)["data"][0])
    assert ROOT + "/machine/net" in call(host, HOST1, ROOT, HOST1 + ".Manager", "FindMachine", "net").stdout


def test_acts_on_machines_are_polkits(host, polkit_rule):
    """Whose detail caller-machine says that a guest wants it; a bridge's user alone may nothing."""
    pause = [HOST1, ROOT + "/machine/net", HOST1 + ".Machine", "Pause"]
    assert "not allowed to call Pause" in call(host, *pause).stderr
    polkit_rule('action.id == "org.tombolo.Host1.manage-machines" && action.lookup("caller-machine") == "net"')
    assert "not allowed to call Pause" in call(host, *pause).stderr
    polkit_rule('action.id == "org.tombolo.Host1.manage-machines" && action.lookup("caller-machine") == "work" '
                '&& action.lookup("machine") == "net" && subject.user == "tombolo-bridge"')
    kill = call(host, HOST1, ROOT + "/machine/net", HOST1 + ".Machine", "Kill", "@a{sv} {}")
    assert kill.returncode == 0, kill.stderr
    assert machine_property(host, "net", "State") == "stopped"


def test_a_guest_does_not_report_for_its_bridge(host):
    answer = call(host, HOST1, ROOT, HOST1 + ".Bridge", "Report", "work", "connecting", "I lie.", "@a{ss} {}",
                  "@a{ss} {}")
    assert "not for programs in machines" in answer.stderr
    assert machine_property(host, "work", "AgentState") == "connected"


def test_nobody_is_let_in_while_tombolod_is_away(host):
    """It alone can tell for which machine a bridge's connection speaks."""
    assert get_hostname(host).returncode == 0
    host.run(["systemctl", "stop", "tombolod.service", "tombolod.socket"])
    try:
        answer = get_hostname(host)
        assert "cannot be told" in answer.stderr, answer.stderr
        assert unit_property(host, "tombolod.service", "ActiveState") == "inactive"
    finally:
        host.run(["systemctl", "start", "tombolod.socket", "tombolod.service"])
    wait_for(lambda: get_hostname(host).returncode == 0, 10, "calls go on")


def test_a_program_of_the_bridges_user_is_nobodys(host):
    """What runs as tombolo-bridge, and is no bridge, gets nowhere."""
    def attempt(name, path, method, *arguments):
        return host.run(["setpriv", "--reuid=tombolo-bridge", "--regid=tombolo-bridge", "--clear-groups", "gdbus",
                         "call", "--system", "--dest", name, "--object-path", path, "--method", method, *arguments],
                        check=False).stderr

    assert "cannot be told" in attempt(f"org.tombolo.Guest1.net.{HOSTNAME}", HOSTNAME_PATH,
                                       "org.freedesktop.DBus.Properties.Get", HOSTNAME, "Hostname")
    assert "do not open buses" in attempt(HOST1, ROOT + "/machine/net", HOST1 + ".Machine.OpenBus", "@a{sv} {}")
    assert "not allowed" in attempt(HOST1, ROOT, HOST1 + ".Manager.Reload")
    assert "AccessDenied" in attempt(HOST1, ROOT, HOST1 + ".Bridge.IdentifyCaller", ":1.1")


def test_the_name_goes_and_comes_with_its_source(host):
    stopped(host, "net")
    wait_for(lambda: NET_HOSTNAME not in owned_names(host), 10, "the name is gone")
    states = {entry[0]: entry[3] for entry in machine_property(host, "work", "Imports")}
    assert states[NET_HOSTNAME] == "unavailable" and states[HOST1] == "available"
    started(host, "net")
    wait_for(lambda: NET_HOSTNAME in owned_names(host), 20, "the name is back")
    assert get_hostname(host).stdout.strip() == "(<'net'>,)"


def test_a_bridge_that_is_killed_comes_back(host):
    before = unit_property(host, "tombolo-bridge@work.service", "MainPID")
    host.run(["systemctl", "kill", "-s", "KILL", "tombolo-bridge@work.service"])
    wait_for(lambda: unit_property(host, "tombolo-bridge@work.service", "MainPID") not in ("0", before), 10,
             "the bridge runs again")
    wait_for(lambda: get_hostname(host).returncode == 0, 20, "calls go on")


# --- nmcli, unmodified, in a guest that has no NetworkManager ---


@pytest.fixture(scope="module")
def nmcli(test_host):
    """Copies nmcli and the libraries that `work` lacks from `net`, which is of the same release."""
    script = f"""set -e
cd {GUESTS}/net
cp usr/bin/nmcli ../work/usr/bin/
for file in $(chroot . ldd /usr/bin/nmcli | awk '$3 ~ /^[/]/ {{ print $3 }}'); do
  test -e ../work$file || cp -L ./$file ../work$file
done
"""
    test_host.run(["bash", "-c", script])

    def run(*words):
        return guest_run(test_host, "work", ["nmcli", *words], check=False)

    return run


def test_nmcli_shows_and_changes_the_other_guests_network(host, nmcli):
    outside = guest_run(host, "net", ["nmcli", "-t", "-f", "device,type", "device"]).stdout
    inside = nmcli("-t", "-f", "device,type", "device")
    assert inside.returncode == 0, inside.stderr
    assert sorted(inside.stdout.split()) == sorted(outside.split())
    assert "tg-" in inside.stdout

    # One that connects by itself: nmcli would wait for a secret agent, as on any name that root does not own.
    added = nmcli("connection", "add", "type", "bridge", "ifname", "lent0", "con-name", "lent", "bridge.stp", "no",
                  "ipv4.method", "manual", "ipv4.addresses", "192.0.2.1/24", "autoconnect", "yes")
    assert added.returncode == 0, added.stderr
    try:
        assert "lent" in guest_run(host, "net", ["nmcli", "-t", "-f", "name", "connection"]).stdout.split()
        wait_for(lambda: "lent0:lent" in nmcli("-t", "-f", "device,connection", "device").stdout.split(), 15,
                 "it is connected")
        assert "192.0.2.1" in guest_run(host, "net", ["ip", "address", "show", "lent0"]).stdout
        down = nmcli("connection", "down", "lent")
        assert down.returncode == 0, down.stderr
    finally:
        deleted = nmcli("connection", "delete", "lent")
    assert deleted.returncode == 0, deleted.stderr


def connections_of(host, pid):
    listed = host.run(["busctl", "list", "--unique", "--json=short"]).stdout
    return sum(str(entry["pid"]) == pid for entry in json.loads(listed))


def test_signals_arrive_and_a_program_that_leaves_is_gone(host, nmcli):
    bridge = unit_property(host, "tombolo-bridge@work.service", "MainPID")
    before = connections_of(host, bridge)
    monitor = host.popen(["nsenter", "-a", "-t", guest_leader(host, "work"), "nmcli", "monitor"])
    wait_for(lambda: connections_of(host, bridge) == before + 1, 10, "nmcli has a connection on the host's bus")
    for number in range(5):
        guest_run(host, "net", ["nmcli", "connection", "add", "type", "bridge", "ifname", f"seen{number}", "con-name",
                                f"seen{number}", "autoconnect", "no"])
    guest_run(host, "net", ["nmcli", "connection", "delete", *(f"seen{number}" for number in range(5))])

    told = []
    while sum("removed" in line for line in told) < 5:
        told.append(monitor.stdout.readline())
        assert told[-1], told
    created = [line.split(":")[0] for line in told if "connection profile created" in line]
    assert created == [f"seen{number}" for number in range(5)], told

    host.end_started()
    guest_run(host, "work", ["pkill", "nmcli"], check=False)
    wait_for(lambda: connections_of(host, bridge) == before, 10, "its connection is gone")
