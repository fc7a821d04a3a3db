#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tidy.py - what can be checked of docs/STYLE.md by reading the text. Prints each breach.

1 every source file has an SPDX line at its top, ends in a newline, has no trailing blanks
2 C: no tab, no line above 100 columns, no file above 1000 lines, no function above 70;
  Markdown: no line of prose above 100 columns, tables and code left out
3 src/ includes <mmkit/...>, <stdbool.h>, <stddef.h>, <stdint.h> and its own headers; no file
  includes a header of a higher layer (layers.txt); ports/, cmd/, bench/ include nothing of src/,
  but for the simulator, which is a test
4 every file that Meson should compile is in a list: nothing is forgotten
5 the port in ports/mini has fewer than 150 lines, and as many as README.md and PORTING.md say
6 clang-format 14 has nothing to change, where it is installed

=> exit status 0; 1: something was found
"""

import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINE_MAX, FILE_MAX, FUNCTION_MAX = 100, 1000, 70
MINI_LIMIT = 150
FREESTANDING = {"stdbool.h", "stddef.h", "stdint.h"}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)

found = []


def report(path, line, text):
    found.append(f"{path.relative_to(ROOT)}:{line}: {text}")


def sources():
    """What git tracks or would track, so that build folders are left out."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for name in sorted(set(listed.split("\0"))) if name
            and (path := ROOT / name).is_file()]


def check_text(path, lines, text):
    comment = path.suffix in {".c", ".h", ".py", ".sh", ".S"} or path.name in {
        "meson.build", "Makefile", "run", "meson_options.txt"}
    if comment and not any("SPDX-License-Identifier: MIT" in line for line in lines[:2]):
        report(path, 1, "no SPDX-License-Identifier at the top")
    if text and not text.endswith("\n"):
        report(path, len(lines), "no newline at the end")
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            report(path, number, "blanks at the end of the line")


def check_c(path, lines):
    if len(lines) > FILE_MAX:
        report(path, FILE_MAX + 1, f"{len(lines)} lines, at most {FILE_MAX}")
    for number, line in enumerate(lines, 1):
        if "\t" in line:
            report(path, number, "tab")
        if len(line) > LINE_MAX:
            report(path, number, f"{len(line)} columns, at most {LINE_MAX}")


def check_markdown(path, lines):
    """Prose only: not tables, nor code, which is fenced, or indented after an empty line."""
    fenced = indented = False
    before = ""
    for number, line in enumerate(lines, 1):
        if line.startswith("```"):
            fenced = not fenced
        indented = line.startswith("    ") and (indented or not before)
        if len(line) > LINE_MAX and not (fenced or indented or line.startswith("|")):
            report(path, number, f"{len(line)} columns, at most {LINE_MAX}")
        before = line


def check_functions(path, lines):
    """A function: a brace in the first column, from the head above it to the closing one."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number - 1
            while start > 1 and lines[start - 1][:1] in " )":
                start -= 1
        elif line == "}" and start is not None:
            if number - start + 1 > FUNCTION_MAX:
                report(path, start,
                       f"function of {number - start + 1} lines, at most {FUNCTION_MAX}")
            start = None


def read_layers():
    """{file name: layer, from 0}"""
    layers = {}
    level = 0
    for line in (ROOT / "tools" / "layers.txt").read_text().splitlines():
        names = line.split("#")[0].split()
        for name in names:
            for key in [name] if "." in name else [name + ".c", name + ".h"]:
                layers.setdefault(key, level)
        level += bool(names)
    return layers


def check_src_includes(path, text, layers):
    own = layers.get(path.name)
    if own is None:
        report(path, 1, "not in tools/layers.txt")
        return
    for match in INCLUDE.finditer(text):
        kind, name = match.groups()
        line = text.count("\n", 0, match.start()) + 1
        if kind == "<":
            if not name.startswith("mmkit/") and name not in FREESTANDING:
                report(path, line, f"src/ may not include <{name}>")
        elif name.split("/")[-1] not in layers:
            report(path, line, f"{name}: not in tools/layers.txt")
        elif layers[name.split("/")[-1]] > own:
            report(path, line, f"includes {name} of a higher layer")


def check_outer_includes(path, text):
    """ports/, cmd/ and bench/ know the public headers only. The simulator tests what is inside."""
    if path.is_relative_to(ROOT / "cmd" / "simulate"):
        return
    private = {header.name for header in (ROOT / "src").rglob("*.h")}
    here = {header.name for header in path.parent.rglob("*.h")}
    for match in INCLUDE.finditer(text):
        kind, name = match.groups()
        if "src/" in name or (kind == '"' and name in private - here):
            report(path, text.count("\n", 0, match.start()) + 1, f"includes {name} of src/")


def check_listed(paths):
    """Every .c file of the build is named in a meson.build."""
    listed = "".join(path.read_text() for path in paths if path.name == "meson.build")
    for path in paths:
        if path.suffix != ".c" or path.is_relative_to(ROOT / "ports" / "template"):
            continue
        name = path.stem.removeprefix("test_")
        if f"{path.name}'" not in listed and f"'{name}'" not in listed:
            report(path, 1, "in no meson.build")


def check_mini(paths):
    """What a port is: mmk_port.h, the headers that it names, and host.c, all in one folder."""
    folder = ROOT / "ports" / "mini"
    port = [path for path in paths if path.parent == folder and path.suffix in {".c", ".h"}]
    count = sum(len(path.read_text().splitlines()) for path in port)
    if not port or count >= MINI_LIMIT:
        report(folder / "mmk_port.h", 1, f"a port of {count} lines, at most {MINI_LIMIT - 1}")
    for path, told in ((ROOT / "README.md", 2), (ROOT / "docs" / "PORTING.md", 2)):
        if len(re.findall(rf"\b{count}(?: lines|, comments included)", path.read_text())) != told:
            report(path, 1, f"ports/mini has {count} lines, which is to be said {told} times")


def check_format(paths):
    if shutil.which("clang-format-14") is None:
        print("clang-format-14 is not installed: formatting is not checked")
        return
    run = subprocess.run(
        ["clang-format-14", "--dry-run", "-Werror", *map(str, paths)],
        cwd=ROOT, check=False, capture_output=True, text=True)
    first = {}
    for line in run.stderr.splitlines():
        if ": error:" in line:
            name, number, _ = line.split(": error:")[0].rsplit(":", 2)
            first.setdefault(name, int(number))
    for name, number in first.items():
        report(pathlib.Path(name), number, "clang-format-14 would change this, and perhaps more")


def main():
    layers = read_layers()
    paths = sources()
    c_paths = [path for path in paths if path.suffix in {".c", ".h"}]
    for path in paths:
        if path.suffix == ".zst" or path.is_relative_to(ROOT / "tests" / "cli") and \
                path.suffix == ".txt": # recordings end lines as perf does
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            report(path, 1, "not text")
            continue
        lines = text.splitlines()
        check_text(path, lines, text)
        if path.suffix == ".md" and path.parent.name != "traces":
            check_markdown(path, lines)
        if path not in c_paths:
            continue
        check_c(path, lines)
        check_functions(path, lines)
        top = path.relative_to(ROOT).parts[0]
        if top == "src":
            check_src_includes(path, text, layers)
        elif top in {"ports", "cmd", "bench"}:
            check_outer_includes(path, text)
    check_listed(paths)
    check_mini(paths)
    check_format(c_paths)
    print("\n".join(found) if found else f"{len(paths)} files read, nothing found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
