# SPDX-License-Identifier: LGPL-2.1-or-later
"""nmcli, unmodified, drives the router guest's NetworkManager: through the alias that bears
NetworkManager's own name on a host whose own is masked, and on the bus socket."""
import pytest

from guests import guest_run, unit_property, wait_for
from networkmanager import MACHINE, NAME, in_place_of_the_hosts

SOCKET = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path=/run/tombolo/bus/{MACHINE}"}
ALIAS = {}
# libnm registers a secret agent with nobody but root's NetworkManager, unless it is on a session bus.
ALIAS_FOR_AGENTS = {"LIBNM_USE_SESSION_BUS": "1",
                    "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/dbus/system_bus_socket"}
REEF = ["type", "veth", "ifname", "reef0", "con-name", "reef", "peer", "reef1", "ipv4.method", "manual",
        "ipv4.addresses", "10.74.75.1/24", "ipv6.method", "disabled"]


@pytest.fixture(scope="module", autouse=True)
def alias(test_host):
    with in_place_of_the_hosts(test_host):
        yield


@pytest.fixture
def no_reef(host):
    yield
    guest_run(host, MACHINE, ["nmcli", "connection", "delete", "reef"], check=False)


def nmcli(host, *words, environment=ALIAS, user="operator", **options):
    return host.run(["nmcli", *words], user=user, environment=environment, timeout=20, **options)


def inside(host, *words):
    return guest_run(host, MACHINE, ["nmcli", *words]).stdout


def devices(host):
    """Of the guest, as the alias tells: their connections by name."""
    told = nmcli(host, "-t", "-f", "device,connection", "device").stdout
    return dict(line.split(":") for line in told.splitlines())


def test_the_host_has_no_networkmanager_of_its_own(host):
    assert unit_property(host, "NetworkManager.service", "LoadState") == "masked"
    assert unit_property(host, "NetworkManager.service", "ActiveState") == "inactive"
    owner = host.run(["busctl", "--json=short", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus",
                      "org.freedesktop.DBus", "GetConnectionUnixUser", "s", NAME]).stdout
    assert host.run(["id", "-u", "tombolo-bridge"]).stdout.strip() in owner


READS = [
    ["general", "status"], ["general", "logging"], ["general", "hostname"], ["device"], ["device", "show"],
    ["device", "status"], ["connection"], ["connection", "show", "lo"], ["radio"], ["networking", "connectivity"],
]


@pytest.mark.parametrize("environment", [ALIAS, SOCKET], ids=["alias", "socket"])
def test_nmcli_says_what_it_says_in_the_guest(host, environment):
    for words in READS:
        assert nmcli(host, *words, environment=environment).stdout == inside(host, *words), words


@pytest.mark.parametrize("environment", [ALIAS, SOCKET], ids=["alias", "socket"])
def test_who_may_nothing_sees_nothing(host, environment):
    """On an alias libnm takes a refusal for a NetworkManager without objects."""
    for words in (["device"], ["connection"]):
        told = nmcli(host, *words, environment=environment, user="visitor", check=False).stdout.split()
        assert not {"lo", "ethernet", "loopback"} & set(told), words
    for words in (["connection", "add", "autoconnect", "no", *REEF], ["connection", "down", "lo"]):
        assert nmcli(host, *words, environment=environment, user="visitor", check=False).returncode != 0, words
    assert "reef" not in inside(host, "connection")


@pytest.mark.parametrize("environment", [SOCKET, ALIAS_FOR_AGENTS], ids=["socket", "alias"])
def test_a_connection_is_added_activated_and_deleted(host, no_reef, environment):
    nmcli(host, "connection", "add", "autoconnect", "no", *REEF)
    assert "reef" in inside(host, "-t", "-f", "name", "connection").split()

    assert "successfully activated" in nmcli(host, "connection", "up", "reef", environment=environment).stdout
    assert devices(host)["reef0"] == "reef"
    assert "10.74.75.1/24" in guest_run(host, MACHINE, ["ip", "-br", "address", "show", "reef0"]).stdout
    assert "reef0" not in host.run(["ip", "-br", "link"]).stdout

    assert "successfully deactivated" in nmcli(host, "connection", "down", "reef").stdout
    wait_for(lambda: "reef0" not in devices(host), 10, "the device is gone")
    nmcli(host, "connection", "delete", "reef")
    assert "reef" not in inside(host, "-t", "-f", "name", "connection").split()


def test_a_connection_that_connects_by_itself_needs_no_secret_agent(host, no_reef):
    nmcli(host, "connection", "add", "autoconnect", "yes", *REEF)
    wait_for(lambda: devices(host).get("reef0") == "reef", 10, "the connection is active")


def test_libnm_waits_for_a_root_owned_name_on_the_alias(host, no_reef):
    """The documented limit: nmcli registers a secret agent before it activates a connection."""
    nmcli(host, "connection", "add", "autoconnect", "no", *REEF)
    waited = host.run(["timeout", "--signal=KILL", "3", "nmcli", "connection", "up", "reef"], user="operator",
                      check=False)
    assert waited.returncode == -9 and not waited.stdout, waited
    assert "reef0" not in devices(host)


def test_nmcli_is_refused_what_the_guest_keeps(host):
    for words in (["general", "hostname", "buoy"], ["radio", "wifi", "off"], ["networking", "off"]):
        refused = nmcli(host, *words, check=False)
        assert refused.returncode != 0, words
        assert "privileges" in refused.stderr or "authorized" in refused.stderr, refused.stderr


@pytest.mark.parametrize("environment", [ALIAS, SOCKET], ids=["alias", "socket"])
def test_nmcli_monitor_sees_what_happens_in_the_guest(host, no_reef, environment):
    monitor = host.popen(["nmcli", "monitor"], user="operator", environment=environment)
    assert "running" in monitor.stdout.readline()
    inside(host, "connection", "add", "autoconnect", "no", *REEF)
    inside(host, "connection", "up", "reef")
    inside(host, "connection", "delete", "reef")
    heard = []
    for line in monitor.stdout:
        heard.append(line.strip())
        if line.startswith("reef: ") and "removed" in line:
            break
    assert "reef: connection profile created" in heard
    assert "reef0: device created" in heard
    assert "reef0: using connection 'reef'" in heard
    assert "reef0: connected" in heard


@pytest.mark.parametrize("environment", [ALIAS, SOCKET], ids=["alias", "socket"])
def test_nmcli_monitor_sees_the_guests_networkmanager_start_again(host, environment):
    monitor = host.popen(["nmcli", "monitor"], user="operator", environment=environment)
    assert "running" in monitor.stdout.readline()
    guest_run(host, MACHINE, ["systemctl", "restart", "NetworkManager.service"])
    heard = []
    for line in monitor.stdout:
        heard.append(line.strip())
        if line.strip() == "NetworkManager is running":
            break
    assert "NetworkManager is stopped" in heard
