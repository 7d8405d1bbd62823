# SPDX-License-Identifier: LGPL-2.1-or-later
"""The test host is what the other tests take it for."""

import subprocess
import sys
from pathlib import Path

import pytest

from testbed import instance, place

TESTHOST = place.TOOLS / "testhost"


def tool(*arguments, **options):
    return subprocess.run([TESTHOST, *arguments], capture_output=True, text=True, timeout=120,
                          check=False, **options)


def test_every_unit_of_the_host_is_well(host):
    state = host.run(["systemctl", "is-system-running"], check=False).stdout.strip()
    failed = host.run(["systemctl", "--failed", "--no-legend", "--plain"]).stdout
    assert (state, failed) == ("running", "")


def test_the_bus_is_the_one_that_was_asked_for(host):
    unit = host.run(["systemctl", "show", "--value", "-p", "Id", "dbus.service"]).stdout.strip()
    expected = {"dbus-daemon": "dbus.service", "dbus-broker": "dbus-broker.service"}
    assert unit == expected[host.bus]


@pytest.mark.parametrize("user,uid", [("root", "0"), ("operator", "1001"), ("visitor", "1002")])
def test_users(host, user, uid):
    assert host.run(["id", "-u"], user=user).stdout.strip() == uid
    shell = host.run(["getent", "passwd", user]).stdout.strip().rsplit(":", 1)[1]
    assert shell == "/bin/bash"
    assert host.run(["bash", "-c", "pwd; umask"], user=user).returncode == 0


@pytest.mark.parametrize("user,action,details,granted", [
    ("operator", "manage-machines", {}, True),
    ("operator", "manage-machines", {"machine": "lab"}, True),
    ("operator", "create-machines", {}, False),
    ("operator", "call-guest", {"machine": "work"}, True),
    ("operator", "call-guest", {"machine": "net"}, True),
    ("operator", "call-guest", {"machine": "lab"}, False),
    ("visitor", "manage-machines", {}, False),
    ("visitor", "call-guest", {"machine": "work"}, False),
])
def test_polkit_rules(host, user, action, details, granted):
    host.popen(["sleep", "60"], user=user)
    found = host.run(["sh", "-c", f"until pgrep -n -u {user} -x sleep; do sleep 0.05; done"])
    pairs = [word for key, value in details.items() for word in ("--detail", key, value)]
    answer = host.run(["pkcheck", "--process", found.stdout.strip(),
                       "--action-id", f"org.tombolo.Host1.{action}", *pairs], check=False)
    assert (answer.returncode == 0) == granted, answer.stderr


@pytest.mark.parametrize("machine", ["work", "net", "lab"])
def test_machine_files(host, machine):
    host.run(["test", "-f", f"/etc/tombolo/machines/{machine}.machine"])
    host.run(["test", "-d", f"/var/lib/tombolo-guests/{machine}"])


def test_commands_have_a_clean_environment(host, monkeypatch):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere")
    shown = host.run(["env"]).stdout.split()
    assert not any(line.startswith("DBUS_") for line in shown)
    assert "HOME=/root" in shown


@pytest.mark.parametrize("inside", ["/proc/self/status", "/proc/1/status"])
def test_clock_and_kernel_of_this_machine_are_out_of_reach(host, inside):
    """Read, never tried: where this fails, a try would set the clock of the whole machine."""
    lines = host.run(["cat", inside]).stdout.splitlines()
    for line in lines:
        if line.startswith(("CapPrm:", "CapEff:", "CapBnd:")):
            held = int(line.split()[1], 16)
            for name, bit in (("SYS_MODULE", 16), ("SYS_RAWIO", 17), ("SYS_TIME", 25)):
                assert not held >> bit & 1, f"{inside} has CAP_{name} in {line.split(':')[0]}"


def test_the_network_is_its_own(host):
    inside = host.run(["readlink", "/proc/self/ns/net"]).stdout.strip()
    assert inside != Path("/proc/self/ns/net").readlink().name


def test_exec_passes_input_output_and_status(host):
    done = tool("exec", "--name", host.name, "--", "sh", "-c", "cat; echo no >&2; exit 7",
                input="yes")
    assert (done.returncode, done.stdout, done.stderr) == (7, "yes", "no\n")


