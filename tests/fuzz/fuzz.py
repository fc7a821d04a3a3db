#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fuzz.py SECONDS [--update] PROGRAM... - runs programs of libFuzzer's from the kept inputs on.

Beside each other, each on a CPU. The inputs that were kept for fuzz-NAME are in NAME.txt beside this
script, a line for each, in hexadecimal. With --update these become the fewest that cover what is
covered then.

With $SEED set, what is tried follows from that: it ends after as many runs as take some 25 seconds
(SECONDS at most). What fuzz-schedule does is the same then each time; the machine that fuzz-ops runs
on has threads. Otherwise all goes by the time.

=> exit status 0; 1: something was found: it is told, and the input printed as such a line
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
LONGEST = {"ops": 400, "schedule": 120} # bytes of an input
RUNS = {"ops": 20_000, "schedule": 23_000} # with $SEED
ENVIRONMENT = os.environ | {"ASAN_OPTIONS": "detect_leaks=0"}
ALWAYS = ["-timeout=20", "-len_control=0", "-print_final_stats=1"]


def read_inputs(folder, corpus):
    """Its paths, in the order of the corpus."""
    folder.mkdir()
    paths = []
    for number, line in enumerate(corpus.read_text().split()):
        paths.append(folder / str(number))
        paths[-1].write_bytes(bytes.fromhex(line))
    return paths


def repeatable():
    """Whether programs can be run at the same addresses: what is compared, libFuzzer tries."""
    return subprocess.run(["setarch", "-R", "true"], check=False).returncode == 0


class Target:
    """One program, and where it works."""

    def __init__(self, program, work):
        self.program = program
        self.name = pathlib.Path(program).name.removeprefix("fuzz-")
        self.corpus = HERE / f"{self.name}.txt"
        self.work = work / self.name
        self.work.mkdir()
        self.folder = self.work / "inputs"
        self.inputs = read_inputs(self.folder, self.corpus)

    def command(self, seconds):
        words = [self.program, *ALWAYS, f"-max_total_time={seconds}",
                 f"-max_len={LONGEST[self.name]}", f"-artifact_prefix={self.work}/found-"]
        seed = int(os.environ.get("SEED", 0))
        if not seed:
            return [*words, self.folder]
        # Each file once, in a known order; what is new goes elsewhere.
        (self.work / "list").write_text(",".join(map(str, self.inputs)))
        (self.work / "new").mkdir()
        words += [f"-seed={seed}", f"-runs={RUNS[self.name]}", "-reload=0",
                  f"-seed_inputs=@{self.work}/list", self.work / "new"]
        return ["setarch", "-R", *words] if repeatable() else words

    def start(self, seconds):
        self.log = (self.work / "log").open("w+", errors="replace")
        self.run = subprocess.Popen(self.command(seconds), stdout=subprocess.DEVNULL,
                                    stderr=self.log, env=ENVIRONMENT)

    def tell(self, found):
        """The calls, and where there is one, how another tool repeats them."""
        done = subprocess.run([self.program, found], check=False, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              env=ENVIRONMENT | {"FUZZ_PRINT": "1"})
        print(f"{found.name}: {found.read_bytes().hex()}\n{done.stdout}")

    def finish(self):
        """=> False: something was found"""
        good = self.run.wait() == 0
        self.log.seek(0)
        lines = self.log.readlines()
        print(f"{self.name}:")
        print("".join(line for line in lines if line.startswith(("Done ", "stat::"))) if good
              else "".join(lines[-60:]))
        for found in self.work.glob("found-*"):
            self.tell(found)
        return good

    def update(self):
        """Keeps the inputs that cover something, the shortest first."""
        kept = self.work / "kept"
        kept.mkdir()
        subprocess.run([self.program, "-set_cover_merge=1", "-use_counters=0", kept, self.folder],
                       check=True, capture_output=True, env=ENVIRONMENT)
        inputs = sorted((path.read_bytes() for path in kept.iterdir()), key=lambda b: (len(b), b))
        self.corpus.write_text("".join(f"{data.hex()}\n" for data in inputs if data))
        print(f"{self.name}: {len(inputs)} inputs kept")


def main(kind, usage):
    words = [word for word in sys.argv[1:] if word != "--update"]
    if len(words) < 2 or not words[0].isdigit() or not os.environ.get("SEED", "0").isdigit():
        print(usage, file=sys.stderr)
        return 2
    for program in words[1:]:
        if shutil.which(program) is None:
            print(f"{program}: cannot be run", file=sys.stderr)
            return 2
    with tempfile.TemporaryDirectory() as name:
        targets = [kind(program, pathlib.Path(name)) for program in words[1:]]
        for target in targets:
            target.start(int(words[0]))
        good = all([target.finish() for target in targets])
        if good and "--update" in sys.argv:
            for target in targets:
                target.update()
    return not good


if __name__ == "__main__":
    sys.exit(main(Target, __doc__))
