#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sends a socket over a bus socket that whoever closes it last waits for, and leaves it behind.

linger.py PATH SECONDS
Says "ready" on standard error once the bridge is the one to close it, and goes on until it is stopped.
"""
import array
import signal
import socket
import struct
import sys
import time

TRIES = 100


def lingering(seconds):
    """A connection whose peer reads nothing, and that has more to say."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    connection = socket.create_connection(listener.getsockname())
    peer = listener.accept()[0]
    connection.setblocking(False)
    try:
        while True:
            connection.send(bytes(65536))
    except BlockingIOError:
        pass
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, seconds))
    return connection, peer


def leave_behind(path, seconds):
    """What has to stay open, or None where the other side was faster, and it was we who waited."""
    connection, peer = lingering(seconds)
    beside = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [connection.fileno()]))]
    bus = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bus.connect(path)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    start = time.monotonic()
    bus.sendmsg([b"\0"], beside)
    connection.close()
    waited = time.monotonic() - start
    signal.setitimer(signal.ITIMER_REAL, 0)
    return (bus, peer) if waited < 0.1 else None


def main():
    path, seconds = sys.argv[1], int(sys.argv[2])
    signal.signal(signal.SIGALRM, lambda *_: None)
    for _ in range(TRIES):
        kept = leave_behind(path, seconds)
        if kept:
            break
    else:
        sys.exit("the bridge was always faster")
    print("ready", file=sys.stderr, flush=True)
    signal.pause()
    del kept


main()
