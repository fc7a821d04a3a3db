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

# what comes back: from files and from swap, each at some distance
[ "$(value evicted)" -gt 0 ] || fail "gcc in 6M: nothing is evicted"
[ "$(value from_files)" -gt 0 ] || fail "gcc in 6M: nothing comes back to files"
[ $(($(value from_swap) + $(value from_files))) = $(($(value below_quarter) + $(value below_half) + \
    $(value below_memory) + $(value below_twice) + $(value more))) ] || fail "refaults and distances"
[ "$(value from_swap)" -le $(($(value faults_major) + $(value faults_minor))) ] ||
    fail "more pages come back from swap than faults bring: $(value from_swap)"
[ "$(value faults_major)" -le "$(value pages_in)" ] || fail "faults wait that read nothing"
# all of memory is in use, and programs have more
[ "$(value frames_peak_bytes)" -le 6291456 ] || fail "more frames than there are"
[ "$(value frames_peak_bytes)" -gt 5000000 ] || fail "$(value frames_peak_bytes) bytes are in use"
[ "$(value rss_peak_bytes)" -gt 6291456 ] || fail "programs have $(value rss_peak_bytes) bytes"
grep -q '^refault distance: median ' "$work/out" || fail "no distances in the report"

# Twelve pages go. The first comes back (11 went after it), then one that was read ahead (6); the
# first goes, clean, and comes (0); the last does (1).
"$mmkit" replay --swap 1M --json "$work/json" "$here/refaults.txt" >"$work/out" 2>&1 ||
    fail "refaults.txt: exit status $?: $(cat "$work/out")"
for pair in evicted=13 from_swap=4 from_files=0 distance_median=6 below_quarter=4 pages_out=12 \
    faults_major=3 faults_minor=1 ahead_in_vain=0; do
    [ "$(value "${pair%=*}")" = "${pair#*=}" ] || fail "refaults.txt: $(value "${pair%=*}"), not $pair"
done
"$mmkit" replay --check=1 --swap 1M "$here/refaults.txt" >"$work/out" 2>&1 ||
    fail "refaults.txt, checked: exit status $?: $(cat "$work/out")"

# without swap space, in enough memory, there is nothing to say of it
"$mmkit" replay --json "$work/json" "$here/refaults.txt" >"$work/out" 2>&1 || fail "in enough memory"
[ "$(value evicted)" = 0 ] || fail "in enough memory: $(value evicted) pages are evicted"
grep -q '^refault distance' "$work/out" && fail "in enough memory: refaults"

# files alone can make room for a little
"$mmkit" replay --check --memory 11M "$2/gcc.txt.zst" >"$work/out" 2>&1 ||
    fail "gcc in 11M: exit status $?: $(cat "$work/out")"
"$mmkit" replay --memory 6M "$2/gcc.txt.zst" >"$work/out" 2>"$work/err"
[ $? = 2 ] || fail "gcc in 6M without swap: not refused"
grep -q "needs more memory than --memory 6M, without --swap$" "$work/err" ||
    fail "gcc in 6M: $(cat "$work/err")"
"$mmkit" replay --memory 6M --swap 3M "$2/gcc.txt.zst" >"$work/out" 2>"$work/err"
[ $? = 2 ] || fail "gcc in 6M with little swap: not refused"
grep -q "than --memory 6M, with --swap 3M$" "$work/err" || fail "little swap: $(cat "$work/err")"
"$mmkit" replay --memory 6M --swap 16G "$2/gcc.txt.zst" >"$work/out" 2>"$work/err" ||
    fail "swap space without end: $(cat "$work/err")"
"$mmkit" replay --memory 1M --swap 200G "$2/ls.txt.zst" >"$work/out" 2>"$work/err"
[ $? = 2 ] || fail "more swap than memory can tell of: not refused"
grep -q "swap 200G: the machine has no memory for it" "$work/err" || fail "200G: $(cat "$work/err")"

# a program that locks more than there is gets by, where it was mapped, and not asked for
"$mmkit" replay --check --memory 4M --swap 16M --json "$work/json" "$2/mremap.txt.zst" >"$work/out" 2>&1 ||
    fail "mremap in 4M: exit status $?: $(cat "$work/out")"
for key in divergences leaked_frames excess_max_bytes; do
    [ "$(value $key)" = 0 ] || fail "mremap in 4M: $key $(value $key)"
done
# what is locked is not taken from a program
"$mmkit" replay --memory 1M --swap 24M "$2/mremap.txt.zst" >"$work/out" 2>"$work/err"
[ $? = 2 ] || fail "mremap in 1M: not refused"
grep -q "has [0-9]* KiB locked" "$work/err" || fail "mremap in 1M: $(cat "$work/err")"

for size in 0 1K x; do
    "$mmkit" replay --swap $size "$2/ls.txt.zst" >"$work/out" 2>"$work/err"
    [ $? = 2 ] || fail "--swap $size: not refused"
done

[ $failures -eq 0 ]
