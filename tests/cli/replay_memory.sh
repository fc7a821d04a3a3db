#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: replay_memory.sh TOOL TRACES
# A recording in less memory than it needs: with swap space it is the same to its programs.
. "$(dirname "$0")/common.sh"

"$mmkit" replay --check --memory 6M --swap 16M --json "$work/json" "$2/gcc.txt.zst" >"$work/out" 2>&1 ||
    fail "gcc in 6M: exit status $?: $(cat "$work/out")"
for key in divergences leaked_frames excess_max_bytes; do
    [ "$(value $key)" = 0 ] || fail "gcc in 6M: $key $(value $key)"
done
for key in freed scanned direct pages_out pages_in; do
    [ "$(value $key)" -gt 0 ] || fail "gcc in 6M: $key $(value $key)"
done

# files alone can make room for a little
"$mmkit" replay --check --memory 11M "$2/gcc.txt.zst" >"$work/out" 2>&1 ||
    fail "gcc in 11M: exit status $?: $(cat "$work/out")"
"$mmkit" replay --memory 6M "$2/gcc.txt.zst" >"$work/out" 2>"$work/err"
[ $? = 2 ] || fail "gcc in 6M without swap: not refused"
grep -q "needs more memory than --memory 6M" "$work/err" || fail "gcc in 6M: $(cat "$work/err")"

# what is locked is not taken from a program
"$mmkit" replay --memory 4M --swap 32M "$2/mremap.txt.zst" >"$work/out" 2>"$work/err"
[ $? = 2 ] || fail "mremap in 4M: not refused"
grep -q "has 4868 KiB locked" "$work/err" || fail "mremap in 4M: $(cat "$work/err")"

for size in 0 1K x; do
    "$mmkit" replay --swap $size "$2/ls.txt.zst" >"$work/out" 2>"$work/err"
    [ $? = 2 ] || fail "--swap $size: not refused"
done

[ $failures -eq 0 ]
