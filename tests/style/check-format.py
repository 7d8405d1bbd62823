#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether every C file looks as .clang-format says. Exits with 77 (skipped) without clang-format."""
import shutil
import subprocess
import sys

from source_files import ROOT, source_files


def main():
    if shutil.which("clang-format") is None:
        print("clang-format is not installed")
        return 77

    files = [str(file) for file in source_files() if file.suffix in (".c", ".h")]
    if not files:
        print("no C files were found")
        return 1

    result = subprocess.run(
        ["clang-format", "--dry-run", "--Werror", "--style=file", *files], cwd=ROOT, check=False
    )
    if result.returncode != 0:
        print("run `clang-format -i` on the files above")
    return result.returncode


sys.exit(main())
