# SPDX-License-Identifier: LGPL-2.1-or-later
"""Aliases outside of tombolo's prefixes: status says where the bus' policy is missing, and
`tomboloctl alias policy` prints it."""
import xml.etree.ElementTree as ElementTree

import pytest

from guests import HOSTNAME, HOSTNAME_PATH, guest_run, machine_property, started, stopped, wait_for

MACHINE_FILE = "/etc/tombolo/machines/work.machine"
POLICY_FILE = "/etc/dbus-1/system.d/tombolo-alias-work.conf"
OUTER = "org.example.Sandbank1"


def reload_bus(host):
    host.run(["systemctl", "reload", "dbus-broker.service" if host.bus == "dbus-broker" else "dbus.service"])


@pytest.fixture
def outer(host):
    """Machine work, whose hostname1 is to be the outer name."""
    text = host.run(["cat", MACHINE_FILE]).stdout
    stopped(host, "work")
    host.run(["tee", MACHINE_FILE], input=text + f"[Bus]\nAlias={HOSTNAME}:{OUTER}\n")
    host.run(["tomboloctl", "reload"])
    started(host, "work")
    yield
    host.run(["rm", "-f", POLICY_FILE])
    reload_bus(host)
    stopped(host, "work")
    host.run(["tee", MACHINE_FILE], input=text)
    host.run(["tomboloctl", "reload"])


def policy(host, user="visitor", machine="work"):
    return host.run(["tomboloctl", "alias", "policy", machine], user=user, check=False)


def get_hostname(host, user):
    return host.run(["busctl", "get-property", OUTER, HOSTNAME_PATH, HOSTNAME, "Hostname"], user=user, check=False)


def test_missing_and_then_there(host, outer):
    wait_for(lambda: machine_property(host, "work", "Problems"), 10, "the bridge tells of its problem")
    problems = machine_property(host, "work", "Problems")
    assert len(problems) == 1
    assert OUTER in problems[0] and "tomboloctl alias policy work" in problems[0]
    assert "tomboloctl alias policy work" in host.run(["tomboloctl", "status", "work"], user="visitor").stdout
    assert OUTER not in machine_property(host, "work", "Exports").values()

    host.run(["tee", POLICY_FILE], input=policy(host).stdout)
    reload_bus(host)
    wait_for(lambda: machine_property(host, "work", "Problems") == [], 15, "the name is given")
    assert machine_property(host, "work", "Exports")[HOSTNAME] == OUTER
    assert get_hostname(host, "operator").stdout.strip() == f's "{guest_run(host, "work", ["hostname"]).stdout.strip()}"'
    assert get_hostname(host, "visitor").returncode != 0  # the policy opens the bus; polkit still decides
    assert "Problems" not in host.run(["tomboloctl", "status", "work"]).stdout


def test_somebody_else_has_it(host, outer):
    host.run(["tee", POLICY_FILE], input=policy(host).stdout.replace(
        'user="tombolo-bridge"', 'context="default"'))
    stopped(host, "work")
    reload_bus(host)
    taker = host.popen(["python3", "-c", "import dbus, time; bus = dbus.SystemBus(); "
                        f"bus.request_name('{OUTER}'); print('taken', flush=True); time.sleep(60)"])
    assert taker.stdout.readline() == "taken\n"
    started(host, "work")
    wait_for(lambda: any("Somebody else owns" in text for text in machine_property(host, "work", "Problems")), 10,
             "the bridge tells who has it")


def test_what_it_prints(host, outer):
    text = policy(host).stdout
    root = ElementTree.fromstring(text)
    assert [(node.get("user"), node.get("context")) for node in root.findall("policy")] == \
        [("tombolo-bridge", None), (None, "default")]
    assert [node.get("own") for node in root.iter("allow")] == [OUTER, None]
    assert [node.get("send_destination") for node in root.iter("allow")] == [None, OUTER]
    assert POLICY_FILE in text


def test_of_a_machine_that_does_not_run(host, outer):
    running = policy(host).stdout
    stopped(host, "work")
    assert policy(host).stdout == running
    assert machine_property(host, "work", "Problems") == []


def test_nothing_to_print(host):
    answer = policy(host, machine="net")
    assert answer.returncode == 0
    assert answer.stdout == ""
    assert "no alias that needs a policy" in answer.stderr


@pytest.mark.parametrize("words,code", [(["policy", "nobody"], 3), (["policy"], 2), (["police", "work"], 2)])
def test_wrong_words(host, words, code):
    assert host.run(["tomboloctl", "alias", *words], check=False).returncode == code
