#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sizes.py LIBRARY DOCUMENT... - what the documents say the library takes is what it takes.

LIBRARY is the static library, compiled for the empty port. A figure in KiB may be off by 5 %, and
each must stand in one of the documents at least.

=> exit status 0; 1: a figure is wrong, or stands nowhere
"""

import pathlib
import re
import subprocess
import sys

TOLERANCE = 0.05

# What is said, and the sections of it.
FIGURES = (
    (r"(\d+) KiB of code and constants", (".text", ".rodata")),
    (r"(\d+) KiB of zeroed data", (".bss",)),
    (r"(\d+) KiB more with unwind tables", (".eh_frame",)),
)


def section_sizes(library):
    """=> [(section, bytes)] of all members"""
    listed = subprocess.run(["size", "--format=sysv", str(library)],
                            check=True, capture_output=True, text=True).stdout
    rows = (line.split() for line in listed.splitlines())
    return [(row[0], int(row[1])) for row in rows if len(row) == 3 and row[0].startswith(".")]


def kib(sizes, names):
    """Of all sections of these names, and of what the compiler made of them (.rodata.str1.1)."""
    return sum(size for section, size in sizes
               if any(section == name or section.startswith(name + ".") for name in names)) / 1024


def main():
    sizes = section_sizes(sys.argv[1])
    texts = {name: " ".join(pathlib.Path(name).read_text().split()) for name in sys.argv[2:]}
    failed = False
    for pattern, names in FIGURES:
        real = kib(sizes, names)
        said = [(document, int(number)) for document, text in texts.items()
                for number in re.findall(pattern, text)]
        print(f"{real:6.1f} KiB: {' '.join(names)}")
        if not said:
            print(f"no document says '{pattern}'")
        for document, number in said:
            if abs(number - real) > TOLERANCE * real:
                print(f"{document} says {number} KiB")
                failed = True
        failed = failed or not said
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
