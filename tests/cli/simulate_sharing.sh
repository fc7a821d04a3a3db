#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: simulate_sharing.sh MMKIT
#
# `mmkit simulate --sharing`: which lines two CPUs share that need not, by name. What is planted is
# found, and named; and two processes on private memory of their own share nothing, but for what
# DESIGN.md lists.
. "$(dirname "$0")/common.sh"

# sharing STATUS ARGUMENT...: the JSON object to $work/json, the rest to $work/out
sharing() {
    expected=$1
    shift
    "$mmkit" simulate --sharing "$@" --json "$work/json" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    [ $status -eq "$expected" ] || fail "$*: status $status, expected $expected: $(cat "$work/err")"
}

# Keys, and that numbers add up.
sharing 0 --scenario '*.processes'
for key in commuting_pairs conflict_free serialised_pairs free_but_for_table flushing shared; do
    [ -n "$(value $key)" ] || fail "no $key in the JSON object"
done
pairs=$(grep -c '^ *"pair": ' "$work/json")
[ "$pairs" -gt 300 ] || fail "$pairs pairs of two processes"
[ "$(value commuting_pairs)" -eq "$pairs" ] || fail "not all pairs are counted"
sum=$(($(value conflict_free) + $(value flushing) + $(value shared) + $(value serialised_pairs)))
[ $sum -eq "$pairs" ] || fail "$sum pairs are free, flush, share or are serialised, of $pairs"

# Two processes on memory of their own: only where both make an address space, or take many nodes
# for their mappings, do they meet.
private='new\|beside\|anon\|zeros\|fork'
[ "$(grep -c "^ *\"pair\": \".*\.\($private\)\.processes\"" "$work/json")" -gt 200 ] ||
    fail "few pairs on private memory"
grep "\.\($private\)\.processes: " "$work/out" |
    grep -v '^fork\.fork\.\|^\(map\|protect\|lock\|move\)\.\(map\|protect\|lock\|move\)\.' \
        >"$work/meet"
[ ! -s "$work/meet" ] || fail "two processes share lines: $(cat "$work/meet")"

# The address spaces of a parent and its child do not lie in one line.
sharing 0 --scenario '[dlmpsu]*.[dlmpsu]*.fork.child*'
[ "$(value commuting_pairs)" -gt 30 ] || fail "$(value commuting_pairs) pairs of parent and child"
if grep -q '"line": "mm: [a-z_. ]*, beside mm: ' "$work/json"; then
    fail "address spaces share lines: $(grep '"line": "mm: .*, beside mm: ' "$work/json")"
fi

# Faults on pages of their own, whose tables and mappings are there, share nothing but the table that
# both are in: on private memory, and on a file's pages that are in memory. Populating, the mmap lock,
# too.
sharing 0 --scenario '*.[bpc][era][sic][ivh]*.*' # beside, private, cached
fault='(load|store|exchange)'
apart='(beside|private|cached)[.](table|tables|mappings)'
[ "$(grep -cE "^ *\"pair\": \"$fault[.]$fault[.]$apart\"" "$work/json")" -ge 30 ] ||
    fail "few pairs of faults"
if grep -E "^$fault[.]$fault[.]$apart: " "$work/out"; then
    fail "faults share lines"
fi
awk -v fault="(load|store|exchange|populate-write)[.]populate-write[.]$apart: " '
    /^[^ ]/ { of_faults = $0 ~ "^" fault; pair = $1 }
    of_faults && /^    [^ ]/ && !/^    mm: mmap_lock(, beside mm: [a-z._]*)?$/ &&
        !(pair ~ /[.]table:$/ && /^    leaf table: /) { print pair, $0 }' \
    "$work/out" >"$work/more"
[ ! -s "$work/more" ] || fail "faults share more than the mmap lock: $(cat "$work/more")"

# A counter that all faults write is seen, and said to be one.
sharing 0 --scenario 'store.store.beside.*'
[ "$(value commuting_pairs)" -eq 4 ] || fail "not 4 pairs of stores"
if grep -q 'mm.cpu: count' "$work/json"; then
    fail "faults share counters: $(cat "$work/out")"
fi
before=$(value shared)
sharing 0 --scenario 'store.store.beside.*' --plant counts-together
[ "$(grep -c '^ *"line": "mm.cpu: count"' "$work/json")" -eq 4 ] || # three pairs, and the sum
    fail "three pairs do not share counters: $(cat "$work/out")"
grep -q '^ *3  mm.cpu: count$' "$work/out" || fail "the sum does not say what is planted"
grep -q 'CPU 1 .*writes count (mmk_' "$work/out" || fail "nor who writes it"
[ "$(value shared)" -ge "$before" ] || fail "less is shared"

# What is no pair, and what does not go together.
sharing 2 --scenario nothing
grep -q -- '--scenario nothing: no such pair' "$work/err" || fail "$(cat "$work/err")"
"$mmkit" simulate --sharing --list >/dev/null 2>&1
[ $? -eq 2 ] || fail "--sharing --list is no mistake"

[ $failures -eq 0 ]
