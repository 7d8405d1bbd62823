# SPDX-License-Identifier: LGPL-2.1-or-later
"""tools/bench: calls into a guest, their floor and their peers, in one run."""

import argparse
import hashlib
import json
import os
import time

from . import bench_client, bench_site, build, instance, packages, place
from .bench_rows import FULL, QUICK, Rows
from .command import ToolError, main_with_errors, need_root, say, step

DESCRIPTION = """\
Measures a D-Bus call into a container guest, by the alias and by the bus socket, beside its floor
and its peers, all in one run over the same control link and in turns. Prints a table or JSON."""

EPILOGUE = """\
rows:
  floor    a round trip on the host's bus, one by TLS on the link, and one on the guest's bus: host,
           tls and guest, measured alone and added
  alias    a call by the alias on the host's bus; socket: by the machine's bus socket
  grpc     gRPC C++ with mutual TLS, its server calling the service on the guest's bus
  ssh      sd-bus over a kept ssh connection to systemd-stdio-bridge
  proxy    libdbus, a GnuTLS relay, and xdg-dbus-proxy in front of the guest's bus

parts: %(parts)s

--quick takes less of everything and leaves out the many machines. It ends within 2 minutes, not
counting what is built and made the first time. The numbers are this machine's; only their ratios mean
something elsewhere, and only on a machine that does nothing else."""

PARTS = ("latency", "polkit", "rate", "signals", "stream", "cpu", "syscalls", "idle", "memory",
         "machines")
TITLES = {
    "latency": "Latency of one call after the other", "polkit": "The same, decided by polkit",
    "rate": "Calls", "signals": "Signals", "stream": "Bytes through a pipe",
    "cpu": "Processor time of a call", "syscalls": "System calls of a call",
    "idle": "Doing nothing", "memory": "Memory", "machines": "Many machines",
}
COLUMNS = (("size", "{} B"), ("flight", "{} under way"), ("p99", "p99 {:.1f}"),
           ("own", "{} KiB its own"), ("switches", "{:.2f} switches"))


def _programs():
    """The measuring programs, built."""
    packages.ensure("tools", "build", "bench")
    directory = place.build("bench")
    targets = [f"tests/bench/tombolo-bench-{name}" for name in bench_site.PROGRAMS]
    build.build(directory, [*build.STRICT, "-Dbenchmarks=true"], targets, "the benchmarks")
    return [directory / target for target in targets]


def _measure(site, amounts, parts):
    machine = "bench"
    with step("Preparing the test host and a guest"):
        site.prepare()
        site.start(machine)
        site.start_peers(machine)
    clients = bench_client.open_all(site, machine)
    rows = Rows(site, machine, clients, amounts)
    try:
        for part in PARTS:
            if part in parts:
                with step(f"Measuring {TITLES[part].lower()}"):
                    getattr(rows, part)()
    finally:
        for client in clients.values():
            client.close()
    return rows


def _table(rows, ratios):
    kind = None
    for row in rows:
        if row["kind"] != kind:
            kind = row["kind"]
            print(f"\n{TITLES[kind]}")
        more = "  ".join(text.format(row[key]) for key, text in COLUMNS if key in row)
        value = f"{row['value']:.1f}" if isinstance(row["value"], float) else str(row["value"])
        print(f"  {row['row']:44} {value:>12} {row['unit']:22} {more}")
    if any(ratios.values()):
        print("\nRatios of medians at 16 bytes")
        for name, value in ratios.items():
            print(f"  {name:44} {'not measured' if value is None else value:>12}")


def _parser():
    parser = argparse.ArgumentParser(
        prog="tools/bench", description=DESCRIPTION,
        epilog=EPILOGUE % {"parts": ", ".join(PARTS)},
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="take less of everything")
    parser.add_argument("--json", action="store_true",
                        help="print {\"rows\": [...], \"ratios\": {...}, ...}")
    parser.add_argument("--only", action="append", choices=PARTS, metavar="PART",
                        help="measure only this part; may be repeated")
    parser.add_argument("--test-host", metavar="NAME",
                        help="on this test host, which stands already and stays; else on one that "
                        "is made for this run")
    return parser


def _host(name):
    """The test host, and whether it is this run's own."""
    if name:
        host = instance.TestHost(name)
        if not host.leader():
            raise ToolError(f"There is no test host {name}: make it with tools/testhost up.")
        return host, False
    clone = hashlib.sha256(str(place.SOURCE).encode()).hexdigest()[:6]
    host = instance.TestHost(f"bench-{clone}")
    host.up()
    return host, True


def main():
    arguments = _parser().parse_args()
    need_root("tools/bench")
    programs = _programs()
    bench_site.peers()
    host, own = _host(arguments.test_host)
    site = bench_site.Site(host, programs)
    begun = time.monotonic()
    load = os.getloadavg()[0]
    try:
        rows = _measure(site, QUICK if arguments.quick else FULL, arguments.only or PARTS)
    finally:
        if own:
            host.down()
        else:
            site.clear()
    ratios = rows.ratios()
    say(f"Measured for {time.monotonic() - begun:.0f} s")
    if arguments.json:
        print(json.dumps({"rows": rows.rows, "ratios": ratios, "quick": arguments.quick,
                          "load": [load, os.getloadavg()[0]], "missing": rows.missing},
                         indent=2, ensure_ascii=False))
    else:
        _table(rows.rows, ratios)
    return 0


if __name__ == "__main__":
    main_with_errors(main)
