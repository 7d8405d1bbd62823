#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bus policies, on a dbus-daemon of the test's own, for users that stand for ours.

The argument is data/dbus-1.
"""
import os
import pwd
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

DIRECTORY = Path(sys.argv.pop(1))

# Users that every Debian has stand for ours: dbus-daemon turns away those that it cannot look up.
USERS = {name: pwd.getpwnam(other).pw_uid for name, other in
         (("tombolo", "daemon"), ("tombolo-bridge", "bin"), ("other", "games"))}

CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <include>{host}</include>
</busconfig>
"""

OWN_TABLE = [
    # user, name, may own it
    ("tombolo", "org.tombolo.Host1", True),
    ("tombolo", "org.tombolo.Guest1", False),
    ("tombolo", "org.tombolo.Guest1.work.org.example", False),
    ("tombolo-bridge", "org.tombolo.Host1", False),
    ("tombolo-bridge", "org.tombolo.Guest1", True),
    ("tombolo-bridge", "org.tombolo.Guest1.work.org.example", True),
    ("tombolo-bridge", "org.tombolo.Guest12.work", False),
    ("tombolo-bridge", "org.tombolo.GuestSession1", True),
    ("tombolo-bridge", "org.tombolo.GuestSession1.work.org.example", True),
    ("tombolo-bridge", "org.tombolo.GuestSession12.work", False),
    ("tombolo-bridge", "org.freedesktop.NetworkManager", False),
    ("other", "org.tombolo.Host1", False),
    ("other", "org.tombolo.Guest1", False),
    ("other", "org.tombolo.Guest1.work.org.example", False),
    ("other", "org.tombolo.GuestSession1.work.org.example", False),
]


class Documents(unittest.TestCase):
    def test_limits(self):
        """dbus-broker 33 keeps the lower 32 bits of 8 MiB times the connections of a user."""
        for file in DIRECTORY.glob("*.conf"):
            root = ElementTree.parse(file).getroot()
            limits = {node.get("name"): int(node.text) for node in root.findall("limit")}
            quota = limits["max_connections_per_user"] * 8 * 1024 * 1024 % 2**32
            self.assertGreaterEqual(quota, 1024 * 1024 * 1024, file.name)

    def test_activation(self):
        text = (DIRECTORY / "org.tombolo.Host1.service").read_text()
        self.assertIn("\nName=org.tombolo.Host1\n", text)
        self.assertIn("\nSystemdService=tombolod.service\n", text)

    def test_only_named_members_of_others(self):
        """What is opened towards other services is opened member by member."""
        for file in DIRECTORY.glob("*.conf"):
            for node in ElementTree.parse(file).getroot().iter("allow"):
                destination = node.get("send_destination")
                if destination is not None and not destination.startswith("org.tombolo."):
                    self.assertIsNotNone(node.get("send_interface"), file.name)
                    self.assertIsNotNone(node.get("send_member"), file.name)


