# SPDX-License-Identifier: LGPL-2.1-or-later
"""Progress lines, commands that are run, and how they fail."""

import contextlib
import fcntl
import os
import subprocess
import sys
import tempfile
import time

TAIL_LINES = 40


class ToolError(Exception):
    """A sentence for the user: what failed, on what, and what to do."""


def _colour(code, text):
    if sys.stderr.isatty() and "NO_COLOR" not in os.environ:
        return f"\033[{code}m{text}\033[0m"
    return text


def _line(text):
    sys.stderr.write(text + "\n")  # in one piece: several threads may report
    sys.stderr.flush()


def say(text):
    """One line of progress, on standard error so that results stay alone on standard output."""
    _line(_colour("1;34", "==> ") + text)


def warn(text):
    _line(_colour("1;33", "==> ") + text)


@contextlib.contextmanager
def step(text):
    """A long step: a line when it begins, and one when it took long enough to be worth telling."""
    say(text + " …")
    begun = time.monotonic()
    yield
    taken = time.monotonic() - begun
    if taken >= 2:
        first = text.split(": ", 1)[0].split(" (", 1)[0]
        _line(f"    {taken:.0f} s: {first}")


def run(argv, what, *, env=None, cwd=None, stdin=subprocess.DEVNULL):
    """Runs a command whose output matters only when it fails; returns that output."""
    with tempfile.TemporaryFile() as log:
        try:
            code = subprocess.run(argv, stdin=stdin, stdout=log, stderr=log, cwd=cwd,
                                  env=env, check=False).returncode
        except FileNotFoundError as error:
            raise ToolError(f"{what} failed: the program {argv[0]} is missing.") from error
        log.seek(0)
        output = log.read().decode(errors="replace")
    if code != 0:
        tail = "\n".join("    " + line for line in output.splitlines()[-TAIL_LINES:])
        raise ToolError(f"{what} failed with exit status {code}:\n{tail}")
    return output


def output_of(argv):
    """What a small command prints; it must succeed."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise ToolError(f"“{' '.join(argv)}” failed: {done.stderr.strip()}")
    return done.stdout


@contextlib.contextmanager
def locked(path, what, *, create=True):
    """Holds an exclusive lock on a file; says so when another process has it."""
    flags = os.O_RDWR | os.O_CREAT if create else os.O_RDONLY
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Waiting for another process that is at {what}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def need_root(tool):
    if os.geteuid() != 0:
        raise ToolError(f"{tool} makes mounts and namespaces: run it as root.")


def main_with_errors(main):
    """Runs a tool's main() and turns its failures into one message and an exit status."""
    try:
        code = main()
    except ToolError as error:
        _line(_colour("1;31", "error: ") + str(error))
        code = 1
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = 141
    sys.exit(code)
