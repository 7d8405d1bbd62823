# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tools/bench measures, row by row. Everything that is compared takes turns in short batches, so
that whatever else the machine does hits all of it alike."""

import re
import subprocess
import time
from statistics import median

from .bench_client import ECHO
from .bench_site import alias
from .command import ToolError, warn

SIZES = (16, 4096, 65536)
FLIGHTS = (1, 16, 128)
STARTS = 4  # machines at a time: as many questions may one caller have at polkit
FLOOR = ("host", "tls", "guest")
LATENCY = (*FLOOR, "alias", "socket", "grpc", "ssh", "proxy")
RATE = ("host", "guest", "alias", "socket", "grpc")
SIGNALS = ("host", "guest", "alias", "socket")
STREAM = ("host", "guest", "alias")

# How much of everything: rounds, and things a round.
FULL = {"latency": (60, 200), "large": (30, 60), "rate": (7, 3000), "signals": (7, 4000),
        "stream": (5, 256 << 20), "polkit": (20, 10), "memory": 1_000_000, "visits": 20_000,
        "machines": 50}
QUICK = {"latency": (20, 100), "large": (10, 30), "rate": (3, 1000), "signals": (3, 1000),
         "stream": (3, 32 << 20), "polkit": (8, 5), "memory": 20_000, "visits": 100,
         "machines": 0}


def _aligned(size, to=8):
    return (size + to - 1) // to * to


def _message_size(fields, body):
    """A D-Bus message's bytes; each field is its text, or None for a number."""
    size = 16
    for text in fields:
        size = _aligned(size) + 4 + (4 if text is None else 4 + len(text) + 1)
    signature = _aligned(size) + 4 + 1 + len("ay") + 1
    return _aligned(signature) + 4 + body


def link_sizes(size):
    """What a forwarded echo puts into TLS records, there and back."""
    call = _message_size(["/" + ECHO.replace(".", "/"), ECHO, "Echo", ECHO], size)
    reply = _message_size([None, ":1.10"], size)
    return call, reply


def percentile(samples, part):
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def _row(name, value, unit, **more):
    return {"row": name, "value": value, "unit": unit, **more}


