# SPDX-License-Identifier: LGPL-2.1-or-later
"""Start and stop again and again: nothing is left over."""
from guests import guest_leader, machine_property, started, stopped, unit_property

TIMES = 50


def traces(host):
    """Everything that a machine leaves in the system while it runs."""
    namespace = unit_property(host, "tombolod.service", "MainPID")
    links = host.run(["nsenter", "-n", "-t", namespace, "ip", "-o", "link"]).stdout
    units = host.run(["systemctl", "list-units", "--all", "--plain", "--no-legend",
                      "tombolo-*@*"]).stdout
    files = host.run(["find", "/run/tombolo", "/run/credentials", "-mindepth", "1"]).stdout
    return {
        "links": sorted(line.split(":")[1].strip() for line in links.splitlines()),
        "units": sorted(line.split()[0] for line in units.splitlines()),
        "files": sorted(files.splitlines()),
        "processes": int(host.run(["sh", "-c", "ps -e --no-headers | wc -l"]).stdout),
        "descriptors": int(host.run(["sh", "-c", f"ls /proc/{namespace}/fd | wc -l"]).stdout),
    }


def memory(host):
    pid = unit_property(host, "tombolod.service", "MainPID")
    text = host.run(["cat", f"/proc/{pid}/smaps_rollup"]).stdout
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_"))


def churn(host, machine, times, stop):
    host.run(["sh", "-c", f"for i in $(seq {times}); do tomboloctl start {machine} && "
                          f"tomboloctl {stop} {machine} || exit 1; done"],
             user="operator", timeout=600)


def check_churn(host, machine, stop):
    stopped(host, "work")
    stopped(host, "net")
    stopped(host, "lab")
    churn(host, machine, 5, stop)  # what is made once and kept is made now
    before, memory_before = traces(host), memory(host)
    churn(host, machine, TIMES, stop)
    after, memory_after = traces(host), memory(host)
    for kind in ("links", "units", "files"):
        assert after[kind] == before[kind], kind
    assert not any(link.startswith(("tb-", "tg-")) for link in after["links"])
    assert not any(unit.split("@")[1].startswith(machine) for unit in after["units"]), after["units"]
    assert abs(after["descriptors"] - before["descriptors"]) <= 2
    assert after["processes"] <= before["processes"] + 2
    assert memory_after < memory_before + 512, f"{memory_before} KiB, then {memory_after} KiB"


def test_container_churn(host):
    check_churn(host, "work", "stop")


def test_qemu_churn(host):
    """Its guest, which boots for many seconds, does not hear the request to stop: the deadline ends
    it. How it stops in order is in tests/vm/."""
    check_churn(host, "lab", "stop --timeout=100ms")


def test_ordered_stop(host):
    started(host, "work")
    leader = guest_leader(host, "work")
    host.run(["tomboloctl", "stop", "work"], user="operator", timeout=60)
    assert machine_property(host, "work", "State") == "stopped"
    assert host.run(["test", "-d", f"/proc/{leader}"], check=False).returncode != 0
