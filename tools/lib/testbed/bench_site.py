# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tools/bench measures on: the echo service on host and guest, the peers, the machines."""

import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from . import cache, packages, place, roots
from .command import ToolError, output_of, run, step

PROGRAMS = ("service", "bus", "libdbus", "tls-echo", "relay", "grpc")
LIBRARY = "/usr/local/lib/tombolo-bench"
KEYS = "/etc/tombolo-bench"
FOLDER = "/run/tombolo-bench"
GUEST_ROOT = "/var/lib/tombolo-guests/bench"
PEERS = ("tls", "grpc", "ssh", "relay")
PEER_PORTS = "7480-7483"
AGENT_SECONDS = 120

MACHINE = """\
[Machine]
Monitor=container
Description=Measured by tools/bench

[Container]
Root=%(root)s
Ephemeral=yes
PrivateUsers=no

[Call]
Rule=allow org.tombolo.Bench=org.tombolo.Bench.Echo
Rule=allow org.tombolo.Bench=org.tombolo.Bench.Emit
Rule=allow org.tombolo.Bench=org.tombolo.Bench.OpenSource
Rule=ask *
"""

MAKE_KEYS = """\
set -e
umask 022
mkdir -p %(keys)s
cd %(keys)s
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bench \
  -keyout ca.key -out ca.pem
for name in server client; do
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$name \
    -addext subjectAltName=DNS:$name -keyout $name.key -out $name.request
  openssl x509 -req -days 2 -in $name.request -CA ca.pem -CAkey ca.key -CAcreateserial \
    -copy_extensions copy -out $name.pem
done
for name in ssh-host ssh-client; do
  [ -e $name ] || ssh-keygen -q -t ed25519 -N '' -C bench -f $name
done
"""


def _make_peers(path, status, names):
    """The packages and what they need beyond the guest's root, unpacked and not set up."""
    for name in ("bin", "sbin", "lib", "lib64"):  # packages name files by these, too
        (path / "usr" / name).mkdir(parents=True)
        (path / name).symlink_to("usr/" + name)
    planned = output_of(["apt-get", "--simulate", "-o", f"Dir::State::status={status}",
                         "-o", "Debug::NoLocking=1", "install", "--no-install-recommends", *names])
    wanted = [line.split()[1] for line in planned.splitlines() if line.startswith("Inst ")]
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".bench-download-") as folder:
        run(["apt-get", *packages.APT_OPTIONS, "-o", "APT::Sandbox::User=root", "download",
             *wanted], "Downloading the peers", cwd=folder)
        for archive in sorted(Path(folder).glob("*.deb")):
            run(["sh", "-c", "dpkg-deb --fsys-tarfile \"$1\" | tar -x --keep-directory-symlink -C "
                 "\"$2\"", "sh", str(archive), str(path)], f"Unpacking {archive.name}")
    for name in ("bin", "sbin", "lib", "lib64"):
        (path / name).unlink()
    for name in ("usr/share/doc", "usr/share/man", "usr/share/locale"):
        shutil.rmtree(path / name, ignore_errors=True)


def peers():
    """The cached layer with the peers."""
    guest, names = roots.guest(), packages.read("bench-peers")
    return cache.directory(
        "bench", {"guest": guest.name, "packages": names},
        lambda path: _make_peers(path, guest / "var/lib/dpkg/status", names),
        "Unpacking the peers (once)")


