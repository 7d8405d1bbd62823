# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bad machine files: that machine is `failed` with file, line and reason; the others run."""
import json

import pytest

from guests import machine_property, started, stopped

DIRECTORY = "/etc/tombolo/machines"
USAGE = 2  # tomboloctl's exit code

CONTAINER = "[Machine]\nMonitor=container\n[Container]\nRoot=/srv\n[Bus]\n"
BAD = [
    ("unknown-key", "[Machine]\nMonitor=container\nColour=red\n[Container]\nRoot=/srv\n", ["unknown-key.machine:3", "Colour"]),
    ("unknown-group", "[Machine]\nMonitor=container\n[Paint]\nColour=red\n", ["unknown-group.machine:3", "Paint"]),
    ("unknown-monitor", "[Machine]\nMonitor=vax\n", ["unknown-monitor.machine:2", "vax"]),
    ("no-monitor", "[Machine]\nDescription=x\n", ["no-monitor.machine", "Monitor"]),
    ("twice", "[Machine]\nMonitor=qemu\nMonitor=container\n", ["twice.machine:3", "Monitor"]),
    ("no-equals", "[Machine]\nMonitor\n", ["no-equals.machine:2"]),
    ("bad-memory", "[Machine]\nMonitor=qemu\nMemory=lots\n[Qemu]\nKernel=/vmlinuz\n", ["bad-memory.machine:3", "lots"]),
    ("alias-of-another", CONTAINER + "Alias=a.b:org.tombolo.Guest1.work.a.b\n", ["alias-of-another.machine:6", "another machine's"]),
    ("alias-of-the-gate", CONTAINER + "Alias=a.b:org.tombolo.Guest1\n", ["alias-of-the-gate.machine:6", "org.tombolo.Guest1"]),
    ("alias-of-the-daemon", CONTAINER + "Alias=a.b:org.tombolo.Host1\n", ["alias-of-the-daemon.machine:6", "org.tombolo.Host1"]),
    ("no-root", "[Machine]\nMonitor=container\n[Container]\nRoot=/nowhere/at-all\n", ["no-root.machine:4", "/nowhere/at-all"]),
    ("no-kernel", "[Machine]\nMonitor=qemu\n[Qemu]\nKernel=/nowhere/vmlinuz\n", ["no-kernel.machine:4", "/nowhere/vmlinuz"]),
    ("no-disk", "[Machine]\nMonitor=qemu\n[Qemu]\nDisk=/nowhere/disk:raw:ro\n", ["no-disk.machine:4", "/nowhere/disk"]),
    ("probed-format", "[Machine]\nMonitor=qemu\n[Qemu]\nDisk=/srv/disk\n", ["probed-format.machine:4"]),
]


@pytest.fixture
def machine_file(host):
    written = []

    def write(name, content):
        host.run(["tee", f"{DIRECTORY}/{name}.machine"], input=content)
        written.append(name)
        host.run(["tomboloctl", "reload"])

    yield write
    for name in written:
        host.run(["rm", "-f", f"{DIRECTORY}/{name}.machine"])
    host.run(["tomboloctl", "reload"])


@pytest.mark.parametrize("name,content,words", BAD)
def test_a_bad_file_is_one_failed_machine(host, machine_file, name, content, words):
    started(host, "work")
    machine_file(name, content)
    assert machine_property(host, name, "State") == "failed"
    reason = machine_property(host, name, "StateReason")
    for word in words:
        assert word in reason, reason
    assert machine_property(host, "work", "State") == "running"
    answer = host.run(["tomboloctl", "start", name], check=False)
    assert answer.returncode != 0
    assert words[0] in answer.stderr


def test_an_image_that_comes_later(host, machine_file):
    """The machine is failed while its kernel is missing, and no longer."""
    machine_file("late-kernel", "[Machine]\nMonitor=qemu\n[Qemu]\nKernel=/srv/late-kernel\n")
    assert machine_property(host, "late-kernel", "State") == "failed"
    host.run(["cp", "/usr/bin/id", "/srv/late-kernel"])
    try:
        host.run(["tomboloctl", "reload"])
        assert machine_property(host, "late-kernel", "State") == "stopped"
        assert machine_property(host, "late-kernel", "StateReason") == ""
    finally:
        host.run(["rm", "/srv/late-kernel"])


