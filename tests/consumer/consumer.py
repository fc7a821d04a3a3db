#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""consumer.py WAY FORMAT README_C LIBRARY PC SOURCE... - a small kernel that embeds mmkit builds and
runs.

The kernel is tests/template.c with README_C, the snippet of README.md, on ports/template. WAY is
how it gets mmkit:
  cmake         add_subdirectory(), with this folder's CMakeLists.txt
  meson         a subproject, with this folder's meson.build
  pkg-config    mmkit.pc, which is PC, with a copy of what `meson install` would install
  amalgamation  tools/amalgamate.py, with warnings as errors, with each compiler there is; its
                symbols are those of LIBRARY, which was compiled file by file
FORMAT is the page-table format. SOURCE... are the library's .c files, as Meson knows them: each way
has to know the same.

=> exit status 0; 1: it does not; 77: a tool that this way needs is not installed
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HERE = pathlib.Path(__file__).resolve().parent
PORT = ROOT / "ports" / "template"
PROGRAM = ROOT / "tests" / "template.c"
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror"]


def run(*command, **options):
    """Its output; shown, and the end, when it fails."""
    done = subprocess.run(list(map(str, command)), check=False, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, timeout=100, **options)
    if done.returncode != 0:
        print(done.stdout + f"{command[0]}: exit status {done.returncode}")
        sys.exit(1)
    return done.stdout


def need(*tools):
    for tool in tools:
        if shutil.which(tool) is None:
            print(f"{tool} is not installed: not tested")
            sys.exit(77)


def compiler():
    return os.environ.get("CC", "cc").split()


def write_format_check(path, name):
    """A source file that compiles with the named format alone."""
    arch, levels = re.search(rf"^    '{name}': \['(\S+)', (\d)\],$",
                             (ROOT / "src" / "meson.build").read_text(), re.M).groups()
    path.write_text(f'''#include "pt.h"
#ifndef MMK_SRC_ARCH_{arch.upper()}_PT_H
#error "not the format's folder"
#endif
_Static_assert(MMK_PT_LEVELS == {levels}, "not the format's levels");
''')
    return arch, levels


def by_cmake(scratch, name, readme, sources):
    need("cmake", "ninja")
    check = scratch / "format.c"
    write_format_check(check, name)
    run("cmake", "-G", "Ninja", "-S", HERE, "-B", scratch, f"-DMMKIT={ROOT}", f"-DPORT={PORT}",
        f"-DMMKIT_FORMAT={name}", f"-DPROGRAM={PROGRAM};{readme};{check}", f"-DEXPECTED={';'.join(map(str, sources))}")
    run("cmake", "--build", scratch, "-j", 2)
    run(scratch / "consumer")


def by_meson(scratch, name, readme):
    need("meson", "ninja")
    kernel = scratch / "kernel"
    (kernel / "subprojects").mkdir(parents=True)
    (kernel / "subprojects" / "mmkit").symlink_to(ROOT)
    shutil.copytree(PORT, kernel / "port")
    shutil.copy(HERE / "meson.build", kernel)
    shutil.copy(PROGRAM, kernel)
    shutil.copy(readme, kernel / "readme.c")
    write_format_check(kernel / "format.c", name)
    build = scratch / "build"
    run("meson", "setup", f"-Dmmkit:format={name}", build, kernel)
    listed = json.loads(run("meson", "introspect", "--targets", build))
    targets = [target["name"] for target in listed]
    if targets != ["consumer"]:
        print("the subproject has targets of its own:", *targets)
        sys.exit(1)
    run("ninja", "-C", build, "-j", 2)
    run(build / "consumer")


def by_pkg_config(scratch, name, readme, pc, sources):
    need("pkg-config")
    check = scratch / "format.c"
    arch, levels = write_format_check(check, name)
    tree = scratch / "tree"
    shutil.copytree(ROOT / "src", tree / "src")
    shutil.copytree(ROOT / "include", tree / "include")
    shutil.copy(pc, scratch / "mmkit.pc")

    def ask(*question):
        return run("pkg-config", f"--define-variable=tree={tree}", f"--define-variable=arch={arch}",
                   f"--define-variable=levels={levels}", *question, "mmkit",
                   env={**os.environ, "PKG_CONFIG_PATH": str(scratch)}).split()

    listed = ask("--variable=sources")
    if sorted(listed) != sorted(str(tree / path.relative_to(ROOT)) for path in sources):
        print("mmkit.pc's sources are not src/meson.build's:", *listed)
        sys.exit(1)
    run(*compiler(), "-std=c11", *ask("--cflags"), "-I", PORT, *listed, PROGRAM, readme, check,
        PORT / "host.c", "-o", scratch / "consumer")
    run(scratch / "consumer")


