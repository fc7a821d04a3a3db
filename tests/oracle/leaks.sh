#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: leaks.sh MMKIT CHANCE
#
# `mmkit oracle', of a build with LeakSanitizer, frees what it allocates: sequences given as text,
# searches, and, with a Linux that is not as mmkit is (CHANCE, chance.c), those that diverge.
. "$(dirname "$0")/../cli/common.sh"
chance=$2
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=1:exitcode=23:abort_on_error=0"
script=$here/every_call.txt

"$mmkit" oracle --replay '0 brk 0x0' >"$work/out" 2>&1
[ $? -ne 2 ] || exit 77

# run STATUS COMMAND...
run() {
    expected=$1
    shift
    "$@" >"$work/out" 2>&1 </dev/null
    status=$?
    [ $status -eq "$expected" ] || fail "$*: status $status, expected $expected: $(cat "$work/out")"
}

run 0 "$mmkit" oracle --script "$script"
run 0 "$mmkit" oracle --script "$script" --print
run 0 "$mmkit" oracle --replay '0 brk 0x0' --replay '0 brk 0x0; 0 munlockall' --json -
run 2 "$mmkit" oracle --replay '0 brk 0x0; 0 brk'
run 0 "$mmkit" oracle --seed 1 --ops 400 --json "$work/json"
run 0 "$chance" drop-clean 1 --seed 1 --ops 400 --only mmap,mprotect,truncate,read,write,mincore
run 1 "$chance" other-word 2 --seed 1 --ops 800 --only mmap,read,write --failures 2
run 1 "$chance" other-word 1000000 --seed 1 --ops 400 --only mmap,read,write --shrink
run 1 "$chance" other-word 1 --replay '0 mmap 0x200000000000 0x1000 r-- shared|fixed f0 0x0;
    0 read 0x200000000000'

[ $failures -eq 0 ]
