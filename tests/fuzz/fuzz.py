#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fuzz.py PROGRAM CORPUS SECONDS [--update] - runs a program of libFuzzer's from the kept inputs on.

CORPUS has a line for each input, in hexadecimal. With --update it becomes the fewest inputs that
cover what is covered now.

=> exit status 0; 1: something was found: the input is printed as such a line
"""

import os
import pathlib
import subprocess
import sys
import tempfile


def write_inputs(folder, corpus):
    for number, line in enumerate(corpus.read_text().split()):
        (folder / str(number)).write_bytes(bytes.fromhex(line))


def merge(program, folder, work):
    """=> the inputs that are worth keeping, the shortest first"""
    kept = work / "kept"
    kept.mkdir()
    subprocess.run([program, "-set_cover_merge=1", "-use_counters=0", kept, folder], check=True, capture_output=True)
    return sorted((path.read_bytes() for path in kept.iterdir()), key=lambda b: (len(b), b))


def main():
    program, corpus, seconds = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        folder = work / "inputs"
        folder.mkdir()
        write_inputs(folder, corpus)
        run = subprocess.run(
            [program, f"-max_total_time={seconds}", "-max_len=400", "-timeout=20",
             f"-artifact_prefix={work}/found-", "-print_final_stats=1", folder],
            check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            errors="replace", env=os.environ | {"ASAN_OPTIONS": "detect_leaks=0"})
        print("".join(run.stderr.splitlines(keepends=True)[-40 if run.returncode else -9:]))
        for found in work.glob("found-*"):
            print(f"{found.name}: {found.read_bytes().hex()}")
        if run.returncode == 0 and "--update" in sys.argv:
            inputs = merge(program, folder, work)
            corpus.write_text("".join(f"{data.hex()}\n" for data in inputs if data))
            print(f"{len(inputs)} inputs kept")
    return run.returncode != 0


if __name__ == "__main__":
    sys.exit(main())
