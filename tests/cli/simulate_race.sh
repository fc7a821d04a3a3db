#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: simulate_race.sh SIMULATOR
#
# ThreadSanitizer takes fibers for threads: it reports what nothing orders, in the schedule that
# happens to be right, and says nothing of what is in order.
. "$(dirname "$0")/common.sh"

"$mmkit" --scenario selftest.race --format tiny >"$work/out" 2>"$work/err"
[ $? -eq 1 ] || fail "selftest.race: is not found"
grep -q 'FAILED selftest.race.*data race.*store_plainly' "$work/out" ||
    fail "selftest.race: $(cat "$work/out")"
"$mmkit" --scenario 'P*' --format tiny --runs 20 >"$work/out" 2>"$work/err" ||
    fail "$(cat "$work/out" "$work/err")"

[ $failures -eq 0 ]
