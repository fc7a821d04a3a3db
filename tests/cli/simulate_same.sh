#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: simulate_same.sh SIMULATOR
#
# Its runs are those of simulate_hashes.txt, whatever compiled it, and whatever watches it. (They
# change when the machinery of fibers does; the file is made by the commands below.)
. "$(dirname "$0")/common.sh"
export ASAN_OPTIONS=detect_stack_use_after_return=1

for strategy in random pct:3 exhaustive:2; do
    "$mmkit" --scenario selftest.same --format tiny --runs 500 --strategy $strategy --hash \
        2>"$work/err" | sed "s/^/$strategy /" || cat "$work/err" >&2
done >"$work/hashes"
cmp -s "$work/hashes" "$here/simulate_hashes.txt" ||
    fail "other runs than those of simulate_hashes.txt: $(cat "$work/hashes")"

[ $failures -eq 0 ]
