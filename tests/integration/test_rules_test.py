# SPDX-License-Identifier: LGPL-2.1-or-later
"""`tomboloctl rules test` and `tombolo-guestd --test-call`: what they say is what happens."""
import json

import pytest

from guests import HOSTNAME, HOSTNAME_PATH, guest_run, started
from test_rules import Files, allowed, get_property

PROPERTIES = "org.freedesktop.DBus.Properties"
GET = [HOSTNAME, HOSTNAME_PATH, PROPERTIES, "Get", HOSTNAME, "Hostname"]
ALLOW, WRONG, MISSING, NOT_ALLOWED, ASK, DENY = 0, 2, 3, 4, 8, 9
RULES = [
    f"deny {HOSTNAME} from=user:visitor arg1=KernelRelease",
    f"allow {HOSTNAME}={PROPERTIES}.Get from=group:visitor",
    f"ask {HOSTNAME} from=user:operator",
    "allow org.freedesktop.login1 from=machine:net",
    f"deny {HOSTNAME}",
]


@pytest.fixture(scope="module")
def files(test_host):
    files = Files(test_host)
    files.restart(*RULES)
    yield files
    files.restore()


def ask_rules(host, *words, user="operator", json_mode="short"):
    answer = host.run(["tomboloctl", f"--json={json_mode}", "rules", "test", "work", *words], user=user,
                      check=False)
    return answer


def first_rule(files):
    return files.machine.count("\n") + 2


CASES = [
    ("user:visitor", GET, ALLOW, 1, ["argument", "", "caller", "name", ""]),
    ("user:visitor", [*GET[:-1], "KernelRelease"], DENY, 0, ["", "", "caller", "name", ""]),
    ("user:operator", GET, ASK, 2, ["caller", "caller", "", "name", ""]),
    ("user:root", GET, DENY, 4, ["caller", "caller", "caller", "name", ""]),
    ("machine:net", ["org.freedesktop.login1", "/", "a.b", "C"], ALLOW, 3, ["name", "name", "name", "", "name"]),
    ("user:4000000001", ["org.freedesktop.login1", "/", "a.b", "C"], ASK, None, ["name", "name", "name", "caller", "name"]),
    ("user:visitor", [HOSTNAME, HOSTNAME_PATH, "", "Get"], DENY, 4, ["argument", "method", "caller", "name", ""]),
]


@pytest.mark.parametrize("caller,call,code,rule,misfits", CASES)
def test_what_decides_and_why(host, files, caller, call, code, rule, misfits):
    answer = ask_rules(host, caller, *call)
    assert answer.returncode == code, answer.stderr
    told = json.loads(answer.stdout)
    assert told["verdict"] == {ALLOW: "allow", ASK: "ask", DENY: "deny"}[code]
    assert told["line"] == (0 if rule is None else first_rule(files) + rule)
    assert [entry["misfit"] for entry in told["rules"]] == misfits
    assert [entry["rule"] for entry in told["rules"]] == RULES
    assert told["current"] is True


@pytest.mark.parametrize("user", ["operator", "visitor"])
def test_it_agrees_with_a_call(host, files, user):
    told = ask_rules(host, f"user:{user}", *GET).returncode
    assert allowed(get_property(host, user)) == (told != DENY), told


def test_text_marks_the_line(host, files):
    answer = ask_rules(host, "user:visitor", *GET, json_mode="off")
    line = first_rule(files) + 1
    assert f"→ {line:4}: {RULES[1]}\n" in answer.stdout
    assert answer.stdout.startswith(f"allow: line {line} of /etc/tombolo/machines/work.machine decides.\n")
    assert answer.stdout.count("→") == 1


@pytest.mark.parametrize("words,code", [
    (["group:visitor", *GET], WRONG),
    (["user:nobody-of-that-name", *GET], WRONG),
    (["machine:Net", *GET], WRONG),
    (["user:visitor", "hostname", *GET[1:]], WRONG),
    (["user:visitor", HOSTNAME, "here", *GET[2:]], WRONG),
    (["user:visitor", HOSTNAME, HOSTNAME_PATH, "hostname", "Get"], WRONG),
    (["user:visitor", HOSTNAME, HOSTNAME_PATH, HOSTNAME, "1"], WRONG),
    (["user:visitor", HOSTNAME, HOSTNAME_PATH, HOSTNAME], WRONG),
])
def test_wrong_questions(host, files, words, code):
    answer = ask_rules(host, *words)
    assert answer.returncode == code, answer.stdout
    assert answer.stdout == ""


def test_no_such_machine(host):
    answer = host.run(["tomboloctl", "rules", "test", "nobody", "user:visitor", *GET], user="operator", check=False)
    assert answer.returncode == MISSING


def test_visitor_may_not_read_rules(host, files):
    answer = ask_rules(host, "user:visitor", *GET, user="visitor")
    assert answer.returncode == NOT_ALLOWED
    assert RULES[0] not in answer.stdout + answer.stderr


def test_the_file_counts_and_an_older_bridge_is_told_of(host, files):
    files.write_machine("allow *")
    try:
        answer = ask_rules(host, "user:visitor", *GET)
        assert answer.returncode == ALLOW
        assert json.loads(answer.stdout)["current"] is False
        assert "older rules" in ask_rules(host, "user:visitor", *GET, json_mode="off").stdout
        files.write_machine("allow everything")
        broken = ask_rules(host, "user:visitor", *GET)
        assert broken.returncode == WRONG
        assert f"work.machine:{first_rule(files)}:" in broken.stderr
    finally:
        files.write_machine(*RULES)
    assert json.loads(ask_rules(host, "user:visitor", *GET).stdout)["current"] is True


GUEST_CONF = "/tmp/guest-test.conf"
GUEST_TEXT = f"[Export]\nSystem={HOSTNAME}\n[Call]\nRule=deny {HOSTNAME} from=user:7\nRule=allow {HOSTNAME}={PROPERTIES}\n"


@pytest.mark.parametrize("words,code,text", [
    (["user:1000", *GET], ALLOW, "allow: line 5 of "),
    (["user:7", *GET], DENY, "deny: line 4 of "),
    (["user:1000", HOSTNAME, HOSTNAME_PATH, HOSTNAME, "SetHostname"], DENY, "deny: no rule of "),
    (["user:1000", "org.freedesktop.login1", "/", "a.b", "C"], DENY, "does not export org.freedesktop.login1"),
    (["user:me", *GET], 1, ""),
])
def test_in_the_guest(host, words, code, text):
    started(host, "work")
    guest_run(host, "work", ["tee", GUEST_CONF], input=GUEST_TEXT)
    answer = guest_run(host, "work", ["/usr/libexec/tombolo/tombolo-guestd", f"--policy={GUEST_CONF}", "--test-call", *words],
                       check=False)
    assert answer.returncode == code, answer.stderr
    assert text in answer.stdout
