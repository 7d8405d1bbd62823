# SPDX-License-Identifier: LGPL-2.1-or-later
"""The test host for all tests in Python, and what it logged during a test that failed.

Needs root and the packages of tools, build and tests in tools/packages; tools/check runs it all.
By hand:
  /usr/bin/python3 -m pytest tests/integration/test_call.py [--bus dbus-broker] [--keep-host]
"""

import os
import signal
import subprocess

import pytest

from testbed import instance

HANG_SECONDS = 60


def pytest_addoption(parser):
    parser.addoption("--bus", choices=instance.BUSES, default=instance.BUSES[0],
                     help="the test host's message bus")
    parser.addoption("--test-host", metavar="NAME",
                     help="use this test host, which stands already, and let it stand")
    parser.addoption("--keep-host", action="store_true",
                     help="let the test host stand at the end")


class Host:
    """The test host as tests use it. Commands are lists; each runs as `user`, in a clean
    environment, and is killed with everything it started when it takes longer than `timeout`."""

    def __init__(self, under):
        self._host = under
        self._started = []

    @property
    def bus(self):
        return self._host.describe()["bus"]

    @property
    def sanitize(self):
        return self._host.describe()["sanitize"]

    @property
    def name(self):
        return self._host.name

    def run(self, command, *, user="root", check=True, timeout=HANG_SECONDS, input=None,
            environment=None):
        """Returns subprocess's CompletedProcess with text; `input` is text or bytes. With `check`,
        a failure is an assertion that shows what the command said."""
        data = input.encode() if isinstance(input, str) else input
        source = {"input": data} if data is not None else {"stdin": subprocess.DEVNULL}
        done = subprocess.run(
            self._host.argv(command, user=user, environment=environment), capture_output=True,
            timeout=timeout, check=False, preexec_fn=self._host.enter_group, **source)
        done.stdout = done.stdout.decode(errors="replace")
        done.stderr = done.stderr.decode(errors="replace")
        if check:
            assert done.returncode == 0, (
                f"{' '.join(command)} (as {user}) ended with {done.returncode}\n"
                f"{done.stdout}{done.stderr}")
        return done

    def popen(self, command, *, user="root", environment=None, **options):
        """Starts a command; returns subprocess's Popen with text pipes. It ends with the test."""
        options = {"text": True, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE,
                   "stderr": subprocess.PIPE, "start_new_session": True, **options}
        process = self._host.spawn(command, user=user, environment=environment, **options)
        self._started.append(process)
        return process

    def push(self, file, destination):
        """Copies a file of this machine into the test host, with its permissions."""
        self._host.push(file, destination)

    def cursor(self):
        """Where the journal ends now."""
        shown = self.run(["journalctl", "-n0", "--show-cursor", "-q"], check=False).stdout
        return shown.rpartition("-- cursor: ")[2].strip()

    def journal_since(self, cursor):
        """What was logged since; without a cursor, since boot."""
        since = [f"--after-cursor={cursor}"] if cursor else []
        return self.run(["journalctl", "--no-pager", "-q", "-o", "short-precise", *since],
                        check=False).stdout

    def end_started(self):
        """Ends what popen() started and still runs."""
        for process in self._started:
            if process.poll() is None:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    pipe.close()
        self._started.clear()


@pytest.fixture(scope="session")
def test_host(request):
    """The test host itself: an existing one, or one made for this session."""
    existing = request.config.getoption("--test-host")
    if existing:
        under = instance.TestHost(existing)
        assert under.state() == "running", f"there is no test host {existing}"
        yield Host(under)
        return
    bus = request.config.getoption("--bus")
    under = instance.TestHost(f"check-{bus}")
    under.up(bus=bus)
    yield Host(under)
    if not request.config.getoption("--keep-host"):
        under.down()


@pytest.fixture
def host(test_host, request):
    """The test host during one test."""
    request.node.test_host = test_host
    request.node.journal_cursor = test_host.cursor()
    yield test_host
    test_host.end_started()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed and hasattr(item, "test_host"):
        log = item.test_host.journal_since(item.journal_cursor)
        report.sections.append(("Journal of the test host during this test", log[-20000:]))
