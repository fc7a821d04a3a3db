#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: explore.sh MMKIT short|long|all
#
# Schedules of all scenarios: a few of some, for seconds; hundreds of all but the pairs, which are
# many, some of the pairs exhausted, all of what is about tables that go, and some memory orders
# weakened, for minutes; all pairs exhausted and all orders weakened, for the better part of an hour.
# Which some and which schedules follows from the seed: $SEED, or the time.
set -e
mmkit=$1
seed=${SEED:-$(date +%s)}
echo "SEED=$seed"

explore() {
    echo "mmkit simulate $*"
    "$mmkit" simulate --seed "$seed" "$@" >"$work/out" || {
        grep -v '^[a-zA-Z]*\.[^ ]* *[^ ]* *[0-9]* *[0-9.]* *[0-9]*\( *exhausted\)\?$' "$work/out"
        return 1
    }
    tail -n 2 "$work/out"
}

# Every pair, in all schedules.
exhaust() {
    explore --strategy exhaustive:2 --scenario 'pair.*'
    grep -q '^\([0-9]*\) of \1 pairs exhausted$' "$work/out"
}

# goes N TOPIC...: every scenario of these, in all schedules with N preemptions. Of tables that go and
# come back the largest has 3 million with three: one that becomes too large fails, instead of taking
# hours.
goes() {
    preemptions=$1
    shift
    for about in "$@"; do
        explore --strategy "exhaustive:$preemptions" --runs 20000000 --format tiny \
            --scenario "$about.*"
        awk -v about="$about." 'index($1, about) == 1 && $NF != "exhausted" { print; left = 1 }
            END { exit left }' "$work/out"
    done
}

# kernels N: in weak memory, N of the schedules and values, which for most of them is all.
kernels() {
    explore --memory weak --strategy exhaustive:2 --runs "$1" --scenario 'kernel.*'
}

orders() {
    echo "mmkit simulate --mutate-orders $*"
    "$mmkit" simulate --mutate-orders "$@" >"$work/out" || {
        grep -v ': \(killed\|justified\) by ' "$work/out"
        return 1
    }
    tail -n 1 "$work/out"
}

# part N: one of N, by the seed
part() {
    echo "--part $((seed % $1))/$1"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case $2 in
short)
    explore --runs 10 $(part 10)
    explore --runs 10 --strategy pct:3 $(part 11)
    ;;
long)
    for strategy in random pct:3; do
        explore --runs 3 --strategy $strategy --scenario 'pair.*'
        explore --runs 200 --strategy $strategy --scenario '[!p]*'
    done
    # Few have more, and two of them millions.
    explore --strategy exhaustive:2 --runs 200000 --scenario 'pair.*' $(part 200)
    goes 2 free P11 shrink
    kernels 5000
    orders $(part 40)
    ;;
all)
    exhaust
    # and each of them small enough for that to mean something
    awk '$1 ~ /^pair\./ && $5 > 120 { print; large = 1 } END { exit large }' "$work/out"
    goes 3 free P11 shrink
    goes 2 huge around
    kernels 100000
    orders
    ;;
*)
    exit 2
    ;;
esac
