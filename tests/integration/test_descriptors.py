# SPDX-License-Identifier: LGPL-2.1-or-later
"""File descriptors that cross: pipes, sockets and terminals, both ways, by alias and by bus socket;
what is refused, how many there may be, and what becomes of them when a guest goes."""
import json
import subprocess

import pytest

from testbed import place

from guests import CLIENTS, guest_root, guest_run, started, unit_property, wait_for

MACHINE = "work"
UNIT = "tombolo-test-cargo.service"
FOLDER = "/usr/local/lib/tombolo-tests"
CLIENT = f"{FOLDER}/cargo.py"
BRIDGE = f"tombolo-bridge@{MACHINE}.service"
WAYS = ("alias", "socket")
NOT_SUPPORTED = "org.tombolo.Error.NotSupported"
LIMITS_EXCEEDED = "org.tombolo.Error.LimitsExceeded"


def serve(host):
    """The service in the guest, which a restart of the guest ends."""
    program = place.build("sanitize" if host.sanitize else "") / "tests/services/tombolo-cargo-service"
    host.push(program, f"{guest_root(MACHINE)}{FOLDER}/cargo-service")
    guest_run(host, MACHINE, ["systemd-run", "--quiet", "--collect", f"--unit={UNIT}",
                              "--property=Type=notify", f"{FOLDER}/cargo-service"])


@pytest.fixture(scope="module", autouse=True)
def service(test_host):
    started(test_host, MACHINE)
    test_host.push(CLIENTS / "cargo.py", CLIENT)
    serve(test_host)
    yield
    guest_run(test_host, MACHINE, ["systemctl", "stop", UNIT], check=False)


def call(host, way, *what, timeout=90):
    return json.loads(host.run(["python3", CLIENT, way, *what], user="operator", timeout=timeout).stdout)


def start(host, way, *what):
    process = host.popen(["python3", CLIENT, way, *what], user="operator")
    ready(process)
    return process


def ready(process):
    for line in process.stderr:
        if line.strip() == "ready":
            return
    raise AssertionError("the client ended before it was ready")


def go_on(process):
    process.stdin.write("\n")
    process.stdin.flush()


def count(host, *, guest):
    """Descriptors of the agent, or of the bridge."""
    if guest:
        pid = guest_run(host, MACHINE, ["systemctl", "show", "--value", "-p", "MainPID", "tombolo-guestd"]).stdout
        return len(guest_run(host, MACHINE, ["ls", f"/proc/{pid.strip()}/fd"]).stdout.split())
    return len(host.run(["ls", f"/proc/{unit_property(host, BRIDGE, 'MainPID')}/fd"]).stdout.split())


@pytest.fixture(autouse=True)
def nothing_left(host, service):
    """Whatever a test did, what crossed leaves nothing behind at either end."""
    call(host, "alias", "tell")
    before = count(host, guest=False), count(host, guest=True)
    bridge = unit_property(host, BRIDGE, "MainPID")
    yield
    if unit_property(host, BRIDGE, "MainPID") == bridge:
        wait_for(lambda: count(host, guest=False) <= before[0] + 2, 15, "the bridge has closed all")
        wait_for(lambda: count(host, guest=True) <= before[1] + 2, 15, "the agent has closed all")


@pytest.mark.parametrize("way", WAYS)
def test_a_pipe_in_a_reply(host, way):
    assert call(host, way, "tell") == {"text": "from the guest\n"}


@pytest.mark.parametrize("way", WAYS)
def test_100_megabytes_through_a_pipe_out_of_the_guest(host, way):
    said = call(host, way, "fill", str(100 * 1000 * 1000))
    assert (said["size"], said["same"]) == (100 * 1000 * 1000, True)


@pytest.mark.parametrize("way", WAYS)
def test_100_megabytes_through_a_pipe_into_the_guest(host, way):
    said = call(host, way, "drain", str(100 * 1000 * 1000))
    assert (said["size"], said["same"]) == (100 * 1000 * 1000, True)


@pytest.mark.parametrize("way", WAYS)
def test_a_sockets_directions_end_by_themselves(host, way):
    assert call(host, way, "echo") == {"same": True}


@pytest.mark.parametrize("way", WAYS)
def test_a_terminal_of_the_guests(host, way):
    """As machinectl shell: typed and echoed once, resized, interrupted, hung up."""
    assert call(host, way, "shell") == {"terminal": True, "echoes": 1, "window": True, "interrupt": True,
                                        "end": "EIO"}


@pytest.mark.parametrize("way", WAYS)
def test_a_terminal_of_the_callers(host, way):
    assert call(host, way, "terminal") == {"window": True, "echoes": 1, "given back": True}


