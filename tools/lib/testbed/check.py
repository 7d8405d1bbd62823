# SPDX-License-Identifier: LGPL-2.1-or-later
"""tools/check: all tests, counted in the last line."""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor

from . import build, instance, packages, place, roots
from .command import ToolError, main_with_errors, need_root, say, step, warn

DESCRIPTION = """\
Runs all tests of tombolo. The last line reads “N passed, N failed” or “N passed, N failed, N
skipped”; the exit status is 0 if none failed. Reports lie in build/check/."""

SUITES = {
    "style": "format, licences and the like",
    "unit": "unit tests",
    "fuzz": "the corpora of the fuzz targets, replayed",
    "sanitize": "unit and fuzz with AddressSanitizer and UndefinedBehaviorSanitizer, and calls "
                "into a guest on a test host built so",
    "integration": "test host with dbus-daemon",
    "broker": "test host with dbus-broker",
    "vm": "QEMU guests on the test host",
    "desktop": "NetworkManager's connection editor on a test host with an X server",
}
FAST = ("style", "unit", "fuzz")
MESON_SUITES = ("style", "unit", "fuzz")
# Suites on test hosts, each on one of its own: label, the host's options, folders and files.
ON_HOSTS = {
    "integration": ("integration on dbus-daemon", {}, ["integration"]),
    "broker": ("integration on dbus-broker", {"bus": "dbus-broker"}, ["integration"]),
    "vm": ("vm", {}, ["vm"]),
    "desktop": ("desktop", {"desktop": True}, ["desktop"]),
    "sanitize": ("sanitized", {"sanitize": True}, [
        "integration/test_call.py", "integration/test_identity.py",
        "integration/test_machine_files.py", "sanitize"]),
}
STREAMS = 3
SUITE_SECONDS = 40 * 60


class Tally:
    """What passed, failed and was skipped."""

    def __init__(self):
        self.passed, self.skipped, self.failures = 0, 0, []

    def fail(self, what):
        self.failures.append(what)

    def read(self, suite, report):
        """Counts the cases of a JUnit report; a missing or empty one is a failure."""
        try:
            cases = list(ElementTree.parse(report).iter("testcase"))
        except (FileNotFoundError, ElementTree.ParseError):
            cases = []
        if not cases:
            self.fail(f"{suite}: no test has reported")
        for case in cases:
            name = f"{suite}: {case.get('classname', '')} {case.get('name')}"
            if case.find("failure") is not None or case.find("error") is not None:
                self.fail(name)
            elif case.find("skipped") is not None:
                self.skipped += 1
            else:
                self.passed += 1

    def line(self):
        text = f"{self.passed} passed, {len(self.failures)} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


def _reports():
    path = place.build() / "check"
    path.mkdir(parents=True, exist_ok=True)
    return path


def _watched(argv, log, **options):
    """Runs a command with its output in a file; ends its whole group when it takes too long."""
    with open(log, "wb") as output:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                   start_new_session=True, **options)
        try:
            code = process.wait(SUITE_SECONDS)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            code = 124
    return code


def _show(log, lines=200):
    """The end of a log, after a failure."""
    text = log.read_text(errors="replace").splitlines()
    print("\n".join(text[-lines:]), flush=True)


def _meson_tests(tally, suites, directory, label):
    """Runs meson's tests; its JUnit report holds one case a TAP line."""
    report = directory / "meson-logs/testlog.junit.xml"
    report.unlink(missing_ok=True)
    log = _reports() / f"{label}.log"
    chosen = [word for suite in suites for word in ("--suite", suite)]
    with step(f"Running {label}"):
        code = _watched(["meson", "test", "-C", str(directory), "--no-rebuild", "--print-errorlogs",
                         *chosen], log)
    before = len(tally.failures)
    tally.read(label, report)
    if code != 0:
        if len(tally.failures) == before:  # all cases well, and yet the program failed: a leak
            for name in _failed_programs(directory) or [f"meson test ended with {code}"]:
                tally.fail(f"{label}: {name}")
        _show(log)