class Policies(unittest.TestCase):
    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become the users")
        for program in ("dbus-daemon", "busctl", "setpriv"):
            if shutil.which(program) is None:
                self.skipTest(f"{program} is not installed")
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        base = Path(self.directory.name)
        base.chmod(0o755)
        self.socket = base / "bus"

        policy = (DIRECTORY / "org.tombolo.Host1.conf").read_text()
        policy = re.sub(r'user="([a-z-]+)"', lambda match: f'user="{USERS[match[1]]}"', policy)
        (base / "host.conf").write_text(policy)
        (base / "bus.conf").write_text(
            CONFIGURATION.format(socket=self.socket, host=base / "host.conf"))
        self.daemon = subprocess.Popen(
            ["dbus-daemon", f"--config-file={base}/bus.conf", "--nofork", "--print-address=1"],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.stop)
        self.assertIn("unix:path=", self.daemon.stdout.readline())

    def stop(self):
        self.daemon.terminate()
        self.daemon.wait()
        self.daemon.stdout.close()

    def call(self, user, *arguments):
        uid = str(USERS[user])
        return subprocess.run(
            ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "busctl",
             f"--address=unix:path={self.socket}", "call", *arguments],
            capture_output=True, text=True, check=False)

    def test_own(self):
        for user, name, allowed in OWN_TABLE:
            with self.subTest(user=user, name=name):
                answer = self.call(user, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                   "org.freedesktop.DBus", "RequestName", "su", name, "0")
                self.assertEqual(answer.returncode == 0, allowed, answer.stderr)

    def test_send(self):
        """The owners answer nothing: past the policy a call waits in vain."""
        table = [
            ("other", "org.tombolo.Host1", "org.tombolo.Host1.Manager", True),
            ("other", "org.tombolo.Host1", "org.freedesktop.DBus.Properties", True),
            ("other", "org.tombolo.Host1", "org.tombolo.Host1.Bridge", False),
            ("tombolo", "org.tombolo.Host1", "org.tombolo.Host1.Bridge", False),
            ("tombolo-bridge", "org.tombolo.Host1", "org.tombolo.Host1.Bridge", True),
            ("other", "org.tombolo.Guest1", "org.example.Any", True),
            ("other", "org.tombolo.GuestSession1", "org.example.Any", True),
        ]
        self.hold("tombolo", "org.tombolo.Host1")
        self.hold("tombolo-bridge", "org.tombolo.Guest1")
        self.hold("tombolo-bridge", "org.tombolo.GuestSession1")
        for user, name, interface, allowed in table:
            with self.subTest(user=user, name=name, interface=interface):
                answer = self.call(user, "--timeout=300ms", name, "/x", interface, "M")
                self.assertEqual("Access denied" not in answer.stderr, allowed, answer.stderr)

    def test_callbacks(self):
        """Callers are called back by the bridge, on the listed interfaces; by nobody else."""
        caller = self.hold("other", None)
        table = [
            ("tombolo-bridge", "org.bluez.Agent1", True),
            ("tombolo-bridge", "net.connman.iwd.Agent", True),
            ("tombolo-bridge", "org.bluez.Agent12", False),
            ("tombolo-bridge", "org.freedesktop.DBus.Properties", False),
            ("tombolo-bridge", "org.freedesktop.DBus.Peer", False),
            ("tombolo-bridge", "org.freedesktop.PolicyKit1.AuthenticationAgent", False),
            ("tombolo", "org.bluez.Agent1", False),
            ("other", "org.bluez.Agent1", False),
        ]
        for user, interface, allowed in table:
            with self.subTest(user=user, interface=interface):
                answer = self.call(user, "--timeout=300ms", caller, "/x", interface, "M")
                self.assertEqual("Access denied" not in answer.stderr, allowed, answer.stderr)

    def test_bridge(self):
        """tombolod reaches a bridge's connection that owns no name open to everybody, in one way."""
        name = "org.tombolo.Guest1.work.org.example"  # its own name, not that of the gate
        path, interface = "/org/tombolo/Bridge1", "org.tombolo.Bridge1"
        self.hold("tombolo-bridge", name)
        for user, words, allowed in [
                ("tombolo", [path, interface, "OpenBus"], True),
                ("tombolo", ["/x", interface, "OpenBus"], False),
                ("tombolo", [path, "org.example.Any", "OpenBus"], False),
                ("tombolo-bridge", [path, interface, "OpenBus"], False),
                ("other", [path, interface, "OpenBus"], False)]:
            with self.subTest(user=user, words=words):
                answer = self.call(user, "--timeout=300ms", name, *words)
                self.assertEqual("Access denied" not in answer.stderr, allowed, answer.stderr)

    def hold(self, user, name):
        """Owns the name, as the user, on a connection that reads nothing after that. Without one it
        only connects. Returns the connection's unique name."""
        ready, done = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.setgroups([])
                os.setgid(USERS[user])
                os.setuid(USERS[user])
                connection, unique = connect(self.socket)
                if name:
                    connection.sendall(method_call(2, "RequestName", "su", name))
                    wait_for_reply(connection, 2)
                os.write(done, unique)
                status = 0
                signal.pause()
            finally:
                os._exit(status)
        os.close(done)
        self.addCleanup(os.waitpid, child, 0)
        self.addCleanup(os.kill, child, signal.SIGKILL)
        unique = os.read(ready, 256).decode()
        self.assertTrue(unique.startswith(":"))
        os.close(ready)
        return unique


def pad(data, boundary):
    return data + b"\0" * (-len(data) % boundary)


def string(text):
    return struct.pack("<I", len(text)) + text.encode() + b"\0"


def method_call(serial, member, signature="", name=None):
    """A call of the bus driver, little-endian; `name` is the argument of RequestName."""
    fields = b""
    for code, kind, value in ((1, "o", "/org/freedesktop/DBus"), (2, "s", "org.freedesktop.DBus"),
                              (3, "s", member), (6, "s", "org.freedesktop.DBus")):
        fields = pad(fields, 8) + bytes([code, 1]) + kind.encode() + b"\0" + string(value)
    if signature:
        fields = pad(fields, 8) + bytes([8, 1]) + b"g\0" + bytes([len(signature)])
        fields += signature.encode() + b"\0"
    body = pad(string(name), 4) + struct.pack("<I", 0) if name else b""
    return pad(b"l\1\0\1" + struct.pack("<III", len(body), serial, len(fields)) + fields, 8) + body


def connect(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    uid = str(os.getuid()).encode().hex()
    connection.sendall(b"\0AUTH EXTERNAL " + uid.encode() + b"\r\n")
    if not connection.recv(256).startswith(b"OK "):
        raise ConnectionRefusedError("the bus refuses")
    connection.sendall(b"BEGIN\r\n" + method_call(1, "Hello"))
    body = wait_for_reply(connection, 1)
    return connection, body[4:-1]


def wait_for_reply(connection, serial):
    """Reads until the reply for the serial has come, and returns its body; anything but a reply to it
    is skipped."""
    while True:
        head = connection.recv(16, socket.MSG_WAITALL)
        size, _, fields = struct.unpack("<III", head[4:16])
        rest = connection.recv(fields + -fields % 8 + size, socket.MSG_WAITALL)
        if head[1] in (2, 3) and b"\5\1u\0" + struct.pack("<I", serial) in rest:
            if head[1] == 3:
                raise PermissionError(rest)
            return rest[fields + -fields % 8:]


if __name__ == "__main__":
    unittest.main(verbosity=2)
