# SPDX-License-Identifier: LGPL-2.1-or-later
"""A test host: made, entered, asked and taken down by its name."""

import hashlib
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import time
import uuid
from pathlib import Path

from . import build, place, roots
from .cgroup import Group
from .compose import CAPABILITIES_DROPPED
from .command import ToolError, locked, run, say, step

BOOT_SECONDS = 120
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_INSTANCES = 2048  # root of all hosts and guests is one user to the kernel; its default is 128
BUSES = ("dbus-daemon", "dbus-broker")
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def folder():
    path = place.cache() / "hosts"
    path.mkdir(exist_ok=True)
    return path


def names():
    """Test hosts that stand or have left something."""
    return sorted(path.name for path in folder().iterdir()
                  if path.is_dir() and NAME.fullmatch(path.name))


def _allow_inotify():
    if int(INOTIFY.read_text()) < INOTIFY_INSTANCES:
        INOTIFY.write_text(str(INOTIFY_INSTANCES))
        say(f"fs.inotify.max_user_instances of this machine is {INOTIFY_INSTANCES} from now on")


def _tree_digest(*trees):
    """What the trees hold: names, modes, contents; no times."""
    digest = hashlib.sha256()
    for tree in trees:
        for path in sorted(Path(tree).rglob("*")):
            if "__pycache__" in path.parts:
                continue
            status = path.lstat()
            digest.update(f"{path.relative_to(tree)}\0{status.st_mode}\0".encode())
            if stat.S_ISLNK(status.st_mode):
                digest.update(os.readlink(path).encode())
            elif stat.S_ISREG(status.st_mode):
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _copy_files(name, destination):
    """A copy of tools/files/NAME with Debian's modes, whatever the checkout's umask was."""
    destination.mkdir()
    run(["cp", "-r", "--no-preserve=all", f"{place.FILES / name}/.", str(destination)],
        f"Copying the files of {name}")
    run(["chmod", "-R", "u=rwX,go=rX", str(destination)], f"Setting modes of {name}")


