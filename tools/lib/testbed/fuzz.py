# SPDX-License-Identifier: LGPL-2.1-or-later
"""tools/fuzz: the fuzz targets with libFuzzer and sanitizers, side by side, and a table at the end."""

import argparse
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from . import build, packages, place
from .command import ToolError, main_with_errors, run, say, step, warn

DESCRIPTION = """\
Builds the fuzz targets with clang, libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer in
build-fuzz/, lets them run side by side, each from its corpus in tests/fuzz/, and prints what came of
it. The exit status is 0 if no target has found anything. What a run thinks up lies in
build-fuzz/runs/TARGET/ and is where the next run goes on; an input that breaks something lies in
build-fuzz/runs/TARGET.found/ and is run again by giving it to the target."""

FOLDER = place.SOURCE / "tests/fuzz"
OPTIONS = ["-Dfuzzers=true", *build.SANITIZE]
# Targets whose corpus is another's.
CORPORA = {"message-libdbus": "message"}
# A byte of a conversation is an act with all that follows from it: short ones, from the beginning on.
CONVERSATION = ["-max_len=300", "-len_control=0", "-entropic=0"]
INPUT_SECONDS = 20
MEMORY_MB = 2048


def _targets():
    return sorted(file.stem.removeprefix("fuzz-") for file in FOLDER.glob("fuzz-*.c"))


def _corpus(target):
    return FOLDER / f"corpus-{CORPORA.get(target, target)}"


def _options(target):
    return CONVERSATION if target.startswith("conversation-") else ["-max_len=4096"]


def _program(target):
    return place.build("fuzz") / f"tests/fuzz/fuzz-{target}"


def _build(targets):
    environment = os.environ
    environment["CC"] = "ccache clang" if shutil.which("ccache") else "clang"
    build.build(place.build("fuzz"), OPTIONS,
                [f"tests/fuzz/{_program(target).name}" for target in targets],
                what="the fuzz targets")


def _environment():
    return dict(os.environ, UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1",
                ASAN_OPTIONS="detect_leaks=1")


class _Run:
    """One target's run: its log, and what can be read out of that."""

    def __init__(self, target, seconds):
        self.target = target
        self.seconds = seconds
        self.runs = place.build("fuzz") / "runs"
        self.found = self.runs / f"{target}.found"
        self.log = self.runs / f"{target}.log"
        self.code = None

    def run(self):
        corpus = self.runs / self.target
        corpus.mkdir(parents=True, exist_ok=True)
        self.found.mkdir(exist_ok=True)
        argv = ["nice", "-n", "19", str(_program(self.target)),
                f"-max_total_time={self.seconds}", f"-timeout={INPUT_SECONDS}",
                f"-rss_limit_mb={MEMORY_MB}", *_options(self.target), "-print_final_stats=1", f"-artifact_prefix={self.found}/",
                str(corpus), str(_corpus(self.target))]
        with open(self.log, "wb") as log:
            self.code = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env=_environment(), check=False).returncode

    def row(self):
        text = self.log.read_text(errors="replace")
        executed = re.search(r"^stat::number_of_executed_units:\s*(\d+)", text, re.M)
        states = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", text)
        edges, features, inputs = states[-1] if states else ("-", "-", "-")
        return [self.target, executed[1] if executed else "-", edges, features, inputs,
                "nothing" if self.code == 0 else f"see {place.relative(self.log)}"]


def _print_table(rows):
    head = ["TARGET", "EXECUTIONS", "EDGES", "FEATURES", "INPUTS", "FOUND"]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        cells = [cell.ljust(width) if i in (0, len(head) - 1) else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())
    sys.stdout.flush()


def _fuzz(targets, seconds, jobs):
    runs = [_Run(target, seconds) for target in targets]
    with step(f"Running {len(targets)} targets, {jobs} at a time, {seconds} s each"):
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(_Run.run, runs))
    _print_table([run.row() for run in runs])
    bad = [run for run in runs if run.code != 0]
    for one in bad:
        warn(f"fuzz-{one.target} ended with {one.code}; the input, if there is one, lies in "
             f"{place.relative(one.found)}/: mend what it shows, and add it to "
             f"{place.relative(_corpus(one.target))}/")
    return 1 if bad else 0


def _merge(targets):
    """Adds to each corpus the smallest inputs with which every place is reached that runs have
    reached. How often a place is passed does not count: the corpora are to stay small."""
    for target in targets:
        reached = place.build("fuzz") / "runs" / target
        if not reached.is_dir():
            raise ToolError(f"No run of {target} has left anything to merge: run it first.")
        corpus = _corpus(target)
        before = set(corpus.iterdir())
        run(["nice", "-n", "19", str(_program(target)), "-merge=1", "-use_counters=0",
             str(corpus), str(reached)], f"Merging the corpus of {target}", env=_environment())
        new = set(corpus.iterdir()) - before
        for file in new:
            file.rename(corpus / f"find-{file.name[:12]}")
        say(f"{target}: {len(new)} inputs added to {place.relative(corpus)}/")


def main():
    known = _targets()
    parser = argparse.ArgumentParser(
        prog="tools/fuzz", description=DESCRIPTION, epilog="targets: " + ", ".join(known),
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="which; all, unless given")
    parser.add_argument("--seconds", type=int, default=60, metavar="N",
                        help="how long each runs (60)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N",
                        help="how many run at a time (one a processor)")
    parser.add_argument("--merge", action="store_true",
                        help="do not run; add what earlier runs have reached to the corpora")
    arguments = parser.parse_args()
    for target in arguments.targets:
        if target not in known:
            parser.error(f"there is no target {target}; there are {', '.join(known)}")
    if arguments.seconds < 1 or arguments.jobs < 1:
        parser.error("seconds and jobs are numbers from 1 on")

    targets = arguments.targets or known
    packages.ensure("build", "fuzz")
    _build(targets)
    if arguments.merge:
        _merge(targets)
        return 0
    return _fuzz(targets, arguments.seconds, arguments.jobs)


if __name__ == "__main__":
    main_with_errors(main)
