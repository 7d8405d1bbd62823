#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tools/bench makes of its measurements, without measuring: sizes on the link, ratios, JSON."""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools/lib"))

from testbed.bench_rows import Rows, link_sizes, percentile


def rows_of(latencies):
    """Rows as if these medians had been measured at 16 bytes, and others beside them."""
    rows = Rows.__new__(Rows)
    rows.rows = []
    for name, value in latencies.items():
        rows.add(name, value * 9, "µs", kind="latency", size=4096, p99=1.0)
        rows.add(name, value, "µs", kind="latency", size=16, p99=1.0)
        rows.add(name, value * 5, "calls/s", kind="rate", flight=1)
    return rows


def main():
    # Counted on the wire: TLS records of 173 and 85 bytes, 17 of them TLS' own.
    assert link_sizes(16) == (156, 68), link_sizes(16)
    assert link_sizes(4096) == (156 + 4080, 68 + 4080), link_sizes(4096)

    assert percentile(range(100), 0.99) == 99
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile([7], 0.99) == 7

    rows = rows_of({"floor": 100.0, "alias": 120.0, "socket": 80.0, "grpc": 240.0, "proxy": 160.0})
    ratios = rows.ratios()
    assert ratios["call_over_floor"] == 1.2, ratios
    assert ratios["call_over_grpc"] == 0.5, ratios
    assert ratios["call_over_xdg_dbus_proxy"] == 0.75, ratios
    assert ratios["bus_socket_over_floor"] == 0.8, ratios
    assert ratios["call_over_ssh"] is None, ratios  # was not measured

    shape = json.loads(json.dumps({"rows": rows.rows, "ratios": ratios}))
    assert all({"row", "value", "unit", "kind"} <= row.keys() for row in shape["rows"])
    return 0


sys.exit(main())
