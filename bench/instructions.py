#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""instructions.py BUILD [--update] - counts instructions, and compares with instructions.txt.

Counted by callgrind on the main thread: each operation of micro.c, and a replayed event of the
churn-jemalloc recording (the replay alone: no parsing), as a whole (event-all: with the software
MMU and the model that it is compared with) and the library's share of it (event-library: what
functions of src/ execute). What memset and memcpy do inside the counted part is taken off: it is
the clearing and copying of pages, which is the same for every kernel and drowns the rest.

The counts belong to one compiler and libc (the file names them); a difference of up to 3 % passes.
--update writes the new counts; `git diff` then shows every change.

=> exit status 0; 1: a count went up or down by more than 3 %, or is missing
"""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE / "instructions.txt"
TRACE = HERE.parent / "traces" / "churn-jemalloc.txt.zst"
TOLERANCE = 0.03
PAGE_COPIES = re.compile(r"^(__)?(memset|memcpy|memmove)")
LIBRARY = re.compile(r"(^|/)src/[^/]+\.[ch]$")


def callgrind(function, command):
    """Instructions that the main thread executes inside `function`, pages' content aside: all,
    the library's; and what the command printed."""
    with tempfile.TemporaryDirectory() as scratch:
        out = pathlib.Path(scratch) / "out"
        # An empty environment: its size moves the stack, and with it some counts.
        done = subprocess.run(
            ["env", "-i", "PATH=/usr/bin:/bin", "valgrind", "--tool=callgrind",
             f"--toggle-collect={function}", "--separate-threads=yes", "--compress-strings=no",
             "--compress-pos=no", f"--callgrind-out-file={out}", *map(str, command)],
            check=False, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"instructions.py: {command[0]} failed:\n{done.stderr}")
        return *self_cost(out.with_name("out-01")), done.stdout


def self_cost(path):
    """Sums the lines of a callgrind file that are a function's own; a call's line is not.
    An inlined function's lines count for the function that it has become part of."""
    total = library = 0
    skip = ours = False
    counted = True
    for line in path.read_text().splitlines():
        if line.startswith("fl="):
            ours = bool(LIBRARY.search(line[3:]))
        elif line.startswith("fn="):
            counted = not PAGE_COPIES.match(line[3:])
        elif line.startswith("calls="):
            skip = True
        elif line[:1].isdigit():
            if counted and not skip:
                total += int(line.split()[1])
                library += int(line.split()[1]) * ours
            skip = False
    return total, library


def count_operation(micro, name, count):
    total, _, _ = callgrind("measured*", [micro, name, count])
    return total / int(count)


def count_replay(build):
    total, library, stdout = callgrind("run_ops*",
                                       [build / "mmkit", "replay", TRACE, "--json", "-"])
    events = json.loads(stdout)["events"]
    return {"event-all": total / events, "event-library": library / events}


def count_all(build):
    """All counts, as many at a time as there are processors; the replay, the longest, first."""
    micro = build / "bench" / "micro"
    names = subprocess.run([micro, "--list"], check=True, capture_output=True, text=True).stdout
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        replay = pool.submit(count_replay, build)
        micros = {line.split()[0]: pool.submit(count_operation, micro, *line.split())
                  for line in names.splitlines()}
        return {name: task.result() for name, task in micros.items()} | replay.result()


def read_golden():
    golden = {}
    if GOLDEN.exists():
        for line in GOLDEN.read_text().splitlines():
            if line and not line.startswith("#"):
                name, value = line.split()
                golden[name] = float(value)
    return golden


def write_golden(counts):
    compiler = subprocess.run(["gcc", "--version"], check=True, capture_output=True,
                              text=True).stdout.splitlines()[0]
    lines = ["# Instructions an operation, by bench/instructions.py; `make bench UPDATE=1` writes",
             f"# this file. {compiler}, buildtype release, lock checks off."]
    lines += [f"{name:20} {value:8.1f}" for name, value in counts.items()]
    GOLDEN.write_text("\n".join(lines) + "\n")


def compare(counts, golden):
    """Prints a line for each count; True when none strays."""
    fine = True
    print(f"{'operation':20} {'before':>9} {'now':>9} {'change':>8}")
    for name in list(counts) + [name for name in golden if name not in counts]:
        if name not in counts or name not in golden:
            only = f"{counts.get(name, golden.get(name)):9.1f}"
            print(f"{name:20} {'' if name in counts else only:>9} {only if name in counts else '':>9}")
            fine = False
            continue
        change = counts[name] / golden[name] - 1
        print(f"{name:20} {golden[name]:9.1f} {counts[name]:9.1f} {change:+8.1%}")
        fine = fine and abs(change) <= TOLERANCE
    return fine


def main():
    arguments = [word for word in sys.argv[1:] if word != "--update"]
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    build = pathlib.Path(arguments[0])
    counts = count_all(build)
    fine = compare(counts, read_golden())
    if "--update" in sys.argv:
        write_golden(counts)
        return 0
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
