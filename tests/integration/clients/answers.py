#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who answers at addresses: a JSON line with those that did.

answers.py tcp PORT ADDRESS…   a connection is accepted
answers.py udp PORT ADDRESS…   a datagram comes back
answers.py icmp - ADDRESS…     an echo comes back
answers.py scan - ADDRESS      every TCP port of one address that accepts a connection
answers.py echo PORT           serves the first two, on every address of both protocols, until it is killed
"""
import json
import resource
import select
import socket
import subprocess
import sys
import threading
import time

SECONDS = 1.5
AT_A_TIME = 8192


def tcp(address, port):
    with socket.create_connection((address, port), SECONDS):
        return True


def udp(address, port):
    family, kind, _, _, where = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as asker:
        asker.connect(where)
        asker.settimeout(SECONDS / 3)
        for attempt in range(3):  # a datagram may be lost, also on the way to who would answer
            asker.send(b"who is there?")
            try:
                return bool(asker.recv(100))
            except TimeoutError:
                continue
        return False


def icmp(address, _port):
    return subprocess.run(["ping", "-n", "-c1", "-W1", address], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, check=False).returncode == 0


def asked(way, address, port):
    try:
        return way(address, port)
    except OSError:
        return False


def scan(address):
    """Many at a time, for a port that is silent takes its time; it counts as no answer."""
    where = socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)[0][4]
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * AT_A_TIME, 2 * AT_A_TIME))
    found = []
    for first in range(1, 65536, AT_A_TIME):
        poll, waiting = select.epoll(), {}
        for port in range(first, min(first + AT_A_TIME, 65536)):
            asker = socket.socket(socket.AF_INET6, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            asker.connect_ex((where[0], port, 0, where[3]))
            poll.register(asker, select.EPOLLOUT)
            waiting[asker.fileno()] = (asker, port)
        # The kernel asks a second time after one second.
        deadline = time.monotonic() + 2 * SECONDS
        while waiting and time.monotonic() < deadline:
            for fd, _ in poll.poll(deadline - time.monotonic()):
                asker, port = waiting.pop(fd)
                if asker.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    found.append(port)
                asker.close()
        for asker, _ in waiting.values():
            asker.close()
        poll.close()
    return sorted(found)


def echo(port):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    datagrams.bind(("::", port))

    def accept():
        while True:
            listener.accept()[0].close()

    threading.Thread(target=accept, daemon=True).start()
    print("ready", file=sys.stderr, flush=True)
    while True:
        data, sender = datagrams.recvfrom(100)
        datagrams.sendto(data, sender)


def main():
    way, port, *addresses = sys.argv[1:]
    if way == "echo":
        echo(int(port))
    elif way == "scan":
        print(json.dumps(scan(addresses[0])))
    else:
        ways = {"tcp": tcp, "udp": udp, "icmp": icmp}
        number = 0 if port == "-" else int(port)
        print(json.dumps([a for a in addresses if asked(ways[way], a, number)]))


main()
