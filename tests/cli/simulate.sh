#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: simulate.sh MMKIT
#
# `mmkit simulate`: options and their mistakes, the JSON object, and what is planted to be found: by
# each strategy, printed as a command that repeats it, reduced to the one switch that it takes.
. "$(dirname "$0")/common.sh"

# bad PATTERN ARGUMENT...: status 2, one line on stderr that matches PATTERN
bad() {
    pattern=$1
    shift
    "$mmkit" simulate "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    [ $status -eq 2 ] || fail "$*: status $status, expected 2"
    [ "$(wc -l <"$work/err")" -eq 1 ] || fail "$*: $(wc -l <"$work/err") lines, expected one"
    grep -q -- "$pattern" "$work/err" || fail "$*: '$(cat "$work/err")', expected '$pattern'"
    [ ! -s "$work/out" ] || fail "$*: printed results"
}

bad '^mmkit simulate: --strategy dfs: expected random, pct:D' --strategy dfs
bad 'expected random, pct:D with D from 1 to 9' --strategy pct:10
bad '--seed x: expected a number from 0$' --seed x
bad '--runs 0: expected a number from 1$' --runs 0
bad '--jobs 0: expected a number from 1 to' --jobs 0
bad '--memory strong: expected sc or weak' --memory strong
bad '--format vax: expected tiny' --format vax
bad '--part 2/2: expected I/N' --part 2/2
bad '--part 1: expected I/N' --part 1
bad '--scenario nothing: no such scenario' --scenario nothing
bad '--replay 3: expected STEP:CPU' --scenario fault.fault --replay 3
bad '--replay: expected one --scenario' --replay 3:1
bad '--replay 3:77: that step has no such choice' --scenario fault.fault --format tiny --replay 3:77
bad '--replay 9999:1: that step has no' --scenario fault.fault --format tiny --replay 3:1,9999:1
bad "'more': expected options only" more
bad 'cannot\|No such file' --scenario fault.fault --json "$work/no/such/folder"

bad '--scenario nothing: no kernel' --mutate-orders --scenario nothing
bad '--runs 10000000000: expected at most 1000000000' --runs 10000000000
bad '--replay: expected one --scenario' --scenario 'P1.*' --replay plain
bad 'expected one of --list, --corpus' --corpus --mutate-orders
bad 'expected one of --list, --corpus' --corpus --replay plain
bad '--corpus: expected no --scenario' --corpus --scenario fault.fault
bad '--plant: expected no --corpus' --corpus --plant others-unflushed
bad '--json: expected no --replay' --scenario fault.fault --replay plain --json -

# Copied alone, it says what is missing; what is there and does not run, too.
cp "$mmkit" "$work/mmkit"
built=$mmkit
mmkit=$work/mmkit
bad 'no mmkit-simulate-tiny beside this program' --list
echo nothing >"$work/mmkit-simulate-tiny"
bad 'mmkit-simulate-tiny: Permission denied' --list
mmkit=$built

# good STATUS ARGUMENT...: to $work/out and $work/err
good() {
    expected=$1
    shift
    "$mmkit" simulate "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    [ $status -eq "$expected" ] || fail "$*: status $status, expected $expected: $(cat "$work/err")"
}

good 0 --help
grep -q -- --strategy "$work/out" || fail "--help says nothing of --strategy"
good 0 --list
grep -q '^fault\.fault ' "$work/out" || fail "--list lacks fault.fault"
if grep -q '^selftest' "$work/out"; then
    fail "--list has what is planted for tests"
fi

# JSON: the keys that scripts rely on; numbers that must be
good 0 --scenario fault.fault --format tiny --runs 300 --json -
grep -q 'schedules a second' "$work/err" || fail "--json -: the summary is not on stderr"
for key in '"scenarios": 1,' '"schedules": 300,' '"steps": [1-9]' '"seconds": ' \
    '"schedules_per_second": ' '"failures": 0,' '"pairs_total": 0,' '"pairs_exhausted": 0,'; do
    grep -q "^  $key" "$work/out" || fail "no $key in: $(cat "$work/out")"
