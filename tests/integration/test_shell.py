# SPDX-License-Identifier: LGPL-2.1-or-later
"""`tomboloctl shell`: a terminal in a guest, where both sides allow it."""
import json
import signal
import time

import pytest

from guests import CLIENTS, guest_run, machine_property, started, stopped, unit_property, wait_for

TERMINAL = "/usr/local/lib/tombolo-tests/terminal.py"
GUEST_FILE = "/etc/tombolo/guest.conf"


@pytest.fixture(autouse=True)
def work(host):
    started(host, "work")
    host.push(CLIENTS / "terminal.py", TERMINAL)


def shell(host, *words, user="operator", **options):
    return host.run(["tomboloctl", "shell", "work", *words], user=user, check=False, **options)


def person(host, steps, *words, user="operator"):
    """What a person sees who does this at a terminal; and the last line about how it ended."""
    answer = host.run(["python3", TERMINAL, json.dumps(steps), "tomboloctl", "shell", "work", *words], user=user)
    seen, _, last = answer.stdout.strip().rpartition("\n")
    return seen, last


# --- without a terminal ---

@pytest.mark.parametrize("script,code", [
    ("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137), ("true", 0), ("/no/such/program", 127),
])
def test_exit_status(host, script, code):
    assert shell(host, "--", "sh", "-c", script).returncode == code


def test_it_runs_in_the_guest(host):
    answer = shell(host, "hostname")
    assert answer.stdout.strip() == guest_run(host, "work", ["hostname"]).stdout.strip()


def test_words_stay_words(host):
    answer = shell(host, "--", "printf", "<%s>", "a b", "$HOME", "'\"", "*", "")
    assert answer.stdout == "<a b><$HOME><'\"><*><>"


def test_it_is_a_session_of_the_user(host):
    answer = shell(host, "--", "sh", "-c", 'echo "$(id -un) $HOME $(stat -c %U "$(tty)")"')
    assert answer.stdout.split() == ["root", "/root", "root"]


def test_output_of_some_size(host):
    answer = shell(host, "--", "sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; echo end", timeout=120)
    assert answer.stdout.count("x") == 3000000
    assert answer.stdout.endswith("end\n") or answer.stdout.endswith("end\r\n")


# --- at a terminal ---

def test_a_person_at_it(host):
    seen, last = person(host, [["expect", "^]"], ["expect", "#"], ["type", "stty size; echo $TERM\n"],
                               ["expect", "31 117"], ["size", [40, 100]], ["wait", 0.5], ["type", "stty size\n"],
                               ["expect", "40 100"], ["type", "exit 9\n"]])
    assert last.split() == ["exit", "9", "same"], seen


def test_keys_are_the_guests(host):
    """^C interrupts the guest's program, and not tomboloctl."""
    seen, last = person(host, [["expect", "#"], ["type", "sleep 30\n"], ["wait", 1], ["type", "\x03"],
                               ["type", "echo inter''rupted $?\n"], ["expect", "interrupted 130"],
                               ["type", "exit 4\n"]])
    assert last.split() == ["exit", "4", "same"], seen


def test_leaving(host):
    seen, last = person(host, [["expect", "#"], ["type", "sleep 4242\n"], ["wait", 1], ["type", "\x1d\x1d\x1d"]])
    assert last.split() == ["exit", "125", "same"], seen
    wait_for(lambda: guest_run(host, "work", ["pgrep", "-f", "sleep 4242"], check=False).returncode != 0, 10,
             "what ran there has ended")


def test_a_slow_escape_is_none(host):
    seen, last = person(host, [["expect", "#"], ["type", "\x1d"], ["wait", 1.2], ["type", "\x1d\x1d"], ["wait", 1.2],
                               ["type", "\x15exit 3\n"]])
    assert last.split() == ["exit", "3", "same"], seen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_leave_the_terminal_as_it_was(host, number):
    seen, last = person(host, [["expect", "#"], ["signal", int(number)]])
    assert last.split()[0::2] == ["exit", "same"], seen
    assert last.split()[1] != "0"


def test_the_machine_dies(host):
    process = host.popen(["tomboloctl", "shell", "work", "--", "sh", "-c", "echo ready; sleep 60"], user="operator")
    assert process.stdout.readline().strip() == "ready"
    stopped(host, "work")
    process.wait(timeout=30)
    assert process.returncode in (125, 137)  # where the guest's last word still came: killed


# --- who may not ---

def test_visitor_is_refused(host):
    answer = shell(host, "--", "echo", "ran", user="visitor")
    assert answer.returncode == 125
    assert "authenti" in answer.stderr
    assert "ran" not in answer.stdout


def test_polkit_knows_the_user(host):
    """The test host's rule says no to one of them."""
    answer = shell(host, "--user=daemon", "--", "echo", "ran")
    assert answer.returncode == 125
    assert "authenti" in answer.stderr


@pytest.mark.parametrize("user,words", [
    ("nobody", "opens no terminal as user “nobody”"),
    ("bin", "[Shell]"),
    ("operator", "has no user “operator”"),
    ("-x", "no user's name"),
    ("ro ot", "no user's name"),
])
def test_the_guest_refuses(host, user, words):
    answer = shell(host, f"--user={user}", "--", "echo", "ran")
    assert answer.returncode == 125
    assert words in answer.stderr
    assert "ran" not in answer.stdout


def test_nobody_is_named(host):
    """Deny by default."""
    text = guest_run(host, "work", ["cat", GUEST_FILE]).stdout
    guest_run(host, "work", ["tee", GUEST_FILE], input=text.split("[Shell]")[0])
    try:
        answer = shell(host, "--", "echo", "ran")
        assert answer.returncode == 125
        assert "[Shell]" in answer.stderr
    finally:
        guest_run(host, "work", ["tee", GUEST_FILE], input=text)


def test_a_broken_file_opens_nothing(host):
    text = guest_run(host, "work", ["cat", GUEST_FILE]).stdout
    guest_run(host, "work", ["tee", GUEST_FILE], input=text + "Users=root\n")
    try:
        assert shell(host, "--", "echo", "ran").returncode == 125
    finally:
        guest_run(host, "work", ["tee", GUEST_FILE], input=text)


def test_no_socket(host):
    guest_run(host, "work", ["systemctl", "stop", "tombolo-shell.socket"])
    try:
        answer = shell(host, "--", "echo", "ran")
        assert answer.returncode == 125
        assert "tombolo-shell.socket" in answer.stderr
    finally:
        guest_run(host, "work", ["systemctl", "start", "tombolo-shell.socket"])


def test_others_in_the_guest_do_not_get_at_it(host):
    answer = guest_run(host, "work", ["setpriv", "--reuid=bin", "--clear-groups", "python3", "-c", "import socket"], check=False)
    mode = guest_run(host, "work", ["stat", "-c", "%a %U", "/run/tombolo-guest/shell"]).stdout.split()
    assert mode == ["600", "tombolo-guest"], answer


def test_not_connected(host):
    stopped(host, "work")
    answer = shell(host, "--", "echo", "ran")
    assert answer.returncode == 125
    assert "does not run" in answer.stderr


def test_wrong_options(host):
    answer = host.run(["gdbus", "call", "--system", "--dest", "org.tombolo.Host1", "--object-path",
                       "/org/tombolo/Host1/machine/work", "--method", "org.tombolo.Host1.Machine.OpenShell", "root",
                       "[]", "{'rows': <'many'>}"], user="operator", check=False)
    assert "org.tombolo.Error.InvalidArgument" in answer.stderr


def test_nothing_is_left(host):
    """No descriptor in the bridge, no process there or in the guest."""
    bridge = unit_property(host, "tombolo-bridge@work.service", "MainPID")

    def count():
        return len(host.run(["ls", f"/proc/{bridge}/fd"]).stdout.split())

    shell(host, "true")
    time.sleep(1)
    before = count()
    for _ in range(5):
        assert shell(host, "true").returncode == 0
    wait_for(lambda: count() <= before, 10, "the descriptors are closed")
    wait_for(lambda: host.run(["pgrep", "-P", bridge], check=False).returncode != 0, 10, "its helpers have ended")
    units = guest_run(host, "work", ["systemctl", "list-units", "--no-legend", "tombolo-shell@*"]).stdout
    assert units.strip() == ""
    assert machine_property(host, "work", "AgentState") == "connected"
