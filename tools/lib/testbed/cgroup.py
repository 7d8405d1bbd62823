# SPDX-License-Identifier: LGPL-2.1-or-later
"""A control group of its own for each test host: it holds every process of the host, so it tells
which they are and ends them."""

import os
import signal
import time
from pathlib import Path

from .command import ToolError

PREFIX = "tombolo-testhost-"


def _hierarchies():
    """The cgroup v2 mount, and systemd's own hierarchy where the machine has the old layout."""
    unified, systemd = None, None
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split()[:3]
        if kind == "cgroup2" and unified is None:
            unified = Path(before.split()[4])
        elif kind == "cgroup" and "name=systemd" in options.split(","):
            systemd = Path(before.split()[4])
    if unified is None:
        raise ToolError("This machine has no cgroup v2 mount: mount one, for example at "
                        "/sys/fs/cgroup/unified.")
    return [unified, systemd] if systemd else [unified]


class Group:
    """The groups of one test host, in each hierarchy."""

    def __init__(self, name):
        self.paths = [path / (PREFIX + name) for path in _hierarchies()]
        self.path = self.paths[0]

    def create(self):
        for path in self.paths:
            path.mkdir(exist_ok=True)

    def leader(self):
        """The host's PID 1 as this machine numbers it, or None."""
        try:
            text = (self.path / "payload/init.scope/cgroup.procs").read_text()
        except FileNotFoundError:
            return None
        return int(text.split()[0]) if text.split() else None

    def processes(self):
        """Every process in the group and below it."""
        found = []
        for folder, _, _ in os.walk(self.path):
            try:
                found += Path(folder, "cgroup.procs").read_text().split()
            except OSError:
                pass
        return [int(pid) for pid in found if pid != "0"]

    def exists(self):
        return any(path.exists() for path in self.paths)

    def _kill(self):
        try:
            (self.path / "cgroup.kill").write_text("1")
        except OSError:  # before Linux 5.14
            for pid in self.processes():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass

    def destroy(self):
        """Ends every process and removes the groups."""
        for top in self.paths:
            deadline = time.monotonic() + 20
            while top.exists():
                self._kill()
                for folder, _, _ in os.walk(top, topdown=False):
                    try:
                        os.rmdir(folder)
                    except OSError:
                        pass
                if not top.exists():
                    break
                if time.monotonic() > deadline:
                    raise ToolError(f"The control group {top} does not become empty; its "
                                    f"processes: {self.processes()}")
                time.sleep(0.02)

    def exec_group(self):
        """Where commands that are run inside the host go, so that they end with it."""
        group = self.path / "payload/testhost-exec"
        group.mkdir(exist_ok=True)
        return group
