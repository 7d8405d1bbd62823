# SPDX-License-Identifier: LGPL-2.1-or-later
"""Last on a test host that was built with sanitizers: whatever the other tests provoked, no program
has reported anything, on the host or in a guest."""

import re

import pytest

from guests import guest_run, started

REPORT = re.compile(r"runtime error:|ERROR: (Address|Leak)Sanitizer|SUMMARY: \w+Sanitizer")


def reports(journal):
    return [line for line in journal.splitlines() if REPORT.search(line)]


def test_the_host_was_built_with_sanitizers(host):
    assert host.sanitize
    for program in ("tombolod", "tombolo-bridge", "tombolo-launch", "tombolo-guestd"):
        linked = host.run(["/lib64/ld-linux-x86-64.so.2", "--list",
                           f"/usr/libexec/tombolo/{program}"]).stdout
        assert "libasan" in linked and "libubsan" in linked


def test_nothing_is_reported_on_the_host(host):
    assert reports(host.run(["journalctl", "-b", "--no-pager"]).stdout) == []


@pytest.mark.parametrize("machine", ["work", "net"])
def test_nothing_is_reported_in_a_guest(host, machine):
    started(host, machine)
    shown = guest_run(host, machine, ["journalctl", "-b", "-u", "tombolo-guestd", "--no-pager"])
    assert "tombolo-guestd" in shown.stdout
    assert reports(shown.stdout) == []


@pytest.mark.parametrize("line,found", [
    ("x.c:69:13: runtime error: store to null pointer of type 'gsize'", True),
    ("==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x60", True),
    ("SUMMARY: UndefinedBehaviorSanitizer: undefined-behavior x.c:1:1", True),
    ("tombolod 0.1.0 is ready", False),
])
def test_reports_are_recognised(line, found):
    assert bool(reports(line)) == found
