#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""coverage.py TOOL TEST... [--with PROGRAM ARGUMENT...]... - how many branches of src/ tests take.

Runs the unit tests, the programs that are named --with arguments, and the oracle, and replays
recordings, one of them short of memory, all built by clang 19 with -fprofile-instr-generate
-fcoverage-mapping, and merges what they counted, processes that panic as a test wants it included:
counters are in a file from the start (%c), for which clang wants -runtime-counter-relocation. A
condition has two branches; those in headers of src/ are counted once, whatever number of files
includes them. Branches inside mmk_assert() are left out: the side that panics is no test's business
but that of those who break an invariant; and so is what follows MMK_MISTAKE(), which is false but
where mistakes are planted. They are recognised by where the macro stands in the source, so that the
code which is measured is the code that is shipped.

What the deterministic machine runs is compiled for another page-table format, and with mistakes to
be planted: of that, the branches count that the others have, too.

Prints a line a file, and every branch never taken with -v.

=> exit status 0; 1: below LEAST, or a test failed
"""

import collections
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

LEAST = 96.5
TIMEOUT = 300 # seconds, for each program
ROOT = pathlib.Path(__file__).resolve().parent.parent
SRC = str(ROOT / "src") + os.sep
RECORDINGS = ["ls", "gcc", "mremap"]
SHORT = ["gcc", "--memory", "6M", "--swap", "16M"] # of memory: as tests/cli/replay_memory.sh
EXPANSION = 1 # kind of a region that stands for a macro's expansion
PLANTED = re.compile(r"if \(MMK_MISTAKE\(\w+\) && ")
ORACLE = ["oracle", "--ops", "12000", "--seed", "1"]
NO_SUCH_LINUX = 2 # what the oracle exits with


def run_one(command, scratch):
    """=> why it failed; None: it did not"""
    environment = dict(os.environ, LLVM_PROFILE_FILE=str(scratch / "%c%m-%p.profraw"))
    try:
        done = subprocess.run(command, env=environment, check=False, capture_output=True,
                              text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return f"{' '.join(command)} did not end within {TIMEOUT} s"
    if done.returncode == NO_SUCH_LINUX and "oracle" in command:
        print("coverage.py: without the oracle, which this Linux is too old for")
    elif done.returncode != 0:
        return f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}"
    return None


def run(commands, scratch):
    """Runs each, as many beside each other as there are CPUs; their counters land in scratch."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for failure in pool.map(lambda command: run_one(command, scratch), commands):
            if failure:
                sys.exit(f"coverage.py: {failure}")


def merge(scratch):
    profile = scratch / "merged.profdata"
    subprocess.run(["llvm-profdata-19", "merge", "-sparse", "-o", profile,
                    *scratch.glob("*.profraw")], check=True)
    return profile


def export(programs, profile):
    """The functions of llvm-cov's report. It takes one of each name and file: so ask for programs
    that were compiled in different ways apart."""
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


def is_left_out(where, texts):
    path, line, column = where
    if path not in texts:
        texts[path] = pathlib.Path(path).read_text().splitlines()
    text = texts[path][line - 1]
    return text[column - 1:].startswith("mmk_assert") or PLANTED.search(text[:column - 1])


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
            if not where[0].startswith(SRC) or is_left_out(where, texts):
                continue
            seen[where] += 1
            taken[where + (seen[where], "true")] += branch[4]
            taken[where + (seen[where], "false")] += branch[5]
    return taken


def add_known(taken, more):
    for key, times in more.items():
        if key in taken:
            taken[key] += times


def split(words):
    """=> TOOL and the TESTs; [PROGRAM, ARGUMENT...] of each --with"""
    ends = [i for i, word in enumerate(words) if word == "--with"] + [len(words)]
    return words[:ends[0]], [words[i + 1:j] for i, j in zip(ends, ends[1:])]


def main():
    verbose = "-v" in sys.argv
    programs, other = split([word for word in sys.argv[1:] if word != "-v"])
    if not programs:
        print(__doc__, file=sys.stderr)
        return 2
    tool, tests = programs[0], programs[1:]
    replays = [[tool, "replay", str(ROOT / "traces" / f"{name}.txt.zst"), "--check", "--compare"]
               for name in RECORDINGS]
    replays.append([tool, "replay", str(ROOT / "traces" / f"{SHORT[0]}.txt.zst"), *SHORT[1:]])
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        run([[tool, *ORACLE]] + other + replays + [[test] for test in tests], scratch) # longest first
        profile = merge(scratch)
        taken = collect(export(programs, profile))
        for program, *_ in other:
            add_known(taken, collect(export([program], profile)))
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
