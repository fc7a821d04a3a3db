#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: same_builds.sh BUILD...
#
# Compilers and sanitizers change nothing: some schedules of some scenarios, chosen by $SEED or the
# time, are the same, step for step, in each build folder. 77: one has no simulator.
set -u
seed=${SEED:-$(date +%s)}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
echo "SEED=$seed"

for build in "$@"; do
    simulator=$build/cmd/simulate/mmkit-simulate-tiny
    [ -x "$simulator" ] || exit 77
    for strategy in random pct:3 exhaustive:1; do
        "$simulator" --format tiny --part $((seed % 120))/120 --seed "$seed" --runs 20 \
            --strategy $strategy --hash 2>"$work/err" || {
            cat "$work/err" >&2
            exit 1
        }
    done >"$work/hashes"
    [ -e "$work/first" ] || cp "$work/hashes" "$work/first"
    diff "$work/first" "$work/hashes" >"$work/difference" || {
        head -n 6 "$work/difference"
        echo "$build and $1 differ" >&2
        exit 1
    }
done
