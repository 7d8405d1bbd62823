# SPDX-License-Identifier: LGPL-2.1-or-later
"""`tomboloctl with`: any program against a guest's bus, over a socket that nobody else can use."""
import json
import signal
import time

import pytest

from guests import guest_run, machine_property, started, stopped, wait_for


@pytest.fixture(autouse=True)
def net(host):
    started(host, "net")


def run_with(host, *command, user="operator", **options):
    return host.run(["tomboloctl", "with", "net", "--", *command], user=user, check=False, **options)


def leftovers(host):
    return host.run(["find", "/tmp", "/run/user", "-maxdepth", "2", "-name", "tombolo-??????"], check=False).stdout.split()


def test_nmcli(host):
    devices = run_with(host, "nmcli", "-t", "-f", "device,type", "device")
    assert any(device.startswith("tg-") for device in devices.stdout.split()), devices.stderr


def test_busctl(host):
    answer = run_with(host, "busctl", "list", "--json=short")
    names = {entry["name"] for entry in json.loads(answer.stdout)}
    assert "org.freedesktop.NetworkManager" in names
    assert "org.tombolo.Host1" not in names


def test_systemctl(host):
    answer = run_with(host, "systemctl", "is-active", "NetworkManager.service")
    assert answer.stdout.strip() == "active", answer.stderr


def test_hostnamectl(host):
    answer = run_with(host, "hostnamectl", "--json=short")
    assert json.loads(answer.stdout)["Hostname"] == guest_run(host, "net", ["hostname"]).stdout.strip()


def test_gdbus_monitor(host):
    """A program that stays hears signals."""
    process = host.popen(["tomboloctl", "with", "net", "--", "gdbus", "monitor", "--system", "--dest",
                          "org.freedesktop.hostname1"], user="operator")
    time.sleep(2)
    guest_run(host, "net", ["hostnamectl", "--pretty", "set-hostname", "Mole"])
    time.sleep(2)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=20)
    assert "Mole" in output


@pytest.mark.parametrize("command,code", [
    (["true"], 0),
    (["sh", "-c", "exit 5"], 5),
    (["sh", "-c", "kill -9 $$"], 137),
    (["/no/such/program"], 127),
    (["/dev/null"], 126),
])
def test_exit_codes(host, command, code):
    before = leftovers(host)
    assert run_with(host, *command).returncode == code
    assert leftovers(host) == before


def test_options_behind_the_command_are_the_commands(host):
    answer = host.run(["tomboloctl", "with", "net", "echo", "--help", "-x"], user="operator")
    assert answer.stdout == "--help -x\n"


@pytest.mark.parametrize("name,words", [("nobody", "no machine"), ("No Name", "name")])
def test_no_machine(host, name, words):
    answer = host.run(["tomboloctl", "with", name, "--", "echo", "ran"], user="operator", check=False)
    assert answer.returncode == 125
    assert words in answer.stderr
    assert "ran" not in answer.stdout


def test_not_connected(host):
    stopped(host, "work")
    answer = host.run(["tomboloctl", "with", "work", "--", "echo", "ran"], user="operator", check=False)
    assert answer.returncode == 125
    assert "does not run" in answer.stderr
    assert "ran" not in answer.stdout


def test_visitor_gets_nothing(host):
    answer = run_with(host, "hostnamectl", user="visitor")
    assert answer.returncode != 0
    assert guest_run(host, "net", ["hostname"]).stdout.strip() not in answer.stdout


SOCKET = 'path=${DBUS_SYSTEM_BUS_ADDRESS#unix:path=}; '


def test_the_socket_is_private(host):
    answer = run_with(host, "sh", "-c", SOCKET + 'stat -c "%a %U" "$(dirname "$path")"')
    assert answer.stdout.strip() == "700 operator"


def test_another_user_is_turned_away(host):
    """Root gets past the directory, and no further: who is connected would act as operator."""
    process = host.popen(["tomboloctl", "with", "net", "--", "sh", "-c", 'echo "$DBUS_SYSTEM_BUS_ADDRESS"; sleep 30'],
                         user="operator")
    address = process.stdout.readline().strip()
    assert address.startswith("unix:path=/")
    theirs = host.run(["busctl", f"--address={address}", "list"], check=False)
    assert theirs.returncode != 0
    ours = host.run(["busctl", f"--address={address}", "list"], user="operator", check=False)
    assert "org.freedesktop.NetworkManager" in ours.stdout, ours.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_reach_the_program_and_the_socket_goes(host, number):
    before = leftovers(host)
    process = host.popen(["tomboloctl", "with", "net", "--", "sh", "-c",
                          f"trap 'echo heard; exit 9' {number.name[3:]}; echo ready; while :; do sleep 0.1; done"],
                         user="operator")
    assert process.stdout.readline() == "ready\n"
    assert len(leftovers(host)) == len(before) + 1
    pid = host.run(["pgrep", "-o", "-f", "tomboloctl with net"]).stdout.strip()
    host.run(["kill", f"-{number.name}", pid])
    output, _ = process.communicate(timeout=20)
    assert output == "heard\n"
    wait_for(lambda: leftovers(host) == before, 5, "the socket goes")


def test_many_connections(host):
    """More than tombolod opens at a time; four at a time, for so many checks polkit makes for one caller."""
    answer = run_with(host, "sh", "-c", "seq 80 | xargs -P 4 -I % busctl get-property org.freedesktop.hostname1 "
                      "/org/freedesktop/hostname1 org.freedesktop.hostname1 Hostname")
    assert answer.returncode == 0, answer.stderr
    assert len(answer.stdout.splitlines()) == 80


def test_session_bus(host):
    """The bus of the guest's configured user, beside the system bus; without the option it is our own."""
    started(host, "work")
    wait_for(lambda: machine_property(host, "work", "SessionExports"), 20, "the session is there")
    command = ["sh", "-c", "busctl --user list --json=short; echo; busctl list --json=short; echo $DBUS_SESSION_BUS_ADDRESS"]
    answer = host.run(["tomboloctl", "with", "work", "--session", "--", *command], user="operator", check=False)
    lines = [line for line in answer.stdout.splitlines() if line]
    assert len(lines) == 3, answer.stdout + answer.stderr
    session, system = ({entry["name"] for entry in json.loads(line)} for line in lines[:2])
    assert "org.freedesktop.systemd1" in session and "org.freedesktop.hostname1" not in session
    assert "org.freedesktop.hostname1" in system
    without = host.run(["tomboloctl", "with", "work", "--", *command], user="operator", check=False)
    assert without.stdout.splitlines()[-1] != lines[2]
    assert "tombolo-" not in without.stdout.splitlines()[-1]
