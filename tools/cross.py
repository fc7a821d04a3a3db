#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""cross.py FORMAT... - compiles the library for the processor that has the page-table format, with
the flags of a kernel, warnings as errors, by each compiler that there is: Debian's cross gcc, and
clang 19. What it needs and defines is looked at by symbols.py.

The port is the empty one. Nothing is run: that the code works with the format is shown in the
machine, on the host's processor.

=> exit status 0; 1: something was found; 77: there is no compiler for one of the formats
"""

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror"]
# What panics names its file: by the path from the root, so that the size is the same in any folder.
FLAGS = ["-std=c11", "-ffreestanding", "-O2", "-fno-stack-protector", "-fno-common",
         f"-ffile-prefix-map={ROOT}/="]

# By folder of src/arch: the prefix of GNU's tools, clang's target, a kernel's flags.
MACHINES = {
    "aarch64": ("aarch64-linux-gnu-", "aarch64-none-elf", ["-mgeneral-regs-only"]),
    "riscv64": ("riscv64-linux-gnu-", "riscv64-unknown-elf",
                ["-march=rv64imac", "-mabi=lp64", "-mcmodel=medany"]),
}


def find_format(name):
    """(folder of src/arch, levels) and the library's files, from where they are listed."""
    text = (ROOT / "src" / "meson.build").read_text()
    arch, levels = re.search(rf"^    '{name}': \['(\S+)', (\d)\],$", text, re.M).groups()
    return arch, levels, re.findall(r"^    '(\S+\.c)',$", text, re.M)


def compilers(arch):
    """[(name, command)]: those that are installed."""
    prefix, target, flags = MACHINES[arch]
    # Helper functions for atomics are the hosted world's: gcc calls them unless told.
    atomics = ["-mno-outline-atomics"] if arch == "aarch64" else []
    known = [(prefix + "gcc", flags + atomics),
             ("clang-19", [f"--target={target}"] + flags + atomics)]
    return [(name, [name, *options]) for name, options in known if shutil.which(name)]


def compile_one(command, source, target):
    done = subprocess.run([*command, "-c", source, "-o", target], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout if done.returncode != 0 else ""


def check(name, compiler, command):
    """=> true: compiled, with the symbols that it should have"""
    arch, levels, files = find_format(name)
    prefix = MACHINES[arch][0]
    command = [*command, *FLAGS, *WARNINGS, f"-DMMK_PT_LEVELS={levels}", f"-I{ROOT / 'include'}",
               f"-I{ROOT / 'src' / 'arch' / arch}", f"-I{ROOT / 'ports' / 'template'}"]
    with tempfile.TemporaryDirectory(prefix="mmkit-") as folder:
        library = pathlib.Path(folder) / "libmmkit.a"
        objects = [pathlib.Path(folder) / (file + ".o") for file in files]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            said = "".join(pool.map(compile_one, [command] * len(files),
                                    [ROOT / "src" / file for file in files], objects))
        if said:
            print(f"{said}{name}: does not compile with {compiler}")
            return False
        subprocess.run([prefix + "ar", "rcs", library, *objects], check=True)
        print(f"{name}, {compiler}: ", end="", flush=True)
        return subprocess.run([sys.executable, ROOT / "tools" / "symbols.py", library, prefix],
                              check=False).returncode == 0


def main():
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    failed = missing = False
    for name in sys.argv[1:]:
        arch = find_format(name)[0]
        if not shutil.which(MACHINES[arch][0] + "gcc"):
            print(f"{name}: {MACHINES[arch][0]}gcc is not installed: not tested")
            missing = True
            continue
        for compiler, command in compilers(arch):
            failed |= not check(name, compiler, command)
    return 1 if failed else 77 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
