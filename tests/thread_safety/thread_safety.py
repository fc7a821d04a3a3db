#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""thread_safety.py MISUSE - clang's -Wthread-safety over src/, in every format: who calls a function holds
the locks that it asks for (MMK_REQUIRES and its like, <mmkit/port/annotate.h>), and whoever takes
one lets go of it on every way out. docs/LOCKING.md says what this covers and what it does not.

MISUSE, misuse.c, is the proof that the analysis is alive: each mistake in it has to be found, at its
line, and nothing else (clang's -verify).

The port is the empty one, whose locks are the defaults of <mmkit/port/lock.h>. What is looked at is
the amalgamation, one file a format: starting the compiler takes longer than the analysis. Where that
finds something, the files one by one say at which line.

=> exit status 0; 1: something was found, or a misuse was not; 2: bad usage; 77: there is no clang 19
"""

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SRC = ROOT / "src"
CLANG = "clang-19"
FLAGS = ["-fsyntax-only", "-std=c11", "-ffreestanding", "-DMMK_THREAD_SAFETY", "-Wthread-safety",
         "-Wthread-safety-beta", "-Werror", f"-I{ROOT / 'ports' / 'template'}"]


def formats_and_sources():
    """{name: (folder of src/arch, levels)} and the library's files, from where they are listed."""
    text = (SRC / "meson.build").read_text()
    formats = {name: (arch, levels) for name, arch, levels in re.findall(
        r"^    '(\S+)': \['(\S+)', (\d)\],$", text, re.M)}
    return formats, [SRC / name for name in re.findall(r"^    '(\S+\.c)',$", text, re.M)]


def run(*command):
    """=> what it says; nothing: it has found nothing"""
    done = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    return "" if done.returncode == 0 else done.stdout or f"{command[0]} failed\n"


def analyse_files(format_, files, *options):
    arch, levels = format_
    return run(CLANG, *FLAGS, f"-DMMK_PT_LEVELS={levels}", f"-I{ROOT / 'include'}", f"-I{SRC}",
               f"-I{SRC / 'arch' / arch}", *options, *files)


def analyse(name, format_, files):
    with tempfile.TemporaryDirectory(prefix="mmkit-") as folder:
        said = run(sys.executable, ROOT / "tools" / "amalgamate.py", "--format", name, folder) or \
            run(CLANG, *FLAGS, f"-I{folder}", pathlib.Path(folder) / "mmkit.c")
    return said and (analyse_files(format_, files) or said)


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    formats, files = formats_and_sources()
    if not shutil.which(CLANG):
        print(f"{CLANG} is not installed: not tested")
        return 77
    assert formats and files, "src/meson.build has lists of formats and of files"
    said = {"misuse.c": analyse_files(formats["x86_64-4"], sys.argv[1:2],
                                      "-Wno-error", "-Xclang", "-verify")}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        said.update(zip(formats, pool.map(lambda name: analyse(name, formats[name], files),
                                          formats)))
    for name, text in said.items():
        if text:
            print(f"{text}{name}: see above")
    print(f"{len(files)} files, {len(formats)} formats")
    return 1 if any(said.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
