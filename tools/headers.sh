#!/bin/sh
# SPDX-License-Identifier: MIT
#
# headers.sh - every public header compiles alone, as C11 and as C++, with each compiler that is
# installed, against the empty port; so does the snippet in README.md. The command by which README.md
# and docs/PORTING.md compile the library for a kernel has flags that this compiler takes.
set -u
cd "$(dirname "$0")/.."

failed=0
count=0
warn='-Wall -Wextra -Werror'
include='-Iinclude -Iports/template'

# compile COMPILER LANGUAGE:STANDARD FILE WHAT: what the compiler says is shown when it fails
compile()
{
    count=$((count + 1))
    # shellcheck disable=SC2086 # lists of words
    if ! "$1" -x "${2%:*}" -std="${2#*:}" -ffreestanding -fsyntax-only $warn $include "$3"; then
        echo "headers.sh: $4 does not compile alone with $1 as ${2#*:}"
        failed=1
    fi
}

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

for compiler in gcc clang-19 clang-14; do
    command -v "$compiler" >/dev/null || continue
    for header in include/mmkit/*.h include/mmkit/port/*.h; do
        name=${header#include/}
        echo "#include <$name>" >"$scratch/alone.c"
        compile "$compiler" c:c11 "$scratch/alone.c" "$name"
        compile "$compiler" c++:c++11 "$scratch/alone.c" "$name"
    done
    # The first ```c block of README.md is a whole file.
    sed -n '/^```c$/,/^```$/{/^```/d;p}' README.md >"$scratch/readme.c"
    [ -s "$scratch/readme.c" ] || { echo "headers.sh: no snippet in README.md" && failed=1; }
    compile "$compiler" c:c11 "$scratch/readme.c" "the snippet of README.md"
done

if [ "$(uname -m)" = x86_64 ]; then
    for text in README.md docs/PORTING.md; do
        command=$(sed -n '/^    cc .*-mcmodel=kernel/,/[^\\]$/{s/\\$//;p}' "$text" | tr '\n' ' ' |
            sed -e 's|mmkit/src/\*.c|src/core.c|' -e 's|mmkit/||g' -e 's|your/port|ports/template|' \
                -e 's|$|-fsyntax-only|')
        count=$((count + 1))
        case "$command" in
        *src/core.c*) ;;
        *) command="echo no command in $text; false" ;;
        esac
        sh -c "$command" || { echo "headers.sh: $text: $command" && failed=1; }
    done
fi

echo "$count compilations"
[ "$count" -gt 0 ] && exit "$failed"