@pytest.mark.parametrize("way", WAYS)
def test_what_cannot_cross_is_named(host, way):
    said = call(host, way, "kinds")
    for name, what in (("file", "a regular file"), ("directory", "a directory"),
                       ("device", "a character device"), ("listening", "a listening socket"),
                       ("datagram", "a datagram socket"), ("tcp", "a TCP socket"), ("epoll", "an epoll instance")):
        assert said[name].startswith(f"{NOT_SUPPORTED}: Descriptor 0 is {what}, "), said[name]


@pytest.mark.parametrize("way", WAYS)
def test_a_reply_with_a_file_is_refused(host, way):
    said = call(host, way, "given_file")
    assert said["error"] == NOT_SUPPORTED
    assert "a regular file" in said["message"]


@pytest.mark.parametrize("way", WAYS)
def test_the_65th_is_refused(host, way):
    assert call(host, way, "many") == {"had": 64, "got": LIMITS_EXCEEDED, "passed": LIMITS_EXCEEDED, "again": 8}


def test_more_than_16_in_a_message_are_refused(host):
    """On the host's bus dbus-daemon refuses them itself; dbus-broker lets them through to us."""
    said = call(host, "socket", "too_many")
    assert said["error"] == LIMITS_EXCEEDED
    assert "more than 16" in said["message"]
    call(host, "alias", "too_many", timeout=90) if host.bus == "dbus-broker" else None
    assert call(host, "alias", "tell") == {"text": "from the guest\n"}


@pytest.mark.parametrize("way", WAYS)
def test_a_callback_carries_them_both_ways(host, way):
    """As BlueZ calls a profile: a socket and a pipe for the caller, and a pipe in its answer."""
    assert call(host, way, "profile") == {"log": "connected", "from the name's owner": True,
                                          "heard": ["by socket", "by pipe"]}


@pytest.mark.parametrize("way", WAYS)
def test_a_callbacks_answer_with_a_file_is_refused(host, way):
    said = call(host, way, "profile", "file")
    assert said["error"] == NOT_SUPPORTED
    assert "a regular file" in said["message"]


def test_signals_with_descriptors_are_left_out(host):
    assert call(host, "alias", "signals") == {"seen": ["Empty"]}


def inhibitors(host):
    return guest_run(host, MACHINE, ["systemd-inhibit", "--list", "--no-pager"]).stdout


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("end", ["close", "kill"])
def test_an_inhibitor_lasts_as_long_as_its_descriptor(host, way, end):
    process = start(host, way, "wait_with_inhibitor")
    wait_for(lambda: "cargo" in inhibitors(host), 5, "the guest has the inhibitor")
    if end == "close":
        go_on(process)
        ready(process)
    else:
        host.run(["pkill", "-KILL", "-f", f"{CLIENT} {way} wait_with_inhibitor"])
    wait_for(lambda: "cargo" not in inhibitors(host), 5, "the inhibitor is gone")
    if end == "close":
        go_on(process)
        assert process.wait(timeout=10) == 0


def test_systemd_inhibit_unmodified(host):
    command = ["systemd-inhibit", "--what=idle", "--who=cargo", "--why=test", "--mode=block", "cat"]
    process = host.popen(command, user="operator",
                         environment={"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path=/run/tombolo/bus/{MACHINE}"})
    wait_for(lambda: "cargo" in inhibitors(host), 10, "the guest has the inhibitor")
    process.stdin.close()
    wait_for(lambda: "cargo" not in inhibitors(host), 10, "the inhibitor is gone")


def test_a_reader_may_stand_still(host):
    """For longer than a dead peer is given, while more waits than all buffers hold."""
    assert call(host, "alias", "stopped_reader", "14") == {"same": True}


def test_a_guest_that_goes_ends_what_it_had(host):
    process = start(host, "alias", "wait_in_transfer")
    host.run(["tomboloctl", "kill", MACHINE], user="operator")
    try:
        output, _ = process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        output = "{}"
    started(host, MACHINE)
    serve(host)
    assert json.loads(output) == {"read": "end of file", "write": "EPIPE", "some": True}


def test_a_guessed_token_is_refused(host):
    """Somebody with the bridge's key, and without a token that was told."""
    link = host.run(["cat", f"/run/credentials/{BRIDGE}/tombolo.bridge"]).stdout
    interface = next(line.partition("=")[2] for line in link.splitlines() if line.startswith("Interface="))
    host.push(CLIENTS / "guess.py", f"{FOLDER}/guess.py")
    since = guest_run(host, MACHINE, ["date", "+%s"]).stdout.strip()
    answer = host.run(["nsenter", "-n", "-t", unit_property(host, BRIDGE, "MainPID"), "python3",
                       f"{FOLDER}/guess.py", interface, f"/run/credentials/{BRIDGE}/tombolo.identity"])
    assert answer.stdout.split() == ["closed"] * 3
    log = guest_run(host, MACHINE, ["journalctl", "-o", "cat", f"--since=@{since}", "-u", "tombolo-guestd"]).stdout
    assert "a token that was used before, or is nobody's" in log