class Site:
    """The measured things on one test host; clear() takes them away again."""

    def __init__(self, host, programs):
        self.host = host
        self.programs = programs
        self.machines = []

    def shell(self, script, what, timeout=120):
        done = self.host.run(["sh", "-c", script], timeout=timeout)
        if done.returncode != 0:
            raise ToolError(f"{what} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def _unpack(self, source, destination):
        """Copies the files below a directory into the test host, along the links that stand there.
        Directories are left as they are: tar would close them to everybody for a moment."""
        files = subprocess.run(["find", ".", "!", "-type", "d", "-print0"], cwd=source,
                               capture_output=True, check=True).stdout
        archive = subprocess.run(
            ["tar", "--owner=root", "--group=root", "--null", "--no-recursion", "-T", "-", "-c"],
            cwd=source, input=files, capture_output=True, check=True).stdout
        done = subprocess.run(
            self.host.argv(["tar", "-C", destination, "--keep-directory-symlink", "-x"]),
            input=archive, capture_output=True, check=False, preexec_fn=self.host.enter_group)
        if done.returncode != 0:
            raise ToolError(f"Copying {source} into the test host failed: "
                            f"{done.stderr.decode(errors='replace').strip()}")

    def prepare(self):
        """Installs programs and peers on host and guest root, and starts the host's echo."""
        layer = FOLDER + "/layer"
        self.clear()
        self.shell(f"mkdir -p {layer} {GUEST_ROOT}", "Making directories")
        with tempfile.TemporaryDirectory() as staged:
            library = Path(staged + LIBRARY)
            library.mkdir(parents=True)
            Path(staged).chmod(0o755)
            for program in self.programs:
                shutil.copy(program, library)
            for name in ("both", "host"):
                shutil.copytree(place.FILES / f"bench-{name}", staged, dirs_exist_ok=True)
            self._unpack(staged, "/")
        for source in (place.FILES / "bench-both", place.FILES / "bench-guest", peers()):
            self._unpack(source, layer)
        self._unpack(peers(), "/")
        self.shell(MAKE_KEYS % {"keys": KEYS}, "Making keys")
        wants = f"{layer}/etc/systemd/system/multi-user.target.wants"
        self.shell(
            f"set -e; mkdir -p {wants} {layer}{LIBRARY} {layer}{KEYS}; "
            f"ln -s ../bench-service.service {wants}/; cp {LIBRARY}/* {layer}{LIBRARY}/; "
            f"cp {KEYS}/* {layer}{KEYS}/; "
            f"mount -t overlay bench -o lowerdir={layer}:/var/lib/tombolo-guests/work "
            f"{GUEST_ROOT}; "
            "busctl call org.freedesktop.DBus / org.freedesktop.DBus ReloadConfig; "
            "systemctl daemon-reload; systemctl restart bench-service", "Setting up the guest")

    def clear(self):
        """Takes everything away that runs or opens something, of an earlier run, too. Of a test
        host that stays only the peers' files stay."""
        links = f"nsenter -n -t {self.main_pid('tombolod.service')} nft"
        self.shell(
            f"for rule in $({links} -a list chain inet tombolo link "
            f"| sed -n 's/.* {PEER_PORTS} .*handle //p'); do "
            f"{links} delete rule inet tombolo link handle \"$rule\"; done; "
            "for file in /etc/tombolo/machines/bench*.machine; do [ -e \"$file\" ] || continue; "
            "name=$(basename \"$file\" .machine); tomboloctl kill \"$name\" 2>/dev/null || true; "
            "rm -f \"$file\"; done; tomboloctl reload; "
            "systemctl stop bench-service 2>/dev/null; "
            f"while umount {GUEST_ROOT} 2>/dev/null; do :; done; "
            f"rm -rf {FOLDER} {KEYS} {LIBRARY} /etc/polkit-1/rules.d/40-tombolo-bench.rules "
            "/etc/dbus-1/system.d/org.tombolo.Bench.conf /etc/systemd/system/bench-service.service",
            "Clearing the test host", timeout=300)

    # Machines

    def property(self, machine, name):
        shown = self.host.run(["busctl", "--json=short", "get-property", "org.tombolo.Host1",
                               f"/org/tombolo/Host1/machine/{machine}",
                               "org.tombolo.Host1.Machine", name])
        if shown.returncode != 0:
            raise ToolError(f"tombolod does not answer for {machine}: {shown.stderr.strip()}")
        return json.loads(shown.stdout)["data"]

    def start(self, *names):
        """Makes machines on the shared root, starts them, and waits for agent and service."""
        for name in names:
            done = self.host.run(["tee", f"/etc/tombolo/machines/{name}.machine"],
                                 input=MACHINE % {"root": GUEST_ROOT})
            if done.returncode != 0:
                raise ToolError(f"Cannot write the file of {name}: {done.stderr.strip()}")
        self.machines += names
        self.shell("tomboloctl reload && tomboloctl start " + " ".join(names),
                   f"Starting {' '.join(names)}", timeout=600)
        deadline = time.monotonic() + AGENT_SECONDS
        for name in names:
            while (self.property(name, "AgentState") != "connected"
                   or self.host.run(["busctl", "status", alias(name)]).returncode != 0):
                if time.monotonic() > deadline:
                    raise ToolError(f"The service of {name} is not there after "
                                    f"{AGENT_SECONDS} s: see tools/testhost exec --name "
                                    f"{self.host.name} -- journalctl -b")
                time.sleep(0.1)

    def start_peers(self, machine):
        """Starts the peers' servers in the guest, and lets their answers through the filter."""
        interface = self.property(machine, "Interface")
        self.shell(f"nsenter -n -t {self.main_pid('tombolod.service')} nft insert rule inet "
                   f"tombolo link iifname {interface} ct state established ct direction reply "
                   f"tcp sport {PEER_PORTS} accept", "Opening the packet filter")
        units = " ".join(f"bench-{name}" for name in PEERS)
        self.shell(f"nsenter -a -t {self.leader(machine)} systemctl start {units}",
                   "Starting the peers")
        self.shell(f"nsenter -a -t {self.leader(machine)} sh -c "
                   f"'for i in $(seq 100); do systemctl is-failed -q {units} && exit 1; "
                   "[ $(ss -Hltn \"sport >= 7480 and sport <= 7483\" | wc -l) -ge 4 ] && exit 0; "
                   f"sleep 0.1; done; exit 1' || {{ nsenter -a -t {self.leader(machine)} "
                   "journalctl -b --no-pager -n 50; exit 1; }", "Waiting for the peers")

    def main_pid(self, unit):
        """The pid, in the test host, of a unit's main process."""
        return int(self.shell(f"systemctl show --value -p MainPID {unit}", f"Finding {unit}"))

    def leader(self, machine):
        """The pid, in the test host, of a guest's init."""
        main = self.main_pid(f"tombolo-container@{machine}.service")
        return int(self.shell(f"cat /proc/{main}/task/{main}/children", "Finding the guest")
                   .split()[0])

    def guest_pid(self, machine, unit):
        """The pid, in the test host, of the main process of a guest's unit."""
        leader = self.leader(machine)
        inside = self.shell(f"nsenter -a -t {leader} systemctl show --value -p MainPID {unit}",
                            f"Finding {unit} in {machine}").strip()
        found = self.shell(
            f"for p in /proc/[0-9]*; do [ \"$(readlink $p/ns/pid)\" = "
            f"\"$(readlink /proc/{leader}/ns/pid)\" ] || continue; "
            f"grep -q '^NSpid:.*[[:space:]]{inside}$' $p/status && echo ${{p#/proc/}}; done; true",
            "Finding a process").split()
        if len(found) != 1:
            raise ToolError(f"{unit} of {machine} is not one process: {found}")
        return int(found[0])


def alias(machine):
    return f"org.tombolo.Guest1.{machine}.org.tombolo.Bench"
