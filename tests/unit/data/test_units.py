#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The units as systemd reads them: without warnings, and as little exposed as promised.

The first argument is the directory with the configured units.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

UNITS = Path(sys.argv.pop(1))

# In tenths, as systemd-analyze's --threshold= has them.
EXPOSURE = {
    "tombolod.service": 10,
    "tombolo-bridge@.service": 10,
    "tombolo-machine@.service": 5,
    "tombolo-kvm-probe.service": 5,
    "tombolo-network.service": 12,
    "tombolo-guestd.service": 13,
}

NAME = "team.web-1"  # no “:”, which the tool takes for its own


def settings(unit):
    """The unit's assignments as (section, key, value), in order."""
    section = None
    found = []
    for line in (UNITS / unit).read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found.append((section, key, value))
    return found


def values(unit, key):
    return [value for _, other, value in settings(unit) if other == key]


class Units(unittest.TestCase):
    def test_verify(self):
        with tempfile.TemporaryDirectory() as directory:
            names = []
            for unit in UNITS.iterdir():
                if unit.suffix not in (".service", ".socket", ".slice"):
                    continue
                # The programs are not installed where this runs.
                text = re.sub(r"^(Exec\w+=\+?)/\S*/(tombolo/\S+|nft)\b", r"\1/bin/true",
                              unit.read_text(), flags=re.MULTILINE)
                Path(directory, unit.name).write_text(text)
                names.append(unit.name.replace("@.", f"@{NAME}."))
            self.assertGreater(len(names), 0)
            answer = subprocess.run(
                ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
                 *[str(Path(directory, name)) for name in sorted(names)]],
                capture_output=True, text=True, check=False)
            self.assertEqual(answer.stderr.strip(), "")
            self.assertEqual(answer.returncode, 0)

    def test_exposure(self):
        for unit, threshold in EXPOSURE.items():
            if not (UNITS / unit).exists():
                continue
            with self.subTest(unit=unit):
                answer = subprocess.run(
                    ["systemd-analyze", "security", "--offline=true", "--no-pager",
                     f"--threshold={threshold}", str(UNITS / unit)],
                    capture_output=True, text=True, check=False)
                self.assertIn("Overall exposure level", answer.stdout)
                self.assertEqual(answer.returncode, 0, answer.stdout)

    def test_every_service_has_a_threshold(self):
        services = {unit.name for unit in UNITS.glob("*.service")}
        self.assertEqual(services - set(EXPOSURE), {"tombolo-container@.service", "tombolo-shell@.service"} & services)

    def test_user_units(self):
        """They verify as units of a user's manager, and are as closed as one can make them."""
        unit = "user/tombolo-guest-session.service"
        if not (UNITS / unit).exists():
            self.skipTest("the guest's side is not built")
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "tombolo-guest-session.service")
            path.write_text(re.sub(r"^(ExecStart=).*", r"\1/bin/true", (UNITS / unit).read_text(),
                                   flags=re.MULTILINE))
            answer = subprocess.run(
                ["systemd-analyze", "--user", "verify", "--man=no", "--recursive-errors=no", str(path)],
                capture_output=True, text=True, check=False,
                env={**os.environ, "XDG_RUNTIME_DIR": directory})
            self.assertEqual(answer.stderr.strip(), "")
            self.assertEqual(answer.returncode, 0)
        # A user namespace would make it another user to the bus.
        self.assertEqual(values(unit, "PrivateUsers"), [])
        self.assertEqual(values(unit, "RestrictAddressFamilies"), ["AF_UNIX"])
        self.assertEqual(values(unit, "NoNewPrivileges"), ["yes"])
        self.assertEqual(values(unit, "SystemCallFilter"), ["@system-service", "~@privileged @resources"])

    def test_namespace(self):
        """Whoever touches control links is in tombolo's own network namespace, and starts after it."""
        for unit in ("tombolod.service", "tombolo-bridge@.service", "tombolo-container@.service"):
            if not (UNITS / unit).exists():
                continue
            with self.subTest(unit=unit):
                self.assertEqual(values(unit, "PrivateNetwork"), ["yes"])
                self.assertEqual(values(unit, "JoinsNamespaceOf"), ["tombolo-network.service"])
                for key in ("After", "Requires"):
                    self.assertIn("tombolo-network.service", " ".join(values(unit, key)).split())

    def test_machines_have_nothing(self):
        unit = "tombolo-machine@.service"
        if not (UNITS / unit).exists():
            self.skipTest("the host side is not built")
        self.assertEqual(values(unit, "CapabilityBoundingSet"), [""])
        self.assertEqual(values(unit, "AmbientCapabilities"), [""])
        self.assertEqual(values(unit, "DynamicUser"), ["yes"])
        self.assertEqual(values(unit, "JoinsNamespaceOf"), [])
        self.assertEqual(values(unit, "PrivateNetwork"), ["yes"])
        self.assertEqual(values(unit, "DeviceAllow"), ["/dev/kvm rw"])
        self.assertEqual(values(unit, "LoadCredential"), [])

    def test_nothing_restarts_or_stops_a_machine(self):
        """A machine outlives tombolod and its bridge: it depends on neither."""
        for unit in ("tombolo-machine@.service", "tombolo-container@.service"):
            if not (UNITS / unit).exists():
                continue
            text = (UNITS / unit).read_text()
            for key in ("BindsTo", "PartOf", "Requisite"):
                self.assertNotIn(f"\n{key}=", text)
            self.assertNotIn("tombolod.service", text)


if __name__ == "__main__":
    if shutil.which("systemd-analyze") is None:
        print("systemd-analyze is not installed")
        sys.exit(77)
    unittest.main(verbosity=2)