class Rows:
    """Measures on a site with its clients, and keeps what it found."""

    def __init__(self, site, machine, clients, amounts):
        self.site = site
        self.machine = machine
        self.clients = clients
        self.amounts = amounts
        self.rows = []
        self.missing = []
        self.processes = {
            "bridge": site.main_pid(f"tombolo-bridge@{machine}.service"),
            "agent": site.guest_pid(machine, "tombolo-guestd.service"),
        }

    def add(self, *args, **more):
        self.rows.append(_row(*args, **more))

    def _read(self, process, file):
        return self.site.shell(f"cat /proc/{self.processes[process]}/{file}",
                               f"Reading {file} of the {process}")

    def _in_turn(self, names, rounds, measure):
        """`measure` of each name in each round; the first round warms up and is forgotten."""
        found = {name: [] for name in names}
        for turn in range(rounds + 1):
            for name in list(found):
                try:
                    times = measure(name)
                except ToolError as error:
                    warn(f"{name} is left out: {error}")
                    self.missing.append(f"{name}: {error}")
                    del found[name]
                    continue
                if turn > 0:
                    found[name] += times
        return found

    # Latency

    def latency(self):
        for size in SIZES:
            rounds, count = self.amounts["latency" if size == 16 else "large"]
            sizes = link_sizes(size)
            found = self._in_turn(LATENCY, rounds, lambda name: self.clients[name].measure(
                "latency", *(sizes if name == "tls" else (size,)), count))
            if all(name in found for name in FLOOR):
                # Of the 99th percentiles the sum would be too high: they do not fall together.
                sums = [sum(parts) for parts in zip(*(found[name] for name in FLOOR))]
                self.add("floor", sum(median(found[name]) for name in FLOOR) / 1000, "µs",
                         kind="latency", size=size, p99=percentile(sums, 0.99) / 1000)
            for name, samples in found.items():
                self.add(name, median(samples) / 1000, "µs", kind="latency", size=size,
                         p99=percentile(samples, 0.99) / 1000)

    def polkit(self):
        """Calls that polkit decides on: each asked for anew, or the answer reused for a second."""
        rounds, count = self.amounts["polkit"]
        words = {"alias, by rule": "latency", "alias, polkit asked": "fresh",
                 "alias, answer reused": "asked"}
        found = self._in_turn(words, rounds, lambda name: self.clients["alias"].measure(
            words[name], 16, count))
        for name, samples in found.items():
            self.add(name, median(samples) / 1000, "µs", kind="polkit", size=16,
                     p99=percentile(samples, 0.99) / 1000)

    # Throughput

    def rate(self):
        rounds, count = self.amounts["rate"]
        for flight in FLIGHTS:
            found = self._in_turn(RATE, rounds, lambda name: self.clients[name].measure(
                "rate", 16, flight, count))
            for name, samples in found.items():
                self.add(name, count / (median(samples) / 1e9), "calls/s", kind="rate", flight=flight)

    def signals(self):
        rounds, count = self.amounts["signals"]
        found = self._in_turn(SIGNALS, rounds,
                              lambda name: self.clients[name].measure("signals", count))
        for name, samples in found.items():
            self.add(name, count / (median(samples) / 1e9), "signals/s", kind="signals")

    def stream(self):
        rounds, size = self.amounts["stream"]
        found = self._in_turn(STREAM, rounds,
                              lambda name: self.clients[name].measure("stream", size))
        for name, samples in found.items():
            self.add(name, size / 1e6 / (median(samples) / 1e9), "MB/s", kind="stream")

    # What it costs

    def _cpu(self, process):
        return int(self._read(process, "schedstat").split()[0])

    def _switches(self, process):
        return sum(int(number) for number in
                   re.findall(r"ctxt_switches:\s*(\d+)", self._read(process, "status")))

    def cpu(self):
        """Processor time and wake-ups that one forwarded call costs bridge and agent."""
        _, count = self.amounts["rate"]
        for name in ("alias", "socket"):
            for flight in (1, 128):
                before = {p: (self._cpu(p), self._switches(p)) for p in self.processes}
                self.clients[name].measure("rate", 16, flight, count)
                for process, (cpu, switches) in before.items():
                    self.add(f"{process}, {name}", (self._cpu(process) - cpu) / count / 1000,
                             "µs/call", kind="cpu", flight=flight,
                             switches=(self._switches(process) - switches) / count)

    def syscalls(self):
        """System calls of one forwarded call, as strace counts them."""
        count = 200
        for name in ("alias", "socket"):
            for process, pid in self.processes.items():
                self.add(f"{process}, {name}", self._count_syscalls(pid, name, count) / count,
                         "a call", kind="syscalls")

    def _count_syscalls(self, pid, name, count):
        """While the client makes `count` calls. strace ends with its input, which is ours."""
        trace = self.site.host.spawn(
            ["sh", "-c", "strace -q -c -p $0 2>&1 & tracer=$!; read end; kill -INT $tracer; wait",
             str(pid)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        time.sleep(0.5)  # until it is attached
        self.clients[name].measure("latency", 16, count)
        said, _ = trace.communicate("\n", timeout=30)
        total = re.search(r"^\s*100\.00\s+\S+\s+(?:\S+\s+)?(\d+)\s+.*total$", said, re.MULTILINE)
        if not total:
            raise ToolError(f"strace counted nothing: {said.strip()}")
        return int(total[1])

    def idle(self, seconds=10):
        """How often idle processes wake. The keep-alive is the kernel's and wakes nobody."""
        time.sleep(1.5)  # status lines and such of what went before
        before = {process: self._switches(process) for process in self.processes}
        time.sleep(seconds)
        for process, count in before.items():
            self.add(process, self._switches(process) - count, f"wake-ups in {seconds} s",
                     kind="idle")

    def _memory(self, process):
        text = self._read(process, "smaps_rollup")
        sizes = dict(re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE))
        return int(sizes["Pss"]), int(sizes["Private_Dirty"])

    def memory(self):
        """Memory idle, and after many calls, signals, and callers that came and went."""
        count, visits = self.amounts["memory"], self.amounts["visits"]

        def note(when):
            for process in self.processes:
                pss, own = self._memory(process)
                self.add(f"{process}, {when}", pss, "KiB PSS", kind="memory", own=own)

        note("idle")
        for name in ("alias", "socket"):
            self.clients[name].measure("rate", 16, 64, count)
            note(f"after {count} calls by {name}")
        for name in ("alias", "socket"):
            for _ in range(count // 20_000):
                self.clients[name].measure("signals", 2000)
            self.clients[name].measure("visits", visits)
        note(f"after {count // 20_000 * 2000} signals and {visits} callers by each")

    def machines(self):
        """Many machines at once: their bridges' memory, and a call to one while the rest idle."""
        count = self.amounts["machines"]
        if count == 0:
            return
        self._latency_among("alias, alone")
        names = [f"bench{number}" for number in range(1, count)]
        for start in range(0, len(names), STARTS):
            self.site.start(*names[start:start + STARTS])
        pids = [self.site.main_pid(f"tombolo-bridge@{name}.service")
                for name in (self.machine, *names)]
        total = sum(int(line.split()[1]) for line in self.site.shell(
            "cat " + " ".join(f"/proc/{pid}/smaps_rollup" for pid in pids) + " | grep ^Pss:",
            "Reading the bridges' memory").splitlines())
        self._latency_among(f"alias, {count - 1} others idle")
        self.add(f"{count} bridges", total, "KiB PSS", kind="machines")

    def _latency_among(self, name):
        rounds, count = self.amounts["latency"]
        found = self._in_turn(("alias",), rounds,
                              lambda client: self.clients[client].measure("latency", 16, count))
        for samples in found.values():
            self.add(name, median(samples) / 1000, "µs", kind="machines",
                     p99=percentile(samples, 0.99) / 1000)

    # What comes of it

    def _latency_of(self, name):
        return next((row["value"] for row in self.rows
                     if row["kind"] == "latency" and row["size"] == 16 and row["row"] == name), None)

    def ratios(self):
        pairs = {"call_over_floor": ("alias", "floor"), "call_over_grpc": ("alias", "grpc"),
                 "call_over_ssh": ("alias", "ssh"), "call_over_xdg_dbus_proxy": ("alias", "proxy"),
                 "bus_socket_over_floor": ("socket", "floor"),
                 "bus_socket_over_grpc": ("socket", "grpc"),
                 "bus_socket_over_ssh": ("socket", "ssh"),
                 "bus_socket_over_xdg_dbus_proxy": ("socket", "proxy")}
        ratios = {}
        for name, (ours, other) in pairs.items():
            ours, other = self._latency_of(ours), self._latency_of(other)
            ratios[name] = round(ours / other, 3) if ours and other else None
        return ratios
