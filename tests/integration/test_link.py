# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a hostile guest sends over its control link costs the host next to nothing: the kernel keeps
one table of neighbours for all namespaces, with room for 1024."""
import pytest

from guests import (CLIENTS, guest_leader, hostname_of, in_links_namespace, machine_property, started,
                    stopped, wait_for)

SPOOFED = 400
MOST = 60
FLOOD = "/usr/local/lib/tombolo-tests/neighbours.py"


@pytest.fixture(autouse=True)
def guests(host):
    """`work` is the hostile one, and starts anew after; `net` is its victim."""
    started(host, "work")
    started(host, "net")
    yield
    stopped(host, "work")
    stopped(host, "net")


def inside(host, machine, *command, **options):
    """Runs a program of the host in the guest's network, with root's rights there."""
    return host.run(["nsenter", "-n", "-t", guest_leader(host, machine), *command], **options)


def link_in(host, machine):
    shown = inside(host, machine, "ip", "-o", "-6", "addr", "show", "scope", "link").stdout
    return next(line.split()[1] for line in shown.splitlines() if " fe80::2/" in line)


def host_mac(host, machine):
    interface = machine_property(host, machine, "Interface")
    words = in_links_namespace(host, ["ip", "-o", "link", "show", "dev", interface]).stdout.split()
    return words[words.index("link/ether") + 1].replace(":", "")


def neighbours(host, machine):
    interface = machine_property(host, machine, "Interface")
    return in_links_namespace(host, ["ip", "-6", "neigh", "show", "nud", "all", "dev",
                                     interface]).stdout.splitlines()


def test_spoofed_solicitations_make_few_neighbours(host):
    before = len(neighbours(host, "work"))
    host.push(CLIENTS / "neighbours.py", FLOOD)
    inside(host, "work", "python3", FLOOD, link_in(host, "work"), str(SPOOFED), host_mac(host, "work"),
           timeout=60)
    # Some get through, so it is the limit that is tested.
    wait_for(lambda: len(neighbours(host, "work")) > before, 5, "a solicitation is heard")
    assert len(neighbours(host, "work")) < MOST
    for machine in ("work", "net"):
        assert hostname_of(host, machine) == machine
        assert machine_property(host, machine, "AgentState") == "connected"


def test_a_new_guest_is_found_during_a_flood(host):
    """The limit is one of each link."""
    stopped(host, "net")
    host.push(CLIENTS / "neighbours.py", FLOOD)
    inside(host, "work", "python3", FLOOD, link_in(host, "work"), str(SPOOFED), host_mac(host, "work"),
           timeout=60)
    started(host, "net")
    assert hostname_of(host, "net") == "net"


def test_an_echo_is_not_answered(host):
    link = link_in(host, "work")
    pinged = inside(host, "work", "ping", "-n", "-c2", "-W1", f"fe80::1%{link}", check=False)
    assert pinged.returncode == 1, pinged.stdout + pinged.stderr
    assert hostname_of(host, "work") == "work"


def test_without_the_filter_there_is_no_network(host):
    """What needs the links requires the unit that loads the filter; and it is loaded."""
    assert "iifname \"tb-*\" goto link" in in_links_namespace(
        host, ["nft", "list", "table", "inet", "tombolo"]).stdout
    for unit in ("tombolod.service", "tombolo-bridge@work.service", "tombolo-container@work.service"):
        needs = host.run(["systemctl", "show", "--value", "-p", "Requires", unit]).stdout.split()
        assert "tombolo-network.service" in needs