done
good 0 --scenario fault.fault --strategy exhaustive:1 --json "$work/json"
grep -q '"exhausted": 1' "$work/json" || fail "fault.fault is not exhausted: $(cat "$work/json")"

# There may be less than N parts.
good 0 --scenario fault.fault --format tiny --part 1/2
grep -q '^0 scenarios, 0 schedules' "$work/out" || fail "--part 1/2 of one: $(cat "$work/out")"
if grep -q '^fault' "$work/out"; then
    fail "--part 1/2 of one tells of it"
fi

# A worker that somebody kills says nothing of mmkit.
"$mmkit" simulate --scenario fault.fault --format tiny --runs 100000000 --jobs 1 \
    >"$work/out" 2>"$work/err" </dev/null &
main=$!
worker=
for i in 1 2 3 4 5 6 7 8 9 10; do
    worker=$(cat /proc/$main/task/$main/children 2>/dev/null)
    [ -z "$worker" ] || break
    sleep 1
done
kill -9 $worker
wait $main
status=$?
[ $status -eq 2 ] || fail "a killed worker: status $status, expected 2: $(cat "$work/out")"
grep -q 'fault.fault, a worker: killed by signal 9' "$work/err" || fail "$(cat "$work/err")"

# Too little memory, and files that may not grow, are no failures either.
limited() {
    limit=$1 pattern=$2
    shift 2
    (ulimit $limit && exec "$mmkit" simulate --runs 3000 --jobs 1 "$@") \
        >"$work/out" 2>"$work/err" </dev/null
    status=$?
    [ $status -eq 2 ] || fail "ulimit $limit: status $status, expected 2: $(cat "$work/err")"
    grep -q "$pattern" "$work/err" || fail "ulimit $limit: '$(cat "$work/err")'"
}

case $mmkit in
    *asan* | *tsan*) ;; # they want terabytes of addresses
    *)
        limited '-v 100000' 'a worker: no memory for a machine' --scenario 'kernel.*' --memory weak
        (ulimit -v 100000 && exec "$mmkit" simulate --scenario fault.fault --runs 1 >"$work/out") ||
            fail "100 MB do not suffice: $(cat "$work/out")"
        ;;
esac
limited '-f 8' 'memory to share: File too large' --scenario fault.fault
limited '-f 8' 'standard output: File too large' --list

# Of pairs: how many there were, and of how many all schedules were tried.
pairs=$("$mmkit" simulate --list | grep -c '^pair\.load\.stats\.')
for runs in 1 1000000; do
    good 0 --scenario 'pair.load.stats.*' --strategy exhaustive:2 --runs $runs --json "$work/json"
    grep -q "^  \"pairs_total\": $pairs,$" "$work/json" || fail "not $pairs pairs: $(cat "$work/json")"
    exhausted=$([ $runs -eq 1 ] && echo 0 || echo "$pairs")
    grep -q "^  \"pairs_exhausted\": $exhausted,$" "$work/json" ||
        fail "not $exhausted exhausted in $runs: $(cat "$work/json")"
done

# The work is cut in the same way, whoever does it.
good 0 --scenario 'P1.*' --runs 11000 --jobs 1 --hash
cp "$work/out" "$work/alone"
good 0 --scenario 'P1.*' --runs 11000 --jobs 3 --hash
cmp -s "$work/out" "$work/alone" || fail "--jobs 3 and --jobs 1 differ"

# Failures are told in the round that finds them, before what has come of the others.
for jobs in 1 3; do
    good 1 --scenario 'P[12].*' --runs 6000 --plant others-unflushed --jobs $jobs
    sed -n '/^FAILED/,$p; /FAILED$/p' "$work/out" | grep -v ' schedules a second' >"$work/told$jobs"
