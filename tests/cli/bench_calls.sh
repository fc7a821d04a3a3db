#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: bench_calls.sh TOOL: `mmkit bench fork', dontneed, map, touch
. "$(dirname "$0")/common.sh"

run() {
    "$mmkit" bench "$@" >"$work/out" 2>"$work/err"
}

# numbers KEY: one a result
numbers() {
    sed -n '/"results"/,$s/^ *"'"$1"'": \(-\{0,1\}[0-9.]*\).*/\1/p' "$work/json"
}

# has KEY: each result of both sides has it, above zero
has() {
    numbers "$1" >"$work/numbers"
    [ "$(awk '$1 > 0' "$work/numbers" | wc -l)" = "$cases" ] || fail "$name: $1: $(numbers "$1")"
}

# Each name with the cases that have to be there, whatever else is.
expect='fork fork-1m fork-16m fork-256m exit-16m write-copies fork-nothing fork-history
dontneed one-call pieces pages loop-beside loop-leaf loop-alone loop-table
map map-64k map-1g unmap-16m protect-split move-tables move-entries
touch write write-random populate-write read shared-read shared-faults private-read private-faults'
echo "$expect" | while read -r name wanted; do
    failures=0
    run "$name" --rounds 3 --json "$work/json" || fail "$name: exit status $?: $(cat "$work/err")"
    for case in $wanted; do
        grep -q "^ *\"name\": \"$case\"," "$work/json" || fail "$name: no $case"
    done
    cases=$(grep -c '^ *"unit": "[a-z]*/' "$work/json")
    # what takes off the process may, on a busy host, be nothing: no ratio then
    [ "$name" = fork ] || for key in linux mmkit ratio ratio_low ratio_high; do
        has $key
    done
    [ "$(numbers runs | grep -cx 3)" = "$cases" ] || fail "$name: runs: $(numbers runs)"
    numbers ratio_low >"$work/low"
    numbers ratio >"$work/ratio"
    numbers ratio_high >"$work/high"
    [ -s "$work/ratio" ] || fail "$name: no ratios"
    paste "$work/low" "$work/ratio" "$work/high" | awk '$1 > $2 || $2 > $3 { exit 1 }' ||
        fail "$name: bounds"
    for key in trap_ns call_ns clear_ns; do
        [ "$(value $key | cut -d. -f1)" -gt 0 ] || fail "$name: $key $(value $key)"
    done
    [ "$(grep -Ec '^(ns/[a-z]*|faults/MiB) *[^ ].* [0-9]* ' "$work/out")" = "$cases" ] || fail "$name: lines"
    grep -q '^Linux .* beside mmkit, 3 rounds in turn' "$work/out" || fail "$name: no title"
    grep -q '^A fault of a program costs Linux [1-9]' "$work/out" || fail "$name: no trap"
    [ $failures -eq 0 ]
done || failures=1

# A file in memory that is read takes no more faults than on Linux.
run touch --rounds 1 --json "$work/json" || fail "touch: exit status $?"
for case in shared-faults private-faults; do
    grep -A 4 "\"name\": \"$case\"" "$work/json" | tr -d ' ,' | tr '\n' ':' >"$work/case"
    sed -n 's/.*"mmkit":\([0-9.]*\):"linux":\([0-9.]*\):.*/\1 \2/p' "$work/case" >"$work/numbers"
    awk '{ n++; if ($1 < 1 || $1 > $2) bad = 1 } END { exit bad || n != 1 }' "$work/numbers" ||
        fail "touch: $case: mmkit, Linux: $(cat "$work/numbers")"
done

# Emptied tables cost mmkit's fork nothing: there are none. A page costs less than a millisecond.
run fork --rounds 1 --json - || fail "fork: exit status $?"
mv "$work/out" "$work/json"
grep -q '^Linux .* beside mmkit, 1 rounds in turn' "$work/err" || fail "--json -: no summary"
mmkit_ns() {
    grep -A 2 "\"name\": \"$1\"" "$work/json" | sed -n 's/.*"mmkit": \([0-9]*\).*/\1/p'
}
nothing=$(mmkit_ns fork-nothing)
history=$(mmkit_ns fork-history)
[ "$history" -lt $((20 * nothing)) ] || fail "fork copies empty tables: $nothing, $history ns"

# A ratio of few hundredths is told with three digits.
awk '/^ns\// && $0 ~ / -?0\.0[0-9]  / { exit 1 }' "$work/err" ||
    fail "fork: a small ratio with two digits: $(cat "$work/err")"

# bad usage: one line on standard error, and nothing else
for arguments in "fork x" "map --rounds 0" "touch --rounds 102" "dontneed --rounds x" \
    "fork --json /nonexistent/x" "touch --json" "" "sleep"; do
    # shellcheck disable=SC2086
    run $arguments
    status=$?
    [ $status = 2 ] || fail "bench $arguments: exit status $status"
    [ -s "$work/err" ] || fail "bench $arguments: says nothing"
    [ ! -s "$work/out" ] || fail "bench $arguments: prints $(cat "$work/out")"
done
run --help || fail "--help: exit status $?"
for name in dontneed faults fork map reclaim tables touch; do
    grep -q "^  $name  *[a-z]" "$work/out" || fail "--help: no $name"
done

[ $failures -eq 0 ]
