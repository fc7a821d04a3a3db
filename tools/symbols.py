#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""symbols.py LIBRARY [PREFIX] - what the library, compiled for the empty port, asks of its embedder.

LIBRARY is the static library; PREFIX stands before the names of nm and size that can read it,
"aarch64-linux-gnu-". It may leave undefined what permitted-symbols.txt lists and nothing
else; a function of <mmkit/host.h> that it does not call has no place there. Every symbol that it
defines for others starts with mmk_; its code is smaller than TEXT_MAX bytes.

=> exit status 0; 1: something was found
"""

import pathlib
import subprocess
import sys

TEXT_MAX = 288 << 10


prefix = sys.argv[2] if len(sys.argv) > 2 else ""


def nm(library, *flags):
    """The names that nm lists."""
    listed = subprocess.run([prefix + "nm", *flags, str(library)],
                            check=True, capture_output=True, text=True).stdout
    return {line.split()[0] for line in listed.splitlines()
            if line and not line.rstrip().endswith(":")}


def text_size(library):
    listed = subprocess.run([prefix + "size", "--totals", str(library)],
                            check=True, capture_output=True, text=True).stdout
    return int(listed.splitlines()[-1].split()[0])


def main():
    library = sys.argv[1]
    permitted_file = pathlib.Path(__file__).with_name("permitted-symbols.txt")
    lines = [line.split("#")[0].split() for line in permitted_file.read_text().splitlines()]
    permitted = {words[0] for words in lines if words}
    unused = {words[0] for words in lines if words[1:] == ["unused"]}
    defined = nm(library, "--format=posix", "--defined-only", "--extern-only")
    undefined = nm(library, "--format=posix", "--undefined-only") - defined
    size = text_size(library)
    failed = False
    for what, names in (
            ("needs, but is not permitted", undefined - permitted),
            ("does not call, though the contract asks for it",
             {name for name in permitted - undefined - unused if name.startswith("mmk_host_")}),
            ("calls, though it is marked as unused", undefined & unused),
            ("defines without the prefix mmk_",
             {name for name in defined if not name.startswith("mmk_")})):
        for name in sorted(names):
            print(f"the library {what}: {name}")
            failed = True
    if size >= TEXT_MAX:
        print(f"the library's code has {size} bytes, {TEXT_MAX} at most")
        failed = True
    print(f"{len(defined)} symbols defined, {len(undefined)} needed, {size} bytes of code")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
