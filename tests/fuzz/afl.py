#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""afl.py SECONDS [--update] PROGRAM... - runs programs under AFL++ from the kept inputs on.

They are those of libFuzzer, compiled by afl-clang-fast: then -fsanitize=fuzzer is AFL++'s own driver,
which runs thousands of inputs in a process. Beside each other, each on a CPU. With --update what was
found to cover more is added to the kept inputs; fuzz.py --update makes these few again.

=> exit status 0; 1: something was found: it is told as fuzz.py does; 2: afl-fuzz does not run
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import fuzz

ENVIRONMENT = os.environ | {
    "ASAN_OPTIONS": "abort_on_error=1:symbolize=0:detect_leaks=0",
    "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES": "1", # /proc/sys/kernel/core_pattern is not ours
    "AFL_SKIP_CPUFREQ": "1",
    "AFL_NO_AFFINITY": "1",
    "AFL_NO_UI": "1",
}
TOLD = ["run_time", "execs_done", "execs_per_sec", "corpus_count", "edges_found", "total_edges",
        "saved_crashes", "saved_hangs"]


class Target(fuzz.Target):
    """The same, under another fuzzer."""

    def start(self, seconds):
        self.log = (self.work / "log").open("w+", errors="replace")
        self.run = subprocess.Popen(
            ["afl-fuzz", "-i", self.folder, "-o", self.work / "out", "-V", str(seconds),
             "-G", str(fuzz.LONGEST[self.name]), "-t", "5000+", "--", self.program],
            stdout=self.log, stderr=subprocess.STDOUT, env=ENVIRONMENT)

    def outputs(self, kind):
        return sorted((self.work / "out/default" / kind).glob("id:*"))

    def finish(self):
        if self.run.wait() != 0 or not self.outputs("queue"):
            self.log.seek(0)
            print("".join(self.log.readlines()[-20:]))
            sys.exit(2)
        print(f"{self.name}:")
        for line in (self.work / "out/default/fuzzer_stats").read_text().splitlines():
            if line.split()[0] in TOLD:
                print(line)
        found = self.outputs("crashes") + self.outputs("hangs")
        for path in found:
            self.tell(path)
        return not found

    def update(self):
        before = self.corpus.read_text()
        lines = [path.read_bytes().hex() for path in self.outputs("queue")]
        more = [line for line in lines if line and line not in before]
        self.corpus.write_text(before + "".join(f"{line}\n" for line in more))
        print(f"{self.name}: {len(more)} inputs more")


if __name__ == "__main__":
    sys.exit(fuzz.main(Target, __doc__))
