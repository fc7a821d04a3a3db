#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: chance.sh CHANCE
#
# A difference that Linux may make at any moment is told when it shows twice, and only then; any
# other, that shows once. CHANCE is the oracle with a Linux that makes them (chance.c).
. "$(dirname "$0")/../cli/common.sh"
chance=$1

"$chance" bring 0 --replay '0 brk 0x0' >"$work/out" 2>&1
if [ $? -eq 2 ]; then
    cat "$work/out"
    exit 77
fi

# look STATUS WHAT TIMES ARGUMENT...: one sequence; to $work/out and $work/json
look() {
    expected=$1
    shift
    said="$*"
    "$chance" "$@" --seed 1 --ops 400 --processes 1 --json "$work/json" >"$work/out" 2>&1 </dev/null
    status=$?
    [ $status -eq "$expected" ] || fail "$said: status $status, expected $expected: \
$(cat "$work/out")"
}

# says PATTERN
says() {
    grep -q "$1" "$work/out" || fail "$said: expected '$1' in: $(cat "$work/out")"
}

# passed PATTERN WHAT ARGUMENT...: passed when it shows once, told when it shows again
passed() {
    pattern=$1
    what=$2
    shift 2
    look 0 "$what" 1 "$@"
    says "^seed 1, sequence 0: not again: .*$pattern"
    says ' 0 divergences$'
    [ "$(value chances)" -ge 1 ] || fail "$said: no chance was counted"
    look 1 "$what" 1000000 "$@"
    says "^DIVERGES, seed 1, sequence 0, operation [0-9]*: .*$pattern"
}

# told PATTERN WHAT ARGUMENT...: though it shows once
told() {
    pattern=$1
    what=$2
    shift 2
    look 1 "$what" 1 --shrink "$@"
    says "^DIVERGES, seed 1, sequence 0, operation [0-9]*: .*$pattern"
    says 'IT DOES NOT DIVERGE AGAIN'
    says ' 1 divergences$'
}

files=mmap,mprotect,truncate,read,write,mincore
passed 'mincore of 0x[0-9a-f]*: on Linux perhaps dropped, in mmkit in memory' drop-clean --only $files
passed 'mincore of page 0: on Linux 0 (perhaps dropped), in mmkit 1' answer-dropped --only $files
passed 'mincore of 0x[0-9a-f]*: on Linux perhaps dropped' drop-freed --only $files,madvise

told 'mincore of 0x[0-9a-f]*: on Linux not, in mmkit in memory' drop-stored --only $files

# A word is zero: only where there is a file on a disk.
zero='on Linux it reads 0x0, in mmkit 0x'
"$chance" bring 0 --replay '0 mmap 0x200000000000 0x1000 r-- shared|fixed f5 0x0' >"$work/out" 2>&1
if grep -q ' 0 left out' "$work/out"; then
    passed "$zero" zero-word --only mmap,read,write
else
    told "$zero" zero-word --only mmap,read,write
fi
told "$zero" zero-word --only brk,read,write

told 'on Linux it reads 0x' other-word --only $files
told 'the access on Linux: BUS_ADRERR, in mmkit: done' other-access --only $files
told 'Linux answers -ENOMEM, mmkit 0x0' other-result --only $files
told 'a mapping on Linux: ' other-mapping --only $files
told 'mincore of 0x[0-9a-f]*: on Linux in memory, in mmkit not' bring --only $files

[ $failures -eq 0 ]
