# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian packages: the lists in tools/packages, and what is missing on this machine."""

import os
import subprocess

from . import place
from .command import ToolError, run, step

APT_OPTIONS = ["-o", "DPkg::Lock::Timeout=600", "-o", "Acquire::Retries=3"]


def read(*names):
    """The packages of the named lists, sorted."""
    found = set()
    for name in names:
        for line in (place.PACKAGES / name).read_text().splitlines():
            package = line.split("#", 1)[0].strip()
            if package:
                found.add(package)
    return sorted(found)


def _missing(packages):
    shown = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n",
                            *packages], capture_output=True, text=True, check=False).stdout
    installed = {line.split()[1] for line in shown.splitlines() if line.startswith("installed ")}
    return [package for package in packages if package not in installed]


def _apt(*arguments):
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C.UTF-8")
    run(["apt-get", *APT_OPTIONS, *arguments], f"apt-get {arguments[0]}", env=environment)


def update():
    _apt("update")


def ensure(*lists):
    """Installs what is missing of the named lists from Debian's packages."""
    missing = _missing(read(*lists))
    if not missing:
        return
    if os.geteuid() != 0:
        raise ToolError("These packages are missing and only root can install them: "
                        + " ".join(missing))
    with step(f"Installing {len(missing)} missing Debian packages: {' '.join(missing)}"):
        install = ["install", "-y", "--no-install-recommends", *missing]
        try:
            _apt(*install)
        except ToolError:
            # No package lists yet, or lists so old that the mirror has dropped their versions.
            update()
            _apt(*install)


def sources():
    """This machine's own Debian sources for its release, as lines of a sources.list."""
    template = "$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)"
    argv = ["apt-get", "indextargets", "--format", template, "Created-By: Packages"]
    lines = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.splitlines()
    if not any(line.startswith("Debian|") for line in lines):
        update()
        lines = subprocess.run(argv, capture_output=True, text=True,
                               check=False).stdout.splitlines()
    components = {}
    for line in lines:
        origin, uri, release, component = line.split("|")
        if origin == "Debian":
            components.setdefault((uri, release), []).append(component)
    if not components:
        raise ToolError("apt on this machine knows no Debian source: add one to "
                        "/etc/apt/sources.list, for example "
                        "“deb http://deb.debian.org/debian bookworm main”.")
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    return [f"deb [signed-by={keyring}] {uri} {release} {' '.join(dict.fromkeys(names))}"
            for (uri, release), names in components.items()]


def acquire_options():
    """How apt on this machine fetches (proxies, certificates, old snapshots), as apt.conf text."""
    kept = ("Acquire::http", "Acquire::https", "Acquire::Check-Valid-Until", "Acquire::Check-Date",
            "Acquire::ForceIPv4", "Acquire::ForceIPv6")
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True,
                          check=False).stdout
    lines = [line for line in dump.splitlines() if line.startswith(kept) and '""' not in line]
    return "".join(line + "\n" for line in ['Acquire::Retries "3";', *lines])
