# SPDX-License-Identifier: LGPL-2.1-or-later
"""Directories that are costly to make: kept by what they were made from, whole or not at all."""

import hashlib
import json
import os
import time

from . import place
from .command import locked, run, step

KEEP_SECONDS = 14 * 24 * 3600


def _remove(path):
    run(["rm", "-rf", "--one-file-system", str(path)], f"Removing {path}")


def _prune(folder, kind, current):
    """Removes what a killed maker left, and versions that nobody has used for two weeks."""
    for path in folder.iterdir():
        if path.name.startswith(f".{kind}-"):
            _remove(path)
        elif path.name.startswith(f"{kind}-") and path.suffix == ".used" and path != current:
            if time.time() - path.stat().st_mtime > KEEP_SECONDS:
                _remove(path.with_suffix(""))
                path.unlink()


def directory(kind, inputs, make, what):
    """The directory of this kind for these inputs (anything that JSON can hold).

    make(path) fills an empty directory; it runs under a lock, and its result appears under its
    final name only when it is complete, so a killed maker leaves nothing that would be used.
    """
    key = hashlib.sha256(json.dumps([kind, inputs], sort_keys=True).encode()).hexdigest()[:16]
    folder = place.cache() / "roots"
    folder.mkdir(exist_ok=True)
    path = folder / f"{kind}-{key}"
    used = folder / f"{kind}-{key}.used"
    if not path.is_dir():
        with locked(folder / f"{kind}.lock", f"the cached {kind}"):
            _prune(folder, kind, used)
            if not path.is_dir():
                part = folder / f".{kind}-{key}-{os.getpid()}"
                part.mkdir(mode=0o755)
                used.touch()
                with step(what):
                    make(part)
                run(["sync", "-f", str(part)], f"Writing {part} to disk")
                part.rename(path)
    used.touch()
    return path
