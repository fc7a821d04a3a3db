#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: oracle.sh MMKIT PLANTED
#
# `mmkit oracle`: options and their mistakes, the JSON object, what was found once, and mistakes
# that are planted in the library (PLANTED is the oracle with those): each is found, shrunk, and
# printed as a command that repeats it and as a program in C.
. "$(dirname "$0")/common.sh"
planted=$2

# bad PATTERN ARGUMENT...: status 2, one line on stderr that matches PATTERN
bad() {
    pattern=$1
    shift
    "$mmkit" oracle "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    [ $status -eq 2 ] || fail "$*: status $status, expected 2"
    [ "$(wc -l <"$work/err")" -eq 1 ] || fail "$*: $(wc -l <"$work/err") lines, expected one"
    grep -q -- "$pattern" "$work/err" || fail "$*: '$(cat "$work/err")', expected '$pattern'"
    [ ! -s "$work/out" ] || fail "$*: printed results"
}

bad '^mmkit oracle: --seed x: expected a number from 0$' --seed x
bad '--ops 0: expected a number from 1$' --ops 0
bad '--processes 0: expected a number from 1 to' --processes 0
bad '--processes 99: expected a number from 1 to' --processes 99
bad '--failures 0: expected a number from 1$' --failures 0
bad "--only: there is no 'mmapp', but mmap, .*, crowd\$" --only munmap,mmapp
bad '--only: nothing is left' --only fork --processes 1
bad '--only: nothing is left' --only crowd
bad '--only: nothing is left' --only fork,crowd
bad '--only: nothing is left' --only exit
bad "'more': expected options only" more
bad '--print: expected --replay or --script' --print
bad '--huge often: expected never, madvise or always' --huge often
bad "--replay: no operation: '0 munmap 0x200000000000'" --replay '0 brk 0x0;0 munmap 0x200000000000'
bad "--replay: no operation: ' 9 brk 0x0'" --replay '0 brk 0x0; 9 brk 0x0'
bad '--replay: no operation: .0 mmap' --replay '0 mmap 0x0 0x1000 rwy private - 0x0'
bad '--replay: no operation: .0 madvise' --replay '0 madvise 0x1000 0x700000000000 dontneed'
bad '--replay: no operation: .0 madvise' --replay '0 madvise 0x8000 0x5000 dontfork'
bad '--replay: no operations' --replay ' # nothing'
bad "--script: not with --replay" --replay '0 brk 0x0' --script "$here/../oracle/edges.txt"
bad "--replay: not with --script" --script "$here/../oracle/edges.txt" --replay '0 brk 0x0'
for option in --seed --ops --processes --failures; do
    bad "$option: not with --replay" --replay '0 brk 0x0' $option 2
    bad "$option: not with --script" $option 2 --script "$here/../oracle/edges.txt"
done
bad '--only: not with --replay' --replay '0 brk 0x0' --only brk
for option in --shrink --check --thorough '--json -'; do
    bad '--print: not with' --replay '0 brk 0x0' --print $option
done
bad 'No such file' --script "$work/none"
bad 'cannot\|No such file' --ops 10 --json "$work/no/such/folder"

# good STATUS ARGUMENT...: to $work/out and $work/err
good() {
    expected=$1
    shift
    "$mmkit" oracle "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    [ $status -eq "$expected" ] || fail "$*: status $status, expected $expected: \
$(cat "$work/out" "$work/err")"
}

good 0 --help
grep -q -- --processes "$work/out" || fail "--help says nothing of --processes"

"$mmkit" oracle --replay '0 brk 0x0' >/dev/null 2>"$work/err"
if [ $? -eq 2 ] && grep -q 'no Linux to compare with\|page-table format' "$work/err"; then
    cat "$work/err"
    [ $failures -eq 0 ] && exit 77
    exit 1
fi

# What it cannot do without: status 2, and which it is, on one line.
(ulimit -l 16 && "$mmkit" oracle --ops 10) >"$work/out" 2>"$work/err"
status=$?
[ $status -eq 2 ] || fail "without RLIMIT_MEMLOCK: status $status, expected 2"
grep -q '^mmkit oracle: no Linux to compare with: RLIMIT_MEMLOCK' "$work/err" ||
    fail "without RLIMIT_MEMLOCK: $(cat "$work/err")"
