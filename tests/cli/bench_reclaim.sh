#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: bench_reclaim.sh TOOL TRACE
. "$(dirname "$0")/common.sh"

"$mmkit" bench reclaim --rounds 3 --json "$work/json" "$2" >"$work/out" || fail "exit status $?"
for name in zipf loop scan "${2##*/}"; do
    grep -q "\"string\": \"$name\"" "$work/json" || fail "no row for $name"
    [ "$(grep -c "^$name  *[0-9][0-9]*  *[0-9]*%" "$work/out")" = 3 ] ||
        fail "not three lines for $name"
done
for name in zipf loop scan phases runs optimum mmkit clock lru; do
    grep -q "^$name  *[a-zA-Z]" "$work/out" || fail "does not say what $name is"
done
for policy in optimum mmkit two-lists generations; do
    grep -q "\"$policy\": [0-9]" "$work/json" || fail "no misses of $policy"
done

# What it costs: mmkit's is always measured, Linux's where it has swap space, or a disk.
costs=$(grep -c '"unit": "ns/page"' "$work/json")
[ "$costs" = 8 ] || fail "$costs costs"
[ "$(grep -c '"mmkit": [1-9][0-9]*\.' "$work/json")" = 8 ] || fail "not all costs of mmkit"
linux=$(grep -c '"linux": [1-9][0-9]*\.' "$work/json")
[ "$(grep -c '"ratio_low": 0*[1-9.]' "$work/json")" = "$linux" ] || fail "ratios without costs"
[ "$linux" = 8 ] || grep -q '^Not measured on Linux (-): .' "$work/out" || fail "does not say why"
if [ "$(wc -l </proc/swaps)" = 1 ]; then
    grep -q 'no swap space is on' "$work/out" || fail "does not say that there is no swap space"
    grep -q '"linux_swap": "",' "$work/json" || fail "swaps to nothing"
fi
# of a page that is clean nothing is written
grep -q '"mmkit_clean_written": 0\.000000' "$work/json" || fail "clean pages are written"

"$mmkit" bench reclaim --no-hits --rounds 1 --json - >"$work/out" 2>"$work/err" || fail "status $?"
grep -q '"string"' "$work/out" && fail "--no-hits: hits"
grep -q '^Linux .* beside mmkit, 1 rounds of' "$work/err" || fail "--json -: $(cat "$work/err")"
"$mmkit" bench reclaim --rounds 0 >"$work/out" || fail "--rounds 0: status $?"
grep -q 'ns a page' "$work/out" && fail "--rounds 0: costs"

# bad usage: one line on standard error, and nothing else
for arguments in "" "sleep" "reclaim /nonexistent" "reclaim --json /nonexistent/x" \
    "reclaim --rounds x" "reclaim --rounds 102" "reclaim --no-hits --rounds 0" \
    "reclaim --no-hits x"; do
    # shellcheck disable=SC2086
    "$mmkit" bench $arguments >"$work/out" 2>"$work/err"
    status=$?
    [ $status = 2 ] || fail "bench $arguments: exit status $status"
    [ -s "$work/err" ] || fail "bench $arguments: says nothing"
    [ ! -s "$work/out" ] || fail "bench $arguments: prints $(cat "$work/out")"
done

[ $failures -eq 0 ]
