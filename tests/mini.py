#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mini.py run PROGRAM | by-hand - the mini kernel (ports/mini) does what it is there to show.

run      PROGRAM is the kernel
by-hand  the kernel is what the commands of docs/PORTING.md make, and they run it

=> exit status 0; 1: it does not
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent

# In this order, other lines between.
EXPECTED = [
    r"-- tables: (?P<frames>\d+) frames are free",
    r"read 0x12345000: frame 0x[0-9a-f]+",
    r"execute 0x12345000: page fault",
    r"-- tables: (?P=frames) frames are free",
    r"file program: page 0 is read",
    r'pid 1: "hello, all of my memory is lazy"',
    r"pid 1: fork: 0x2",
    r"pid 2: fault: write 0x(?P<shared>[0-9a-f]+)",
    r"pid 2: ends with status 7",
    r"pid 1: fault: write 0x(?P=shared)",
    r"pid 1: pages: 8 resident, (?P<tables>\d+) of tables, 1 of stack",
    r"pid 1: madvise: 0x0",
    r"pid 1: pages: 2 resident, (?P<fewer>\d+) of tables, 1 of stack",
    r"file numbers: page 2 is read",
    r"pid 3: SIGBUS at pc 0x[0-9a-f]+: nothing is behind 0x[0-9a-f]+",
    r"pid 3: 400000-402000 r-xp 0 program\npid 3: [0-9a-f]+-[0-9a-f]+ r--p 0 numbers",
    r"pid 3: 7fffffffe000-7ffffffff000 rw-p 0 \[stack\]",
    r"pid 4: SIGSEGV at pc 0x[0-9a-f]+: nothing is mapped at 0x0",
    r"pid 5: SIGSEGV at pc 0x[0-9a-f]+: not allowed at 0x401000",
    r"pid 1: brk: 0x10002000",
    r"pid 1: pages: \d+ resident, \d+ of tables, 4 of stack",
    r"pid 1: ends with status 0",
    r"-- programs: (?P=frames) frames are free",
    r"power off",
]


def run(command, folder):
    """Its output; shown, and the end, when it fails."""
    done = subprocess.run(command, cwd=folder, check=False, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, timeout=110)
    if done.returncode != 0:
        print(done.stdout + f"{command[-1]}: exit status {done.returncode}")
        sys.exit(1)
    return done.stdout


def check(output):
    pattern = "^" + r"\n(?:.*\n)*?".join(EXPECTED) + r"\n\Z"
    found = re.search(pattern, output)
    if not found:
        print(output + "not every expected line is there, in order:", *EXPECTED, sep="\n")
        return 1
    # With the pages go the three tables that led to nothing else, with four levels or five.
    if int(found["tables"]) - int(found["fewer"]) != 3:
        print(output + "madvise does not give three tables back")
        return 1
    return 0


def by_hand():
    """The three commands of the page, where they find the tree and write nothing into it."""
    text = (ROOT / "docs" / "PORTING.md").read_text()
    found = re.search(r"^    cc .*\\\n.*-o mini\.o.*\n    ld .*\n    \./mini\n", text, re.M)
    if not found:
        print("docs/PORTING.md has no commands that make the mini kernel")
        return 1
    with tempfile.TemporaryDirectory(prefix="mmkit-") as folder:
        for name in ("include", "ports", "src"):
            os.symlink(ROOT / name, pathlib.Path(folder) / name)
        return check(run(["sh", "-e", "-c", found.group()], folder))


def main():
    if sys.argv[1] == "run":
        return check(run([os.path.abspath(sys.argv[2])], None))
    return by_hand()


if __name__ == "__main__":
    sys.exit(main())
