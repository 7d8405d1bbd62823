# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds and installs tombolo with meson."""

import json

from . import place
from .command import locked, run, step

STRICT = ["-Dwerror=true"]
SANITIZE = ["-Db_sanitize=address,undefined", "-Db_lundef=false"]
GUEST_ONLY = ["-Dhost=false", "-Dtests=false"]


def _configured(directory, options):
    """Whether the directory was set up with just these options."""
    try:
        return (json.loads((directory / ".tools-options").read_text()) == options
                and (directory / "build.ninja").exists())
    except (FileNotFoundError, ValueError):
        return False


def build(directory, options=(), targets=(), what="tombolo"):
    """Configures (when needed) and compiles; the directory is locked meanwhile."""
    options = list(options)
    directory.mkdir(exist_ok=True)
    with locked(directory, place.relative(directory), create=False):
        with step(f"Building {what} in {place.relative(directory)}/"):
            if not _configured(directory, options):
                # Not meson's --wipe: it refuses what an interrupted or failed setup has left.
                run(["find", str(directory), "-mindepth", "1", "-delete"], "Emptying the directory")
                run(["meson", "setup", str(directory), str(place.SOURCE), *options],
                    f"Configuring {what}")
                (directory / ".tools-options").write_text(json.dumps(options))
            run(["ninja", "-C", str(directory), *targets], f"Building {what}")


def install(directory, destination):
    """Installs what stands in the build directory below the destination."""
    with locked(directory, place.relative(directory), create=False):
        run(["meson", "install", "-C", str(directory), "--no-rebuild", "--quiet",
             "--destdir", str(destination)], f"Installing into {destination}")


def for_test_host(sanitize):
    """Builds the host's and the guests' side; returns both build directories."""
    kind = "sanitize" if sanitize else ""
    options = [*STRICT, *(SANITIZE if sanitize else [])]
    host = place.build(kind)
    guest = place.build(f"guest-{kind}" if kind else "guest")
    build(host, options, what="tombolo" + (" with sanitizers" if sanitize else ""))
    build(guest, [*options, *GUEST_ONLY], what="the guest's side")
    return host, guest
