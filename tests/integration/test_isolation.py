# SPDX-License-Identifier: LGPL-2.1-or-later
"""From a guest no service of the host answers, not even one that listens everywhere, and no guest
reaches another. Each question is also asked from where the answer is yes, so that it can fail."""
import json

import pytest

from guests import (CLIENTS, client, guest_leader, hostname_of, in_links_namespace,
                    machine_property, started, stopped)

PORT = 4711
ANSWERS = "/usr/local/lib/tombolo-tests/answers.py"
HOSTS_ADDRESSES = ["10.99.0.1", "fd99::1"]
WAYS = [("tcp", str(PORT)), ("udp", str(PORT)), ("icmp", "-")]
NEAR, FAR = "fd77::1", "fd77::2"


@pytest.fixture(autouse=True)
def work(host):
    """`work` runs, and forgets after what a test did to its network."""
    started(host, "work")
    yield
    stopped(host, "work")


@pytest.fixture
def everywhere(host):
    """The host has an interface with addresses, and a service on every one of them."""
    host.run(["sh", "-c", "ip link add outside type veth peer name farther && ip link set outside up "
              "&& ip link set farther up"])
    for address in ("10.99.0.1/24", "fd99::1/64"):
        host.run(["ip", "addr", "add", address, "dev", "outside",
                  *(["nodad"] if ":" in address else [])])
    client(host, "answers.py", ["echo", str(PORT)], user="root")
    yield
    host.run(["ip", "link", "delete", "outside"])


def inside(host, machine, *command, **options):
    """Runs a program of the host in the guest's network, with root's rights there."""
    return host.run(["nsenter", "-n", "-t", guest_leader(host, machine), *command], **options)


def answers(run, way, port, *addresses):
    return json.loads(run("python3", ANSWERS, way, port, *addresses, timeout=300).stdout)


def link_in(host, machine):
    shown = inside(host, machine, "ip", "-o", "-6", "addr", "show", "scope", "link").stdout
    return next(line.split()[1] for line in shown.splitlines() if " fe80::2/" in line)


def on_host(host):
    return lambda *command, **options: host.run(list(command), **options)


def in_guest(host, machine):
    return lambda *command, **options: inside(host, machine, *command, **options)


def test_no_port_of_the_links_other_end_answers(host, everywhere):
    link = link_in(host, "work")
    assert answers(in_guest(host, "work"), "scan", "-", f"fe80::1%{link}") == []
    assert answers(in_guest(host, "work"), "udp", str(PORT), f"fe80::1%{link}") == []
    assert PORT in answers(on_host(host), "scan", "-", "::1")
    assert answers(in_guest(host, "work"), "icmp", "-", f"fe80::1%{link}") == []
    # There is somebody: silence is no broken link.
    assert hostname_of(host, "work") == "work"


@pytest.mark.parametrize("routed", [False, True])
@pytest.mark.parametrize("way,port", WAYS)
def test_no_address_of_the_host_answers(host, everywhere, way, port, routed):
    """Neither as the guest is made, nor where its root gives it addresses and sends all to us."""
    if routed:
        link = link_in(host, "work")
        inside(host, "work", "sh", "-c",
               f"ip addr add 10.99.0.2/24 dev {link}; ip addr add fd99::2/64 dev {link} nodad; "
               f"ip route add default dev {link}; ip -6 route add default via fe80::1 dev {link}")
    assert answers(on_host(host), way, port, *HOSTS_ADDRESSES) == HOSTS_ADDRESSES
    assert answers(in_guest(host, "work"), way, port, *HOSTS_ADDRESSES) == []


def test_nothing_listens_where_the_links_are(host):
    assert in_links_namespace(host, ["ss", "-Hlntuw"]).stdout == ""
    for switch in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        assert in_links_namespace(host, ["cat", f"/proc/sys/net/{switch}"]).stdout.strip() == "0"


def test_the_hosts_network_shows_no_link_of_ours(host):
    links = host.run(["ip", "-o", "link"]).stdout
    assert "tb-" not in links
    assert machine_property(host, "work", "Interface").startswith("tb-")


def test_guests_do_not_reach_each_other(host):
    """Two hostile roots who agree on addresses and routes."""
    started(host, "net")
    link, other = link_in(host, "work"), link_in(host, "net")
    inside(host, "work", "ip", "addr", "add", f"{NEAR}/128", "dev", link, "nodad")
    inside(host, "net", "ip", "addr", "add", f"{FAR}/128", "dev", other, "nodad")
    host.push(CLIENTS / "answers.py", ANSWERS)
    listener = host.popen(["nsenter", "-n", "-t", guest_leader(host, "net"), "python3", ANSWERS, "echo",
                           str(PORT)])
    assert listener.stderr.readline().strip() == "ready"
    inside(host, "net", "ip", "-6", "route", "add", f"{NEAR}/128", "via", "fe80::1", "dev", other)
    try:
        for way, port in WAYS:
            assert answers(in_guest(host, "net"), way, port, FAR) == [FAR]
        for route in (["dev", link], ["via", "fe80::1", "dev", link]):
            inside(host, "work", "ip", "-6", "route", "replace", f"{FAR}/128", *route)
            for way, port in WAYS:
                assert answers(in_guest(host, "work"), way, port, FAR) == [], (way, route)
    finally:
        stopped(host, "net")


def test_an_agent_answers_on_its_own_link_alone(host):
    """Every agent has the same address; with its own out of the way, a guest reaches no other's."""
    started(host, "net")
    host.push(CLIENTS / "answers.py", ANSWERS)
    agent = f"fe80::2%{machine_property(host, 'net', 'Interface')}"
    from_bridges = in_links_namespace(host, ["python3", ANSWERS, "tcp", "7475", agent])
    assert json.loads(from_bridges.stdout) == [agent]
    link = link_in(host, "work")
    assert answers(in_guest(host, "work"), "tcp", "7475", f"fe80::2%{link}") != []
    host.run(["nsenter", "-a", "-t", guest_leader(host, "work"), "systemctl", "stop", "tombolo-guestd"])
    addresses = [f"fe80::{n}%{link}" for n in (1, 2, 3)]
    assert answers(in_guest(host, "work"), "tcp", "7475", *addresses) == []
