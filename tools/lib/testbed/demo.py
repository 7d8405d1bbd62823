# SPDX-License-Identifier: LGPL-2.1-or-later
"""tools/demo: the whole path, from a service of the host into a guest and back, on one screen."""

import argparse
import json
import shlex
import subprocess
import sys
import time

from . import instance, packages, place
from .command import ToolError, main_with_errors, need_root, say, step

DESCRIPTION = """\
Installs what is missing, builds tombolo, boots the test host, starts a guest and shows the path
into it: who may call, who may not, a signal coming back, and how long a call takes."""

SERVICE = "org.freedesktop.hostname1"
PATH = "/org/freedesktop/hostname1"
AGENT_SECONDS = 120
CALLS = {"work": 2000, "lab": 200}  # an emulated guest takes its time
RULES_SECONDS = 1.5  # in which polkitd reads changed rules, and a verdict is no longer reused
LISTENER = "/usr/local/lib/tombolo-demo/listen.py"
BENCH = "/usr/local/lib/tombolo-demo/bench-call"

RULE = """\
/* Written by tools/demo: operator may call the guest %(machine)s. */
polkit.addRule(function (action, subject) {
  if (subject.user === "operator" && action.id === "org.tombolo.Host1.call-guest"
      && action.lookup("machine") === "%(machine)s")
    return polkit.Result.YES;
  return polkit.Result.NOT_HANDLED;
});
"""


class Demo:
    def __init__(self, host, machine):
        self.host = host
        self.machine = machine
        self.alias = f"org.tombolo.Guest1.{machine}.{SERVICE}"

    def show(self, user, *command, refused=False):
        """Runs a command as a person would, shows both; it must end as expected."""
        print(f"\n{user}$ {shlex.join(command)}", flush=True)
        done = self.host.run(list(command), user=user, timeout=AGENT_SECONDS)
        said = (done.stdout + done.stderr).rstrip()
        if said:
            print(said, flush=True)
        if (done.returncode != 0) != refused:
            expected = "to be refused" if refused else "to succeed"
            raise ToolError(f"This command was expected {expected}; its exit status is "
                            f"{done.returncode}. See the host's log: "
                            "tools/testhost exec -- journalctl -b")
        return done.stdout

    def property(self, name):
        done = self.host.run(["busctl", "--json=short", "get-property", "org.tombolo.Host1",
                              f"/org/tombolo/Host1/machine/{self.machine}",
                              "org.tombolo.Host1.Machine", name])
        if done.returncode != 0:
            raise ToolError(f"tombolod does not answer for {self.machine}: {done.stderr.strip()}")
        return json.loads(done.stdout)["data"]

    def on_kvm(self):
        return self.host.run(["cat", "/run/tombolo/kvm"]).stdout.strip() == "kvm"

    def start(self):
        """Starts the guest, unless it runs, and waits for its agent."""
        if self.property("State") == "running":
            say(f"The guest {self.machine} runs already")
        else:
            with step(f"Starting the guest {self.machine}"):
                self.show("operator", "tomboloctl", "start", self.machine)
                print(flush=True)
        deadline = time.monotonic() + AGENT_SECONDS
        while self.property("AgentState") != "connected":
            if time.monotonic() > deadline:
                raise ToolError(f"The agent of {self.machine} is not connected after "
                                f"{AGENT_SECONDS} s: see tools/testhost exec -- journalctl -b")
            time.sleep(0.05)

    def read_hostname(self, user, refused=False):
        return self.show(user, "busctl", "get-property", self.alias, PATH, SERVICE, "Hostname",
                         refused=refused)

    def allow_operator(self):
        """The test host's own rules let operator call `work` and `net` only."""
        name = f"/etc/polkit-1/rules.d/30-demo-{self.machine}.rules"
        say(f"An administrator's rule in {name}: operator may call {self.machine}")
        done = self.host.run(["tee", name], input=RULE % {"machine": self.machine})
        if done.returncode != 0:
            raise ToolError(f"Cannot write {name}: {done.stderr.strip()}")
        time.sleep(RULES_SECONDS)

    def signal(self):
        """A listener that has called, then a call that changes something in the guest."""
        listener = self.host.spawn(
            ["python3", LISTENER, "5", self.alias, PATH, SERVICE, "call"], user="operator",
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with listener:
            for line in listener.stderr:
                if line.strip() == "ready":
                    break
            name = "Island" + time.strftime(" of %H:%M:%S")
            self.show("operator", "busctl", "call", self.alias, PATH, SERVICE,
                      "SetPrettyHostname", "sb", name, "false")
            heard = [json.loads(line)["changed"] for line in listener.stdout]
        if not any(changed.get("PrettyHostname") == name for changed in heard):
            raise ToolError(f"No signal about the new name arrived; heard: {heard}")
        print(f"\noperator hears: PropertiesChanged {{'PrettyHostname': '{name}'}}", flush=True)

    def median(self, destination):
        done = self.host.run([BENCH, str(CALLS[self.machine]), destination, PATH,
                              "org.freedesktop.DBus.Peer", "Ping"], user="operator",
                             timeout=AGENT_SECONDS)
        if done.returncode != 0:
            raise ToolError(f"Measuring failed: {done.stderr.strip()}")
        return json.loads(done.stdout)["median_us"]

    def measure(self):
        direct, forwarded = self.median(SERVICE), self.median(self.alias)
        print(f"\nMedian of {CALLS[self.machine]} calls: to the host's own {SERVICE} "
              f"{direct:.0f} µs, into the guest {forwarded:.0f} µs "
              f"({forwarded / direct:.1f} times)", flush=True)


def _next_steps(machine, alias):
    me = "tools/testhost exec"
    print(f"""
What to type next:
  {me} --user operator -- bash      a shell as operator; in it:
      busctl introspect {alias} {PATH}
      DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/tombolo/bus/{machine} hostnamectl
      tomboloctl call {machine} {SERVICE} {PATH} org.freedesktop.DBus.Peer GetMachineId
  {me} -- tomboloctl monitor        what changes, as it changes
  {me} -- journalctl -f             what the host logs
  tools/testhost down                         all gone
""", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="tools/demo", description=DESCRIPTION,
                                     allow_abbrev=False)
    parser.add_argument("--qemu", action="store_true", help="with a QEMU guest, not a container")
    arguments = parser.parse_args()
    need_root("tools/demo")

    packages.ensure("tools", "build")
    host = instance.TestHost()
    host.up()
    host.push(place.SOURCE / "tests/integration/clients/listen.py", LISTENER)
    host.push(place.build() / "tests/bench/tombolo-bench-call", BENCH)
    demo = Demo(host, "lab" if arguments.qemu else "work")

    if arguments.qemu:
        say("KVM works here: a short probe ran on it" if demo.on_kvm() else
            "KVM does not work here, as a short probe found: QEMU emulates the guest's processor")
    demo.start()
    say("The machines")
    demo.show("operator", "tomboloctl", "list")
    say("A property of a service in the guest, as visitor: polkit refuses")
    demo.read_hostname("visitor", refused=True)
    if arguments.qemu:
        demo.allow_operator()
    say("The same as operator: polkit allows")
    demo.read_hostname("operator")
    say("A call that changes something in the guest, and the signal that comes back")
    demo.signal()
    say("Where the guest lives")
    demo.show("operator", "tomboloctl", "--no-pager", "status", demo.machine)
    say("The time of a call")
    demo.measure()
    _next_steps(demo.machine, demo.alias)
    return 0


if __name__ == "__main__":
    main_with_errors(main)