def _failed_programs(directory):
    """The test programs that meson holds for failed."""
    lines = (directory / "meson-logs/testlog.json").read_text().splitlines()
    runs = [json.loads(line) for line in lines]
    return [run["name"] for run in runs if run["result"] not in ("OK", "SKIP", "EXPECTEDFAIL")]


def _pytest(tally, label, host, *paths):
    """Runs tests on a test host that stands."""
    report = _reports() / f"{label}.xml"
    report.unlink(missing_ok=True)
    log = _reports() / f"{label}.log"
    with step(f"Running {label} on the test host {host.name}"):
        code = _watched(["/usr/bin/python3", "-m", "pytest", f"--test-host={host.name}",
                         f"--junit-xml={report}", *paths], log, cwd=place.SOURCE / "tests")
    before = len(tally.failures)
    tally.read(label, report)
    if code != 0:
        if len(tally.failures) == before:
            tally.fail(f"{label}: pytest ended with {code}")
        _show(log)


class _Hosts:
    """Test hosts for the time of a run, each with what was built at its start."""

    def __init__(self):
        self._made = []
        self._sides = {}

    def build(self, sanitize):
        self._sides[sanitize] = build.for_test_host(sanitize)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for host in self._made:
            host.down()

    def get(self, suite, **options):
        # Checks of several clones may run on one machine.
        clone = hashlib.sha256(str(place.SOURCE).encode()).hexdigest()[:6]
        host = instance.TestHost(f"check-{suite}-{clone}")
        self._made.append(host)
        host.up(sides=self._sides[options.get("sanitize", False)], **options)
        return host


def _on_host(tally, hosts, suite):
    label, options, paths = ON_HOSTS[suite]
    try:
        host = hosts.get(suite, **options)
    except ToolError as error:
        warn(str(error))
        tally.fail(f"{label}: {str(error).splitlines()[0]}")
        return
    _pytest(tally, label, host, *paths)


def _on_hosts(tally, wanted, hosts):
    """Suites on test hosts, side by side: they wait more than they work."""
    with ThreadPoolExecutor(STREAMS) as pool:
        tasks = [pool.submit(_on_host, tally, hosts, suite)
                 for suite in ON_HOSTS if suite in wanted]
        for task in tasks:
            task.result()


def _run(wanted, tally):
    packages.ensure("tools", "build", "tests")
    with ThreadPoolExecutor(1) as pool, _Hosts() as hosts:
        # Downloads go on while the compiler works.
        made = (pool.submit(roots.everything, "desktop" in wanted) if wanted & set(ON_HOSTS)
                else None)
        try:
            hosts.build(sanitize=False)
            if "sanitize" in wanted:
                hosts.build(sanitize=True)
        finally:
            if made:
                made.result()
        in_meson = [suite for suite in MESON_SUITES if suite in wanted]
        if in_meson:
            _meson_tests(tally, in_meson, place.build(), ", ".join(in_meson))
        if "sanitize" in wanted:
            _meson_tests(tally, ("unit", "fuzz"), place.build("sanitize"), "sanitized unit, fuzz")
        _on_hosts(tally, wanted, hosts)


def main():
    suites = "\n".join(f"  {name:12} {text}" for name, text in SUITES.items())
    parser = argparse.ArgumentParser(
        prog="tools/check", description=DESCRIPTION, epilog="suites:\n" + suites,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--only", action="append", choices=SUITES, metavar="SUITE",
                        help="only this suite; may be repeated")
    parser.add_argument("--fast", action="store_true", help="only " + ", ".join(FAST))
    arguments = parser.parse_args()
    need_root("tools/check")

    begun = time.monotonic()
    tally = Tally()
    try:
        _run(set(arguments.only or (FAST if arguments.fast else SUITES)), tally)
    except ToolError as error:
        warn(str(error))
        tally.fail(str(error).splitlines()[0])
    say(f"All done in {time.monotonic() - begun:.0f} s; reports lie in "
        f"{place.relative(_reports())}/")
    for failure in tally.failures:
        print("FAILED " + failure)
    print(tally.line(), flush=True)
    return 1 if tally.failures else 0


if __name__ == "__main__":
    main_with_errors(main)
