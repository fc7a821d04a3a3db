#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""stages.py BUILD - counts the instructions of a page fault by what they are for.

Counted by callgrind on the main thread, in some operations of micro.c: each instruction is that of
the innermost function, inlined ones included (addr2line tells), which one of the stages below
names. What is copied or cleared is counted by the instructions of memset and memcpy.

=> exit status 0; 1: an operation cannot be counted
"""

import collections
import pathlib
import re
import subprocess
import sys
import tempfile

OPERATIONS = ["fault-anon", "fault-zero", "fault-table", "fault-spurious", "fault-copy",
              "fault-file"]

# What a stage is done by: FILE or FILE:FUNCTION, both patterns. The first that fits is it. None: not
# the library's.
STAGES = {
    "look-up": r"vma_tree.*|vma_hint\..*|vma_seq\.h|vma\.h"
               r"|fault\.c:(take_vma|find_open|find_and_lock)",
    "walk": r"walk\.[ch]|limbo\.c",
    "clear": r"libc",
    "page": r"frame\.c|buddy\.[ch]|page\.h|page_lock\..*|charge\.[ch]|table_memory\.c|slab\.[ch]"
            r"|object\.[ch]|page_index\..*|fault\.c:mmk_fault_(new|drop|charge).*|fault\.h:mmk_fault_new.*"
            r"|anon\.[ch]|page_rmap\..*|zero_page\..*",
    "account": r"mm\.h:mmk_mm_count.*|percpu.*|fault_anon\.c:count_.*|fault\.c:count.*",
    "set": r"table\.[ch]|pte.*\.h|fault_anon\.c:set_rcu|fault\.c:mmk_fault_(set|lock|unlock).*"
           r"|fault\.h:mmk_fault_leaf.*|tlb\.[ch]|swap_cache\.c|fault_cow\.c:(exchange|drop_mapping)",
    "RCU": r"urcu.*|machine_rcu\.h",
    None: r"micro\.c",
}
PATTERNS = [(stage, re.compile(pattern)) for stage, pattern in STAGES.items()]
COLUMNS = ["look-up", "walk", "page", "clear", "set", "account", "RCU", "rest"]


def run(command):
    done = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"stages.py: {command[0]} failed:\n{done.stderr}")
    return done.stdout


def count_addresses(micro, name, count):
    """Instructions by address in the program; None: in another object."""
    costs = collections.Counter()
    with tempfile.TemporaryDirectory() as scratch:
        out = pathlib.Path(scratch) / "out"
        run(["env", "-i", "PATH=/usr/bin:/bin", "valgrind", "--tool=callgrind", "--dump-instr=yes",
             "--toggle-collect=measured*", "--separate-threads=yes", "--compress-strings=no",
             "--compress-pos=no", f"--callgrind-out-file={out}", micro, name, count])
        ours = skip = False
        for line in out.with_name("out-01").read_text().splitlines():
            if line.startswith("ob="):
                ours = line[3:] == str(micro)
            elif line.startswith("calls="):
                skip = True
            elif line.startswith("0x"):
                address, _, cost = line.split()
                if not skip:
                    costs[int(address, 16) if ours else None] += int(cost)
                skip = False
    return costs


def functions_at(micro, addresses):
    """For each address FILE:FUNCTION, of the innermost inlined one to the one that it is in."""
    text = run(["addr2line", "-a", "-i", "-f", "-e", micro, *map(hex, addresses)])
    frames, function = {}, None
    for line in text.splitlines():
        if re.fullmatch("0x[0-9a-f]+", line):
            address, function = int(line, 16), None
            frames[address] = []
        elif function is None:
            function = line
        else:
            frames[address].append(f"{pathlib.Path(line.rsplit(':', 1)[0]).name}:{function}")
            function = None
    return frames


def stage_of(frames):
    for frame in frames:
        for stage, pattern in PATTERNS:
            if pattern.fullmatch(frame) or pattern.fullmatch(frame.split(":")[0]):
                return stage
    return "rest"


def count_stages(micro, name, count):
    costs = count_addresses(micro, name, count)
    frames = functions_at(micro, [address for address in costs if address is not None])
    stages = collections.Counter()
    for address, cost in costs.items():
        stages["clear" if address is None else stage_of(frames[address])] += cost / int(count)
    return stages


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    micro = pathlib.Path(sys.argv[1]).resolve() / "bench" / "micro"
    counts = dict(line.split() for line in run([micro, "--list"]).splitlines())
    print("\nInstructions a fault, by what they are for")
    print(f"{'':15}" + "".join(f"{column:>9}" for column in COLUMNS) + f"{'all':>9}")
    for name in OPERATIONS:
        stages = count_stages(micro, name, counts[name])
        row = [stages[column] for column in COLUMNS]
        print(f"{name:15}" + "".join(f"{value:9.1f}" for value in [*row, sum(row)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
