# SPDX-License-Identifier: LGPL-2.1-or-later
"""The sandbox of each unit, as systemd measures it."""

import pytest

from guests import started, stopped


@pytest.mark.parametrize("unit,most", [
    ("tombolod.service", 1.0),
    ("tombolo-bridge@work.service", 1.0),
    ("tombolo-machine@lab.service", 0.5),
])
def test_exposure(host, unit, most):
    answer = host.run(["systemd-analyze", "security", "--no-pager", f"--threshold={int(most * 10)}", unit],
                      check=False)
    line = [line for line in answer.stdout.splitlines() if "Overall exposure level" in line]
    assert line, answer.stdout + answer.stderr
    exposure = float(line[0].split(":")[1].split()[0])
    assert exposure <= most, answer.stdout


def test_what_runs_as_whom(host):
    started(host, "work")
    host.run(["tomboloctl", "start", "lab"], user="operator", timeout=60)
    try:
        for unit, user in (("tombolod.service", "tombolo"), ("tombolo-bridge@work.service", "tombolo-bridge")):
            pid = host.run(["systemctl", "show", "--value", "-p", "MainPID", unit]).stdout.strip()
            status = host.run(["cat", f"/proc/{pid}/status"]).stdout
            fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            uid = host.run(["id", "-u", user]).stdout.strip()
            assert set(fields["Uid"].split()) == {uid}
            assert fields["NoNewPrivs"] == "1"
            assert fields["Seccomp"] == "2"
            capabilities = int(fields["CapEff"], 16)
            assert capabilities == (1 << 12 if user == "tombolo" else 0), fields["CapEff"]
        pid = host.run(["systemctl", "show", "--value", "-p", "MainPID", "tombolo-machine@lab.service"]).stdout.strip()
        assert "qemu" in host.run(["readlink", f"/proc/{pid}/exe"]).stdout
        status = host.run(["cat", f"/proc/{pid}/status"]).stdout
        assert "CapEff:\t0000000000000000" in status
        assert "\nUid:\t0" not in status
        command = host.run(["cat", f"/proc/{pid}/cmdline"]).stdout
        assert "PRIVATE KEY" not in command
    finally:
        stopped(host, "lab")


def test_no_secret_in_the_journal_or_an_environment(host):
    started(host, "work")
    assert "PRIVATE KEY" not in host.run(["journalctl", "--no-pager", "-o", "export"]).stdout
    for unit in ("tombolod.service", "tombolo-bridge@work.service", "tombolo-container@work.service"):
        pid = host.run(["systemctl", "show", "--value", "-p", "MainPID", unit]).stdout.strip()
        assert "PRIVATE KEY" not in host.run(["cat", f"/proc/{pid}/environ"]).stdout
