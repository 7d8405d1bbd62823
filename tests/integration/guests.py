# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests do to guests: start them, run something inside, stream calls into them."""
import json
import pathlib
import time

HOSTNAME = "org.freedesktop.hostname1"
HOSTNAME_PATH = "/org/freedesktop/hostname1"
ALIAS_HOSTNAME = "org.tombolo.Guest1.work.org.freedesktop.hostname1"
CLIENTS = pathlib.Path(__file__).parent / "clients"


def machine_property(host, machine, name):
    """One property of a machine, as root reads it over D-Bus."""
    path = "/org/tombolo/Host1/machine/" + machine.replace("-", "_2d").replace(".", "_2e").replace(":", "_3a")
    answer = host.run(["busctl", "--json=short", "get-property", "org.tombolo.Host1", path,
                       "org.tombolo.Host1.Machine", name])
    return json.loads(answer.stdout)["data"]


def wait_for(condition, seconds, what):
    """Waits until `condition` is true; returns the seconds that it took."""
    begin = time.monotonic()
    while True:
        if condition():
            return time.monotonic() - begin
        assert time.monotonic() - begin < seconds, f"after {seconds} s still not: {what}"
        time.sleep(0.05)


def started(host, machine, seconds=60):
    """Makes sure that the machine runs and its agent is connected."""
    if machine_property(host, machine, "State") != "running":
        host.run(["tomboloctl", "start", machine], user="operator", timeout=seconds)
    wait_for(lambda: machine_property(host, machine, "AgentState") == "connected", seconds,
             f"the agent of {machine} is connected")


def stopped(host, machine):
    if machine_property(host, machine, "State") not in ("stopped", "failed"):
        host.run(["tomboloctl", "kill", machine], user="operator")


def unit_property(host, unit, name):
    return host.run(["systemctl", "show", "--value", "-p", name, unit]).stdout.strip()


def guest_leader(host, machine):
    """The pid, in the test host, of a container guest's init."""
    main = unit_property(host, f"tombolo-container@{machine}.service", "MainPID")
    assert main != "0", f"{machine} does not run"
    children = host.run(["cat", f"/proc/{main}/task/{main}/children"]).stdout.split()
    assert children, f"the monitor of {machine} has no guest"
    return children[0]


def guest_root(machine):
    """Where the root of a container guest lies in the test host."""
    return f"/var/lib/tombolo-guests/{machine}"


def guest_run(host, machine, command, **options):
    """Runs a command inside a container guest, as its root."""
    return host.run(["nsenter", "-a", "-t", guest_leader(host, machine), *command], **options)


def on_guest_bus(host, machine, command):
    """Runs a program of the host's, command(ADDRESS), on the guest's own bus, as the guest's root."""
    leader = guest_leader(host, machine)
    address = f"unix:path=/proc/{leader}/root/run/dbus/system_bus_socket"
    ours, theirs = host.run(["readlink", "/proc/1/ns/user", f"/proc/{leader}/ns/user"]).stdout.split()
    enter = [] if ours == theirs else ["nsenter", "--user", f"--target={leader}"]
    return host.run([*enter, *command(address)])


def in_links_namespace(host, command, **options):
    """Runs a command in the network namespace that holds the control links."""
    daemon = unit_property(host, "tombolod.service", "MainPID")
    return host.run(["nsenter", "-n", "-t", daemon, *command], **options)


def hostname_of(host, machine):
    """What the guest itself says that it is called, asked through its alias as operator."""
    answer = host.run(["busctl", "--json=short", "get-property",
                       f"org.tombolo.Guest1.{machine}.{HOSTNAME}", HOSTNAME_PATH, HOSTNAME,
                       "Hostname"], user="operator")
    return json.loads(answer.stdout)["data"]


def client(host, script, arguments, user):
    """Starts one of clients/ on the test host; returns when it says that it is ready."""
    destination = f"/usr/local/lib/tombolo-tests/{script}"
    host.push(CLIENTS / script, destination)
    process = host.popen(["python3", destination, *arguments], user=user)
    for line in process.stderr:
        if line.strip() == "ready":
            return process
    raise AssertionError(f"{script} ended before it was ready")
