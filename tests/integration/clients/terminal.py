#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a program on a terminal of its own, and plays a person at it.

terminal.py STEPS COMMAND...
STEPS is JSON, a list of [act, argument]: type TEXT, expect TEXT, size [ROWS, COLUMNS], wait SECONDS, signal NUMBER.
Prints what the program wrote, then “exit N” and whether the terminal was as before.
"""
import fcntl
import json
import os
import pty
import select
import struct
import sys
import termios
import time


def read_until(terminal, output, wanted, seconds=20):
    """Reads until the text has come, or the end where it is None."""
    end = time.monotonic() + seconds
    start = len(output)
    while time.monotonic() < end:
        if wanted is not None and wanted in bytes(output[start:]).decode(errors="replace"):
            return True
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:
                return wanted is None
            if not data:
                return wanted is None
            output += data
    return False


def set_size(terminal, rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def main():
    steps, command = json.loads(sys.argv[1]), sys.argv[2:]
    output = bytearray()
    child, terminal = pty.fork()
    if child == 0:
        set_size(0, 31, 117)
        os.execvp(command[0], command)
    before = termios.tcgetattr(terminal)  # those of the pair
    missing = None
    for act, argument in steps:
        if act == "type":
            os.write(terminal, argument.encode())
        elif act == "size":
            set_size(terminal, *argument)
        elif act == "wait":
            time.sleep(argument)
        elif act == "signal":
            os.kill(child, argument)
        elif not read_until(terminal, output, argument):
            missing = argument
            break
    end = time.monotonic() + 20
    status = None
    while status is None and time.monotonic() < end and missing is None:
        read_until(terminal, output, "\0never", 0.2)
        pid, code = os.waitpid(child, os.WNOHANG)
        status = code if pid else None
    same = termios.tcgetattr(terminal)[:4] == before[:4]
    print(output.decode(errors="replace"))
    print("exit", os.waitstatus_to_exitcode(status) if status is not None else "never", "same" if same else "changed",
          "" if missing is None else f"missing {missing!r}")


main()
