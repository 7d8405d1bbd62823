# SPDX-License-Identifier: LGPL-2.1-or-later
"""The files of the project: what git tracks, or, in a tree without git, what lies there."""
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _walk():
    for folder, folders, files in os.walk(ROOT):
        # Build folders have no place among the sources; hidden ones and caches are tools' own.
        folders[:] = [
            name
            for name in folders
            if not name.startswith((".", "__", "build")) or name == ".ci"
        ]
        for name in files:
            yield Path(folder, name).relative_to(ROOT)


def source_files():
    """Paths relative to ROOT, sorted; files that git tracks but that were removed are left out."""
    # The owner of a checkout may be another user than the one who tests it.
    command = ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "-z"]
    try:
        output = subprocess.run(command, capture_output=True, check=True).stdout
        files = [Path(name) for name in output.decode().split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        files = list(_walk())
    return sorted(file for file in files if (ROOT / file).is_file())
