# SPDX-License-Identifier: LGPL-2.1-or-later
"""False guests: another machine's identity, yesterday's, another CA's, no TLS, old TLS, silence.

Each is refused, logged with the reason, and harms nobody; the true agent is taken again after."""
import pytest

from guests import (ALIAS_HOSTNAME, CLIENTS, HOSTNAME, HOSTNAME_PATH, guest_leader, guest_run,
                    machine_property, started, wait_for)

IDENTITIES = "/run/identities"
PEER = "/usr/local/lib/tombolo-tests/peer.py"

ANOTHER_CA = f"""
set -e
cd {IDENTITIES}
openssl genpkey -algorithm ed25519 -out ca.key
openssl req -x509 -new -key ca.key -subj "/CN=another CA" -days 2 -out ca.pem 2>/dev/null
openssl genpkey -algorithm ed25519 -out leaf.key
openssl req -new -key leaf.key -subj "/CN=work" -out leaf.csr 2>/dev/null
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out leaf.pem 2>/dev/null
cat leaf.key leaf.pem > other-ca
"""


def credential(host, machine):
    return f"/run/credentials/tombolo-container@{machine}.service/tombolo.identity"


@pytest.fixture(scope="module")
def identities(test_host):
    """Identities that a false guest might have got hold of."""
    host = test_host
    started(host, "work")
    started(host, "net")
    host.run(["mkdir", "-p", "-m", "700", IDENTITIES])
    host.run(["cp", credential(host, "net"), f"{IDENTITIES}/other-machine"])
    host.run(["cp", credential(host, "work"), f"{IDENTITIES}/yesterday"])
    host.run(["sh", "-c", ANOTHER_CA])
    host.run(["tomboloctl", "restart", "work"], user="operator", timeout=60)
    started(host, "work")
    host.push(CLIENTS / "peer.py", PEER)
    yield
    host.run(["rm", "-rf", IDENTITIES])


@pytest.fixture
def agentless(host, identities):
    """`work` with its agent out of the way, and given back after."""
    started(host, "work")
    guest_run(host, "work", ["systemctl", "stop", "tombolo-guestd.service"])
    yield
    guest_run(host, "work", ["systemctl", "start", "tombolo-guestd.service"])
    took = wait_for(lambda: machine_property(host, "work", "AgentState") == "connected", 15,
                    "the true agent is connected again")
    assert took < 15


def refusals(host, since):
    answer = host.run(["journalctl", "--no-pager", "-o", "cat", f"--since=@{since}",
                       "-u", "tombolo-bridge@work.service"])
    return answer.stdout


def is_refused(log, reason):
    return any("refused" in line and reason in line for line in log.splitlines())


@pytest.mark.parametrize("kind,identity,reason", [
    ("tls", "other-machine", "pin"),
    ("tls", "yesterday", "pin"),
    ("tls", "other-ca", "pin"),
    ("tls12", "yesterday", "TLS"),
    ("plain", "", "TLS"),
    ("flood", "", "larger than 16384 bytes"),
    ("stall", "", "5000 ms"),
])
def test_a_false_guest_is_refused(host, agentless, kind, identity, reason):
    since = host.run(["date", "+%s"]).stdout.strip()
    bridge = host.run(["systemctl", "show", "--value", "-p", "MainPID", "tombolo-bridge@work.service"]).stdout
    link = host.run(["nsenter", "-n", "-t", guest_leader(host, "work"), "sh", "-c",
                     "ip -o -6 addr show scope link | grep fe80::2/ | cut -d' ' -f2"]).stdout.split()[0]
    arguments = [kind, link] + ([f"{IDENTITIES}/{identity}"] if identity else [])
    process = host.popen(["nsenter", "-n", "-t", guest_leader(host, "work"), "python3", PEER, *arguments])
    try:
        assert process.stderr.readline().strip() == "ready"
        wait_for(lambda: is_refused(refusals(host, since), reason), 25, f"refused, with “{reason}” as reason")
        assert machine_property(host, "work", "AgentState") == "connecting"
        assert machine_property(host, "work", "Exports") == {}
    finally:
        host.run(["pkill", "-f", PEER], check=False)
        output, _ = process.communicate(timeout=10)
    assert "accepted" not in output
    assert host.run(["systemctl", "show", "--value", "-p", "MainPID", "tombolo-bridge@work.service"]).stdout == bridge
    # Other guests are none the worse for it.
    host.run(["busctl", "get-property", ALIAS_HOSTNAME.replace(".work.", ".net."), HOSTNAME_PATH, HOSTNAME,
              "Hostname"], user="operator")


@pytest.mark.parametrize("identity", ["other-machine", "yesterday"])
def test_an_agent_with_a_wrong_identity_is_refused(host, agentless, identity):
    """The real agent, handed what is not its own."""
    since = host.run(["date", "+%s"]).stdout.strip()
    leader = guest_leader(host, "work")
    host.run(["mkdir", "-p", f"/proc/{leader}/root/run/wrong"])
    host.run(["sh", "-c", f"sed 's/^Machine: .*/Machine: work/' {IDENTITIES}/{identity} > /proc/{leader}/root/run/wrong/tombolo.identity"])
    mac = machine_property(host, "work", "HardwareAddress")
    host.run(["sed", "-i", f"s/^Interface: .*/Interface: {mac}/", f"/proc/{leader}/root/run/wrong/tombolo.identity"])
    guest_run(host, "work", ["systemd-run", "--unit=wrong-agent", "-p", "Environment=CREDENTIALS_DIRECTORY=/run/wrong",
                             "/usr/libexec/tombolo/tombolo-guestd"])
    try:
        wait_for(lambda: is_refused(refusals(host, since), "pin"), 25, "refused for its pin")
        assert machine_property(host, "work", "AgentState") == "connecting"
    finally:
        guest_run(host, "work", ["systemctl", "stop", "wrong-agent"], check=False)


def test_identities_are_new_at_each_start(host):
    started(host, "work")
    first = host.run(["cat", credential(host, "work")]).stdout
    host.run(["tomboloctl", "restart", "work"], user="operator", timeout=60)
    started(host, "work")
    second = host.run(["cat", credential(host, "work")]).stdout
    for line in ("Start: ", "Pin: "):
        of = [next(l for l in text.splitlines() if l.startswith(line)) for text in (first, second)]
        assert of[0] != of[1], line
