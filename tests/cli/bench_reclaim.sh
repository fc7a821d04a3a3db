#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: bench_reclaim.sh TOOL TRACE
. "$(dirname "$0")/common.sh"

"$mmkit" bench reclaim --json "$work/json" "$2" >"$work/out" || fail "exit status $?"
for name in zipf loop scan "${2##*/}"; do
    grep -q "\"string\": \"$name\"" "$work/json" || fail "no row for $name"
    [ "$(grep -c "^$name " "$work/out")" = 3 ] || fail "not three lines for $name"
done
for policy in optimum mmkit two-lists generations; do
    grep -q "\"$policy\": [0-9]" "$work/json" || fail "no misses of $policy"
done

# bad usage: one line on standard error, and nothing else
for arguments in "" "sleep" "reclaim /nonexistent" "reclaim --json /nonexistent/x"; do
    # shellcheck disable=SC2086
    "$mmkit" bench $arguments >"$work/out" 2>"$work/err"
    status=$?
    [ $status = 2 ] || fail "bench $arguments: exit status $status"
    [ -s "$work/err" ] || fail "bench $arguments: says nothing"
    [ ! -s "$work/out" ] || fail "bench $arguments: prints $(cat "$work/out")"
done

[ $failures -eq 0 ]
