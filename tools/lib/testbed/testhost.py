# SPDX-License-Identifier: LGPL-2.1-or-later
"""tools/testhost: the test host on the command line."""

import argparse
import json
import os
import sys
from pathlib import Path

from . import instance, packages
from .command import main_with_errors, need_root, say

DESCRIPTION = """\
The test host: a Debian root with systemd, D-Bus, polkit, NetworkManager and QEMU, and the current
build of tombolo installed, booted in namespaces of its own. It has the machines work, net and lab,
and the users operator (runs machines, calls work and net) and visitor (granted nothing)."""

EPILOGUE = """\
examples:
  tools/testhost up                              make it stand, or bring it up to date
  tools/testhost exec -- tomboloctl list         run a command as root
  tools/testhost exec --user operator -- bash    a shell as operator
  tools/testhost up --name broker --bus dbus-broker
                                                 a second one, with the other message bus
  tools/testhost down --all

exec's exit status is the command's; all other failures are 1, wrong usage is 2."""


def _up(arguments):
    packages.ensure("tools", "build")
    instance.TestHost(arguments.name).up(
        bus=arguments.bus, sanitize=arguments.sanitize, built=not arguments.without_tombolo,
        desktop=arguments.desktop,
        sides=(arguments.build, arguments.build) if arguments.build else None)
    return 0


def _exec(arguments):
    host = instance.TestHost(arguments.name)
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    argv = host.argv(command or ["bash"], user=arguments.user)
    host.enter_group()
    os.execv(argv[0], argv)


def _push(arguments):
    instance.TestHost(arguments.name).push(arguments.file, arguments.destination)
    return 0


def _down(arguments):
    for name in instance.names() if arguments.all else [arguments.name]:
        if instance.TestHost(name).down():
            say(f"The test host {name} is gone")
        else:
            say(f"There was no test host {name}")
    return 0


def _status(arguments):
    wanted = [arguments.name] if arguments.name else instance.names()
    hosts = [instance.TestHost(name).describe() for name in wanted]
    if arguments.json:
        print(json.dumps(hosts, indent=2))
    else:
        for host in hosts:
            details = ", ".join(f"{key} {value}" for key, value in host.items()
                                if key in ("system", "bus", "leader", "sanitize"))
            print(f"{host['name']}: {host['state']}" + (f" ({details})" if details else ""))
        if not hosts:
            print("No test host stands. “tools/testhost up” makes one.")
    return 0 if all(host["state"] == "running" for host in hosts) else 1


def _parser():
    parser = argparse.ArgumentParser(
        prog="tools/testhost", description=DESCRIPTION, epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name, function, text, default="default"):
        added = verbs.add_parser(name, help=text, description=text, allow_abbrev=False)
        added.add_argument("--name", default=default,
                           help="which test host; several may stand side by side")
        added.set_defaults(function=function)
        return added

    up = verb("up", _up, "make the test host stand with the current build")
    up.add_argument("--bus", choices=instance.BUSES, default=instance.BUSES[0],
                    help="the host's message bus")
    up.add_argument("--sanitize", action="store_true",
                    help="build with AddressSanitizer and UndefinedBehaviorSanitizer")
    up.add_argument("--desktop", action="store_true",
                    help="with an X server and NetworkManager's connection editor")
    up.add_argument("--build", metavar="DIRECTORY", type=Path,
                    help="install from this build directory instead of building")
    up.add_argument("--without-tombolo", action="store_true", help="boot without tombolo")

    run = verb("exec", _exec, "run a command inside; its exit status is returned")
    run.add_argument("--user", default="root", help="as this user (root, operator, visitor)")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND…")

    push = verb("push", _push, "copy a file into the test host")
    push.add_argument("file", metavar="FILE")
    push.add_argument("destination", metavar="DEST")

    down = verb("down", _down, "take the test host down; nothing of it stays")
    down.add_argument("--all", action="store_true", help="every test host")

    status = verb("status", _status, "say which test hosts stand; 0 if all do", default=None)
    status.add_argument("--json", action="store_true", help="as JSON")
    return parser


def main():
    arguments = _parser().parse_args()
    need_root("tools/testhost")
    return arguments.function(arguments)


if __name__ == "__main__":
    main_with_errors(main)
