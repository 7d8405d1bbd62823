# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where things lie: the source tree, its build directories, the cache, the state of test hosts."""

import os
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[3]
TOOLS = SOURCE / "tools"
PACKAGES = TOOLS / "packages"
FILES = TOOLS / "files"


def cache():
    """Downloads and roots, outside the source tree; made when missing."""
    if os.environ.get("TOMBOLO_CACHE"):
        path = Path(os.environ["TOMBOLO_CACHE"])
    elif os.geteuid() == 0:
        path = Path("/var/cache/tombolo")
    else:
        path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tombolo"
    path = path.absolute()
    path.mkdir(parents=True, exist_ok=True)
    return path


def build(kind=""):
    """A build directory of the tools in the source tree: build, build-guest, …"""
    return SOURCE / ("build" + (f"-{kind}" if kind else ""))


def relative(path):
    """A path as the user would type it in the source tree."""
    try:
        return str(Path(path).relative_to(SOURCE))
    except ValueError:
        return str(path)