class TestHost:
    """The test host of this name; it need not stand."""

    def __init__(self, name="default"):
        if not NAME.fullmatch(name):
            raise ToolError(f"“{name}” is no name for a test host: use up to 32 of a-z, 0-9, -.")
        self.name = name
        self.path = folder() / name
        self.group = Group(name)

    # Its state

    def leader(self):
        """The pid of its systemd, or None when it does not stand whole."""
        return self.group.leader() if (self.path / "ready").exists() else None

    def state(self):
        """“running”, “stopped”, or “stale”: something was left by a killed tool."""
        if self.leader():
            return "running"
        return "stale" if self.path.exists() or self.group.exists() else "stopped"

    def describe(self):
        described = {"name": self.name, "state": self.state()}
        if described["state"] == "running":
            spec = json.loads((self.path / "spec.json").read_text())
            described.update(leader=self.leader(), bus=spec["bus"], sanitize=spec["sanitize"],
                             since=int((self.path / "ready").stat().st_mtime),
                             system=self.run(["systemctl", "is-system-running"]).stdout.strip())
        return described

    def _lock(self):
        return locked(folder() / f"{self.name}.lock", f"the test host {self.name}")

    # Making it

    def up(self, *, bus="dbus-daemon", sanitize=False, built=True, sides=None, desktop=False):
        """Makes the host stand with the current build; changes nothing when it does already.

        `built=False` leaves tombolo out; `sides` are build directories of the host's and of the
        guests' side that are ready: then nothing is built. `desktop` adds an X server and NetworkManager's editor.
        """
        if built and not sides:
            sides = build.for_test_host(sanitize)
        made = roots.everything(desktop)
        if desktop:
            made["host"] = made["desktop"]
        with self._lock():
            staged = folder() / f".{self.name}.new"
            run(["rm", "-rf", "--", str(staged)], f"Removing {staged}")
            staged.mkdir()
            spec = self._stage(staged, sides, made)
            spec.update(bus=bus, sanitize=sanitize, kvm=os.path.exists("/dev/kvm"))
            fingerprint = hashlib.sha256(json.dumps(
                [spec, _tree_digest(staged, place.TOOLS / "lib/testbed")]).encode()).hexdigest()
            if self.leader() and (self.path / "fingerprint").read_text() == fingerprint:
                run(["rm", "-rf", "--", str(staged)], f"Removing {staged}")
                say(f"The test host {self.name} is up already, with this build")
                return
            if self.state() == "running":
                say(f"The test host {self.name} has another build or other options: "
                    "replacing it")
            self._remove()
            staged.rename(self.path)
            (self.path / "fingerprint").write_text(fingerprint)
            with step(f"Booting the test host {self.name} ({bus})"):
                self._boot(spec, made)
            (self.path / "ready").touch()

    def _stage(self, staged, sides, made):
        """Lays out the layers of the host and its guests."""
        for name in ("host", "guest", "work", "net", "lab"):
            _copy_files(name, staged / f"files-{name}")
        for index, name in enumerate(("host", "guest")):
            (staged / f"installed-{name}").mkdir()
            if sides:
                build.install(sides[index], staged / f"installed-{name}")

        def layers(root, *own):
            return [*(str(self.path / layer) for layer in own), str(root)]

        return {
            "name": self.name,
            "layers": {
                "host": layers(made["host"], "files-host", "installed-host"),
                "net": layers(made["net"], "files-net", "files-guest", "installed-guest"),
                "lab": layers(made["lab"], "files-lab", "files-guest", "installed-guest"),
            },
            "work": str(self.path / "work"),
            "kernel": str(made["kernel"]),
            "mount": str(self.path / "mount"),
            "notify": str(self.path / "notify"),
            "cgroups": [str(path) for path in self.group.paths],
            "machine_ids": {name: uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.{self.name}.tombolo").hex
                            for name in ("host", "work", "net", "lab")},
        }

    def _copy_work(self, made):
        """`work` runs in a user namespace, whose mapped root can be no overlay."""
        for layer in (made["guest"], self.path / "installed-guest", self.path / "files-guest",
                      self.path / "files-work"):
            run(["cp", "-a", f"{layer}/.", str(self.path / "work")], "Copying the root of work")

    def _boot(self, spec, made):
        _allow_inotify()
        for name in ("work", "mount"):
            (self.path / name).mkdir()
        self._copy_work(made)
        (self.path / "spec.json").write_text(json.dumps(spec, indent=2))
        self.group.create()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, \
                open(self.path / "console.log", "wb") as console:
            notify.bind(spec["notify"])
            notify.settimeout(0.2)
            process = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", sys.executable, "-m",
                 "testbed.compose", str(self.path / "spec.json")],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, cwd="/",
                start_new_session=True,
                env={"PATH": PATH, "LANG": "C.UTF-8", "PYTHONPATH": str(place.TOOLS / "lib"),
                     "PYTHONDONTWRITEBYTECODE": "1"})
            self._await_ready(process, notify)

    def _await_ready(self, process, notify):
        deadline = time.monotonic() + BOOT_SECONDS
        while True:
            try:
                if b"READY=1" in notify.recv(4096).split(b"\n") and self.group.leader():
                    return
            except TimeoutError:
                pass
            if process.poll() is not None:
                raise ToolError(f"The test host {self.name} did not boot:\n{self.console_tail()}")
            if time.monotonic() > deadline:
                raise ToolError(f"The test host {self.name} is not ready after {BOOT_SECONDS} s:\n"
                                f"{self.console_tail()}")

    def console_tail(self, lines=40):
        text = (self.path / "console.log").read_text(errors="replace")
        return "\n".join("    " + line for line in text.splitlines()[-lines:])

    def _remove(self):
        self.group.destroy()
        run(["rm", "-rf", "--one-file-system", "--", str(self.path)], f"Removing {self.path}")

    def down(self):
        """Leaves nothing of it. Whether there was something."""
        with self._lock():
            was = self.state() != "stopped"
            self._remove()
            shutil.rmtree(folder() / f".{self.name}.new", ignore_errors=True)
        return was

    # Using it

    def argv(self, command, *, user="root", environment=None):
        """The argument vector that runs a command inside, with an environment of its own; the
        command dies with the process that runs this."""
        leader = self.leader()
        if not leader:
            raise ToolError(f"The test host {self.name} does not stand: run "
                            f"“tools/testhost up --name {self.name}”.")
        home = "/root" if user == "root" else f"/home/{user}"
        variables = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": home, "USER": user, "LOGNAME": user,
                     "SHELL": "/bin/bash", "TERM": os.environ.get("TERM", "dumb"),
                     **(environment or {})}
        become = [] if user == "root" else [f"--reuid={user}", f"--regid={user}", "--init-groups"]
        # nsenter keeps every capability, and with one of these `date -s` sets this machine's clock.
        bounds = ",".join("-" + name for name in CAPABILITIES_DROPPED)
        return ["/usr/bin/nsenter", f"--target={leader}", "--all", "--root", "--",
                "/usr/bin/setpriv", f"--bounding-set={bounds}", *become, "--pdeathsig=KILL", "--",
                "/usr/bin/env", "--ignore-environment", f"--chdir={home}",
                *[f"{name}={value}" for name, value in variables.items()], *command]

    def enter_group(self):
        """Moves the calling process into the host's control group, before it runs argv()."""
        (self.group.exec_group() / "cgroup.procs").write_text(str(os.getpid()))

    def run(self, command, *, user="root", environment=None, input=None, timeout=60, check=False):
        """Runs a command inside and returns subprocess's CompletedProcess, with text output."""
        return subprocess.run(
            self.argv(command, user=user, environment=environment), text=True,
            capture_output=True, timeout=timeout, check=check, preexec_fn=self.enter_group,
            **({"input": input} if input is not None else {"stdin": subprocess.DEVNULL}))

    def spawn(self, command, *, user="root", environment=None, **options):
        """Starts a command inside and returns subprocess's Popen; options are Popen's."""
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(self.argv(command, user=user, environment=environment),
                                preexec_fn=self.enter_group, **options)

    def push(self, file, destination):
        """Copies a file of this machine into the host, with its permissions."""
        source = Path(file)
        if not source.is_file():
            raise ToolError(f"“{file}” is no file; push copies one file at a time.")
        mode = format(stat.S_IMODE(source.stat().st_mode), "o")
        script = ('set -e; to=$1; if [ -d "$to" ]; then to=${to%/}/$3; fi; '
                  'mkdir -p "$(dirname "$to")"; cat > "$to.part"; chmod "$2" "$to.part"; '
                  'mv -T "$to.part" "$to"')
        with open(source, "rb") as content:
            done = subprocess.run(
                self.argv(["sh", "-c", script, "push", destination, mode, source.name]),
                stdin=content, capture_output=True, text=True, check=False,
                preexec_fn=self.enter_group)
        if done.returncode != 0:
            raise ToolError(f"Cannot copy {file} to {destination} in the test host {self.name}: "
                            f"{done.stderr.strip()}")