def symbols(path):
    """(defined for others, left undefined)"""
    listed = [line.split() for line in run("nm", "-g", "-P", path).splitlines()]
    kinds = [(words[0], words[1]) for words in listed if len(words) > 1]
    defined = {name for name, kind in kinds if kind != "U"}
    return defined, {name for name, kind in kinds if kind == "U"} - defined


def compile_amalgamation(scratch, cc, readme, expected):
    """=> mmkit.c has no warning, asks and offers what the library does, and the kernel runs"""
    objects = [scratch / name for name in ("library.o", "program.o", "readme.o", "host.o")]
    inputs = [scratch / "mmkit" / "mmkit.c", PROGRAM, readme, PORT / "host.c"]
    include = ["-I", scratch, "-I", PORT]
    run(cc, "-std=c11", "-ffreestanding", "-O2", "-fno-stack-protector", "-fno-common", *WARNINGS,
        *include, "-c", inputs[0], "-o", objects[0])
    for source, target in zip(inputs[1:], objects[1:]):
        run(cc, "-std=c11", *include, "-c", source, "-o", target)
    run(cc, *objects, "-o", scratch / "consumer")
    run(scratch / "consumer")
    defined, undefined = symbols(objects[0])
    # memcpy and the like are the compiler's choice, which tools/symbols.py limits elsewhere.
    for what, difference in (("defines", defined ^ expected[0]),
                             ("needs", {name for name in undefined ^ expected[1]
                                        if not name.startswith("mem")})):
        if difference:
            print(f"{cc}: the amalgamation {what} other symbols than the library:",
                  *sorted(difference))
            sys.exit(1)


def by_amalgamation(scratch, name, readme, library, sources):
    run(sys.executable, ROOT / "tools" / "amalgamate.py", "--format", name, scratch / "mmkit")
    text = (scratch / "mmkit" / "mmkit.c").read_text()
    arch, levels = write_format_check(scratch / "unused.c", name)
    if f"#define MMK_SRC_ARCH_{arch.upper()}_PT_H\n" not in text or \
            f"\n#define MMK_PT_LEVELS {levels}\n" not in text:
        print(f"the amalgamation is not of the format {name}")
        sys.exit(1)
    for source in sources:
        if f"/* ======== {source.relative_to(ROOT)} ======== */" not in text:
            print(f"{source} is not in the amalgamation")
            sys.exit(1)
    # Each header alone, and all of them after it.
    for header in sorted((ROOT / "include" / "mmkit").rglob("*.h")):
        unit = scratch / "header.c"
        first = header.relative_to(ROOT / "include")
        unit.write_text(f"#include <{first}>\n#include <mmkit/mmkit.h>\nstruct mmk_stats stats;\n")
        run(*compiler(), "-std=c11", "-fsyntax-only", *WARNINGS, "-I", scratch, "-I", PORT, unit)
    compilers = [name for name in ("gcc", "clang-19") if shutil.which(name)]
    need(*compilers or ["gcc"])
    for compiler_name in compilers:
        compile_amalgamation(scratch, compiler_name, readme, symbols(library))


def main():
    way, name, readme, library, pc = sys.argv[1:6]
    sources = [pathlib.Path(source).resolve() for source in sys.argv[6:]]
    readme = pathlib.Path(readme).resolve()
    with tempfile.TemporaryDirectory(prefix="mmkit-") as folder:
        scratch = pathlib.Path(folder)
        if way == "cmake":
            by_cmake(scratch, name, readme, sources)
        elif way == "meson":
            by_meson(scratch, name, readme)
        elif way == "pkg-config":
            by_pkg_config(scratch, name, readme, pc, sources)
        elif way == "amalgamation":
            by_amalgamation(scratch, name, readme, library, sources)
        else:
            print(__doc__)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
