# SPDX-License-Identifier: LGPL-2.1-or-later
"""The measuring programs of tests/bench, each running and connected, waiting for its turn."""

import subprocess
import tempfile

from .bench_site import FOLDER, KEYS, LIBRARY, alias
from .command import ToolError

ECHO = "org.tombolo.Bench"


class Client:
    """One measuring program; `measure` returns times in nanoseconds."""

    def __init__(self, site, argv, user="root"):
        self._errors = tempfile.TemporaryFile("w+")
        self._process = site.host.spawn(argv, user=user, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self._errors, text=True)

    def measure(self, word, *numbers):
        """Obeys one line."""
        line = " ".join([word, *map(str, numbers)])
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer or answer.startswith("failed"):
            self._errors.seek(0)
            said = self._errors.read().strip().splitlines() or ["the program has ended"]
            raise ToolError(f"“{line}”: {said[-1]}")
        return [int(text) for text in answer.split()]

    def close(self):
        for pipe in (self._process.stdin, self._process.stdout):
            try:
                pipe.close()
            except BrokenPipeError:
                pass
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()


def _bus(*arguments):
    return [LIBRARY + "/tombolo-bench-bus", *arguments]


def _ssh_address(interface):
    """ssh on the link, kept open by sd-bus, as `busctl --host` starts it."""
    argv = ["/usr/bin/ssh", "-q", "-T", "-p", "7482", "-i", f"{KEYS}/ssh-client",
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "Ciphers=aes128-gcm@openssh.com", f"root@fe80::2%{interface}",
            "systemd-stdio-bridge"]

    def escape(text):
        return "".join(c if c.isalnum() or c in "-_/.\\" else f"%{ord(c):02x}" for c in text)

    return "unixexec:path=" + ",".join(
        [escape(argv[0])] + [f"argv{i}={escape(word)}" for i, word in enumerate(argv) if i > 0])


def open_all(site, machine):
    """All clients by name. Those of the link run in the namespace that holds it."""
    interface = site.property(machine, "Interface")
    on_link = ["nsenter", "-n", "-t", str(site.main_pid("tombolod.service"))]
    in_guest = ["nsenter", "-a", "-t", str(site.leader(machine))]
    relay = f"{FOLDER}/relay"
    site.relay = Client(site, [*on_link, LIBRARY + "/tombolo-bench-relay", "host", KEYS, relay,
                               "7483", f"fe80::2%{interface}"])
    wanted = {
        "host": (_bus(ECHO), "operator"),
        "tls": ([*on_link, LIBRARY + "/tombolo-bench-tls-echo", "client", KEYS, "7480",
                 f"fe80::2%{interface}"], "root"),
        "guest": ([*in_guest, *_bus(ECHO)], "root"),
        "alias": (_bus(alias(machine)), "operator"),
        "socket": (_bus(f"--address=unix:path=/run/tombolo/bus/{machine}", ECHO), "operator"),
        "grpc": ([*on_link, LIBRARY + "/tombolo-bench-grpc", "client", KEYS,
                  f"ipv6:%5Bfe80::2%25{interface}%5D:7481"], "root"),
        "ssh": ([*on_link, *_bus("--address=" + _ssh_address(interface), ECHO)], "root"),
        "proxy": ([LIBRARY + "/tombolo-bench-libdbus", f"unix:path={relay}"], "root"),
    }
    return {name: Client(site, argv, user) for name, (argv, user) in wanted.items()}