def test_two_machines_with_one_alias(host, machine_file):
    """The first by name has it."""
    for name in ("alias-b", "alias-a"):
        machine_file(name, CONTAINER + "Alias=a.b:org.example.Shared\n")
    assert machine_property(host, "alias-a", "State") == "stopped"
    assert machine_property(host, "alias-b", "State") == "failed"
    reason = machine_property(host, "alias-b", "StateReason")
    assert "alias-b.machine:6" in reason and "alias-a.machine" in reason, reason


def test_ten_megabytes(host):
    host.run(["sh", "-c", f"head -c 10000000 /dev/zero | tr '\\0' '#' > {DIRECTORY}/large.machine"])
    try:
        host.run(["tomboloctl", "reload"])
        assert machine_property(host, "large", "State") == "failed"
        assert "large.machine" in machine_property(host, "large", "StateReason")
    finally:
        host.run(["rm", f"{DIRECTORY}/large.machine"])
        host.run(["tomboloctl", "reload"])


def test_invalid_utf8(host):
    host.run(["sh", "-c", f"printf '[Machine]\\nMonitor=qemu\\nDescription=\\377\\n' > {DIRECTORY}/bytes.machine"])
    try:
        host.run(["tomboloctl", "reload"])
        assert machine_property(host, "bytes", "State") == "failed"
        reason = machine_property(host, "bytes", "StateReason")
        assert "bytes.machine:3" in reason and "UTF-8" in reason
    finally:
        host.run(["rm", f"{DIRECTORY}/bytes.machine"])
        host.run(["tomboloctl", "reload"])


@pytest.mark.parametrize("name,why", [
    ("Not A Name", "only a-z, 0-9, “.”, “-” and “:” between labels are allowed"),
    (".hidden", "is not a machine name"),
    ("a" * 64, "is not a machine name"),
    ("a:" * 8 + "a", "is not a machine name"),
    ("a" * 63 + "." + "b" * 40, "is not a machine name"),
    ("a" * 50 + ":" + "b" * 50, "the paths of its sockets leave room for 82"),
])
def test_a_name_that_is_not_a_name(host, name, why):
    """Such a machine has no line to name: its file and the reason are told."""
    path = f"{DIRECTORY}/{name}.machine"
    host.run(["tee", path], input="[Machine]\nMonitor=qemu\n[Qemu]\nKernel=/vmlinuz\n")
    try:
        host.run(["tomboloctl", "reload"])
        listed = json.loads(host.run(["tomboloctl", "list", "--json=short"]).stdout)
        [machine] = [machine for machine in listed if machine["name"] == name]
        assert machine["state"] == "failed"
        assert machine["state_reason"].startswith(f"{path}: “{name}”"), machine["state_reason"]
        assert why in machine["state_reason"]
        assert host.run(["tomboloctl", "start", name], check=False).returncode == USAGE
        started(host, "work")
    finally:
        host.run(["rm", path])
        host.run(["tomboloctl", "reload"])
    assert name not in host.run(["tomboloctl", "list"]).stdout


def test_a_link_to_elsewhere_is_refused(host):
    host.run(["ln", "-s", "/etc/shadow", f"{DIRECTORY}/link.machine"])
    try:
        host.run(["tomboloctl", "reload"])
        assert machine_property(host, "link", "State") == "failed"
        assert "root:" not in machine_property(host, "link", "StateReason")
    finally:
        host.run(["rm", f"{DIRECTORY}/link.machine"])
        host.run(["tomboloctl", "reload"])


def test_others_start_beside_a_bad_file(host, machine_file):
    machine_file("broken", "nonsense\n")
    stopped(host, "work")
    host.run(["systemctl", "restart", "tombolod"])
    assert machine_property(host, "broken", "State") == "failed"
    started(host, "work")
