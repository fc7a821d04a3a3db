#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""coverage.py TOOL TEST... - how many branches of src/ the tests take.

Runs the unit tests and replays recordings, all built by clang 19 with -fprofile-instr-generate
-fcoverage-mapping, and merges what they counted. A condition has two branches; those in headers of
src/ are counted once, whatever number of files includes them. Branches inside mmk_assert() are left
out: the side that panics cannot be taken by a test that passes. They are recognised by where the
macro stands in the source, so that the code which is measured is the code that is shipped.

Prints a line a file, and every branch never taken with -v.

=> exit status 0; 1: below LEAST, or a test failed
"""

import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile

LEAST = 90.0
TIMEOUT = 120 # seconds, for each program
ROOT = pathlib.Path(__file__).resolve().parent.parent
SRC = str(ROOT / "src") + os.sep
RECORDINGS = ["ls", "gcc", "redis"]
EXPANSION = 1 # kind of a region that stands for a macro's expansion


def run(commands, scratch):
    """Runs each; their counters land in scratch."""
    environment = dict(os.environ, LLVM_PROFILE_FILE=str(scratch / "%m-%p.profraw"))
    for command in commands:
        try:
            done = subprocess.run(command, env=environment, check=False, capture_output=True,
                                  text=True, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            sys.exit(f"coverage.py: {' '.join(command)} did not end within {TIMEOUT} s")
        if done.returncode != 0:
            sys.exit(f"coverage.py: {' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def export(programs, scratch):
    """The functions of llvm-cov's report."""
    profile = scratch / "merged.profdata"
    subprocess.run(["llvm-profdata-19", "merge", "-sparse", "-o", profile,
                    *scratch.glob("*.profraw")], check=True)
    objects = [word for program in programs[1:] for word in ("-object", program)]
    done = subprocess.run(["llvm-cov-19", "export", programs[0], *objects,
                           f"-instr-profile={profile}"],
                          check=True, capture_output=True, text=True)
    return json.loads(done.stdout)["data"][0]["functions"]


def origin(function, branch, parents):
    """Where a branch stands in a file, outside all macros: (file, line, column)."""
    line, column, file = branch[0], branch[1], branch[6]
    while file in parents:
        line, column, file = parents[file]
    return function["filenames"][file], line, column


def in_assert(where, texts):
    path, line, column = where
    if path not in texts:
        texts[path] = pathlib.Path(path).read_text().splitlines()
    return texts[path][line - 1][column - 1:].startswith("mmk_assert")


def collect(functions):
    """{(file, line, column, which, side): times taken}"""
    taken = collections.Counter()
    texts = {}
    for function in functions:
        parents = {region[6]: (region[0], region[1], region[5])
                   for region in function["regions"] if region[7] == EXPANSION}
        seen = collections.Counter()
        for branch in function["branches"]:
            where = origin(function, branch, parents)
            if not where[0].startswith(SRC) or in_assert(where, texts):
                continue
            seen[where] += 1
            taken[where + (seen[where], "true")] += branch[4]
            taken[where + (seen[where], "false")] += branch[5]
    return taken


def main():
    verbose = "-v" in sys.argv
    programs = [word for word in sys.argv[1:] if word != "-v"]
    if not programs:
        print(__doc__, file=sys.stderr)
        return 2
    tool, tests = programs[0], programs[1:]
    replays = [[tool, "replay", str(ROOT / "traces" / f"{name}.txt.zst"), "--check", "--compare"]
               for name in RECORDINGS]
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        run([[test] for test in tests] + replays, scratch)
        taken = collect(export(programs, scratch))
    files = collections.defaultdict(lambda: [0, 0])
    for key, times in sorted(taken.items()):
        path = key[0].removeprefix(SRC)
        files[path][0] += times > 0
        files[path][1] += 1
        if verbose and times == 0:
            print(f"src/{path}:{key[1]}:{key[2]}: never {key[4]}")
    for path, (good, total) in files.items():
        print(f"{path:24} {good:5} of {total:5} {100 * good / total:6.1f} %")
    good = sum(pair[0] for pair in files.values())
    total = sum(pair[1] for pair in files.values())
    percent = 100 * good / max(total, 1)
    print(f"{'src/':24} {good:5} of {total:5} {percent:6.1f} %, at least {LEAST} %")
    return 0 if total and percent >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
