#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The catalog, the users, the directories and the namespace's settings, read by systemd's own tools.

The arguments are data/systemd and src/common/log.h.
"""
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

DIRECTORY = Path(sys.argv.pop(1))
LOG_HEADER = Path(sys.argv.pop(1))


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True)


class Catalog(unittest.TestCase):
    def setUp(self):
        self.text = (DIRECTORY / "tombolo.catalog").read_text()

    def test_every_message_id_has_one_text(self):
        ids = re.findall(r'#define LOG_ID_\w+ "([0-9a-f]{32})"', LOG_HEADER.read_text())
        entries = re.findall(r"^-- ([0-9a-f]{32})$", self.text, re.MULTILINE)
        self.assertGreater(len(ids), 0)
        self.assertEqual(sorted(ids), sorted(entries))

    def test_journalctl_reads_it(self):
        with tempfile.TemporaryDirectory() as root:
            folder = Path(root, "usr/lib/systemd/catalog")
            folder.mkdir(parents=True)
            shutil.copy(DIRECTORY / "tombolo.catalog", folder)
            run("journalctl", f"--root={root}", "--update-catalog")
            listed = run("journalctl", f"--root={root}", "--list-catalog").stdout.splitlines()
            self.assertEqual(len(listed), len(re.findall(r"^-- ", self.text, re.MULTILINE)))
            for line in listed:
                self.assertRegex(line, r"^[0-9a-f]{32} tombolo: \S")


@unittest.skipIf(os.geteuid() != 0, "only root can make users and directories")
class Root(unittest.TestCase):
    """A root of nothing but our files, with users and directories made."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        (self.root / "etc").mkdir()
        for kind, folder in (("sysusers", "sysusers.d"), ("tmpfiles", "tmpfiles.d")):
            target = self.root / "usr/lib" / folder
            target.mkdir(parents=True)
            for file in DIRECTORY.glob(f"*.{kind}"):
                shutil.copy(file, target / f"{file.stem}.conf")
        run("systemd-sysusers", f"--root={self.root}")
        # The tool looks users up in the root.
        run("systemd-tmpfiles", f"--root={self.root}", "--create", "tombolo.conf", "tombolo-guest.conf")
        passwd = (self.root / "etc/passwd").read_text().splitlines()
        self.users = {line.split(":")[0]: line.split(":") for line in passwd}

    def test_users(self):
        self.assertEqual(set(self.users), {"tombolo", "tombolo-bridge", "tombolo-guest"})
        for fields in self.users.values():
            self.assertTrue(fields[6].endswith("/nologin"))
        self.assertEqual(len({fields[2] for fields in self.users.values()}), 3)
        self.assertRegex((self.root / "etc/group").read_text(), r"(?m)^kvm:")

    def test_directories(self):
        tombolo = int(self.users["tombolo"][2])
        agent = int(self.users["tombolo-guest"][2])
        table = [
            # Where root makes sockets nobody else may write, or a link could lead root astray.
            ("run/tombolo", 0, 0o755),
            ("run/tombolo/bus", 0, 0o755),
            ("run/tombolo/launch", 0, 0o755),
            ("run/tombolo/state", tombolo, 0o700),
            ("run/tombolo/qmp", tombolo, 0o700),
            ("run/tombolo-guest", agent, 0o755),
            ("var/lib/tombolo", tombolo, 0o700),
            ("var/lib/tombolo/images", tombolo, 0o700),
            ("etc/tombolo", 0, 0o755),
            ("etc/tombolo/machines", 0, 0o755),
        ]
        for path, owner, mode in table:
            with self.subTest(path=path):
                info = (self.root / path).stat()
                self.assertTrue(stat.S_ISDIR(info.st_mode))
                self.assertEqual((info.st_uid, stat.S_IMODE(info.st_mode)), (owner, mode))

        verdict = self.root / "run/tombolo/kvm"
        self.assertEqual(verdict.read_text(), "tcg")
        self.assertEqual(verdict.stat().st_uid, tombolo)

    def test_verdict_outlives_a_second_run(self):
        verdict = self.root / "run/tombolo/kvm"
        verdict.write_text("kvm")
        run("systemd-tmpfiles", f"--root={self.root}", "--create", "tombolo.conf")
        self.assertEqual(verdict.read_text(), "kvm")


class Settings(unittest.TestCase):
    def test_every_setting_exists(self):
        lines = [line for line in (DIRECTORY / "network-sysctl.conf").read_text().splitlines()
                 if line and not line.startswith("#")]
        self.assertGreater(len(lines), 0)
        for line in lines:
            name, value = line.split(" = ")
            self.assertTrue(Path("/proc/sys", name.replace(".", "/")).exists(), name)
            self.assertRegex(value, r"^-?\d+( \d+)?$")


if __name__ == "__main__":
    unittest.main(verbosity=2)
