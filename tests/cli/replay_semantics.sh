#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: replay_semantics.sh MMKIT
#
# Replays each small recording beside this script with every check, under each table policy: no
# divergence, no leak, and the counts given here. Then once per fault with a shadow that is wrong
# at that fault: the replay must say so, or its checks prove nothing.
. "$(dirname "$0")/common.sh"

# expect TRACE KEY=NUMBER..., with $options
options=
expect() {
    trace=$1
    shift
    for policy in mmkit linux-6.18 never; do
        # shellcheck disable=SC2086
        "$mmkit" replay $options --policy $policy --check=1 --json "$work/json" "$here/$trace" \
            >"$work/out" 2>"$work/err"
        status=$?
        if [ $status -ne 0 ]; then
            fail "$trace $options, policy $policy: status $status: $(head -n 1 "$work/err")"
            continue
        fi
        for pair in divergences=0 leaked_frames=0 "$@"; do
            key=${pair%=*}
            [ "$(value "$key")" = "${pair#*=}" ] ||
                fail "$trace $options, policy $policy: $key is $(value "$key"), expected ${pair#*=}"
        done
    done
}

# Every fault that succeeds must be caught with a wrong expectation.
expect_caught() {
    trace=$1
    shift
    for at in "$@"; do
        "$mmkit" replay --wrong-at="$at" "$here/$trace" >"$work/out" 2>"$work/err"
        status=$?
        [ $status -eq 1 ] || fail "$trace, wrong at fault $at: status $status, expected 1"
        grep -q "$trace:[0-9]*: divergence: " "$work/err" ||
            fail "$trace, wrong at fault $at: no message with file and line"
    done
}

expect fork.txt processes=3 anon=6 cow=8 file=2 zero=2 reuse=1
expect vfork.txt processes=2 anon=5 cow=0
expect threads.txt processes=2 anon=4 cow=1
expect stack.txt processes=2 anon=4 zero=3
expect advice.txt processes=2
expect brk.txt processes=2 anon=4 zero=2
expect shared.txt processes=2 anon=0 cow=0 file=10
expect files.txt processes=2 cow=3
expect failures.txt processes=1 anon=1

options='--around 64K'
expect shared.txt processes=2 anon=0 cow=0 file=8 around=3
expect files.txt processes=2 cow=3 file=10 around=3
expect fork.txt processes=3 anon=6 cow=8 file=2 zero=2 reuse=1 around=0
options='--around 4K'
expect shared.txt processes=2 anon=0 cow=0 file=10 around=0

# What was paged out comes back, with what is around it: also where checks do not bring it back.
for every in 1 2 3 5 1000; do
    for around in 4K 64K; do
        "$mmkit" replay --around $around --check=$every "$here/pageout.txt" >"$work/out" 2>&1 ||
            fail "pageout.txt, --around $around --check=$every: $(head -n 1 "$work/out")"
    done
done

expect_caught fork.txt 1 2 3 4 5 6 7 8 9 10 11 12 20
expect_caught vfork.txt 1 3 6
expect_caught shared.txt 1 3 5 8
expect_caught files.txt 1 2 3 4 5 8
expect_caught brk.txt 1 2 3 5

[ $failures -eq 0 ] || exit 1
echo "replay_semantics: all passed"