done
cmp -s "$work/told1" "$work/told3" || fail "--jobs 3 and --jobs 1 tell differently"
sed -n 2p "$work/out" | grep -q '^P2.*FAILED$' || fail "a failure is not told first"
tail -n 2 "$work/out" | grep -q '^P2\|^P1' || fail "scenarios that do not fail are not told of"

# Of all scenarios, short ones run with weak memory as well.
good 0 --part 0/200 --runs 2
grep -q '^kernel.* tiny ' "$work/out" || fail "no kernel runs"
grep -q '^kernel.* tiny/weak ' "$work/out" || fail "no kernel runs with weak memory"
good 0 --part 0/200 --runs 2 --memory sc
if grep -q 'weak' "$work/out"; then
    fail "--memory sc is weak"
fi

# One run alone is the run that it is among others.
good 0 --scenario fault.fault --runs 1 --seed 7 --strategy pct:3 --hash
cp "$work/out" "$work/alone"
good 0 --scenario fault.fault --runs 1 --seed 7 --strategy pct:3 --hash --jobs 1 --format tiny
cmp -s "$work/out" "$work/alone" || fail "seed 7 is not always the same run"

# failing SCENARIO STRATEGY TEXT: is found, repeats as printed, and takes one switch
failing() {
    good 1 --scenario "$1" --format tiny --strategy "$2" --json "$work/json"
    grep -q "^FAILED $1, format tiny, seed [0-9]*, strategy [a-z:0-9]*, step [0-9]*: .*$3" \
        "$work/out" || fail "$1: $(cat "$work/out")"
    again=$(sed -n 's/^  again:  *mmkit simulate //p' "$work/out")
    smallest=$(sed -n 's/^  smallest:  *mmkit simulate //p' "$work/out")
    case $smallest in
        *--replay\ *,*,*) fail "$1 is not reduced: $smallest" ;;
        *--replay\ [0-9]*:[0-9]*) ;;
        *) fail "$1 is not reduced: $smallest" ;;
    esac
    grep -q 'step [0-9]*: CPU . stops, CPU . runs' "$work/out" || fail "$1: no switch is told of"
    grep -q "\"again\": \"mmkit simulate $again\"" "$work/json" || fail "$1: $(cat "$work/json")"
    grep -q "\"smallest\": \"mmkit simulate $smallest\"" "$work/json" || fail "$1: $(cat "$work/json")"
    good 1 $again
    good 1 $smallest
    grep -q "$3" "$work/out" || fail "$1: $smallest: another failure: $(cat "$work/out")"
}

for strategy in random pct:2 exhaustive:1; do
    failing selftest.lost-update $strategy 'not so: mmk_a32_load(&counter'
    failing selftest.publish $strategy 'not so: mmk_a32_load(&data'
    failing selftest.crash $strategy 'ignal 11\|null pointer\|SEGV'
done
good 0 --scenario selftest.publish --format tiny --replay plain

# orders STATUS KILLED PATTERN ARGUMENT...: a spin lock that does not release
orders() {
    expected=$1 killed=$2 pattern=$3
    shift 3
    good "$expected" --mutate-orders --part 0/999 --json "$work/json" "$@"
    grep -q "^include/mmkit/port/lock.h:[0-9]*: store(&lock->held), release to relaxed: $pattern" \
        "$work/out" || fail "--mutate-orders $*: $(cat "$work/out")"
    for key in '"mutants": 1,' "\"killed\": $killed," '"justified": 0$'; do
        grep -q "^    $key" "$work/json" || fail "no $key in: $(cat "$work/json")"
    done
}

orders 0 1 'killed by kernel\.spin'
orders 1 0 'SURVIVES [1-9]' --scenario kernel.rw.tried
orders 1 0 'WITHOUT IT, TOO, selftest.publish fails' --scenario selftest.publish

[ $failures -eq 0 ]
