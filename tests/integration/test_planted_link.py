# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that leaves devices behind, named as other machines' links: they go where nobody is."""
from guests import (ALIAS_HOSTNAME, HOSTNAME, HOSTNAME_PATH, guest_run, in_links_namespace,
                    machine_property, started, stopped, wait_for)


def links(host):
    return in_links_namespace(host, ["ip", "-o", "link"]).stdout


def test_planted_devices_stay_out_of_the_links_namespace(host):
    stopped(host, "lab")
    started(host, "net")
    started(host, "work")
    host.run(["tomboloctl", "start", "lab"], user="operator")
    of_lab = machine_property(host, "lab", "Interface")
    stopped(host, "lab")
    before = [line.split(":")[1].strip().split("@")[0] for line in links(host).splitlines()]

    # In the guest: its own link goes by another name, and a persistent TAP takes its place under two names.
    own = guest_run(host, "work", ["sh", "-c", "ip -o link | grep -o 'tg-[0-9a-f]*' | head -n 1"]).stdout.strip()
    assert own.startswith("tg-")
    guest_run(host, "work", ["sh", "-c", f"""
        ip link set {own} down && ip link set {own} name old0 &&
        ip tuntap add dev {of_lab} mode tap &&
        ip link property add dev {of_lab} altname {own}"""])
    guest_run(host, "work", ["systemctl", "--no-block", "poweroff"])
    wait_for(lambda: machine_property(host, "work", "State") in ("stopped", "failed"), 60, "work is off")
    assert of_lab not in links(host), "the guest's device stands among the links"
    after = [line.split(":")[1].strip().split("@")[0] for line in links(host).splitlines()]
    assert set(after) < set(before)

    # And nobody is the worse for it.
    started(host, "work")
    host.run(["tomboloctl", "start", "lab"], user="operator")
    stopped(host, "lab")
    for machine in ("work", "net"):
        host.run(["busctl", "get-property", ALIAS_HOSTNAME.replace(".work.", f".{machine}."), HOSTNAME_PATH,
                  HOSTNAME, "Hostname"], user="operator")