def test_exec_of_a_killed_caller_ends(host):
    process = subprocess.Popen([TESTHOST, "exec", "--name", host.name, "--", "sleep", "4711"])
    while not host.run(["pgrep", "-f", "^sleep 4711$"], check=False).stdout:
        assert process.poll() is None
    process.kill()
    process.wait()
    gone = host.run(["sh", "-c", "for i in $(seq 50); do pgrep -f '^sleep 4711$' || exit 0; "
                     "sleep 0.1; done; exit 1"], check=False)
    assert gone.returncode == 0


def test_push_keeps_content_and_permissions(host, tmp_path):
    source = tmp_path / "pushed"
    source.write_bytes(b"\0\xff" * 100000)
    source.chmod(0o751)
    done = tool("push", "--name", host.name, str(source), "/srv/new folder/here")
    assert done.returncode == 0, done.stderr
    shown = host.run(["sh", "-c", "stat -c %a:%s '/srv/new folder/here'"]).stdout.strip()
    assert shown == "751:200000"
    assert tool("push", "--name", host.name, str(tmp_path), "/srv").returncode == 1


def test_up_again_changes_nothing(host):
    before = host.run(["cat", "/proc/sys/kernel/random/boot_id", "/proc/1/stat"]).stdout.split()
    options = ["--bus", host.bus, *(["--sanitize"] if host.sanitize else [])]
    assert tool("up", "--name", host.name, *options).returncode == 0
    after = host.run(["cat", "/proc/sys/kernel/random/boot_id", "/proc/1/stat"]).stdout.split()
    assert before[:2] == after[:2] and before[22] == after[22]


def test_a_killed_up_leaves_nothing_that_the_next_one_keeps(host):
    """`up` is killed while the host boots; what it started is taken for what it is."""
    name = f"killed-{host.name}"[:32]
    script = ("from testbed import instance\n"
              "import os, signal\n"
              f"host = instance.TestHost('{name}')\n"
              "host._await_ready = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
              "host.up(built=False)\n")
    environment = {"PYTHONPATH": str(place.TOOLS / "lib"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    killed = subprocess.run([sys.executable, "-c", script], env=environment, check=False,
                            capture_output=True, timeout=120)
    killed_host = instance.TestHost(name)
    try:
        assert killed.returncode == -9, killed.stderr
        assert killed_host.state() == "stale"
        assert tool("status", "--name", name).returncode == 1
        assert tool("exec", "--name", name, "--", "true").returncode == 1
        done = tool("up", "--name", name, "--without-tombolo")
        assert done.returncode == 0, done.stderr
        assert killed_host.run(["systemctl", "is-system-running"]).stdout.strip() == "running"
    finally:
        assert tool("down", "--name", name).returncode == 0
    assert killed_host.state() == "stopped"
    assert not killed_host.path.exists()
    assert not any(path.exists() for path in killed_host.group.paths)
    assert name not in Path("/proc/self/mountinfo").read_text()


@pytest.mark.parametrize("arguments", [
    ("exec", "--name", "never-made", "--", "true"),
    ("push", "--name", "never-made", "/etc/hostname", "/srv"),
    ("up", "--name", "Not A Name"),
    ("status", "--name", "never-made"),
])
def test_failures_are_told_by_status_and_words(arguments):
    done = tool(*arguments)
    assert done.returncode == 1
    assert "never-made" in done.stdout + done.stderr or "Not A Name" in done.stderr


@pytest.mark.parametrize("root,programs", [
    ("/", ["/usr/bin/tomboloctl", "/usr/libexec/tombolo/tombolod",
           "/usr/libexec/tombolo/tombolo-launch", "/usr/libexec/tombolo/tombolo-bridge"]),
    ("/var/lib/tombolo-guests/work", ["/usr/libexec/tombolo/tombolo-guestd"]),
    ("/var/lib/tombolo-guests/net", ["/usr/libexec/tombolo/tombolo-guestd"]),
])
def test_every_program_finds_its_libraries(host, root, programs):
    for program in programs:
        linked = host.run(["chroot", root, "/lib64/ld-linux-x86-64.so.2", "--list", program])
        assert "not found" not in linked.stdout
