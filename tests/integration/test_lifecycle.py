# SPDX-License-Identifier: LGPL-2.1-or-later
"""How machines end, and how a new tombolod finds them again."""
import time

import pytest

from guests import (ALIAS_HOSTNAME, HOSTNAME, HOSTNAME_PATH, client, guest_leader, guest_run,
                    in_links_namespace, machine_property, started, stopped, unit_property, wait_for)

STATE = "/run/tombolo/state"
UNITS = {"work": "tombolo-container@work.service", "lab": "tombolo-machine@lab.service"}


def state(host, machine):
    return machine_property(host, machine, "State")


def reason(host, machine):
    return machine_property(host, machine, "StateReason")


def wait_for_state(host, machine, wanted, seconds=10):
    wait_for(lambda: state(host, machine) == wanted, seconds, f"{machine} is {wanted}")


def kill_daemon(host):
    pid = unit_property(host, "tombolod.service", "MainPID")
    host.run(["kill", "-9", pid])
    wait_for(lambda: unit_property(host, "tombolod.service", "MainPID") not in ("0", pid)
             and unit_property(host, "tombolod.service", "ActiveState") == "active", 10,
             "tombolod runs again")


@pytest.fixture(autouse=True)
def at_rest(host):
    """Each test begins and ends with nothing running."""
    for machine in ("work", "net", "lab"):
        stopped(host, machine)
    yield
    for machine in ("work", "net", "lab"):
        stopped(host, machine)


def test_guest_reboots(host):
    started(host, "work")
    link = machine_property(host, "work", "Interface")
    leader = guest_leader(host, "work")
    guest_run(host, "work", ["systemctl", "reboot"], check=False)
    wait_for(lambda: host.run(["test", "-d", f"/proc/{leader}"], check=False).returncode != 0, 20,
             "the old guest is gone")
    wait_for(lambda: unit_property(host, UNITS["work"], "ActiveState") == "active", 20,
             "the new guest runs")
    started(host, "work")
    assert state(host, "work") == "running"
    assert machine_property(host, "work", "Interface") == link
    assert unit_property(host, UNITS["work"], "NRestarts") == "1"


def test_guest_powers_off(host):
    started(host, "work")
    guest_run(host, "work", ["systemctl", "poweroff"], check=False)
    wait_for_state(host, "work", "stopped", 20)
    assert reason(host, "work") == ""


@pytest.mark.parametrize("machine", ["work", "lab"])
def test_monitor_dies(host, machine):
    host.run(["tomboloctl", "start", machine])
    host.run(["kill", "-9", unit_property(host, UNITS[machine], "MainPID")])
    wait_for_state(host, machine, "failed")
    assert "signal 9" in reason(host, machine)
    assert machine_property(host, machine, "Interface") == ""
    assert machine_property(host, machine, "AgentState") == "none"
    host.run(["tomboloctl", "start", machine])
    assert reason(host, machine) == ""


@pytest.mark.parametrize("machine", ["work", "lab"])
def test_stopped_while_it_starts(host, machine):
    start = host.popen(["tomboloctl", "start", machine])
    wait_for(lambda: state(host, machine) != "stopped", 5, "it starts")
    host.run(["tomboloctl", "kill", machine])
    _, errors = start.communicate(timeout=20)
    assert state(host, machine) == "stopped"
    assert start.returncode == 0 or "stopped the machine" in errors, errors


@pytest.mark.parametrize("machine", ["work", "lab"])
@pytest.mark.parametrize("delay", [0.05, 0.2, 0.5])
def test_tombolod_dies_while_a_machine_starts(host, machine, delay):
    """The caller hears of it; the machine is then in a state that it can leave, and nothing is left."""
    start = host.popen(["sh", "-c", f"tomboloctl start {machine}"])
    time.sleep(delay)
    kill_daemon(host)
    start.communicate(timeout=30)
    settled = ("stopped", "running", "failed")
    wait_for(lambda: state(host, machine) in settled, 20, f"{machine} has settled")
    stopped(host, machine)
    assert unit_property(host, UNITS[machine], "ActiveState") in ("inactive", "failed")
    assert in_links_namespace(host, ["sh", "-c", "ip -o link | grep -c 't[bg]-'"],
                              check=False).stdout.strip() == "0"
    host.run(["tomboloctl", "start", machine])
    assert state(host, machine) == "running"


def test_the_bridge_dies_while_the_machine_starts(host):
    start = host.popen(["tomboloctl", "start", "work", "--wait-agent=30"])
    unit = "tombolo-bridge@work.service"
    wait_for(lambda: unit_property(host, unit, "MainPID") != "0", 10, "the bridge starts")
    host.run(["kill", "-9", unit_property(host, unit, "MainPID")])
    _, errors = start.communicate(timeout=40)
    assert start.returncode == 0, errors
    assert state(host, "work") == "running"


@pytest.mark.parametrize("machine", ["work", "lab"])
def test_the_monitor_dies_while_the_machine_starts(host, machine):
    start = host.popen(["tomboloctl", "start", machine])
    wait_for(lambda: unit_property(host, UNITS[machine], "MainPID") != "0", 10, "the monitor starts")
    host.run(["kill", "-9", unit_property(host, UNITS[machine], "MainPID")])
    start.communicate(timeout=40)
    wait_for_state(host, machine, "failed")
    assert reason(host, machine) != ""
    host.run(["tomboloctl", "start", machine])
    assert state(host, machine) == "running"


@pytest.fixture
def systemd_refuses(host):
    """polkit lets tombolod stop and kill nothing."""
    path = "/etc/polkit-1/rules.d/00-no-stop.rules"
    host.run(["tee", path], input="""
polkit.addRule(function(action, subject) {
  if (subject.user == "tombolo" && ["stop", "kill"].indexOf(action.lookup("verb")) >= 0)
    return polkit.Result.NO;
});""")
    time.sleep(1)

    def relent():
        host.run(["rm", "-f", path])
        time.sleep(1)

    yield relent
    relent()