[ "$(wc -l <"$work/err")" -eq 1 ] || fail "without RLIMIT_MEMLOCK: more than a line"

# What is missing is said, and is no divergence.
(ulimit -n 8 && exec "$mmkit" oracle --ops 10) >"$work/out" 2>"$work/err" </dev/null
status=$?
[ $status -eq 2 ] || fail "8 files: status $status, expected 2: $(cat "$work/out")"
grep -q 'no Linux to compare with: .*: Too many open files' "$work/err" ||
    fail "8 files: $(cat "$work/err")"

# lost ERROR: what the last command printed has not arrived, and it said so.
lost() {
    [ $status -eq 2 ] || fail "$1: status $status, expected 2"
    grep -q "^mmkit oracle: $1\$" "$work/err" || fail "expected '$1': $(cat "$work/err")"
}
for arguments in '--ops 100' '--ops 100 --json -' --help \
    "--print --script $here/../oracle/every_call.txt"; do
    "$mmkit" oracle $arguments >&- 2>"$work/err"
    status=$?
    lost 'standard output: Bad file descriptor'
    [ -c /dev/full ] || continue
    "$mmkit" oracle $arguments >/dev/full 2>"$work/err"
    status=$?
    lost 'standard output: No space left on device'
done
if [ -c /dev/full ]; then
    "$mmkit" oracle --ops 100 --json /dev/full >"$work/out" 2>"$work/err"
    status=$?
    lost '/dev/full: No space left on device'
fi

# killed PATTERN GENERATION: a process that somebody kills says nothing of mmkit either. Those on
# Linux come and go.
killed() {
    "$mmkit" oracle --ops 100000000 >"$work/out" 2>"$work/err" </dev/null &
    main=$!
    while sleep 0.1 && [ -d "/proc/$main" ] && ! grep -q '^State:.Z' "/proc/$main/status"; do
        victim=$(cat "/proc/$main/task/$main/children")
        [ "$2" -eq 1 ] || [ -z "$victim" ] ||
            victim=$(cat "/proc/${victim% }/task/${victim% }/children")
        [ -z "$victim" ] || kill -9 $victim
    done 2>/dev/null
    wait $main
    status=$?
    [ $status -eq 2 ] || fail "$1: status $status, expected 2: $(cat "$work/out")"
    grep -q "$1" "$work/err" || fail "$1: $(cat "$work/err")"
}

killed 'the process that runs mmkit: killed by signal 9' 1
killed 'a process on Linux has been killed' 2

# JSON: the keys that scripts rely on; numbers that must be
good 0 --seed 5 --ops 1000 --json -
grep -q ' operations in 3 sequences' "$work/err" || fail "--json -: the summary is not on stderr"
for key in '"seed": 5,' '"ops": [1-9]' '"seconds": ' '"divergences": 0,' '"by_call": {' \
    '  "mmap": [1-9]' '  "fork": [1-9]'; do
    grep -q "^  $key" "$work/out" || fail "no $key in: $(cat "$work/out")"
done
good 0 --seed 5 --ops 400 --only munmap,mmap --json "$work/json"
[ "$(value mmap)" -gt 100 ] || fail "--only: $(value mmap) times mmap"
[ "$(value fork)" -eq 0 ] || fail "--only: forked"
good 0 --seed 5 --ops 400 --only privilege,mdwe
good 0 --seed 5 --ops 400 --check --thorough --processes 6

