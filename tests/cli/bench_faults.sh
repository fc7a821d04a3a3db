#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: bench_faults.sh TOOL: `mmkit bench faults'
. "$(dirname "$0")/common.sh"

run() {
    "$mmkit" bench faults "$@" >"$work/out" 2>"$work/err"
}

# case NAME KEY: of that result
case_value() {
    grep -A 13 "^ *\"name\": \"$1\"," "$work/json" | sed -n "s/^ *\"$2\": \([0-9.]*\).*/\1/p" |
        head -n 1
}

# positive NAME KEY...: each is there, and above 0
positive() {
    name=$1
    shift
    for key in "$@"; do
        echo "$(case_value "$name" "$key")" | awk '$1 > 0 { fine = 1 } END { exit !fine }' ||
            fail "$name: $key: '$(case_value "$name" "$key")'"
    done
}

run --rounds 2 --threads 2 --json "$work/json" || fail "exit status $?: $(cat "$work/err")"
for name in areas-1 areas-1-mapping areas-2 parts-2 turns-2 spaces-2; do
    positive $name linux mmkit ratio ratio_low ratio_high
done
for name in mapping-1 scaling-areas-2 scaling-parts-2 scaling-turns-2 one-space-2; do
    positive $name linux linux_low linux_high mmkit mmkit_low mmkit_high ratio ratio_low ratio_high
    case_value $name runs | grep -qx 2 || fail "$name: runs: $(case_value $name runs)"
done
[ "$(grep -c '^ *"name": ' "$work/json")" = 11 ] || fail "results: $(grep '"name"' "$work/json")"
[ "$(value threads)" = 2 ] || fail "threads: $(value threads)"

# Two threads are no ten times as fast as one.
echo "$(case_value scaling-areas-2 mmkit_high)" | awk '{ exit !($1 < 10) }' ||
    fail "scaling: $(case_value scaling-areas-2 mmkit_high)"
grep -q '^Linux .* beside mmkit, 2 rounds in turn' "$work/out" || fail "no title"
for line in '^1: each in a mapping' '^2: each in an address space' '^2, in parts of one mapping' \
    '^1 beside one that maps' '^2 in one address space, not in 2'; do
    grep -q "$line" "$work/out" || fail "no line '$line': $(cat "$work/out")"
done

# One thread alone: there is nothing to scale.
run --rounds 1 --threads 1 --json - || fail "--threads 1: exit status $?: $(cat "$work/err")"
grep -q '^Linux .* beside mmkit, 1 rounds in turn' "$work/err" || fail "--json -: no summary"
if grep -q 'times as fast' "$work/err" || grep -q scaling "$work/out"; then
    fail "one thread scales"
fi
grep -q '"name": "mapping-1"' "$work/out" || fail "one thread beside one that maps: not there"

# More than there are processors: they take turns.
run --rounds 1 --threads 3 --json "$work/json" || fail "--threads 3: exit status $?"
positive spaces-3 linux mmkit

# bad usage: one line on standard error, and nothing else
for arguments in "x" "--rounds 0" "--rounds 102" "--threads 0" "--threads 13" \
    "--json /nonexistent/x"; do
    # shellcheck disable=SC2086
    run $arguments
    status=$?
    [ $status = 2 ] || fail "bench faults $arguments: exit status $status"
    [ "$(wc -l <"$work/err")" = 1 ] || fail "bench faults $arguments: says '$(cat "$work/err")'"
    [ ! -s "$work/out" ] || fail "bench faults $arguments: prints $(cat "$work/out")"
done

[ $failures -eq 0 ]