@pytest.mark.parametrize("verb", ["stop", "kill", "restart"])
def test_a_machine_that_systemd_does_not_stop_runs_on(host, systemd_refuses, verb):
    """Nothing of what it needs is taken away, and its caller hears so."""
    started(host, "work")
    leader, link = guest_leader(host, "work"), machine_property(host, "work", "Interface")
    answer = host.run(["tomboloctl", verb, "work"], check=False)
    assert answer.returncode != 0 and "work" in answer.stderr, answer.stderr
    assert state(host, "work") == "running"
    assert guest_leader(host, "work") == leader
    assert machine_property(host, "work", "Interface") == link != ""
    started(host, "work")
    host.run(["busctl", "get-property", ALIAS_HOSTNAME, HOSTNAME_PATH, HOSTNAME, "Hostname"],
             user="operator")
    systemd_refuses()
    host.run(["tomboloctl", "stop", "work"])
    assert state(host, "work") == "stopped"


def test_paused_machines_are_found_again(host):
    for machine in UNITS:
        host.run(["tomboloctl", "start", machine])
        host.run(["tomboloctl", "pause", machine])
    kill_daemon(host)
    for machine in UNITS:
        assert state(host, machine) == "paused"
        assert reason(host, machine) == ""
        host.run(["tomboloctl", "resume", machine])
        assert state(host, machine) == "running"


def test_a_bridge_and_a_reboot_after_a_new_daemon(host):
    """What a start was given survives the daemon: both kinds of credentials are given again."""
    started(host, "work")
    kill_daemon(host)
    bridge = unit_property(host, "tombolo-bridge@work.service", "MainPID")
    host.run(["kill", "-9", bridge])
    wait_for(lambda: unit_property(host, "tombolo-bridge@work.service", "MainPID")
             not in ("0", bridge), 10, "the bridge runs again")
    started(host, "work")
    guest_run(host, "work", ["systemctl", "reboot"], check=False)
    wait_for(lambda: machine_property(host, "work", "AgentState") == "connecting", 20,
             "the old guest is gone")
    started(host, "work")


@pytest.mark.parametrize("damage", ["rm {}", "truncate -s 40 {}", "truncate -s 0 {}"])
def test_a_machine_that_cannot_be_taken_over_runs_on(host, damage):
    started(host, "work")
    leader = guest_leader(host, "work")
    host.run(["sh", "-c", damage.format(f"{STATE}/work")])
    kill_daemon(host)
    assert state(host, "work") == "running"
    assert f"{STATE}/work" in reason(host, "work")
    assert guest_leader(host, "work") == leader
    host.run(["tomboloctl", "restart", "work"])
    assert reason(host, "work") == ""


def test_full_run(host):
    started(host, "work")
    leader = guest_leader(host, "work")
    host.run(["mount", "-t", "tmpfs", "-o", "size=4k,mode=0700,uid=tombolo,gid=tombolo", "none",
              STATE])
    try:
        host.run(["sh", "-c", f"head -c 4096 /dev/zero > {STATE}/.booted"])
        kill_daemon(host)
        assert guest_leader(host, "work") == leader
        assert state(host, "work") == "running"
        assert "lost" in reason(host, "work")
        answer = host.run(["tomboloctl", "start", "net"], check=False)
        assert "No space left" in answer.stderr
        assert state(host, "net") == "failed"
    finally:
        host.run(["umount", STATE])
    host.run(["systemctl", "restart", "tombolod"])
    assert reason(host, "work") == ""


def test_full_disk(host):
    """A machine that cannot be written down is not made, and leaves no half of a file."""
    directory = "/var/lib/tombolo/machines"
    create = ["tomboloctl", "create", "no-room", "--monitor=qemu", "--kernel=/usr/bin/id"]
    host.run(["mount", "-t", "tmpfs", "-o", "size=4k,mode=0700,uid=tombolo,gid=tombolo", "none",
              directory])
    try:
        host.run(["sh", "-c", f"head -c 4096 /dev/zero > {directory}/.full"], check=False)
        answer = host.run(create, check=False)
        assert answer.returncode == 1
        assert "No space left" in answer.stderr
        assert host.run(["ls", "-A", directory]).stdout.split() == [".full"]
        assert "no-room" not in host.run(["tomboloctl", "list"]).stdout
    finally:
        host.run(["umount", directory])
    host.run(create)
    host.run(["tomboloctl", "delete", "no-room"])


def test_an_impostor_is_stopped(host):
    started(host, "work")
    started(host, "net")
    unit = "tombolo-bridge@net.service"
    group = unit_property(host, unit, "ControlGroup")
    for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd"):
        if host.run(["test", "-d", root + group], check=False).returncode == 0:
            break
    client(host, "own-name.py",
           [root + group, "tombolo-bridge", "org.tombolo.Guest1.work.org.example.Impostor"],
           user="root")
    wait_for(lambda: unit_property(host, unit, "ActiveState") == "inactive", 10,
             "the impostor's unit is stopped")
    assert machine_property(host, "work", "AgentState") == "connected"
    assert machine_property(host, "net", "State") == "running"
    wait_for(lambda: "stopped" in machine_property(host, "net", "AgentReason"), 5,
             "its machine says why it has no bridge")
    log = host.run(["journalctl", "--no-pager", "-o", "cat",
                    "MESSAGE_ID=5b0d6f1c0a5d4a6db7c8e0a4a7f3e109"]).stdout
    assert "org.example.Impostor" in log
