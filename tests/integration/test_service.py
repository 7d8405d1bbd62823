# SPDX-License-Identifier: LGPL-2.1-or-later
"""tombolod as a service of systemd's: activation, reload, watchdog, log level."""
import pytest

from guests import guest_leader, machine_property, started, stopped, unit_property, wait_for

UNIT = "tombolod.service"
DROP_IN = "/run/systemd/system/tombolod.service.d/watchdog.conf"


def version(host, **options):
    return host.run(["busctl", "get-property", "org.tombolo.Host1", "/org/tombolo/Host1",
                     "org.tombolo.Host1.Manager", "Version"], **options)


def test_a_call_activates_it(host):
    started(host, "work")
    leader = guest_leader(host, "work")
    host.run(["systemctl", "stop", UNIT])
    assert unit_property(host, UNIT, "ActiveState") == "inactive"
    assert version(host, user="visitor").stdout.startswith("s ")
    assert unit_property(host, UNIT, "ActiveState") == "active"
    wait_for(lambda: machine_property(host, "work", "AgentState") == "connected", 5, "adopted again")
    assert guest_leader(host, "work") == leader


def test_systemctl_reload_reads_machine_files(host):
    pid = unit_property(host, UNIT, "MainPID")
    path = "/etc/tombolo/machines/reloaded.machine"
    host.run(["tee", path], input="[Machine]\nMonitor=qemu\n[Qemu]\nKernel=/usr/bin/id\n")
    try:
        host.run(["systemctl", "reload", UNIT])
        assert machine_property(host, "reloaded", "File") == path
    finally:
        host.run(["rm", path])
        host.run(["tomboloctl", "reload"])
    assert "reloaded" not in host.run(["tomboloctl", "list"]).stdout
    assert unit_property(host, UNIT, "MainPID") == pid


def test_log_level(host):
    assert host.run(["systemctl", "service-log-level", UNIT]).stdout.strip() == "info"
    cursor = host.cursor()
    host.run(["systemctl", "service-log-level", UNIT, "warning"])
    try:
        assert host.run(["systemctl", "service-log-level", UNIT]).stdout.strip() == "warning"
        stopped(host, "work")
        started(host, "work")
        assert "Machine work is running" not in host.journal_since(cursor)
        host.run(["systemctl", "service-log-level", UNIT, "debug"])
        assert host.run(["systemctl", "service-log-level", UNIT]).stdout.strip() == "debug"
    finally:
        host.run(["systemctl", "service-log-level", UNIT, "info"])
    stopped(host, "work")
    started(host, "work")
    assert "Machine work is running" in host.journal_since(cursor)


@pytest.mark.parametrize("level", ["emerg", "alert", "crit"])
def test_levels_that_would_hide_errors_are_refused(host, level):
    answer = host.run(["systemctl", "service-log-level", UNIT, level], check=False)
    assert answer.returncode != 0
    assert "err, warning, notice, info, debug" in answer.stderr


def test_only_root_changes_the_log_level(host):
    answer = host.run(["systemctl", "service-log-level", UNIT, "err"], user="visitor", check=False)
    assert answer.returncode != 0
    assert host.run(["systemctl", "service-log-level", UNIT]).stdout.strip() == "info"


@pytest.fixture
def short_watchdog(host):
    assert unit_property(host, UNIT, "WatchdogUSec") == "30s"
    host.run(["mkdir", "-p", DROP_IN.rpartition("/")[0]])
    host.run(["tee", DROP_IN], input="[Service]\nWatchdogSec=2s\n")
    host.run(["systemctl", "daemon-reload"])
    host.run(["systemctl", "restart", UNIT])
    yield
    host.run(["rm", DROP_IN])
    host.run(["systemctl", "daemon-reload"])
    host.run(["systemctl", "restart", UNIT])


def test_the_watchdog_ends_a_daemon_that_hangs(host, short_watchdog):
    started(host, "work")
    leader, pid = guest_leader(host, "work"), unit_property(host, UNIT, "MainPID")
    cursor = host.cursor()
    host.run(["sleep", "5"])  # it feeds the watchdog while it lives
    assert unit_property(host, UNIT, "MainPID") == pid
    host.run(["kill", "-STOP", pid])
    wait_for(lambda: unit_property(host, UNIT, "MainPID") not in ("0", pid)
             and unit_property(host, UNIT, "ActiveState") == "active", 15, "a new daemon runs")
    assert "Watchdog timeout" in host.journal_since(cursor)
    assert version(host).returncode == 0
    wait_for(lambda: machine_property(host, "work", "AgentState") == "connected", 5, "adopted again")
    assert guest_leader(host, "work") == leader