# What was found once.
for script in "$here"/../oracle/*.txt; do
    good 0 --script "$script" --thorough --check
done

good 0 --script "$here/../oracle/every_call.txt" --print
${CC:-cc} -std=gnu11 -o "$work/program" -x c "$work/out" 2>"$work/err" ||
    fail "the program of every call does not compile: $(cat "$work/err")"
"$work/program" >"$work/printed" || fail "the program of every call fails"
[ "$(grep -c ' = ' "$work/printed")" -eq 50 ] ||
    fail "the program of every call has not made all: $(cat "$work/printed")"

# program SCRIPT NUMBER PATTERN: its program prints so many lines like this one
program() {
    good 0 --script "$here/../oracle/$1.txt" --print
    ${CC:-cc} -std=gnu11 -o "$work/program" -x c "$work/out" 2>"$work/err" ||
        fail "the program of $1 does not compile: $(cat "$work/err")"
    "$work/program" >"$work/printed" || fail "the program of $1 fails"
    [ "$(grep -c "$3" "$work/printed")" -eq "$2" ] || fail "the program of $1: $(cat "$work/printed")"
}

# What is there at first is there in a program: the heap, and what limits count from.
program bounds_heap 5 ' brk \(0x[0-9a-f]*\) = \1 $'
program mremap_limit 3 ' mmap .* = 0x[12]\| limit as .* = 0 $'
program mremap_limit 1 ' mremap .* Cannot allocate memory$'

# finds MISTAKE ARGUMENT...
finds() {
    mistake=$1
    shift
    "$planted" "$mistake" --seed 1 --ops 100000 --shrink "$@" >"$work/out" 2>&1 </dev/null
    status=$?
    [ $status -eq 1 ] || fail "$mistake: status $status, expected 1: $(cat "$work/out")"
    grep -q '^DIVERGES, seed 1, sequence [0-9]*, operation [0-9]*: ' "$work/out" ||
        fail "$mistake: $(cat "$work/out")"
    again=$(sed -n "s/^  again: mmkit oracle .*--replay '\(.*\)'\$/\1/p" "$work/out")
    thorough=$(sed -n "s/^  again: mmkit oracle \(.*\)--replay '.*'\$/\1/p" "$work/out")
    [ "$(echo "$again" | tr ';' '\n' | wc -l)" -le 8 ] || fail "$mistake is not reduced: $again"
    "$planted" "$mistake" $thorough --replay "$again" >"$work/again" 2>&1
    status=$?
    [ $status -eq 1 ] || fail "$mistake: --replay $again: status $status, expected 1"
    grep -q '^DIVERGES: ' "$work/again" || fail "$mistake: $(cat "$work/again")"
    sed -n '/^#define _GNU_SOURCE/,/^[0-9]/p' "$work/out" | sed '$d' >"$work/program.c"
    good 0 $thorough --replay "$again"
    ${CC:-cc} -std=gnu11 -o "$work/program" "$work/program.c" 2>"$work/err" ||
        fail "$mistake: the program does not compile: $(cat "$work/err")"
    "$work/program" >"$work/printed" || fail "$mistake: the program fails"
    [ "$(grep -c ' = ' "$work/printed")" -eq "$(echo "$again" | tr ';' '\n' | wc -l)" ] ||
        fail "$mistake: the program has not done all: $(cat "$work/printed")"
}

# has_found COUNT: $work/json has as many divergences, as $work/out tells them
has_found() {
    [ "$(value divergences)" -eq "$1" ] || fail "$(value divergences) divergences, expected $1"
    sed -n 's/^ *"what": "\(.*\)",$/\1/p' "$work/json" >"$work/what"
    sed -n 's/^ *"again": "\(.*\)"$/\1/p' "$work/json" >"$work/again"
    [ "$(wc -l <"$work/what")" -eq "$1" ] || fail "no $1 found: $(cat "$work/json")"
    sed -n 's/^DIVERGES[^:]*: //p' "$work/out" | sed 's/\\/\\\\/g; s/"/\\"/g' | cmp -s - "$work/what" ||
        fail "other than told: $(cat "$work/what")"
    sed -n 's/^  again: //p' "$work/out" | cmp -s - "$work/again" ||
        fail "other than told: $(cat "$work/again")"
}

finds flush-one-short --processes 1
finds move-unflushed --processes 1
finds fork-unflushed

# What is given is reduced, too.
"$planted" fork-unflushed $thorough --replay "0 brk 0x0; $again" --shrink --json "$work/json" \
    >"$work/out" 2>&1
[ $? -eq 1 ] || fail "--replay --shrink: $(cat "$work/out")"
grep -q "^  again: .* --replay '$again'\$" "$work/out" || fail "--replay --shrink: $(cat "$work/out")"
has_found 1

# Each that it finds is in the JSON object, with what it was, and what repeats it.
"$planted" flush-one-short --seed 1 --ops 20000 --failures 2 --json "$work/json" >"$work/out" 2>&1
[ $? -eq 1 ] || fail "--failures 2: $(cat "$work/out")"
has_found 2
[ "$(value sequence)" -eq "$(sed -n 's/^DIVERGES.* sequence \([0-9]*\),.*/\1/p' "$work/out" | head -n 1)" ] ||
    fail "--failures 2: $(cat "$work/json")"

[ $failures -eq 0 ]
