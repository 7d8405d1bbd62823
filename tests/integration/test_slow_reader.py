# SPDX-License-Identifier: LGPL-2.1-or-later
"""A caller that stands still for longer than a dead peer would be given is still served."""
import json

from guests import CLIENTS, started

SLOW_READER = "/usr/local/lib/tombolo-tests/slow-reader.py"
SECONDS = 14  # more than KEEP_ALIVE_USEC
CALLS = 100   # whose answers, of some 80 KiB each, fill every buffer on the way


def test_slow_reader_gets_all_its_answers(host):
    started(host, "work")
    host.push(CLIENTS / "slow-reader.py", SLOW_READER)
    seen = host.run(["python3", SLOW_READER, "/run/tombolo/bus/work", str(SECONDS), str(CALLS)],
                    user="operator")
    assert json.loads(seen.stdout) == {"answered": CALLS, "end": "open"}
