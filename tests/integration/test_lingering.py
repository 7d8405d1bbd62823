# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a user leaves for the bridge to close does not keep it from others."""
import time

import pytest

from guests import CLIENTS, HOSTNAME, HOSTNAME_PATH, started

CLIENT = "/usr/local/lib/tombolo-tests/linger.py"
SOCKET = "/run/tombolo/bus/work"
LINGER_SECONDS = 60
SOON_SECONDS = 20


@pytest.fixture(autouse=True)
def work(host):
    started(host, "work")
    host.push(CLIENTS / "linger.py", CLIENT)


def test_somebody_who_may_nothing_keeps_nobody_waiting(host):
    process = host.popen(["python3", CLIENT, SOCKET, str(LINGER_SECONDS)], user="visitor")
    try:
        assert process.stderr.readline().strip() == "ready"
        start = time.monotonic()
        host.run(["busctl", f"--address=unix:path={SOCKET}", "call", HOSTNAME, HOSTNAME_PATH,
                  "org.freedesktop.DBus.Peer", "Ping"], user="operator", timeout=2 * LINGER_SECONDS)
        assert time.monotonic() - start < SOON_SECONDS
    finally:
        process.terminate()
        process.wait()
