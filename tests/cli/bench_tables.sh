#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: bench_tables.sh TOOL
. "$(dirname "$0")/common.sh"

run() {
    "$mmkit" bench tables "$@" >"$work/out" 2>"$work/err"
}

# column KEY: the key's numbers in those rows that have it, after their row's
column() {
    sed -n '/"sparse"/q; s/^ *"row": \([0-9]*\),/\1/p; s/^ *"'"$1"'": \([0-9]*\).*/ \1/p' "$work/json" |
        awk '/^[0-9]/ { row = $1 } /^ / { print row, $1 }' | sort -k 1,1
}

# excess SIDE: by row, the bytes beyond the least
excess() {
    case $1 in
    linux) least=linux_least ;;
    *) least=least ;;
    esac
    column "${1}_after" >"$work/after"
    column "$least" >"$work/least"
    join "$work/after" "$work/least" | awk '{ print $1, $2 - $3 }'
}

# Under its own policy mmkit keeps nothing; each row has made, and emptied, the tables it is about.
plot=
command -v gnuplot >/dev/null && plot="--plot $work/plot.svg"
# shellcheck disable=SC2086
run --factor 16384 --threads 2 --json "$work/json" $plot ||
    fail "exit status $?: $(cat "$work/err")"
[ "$(value rows)" = 16 ] || fail "$(value rows) rows"
[ "$(value rows_at_minimum)" = 16 ] || fail "$(value rows_at_minimum) rows at the minimum"
[ "$(value policy)" = "" ] && grep -q '"policy": "mmkit"' "$work/json" || fail "no policy"
[ "$(grep -c '^ *"pattern": "..*"' "$work/json")" = 16 ] || fail "patterns without names"
[ "$(grep -c '^ *"mmkit_ns": 0*[1-9.]' "$work/json")" = 16 ] || fail "times of mmkit"
linux=$(grep -c '^ *"linux_ns": 0*[1-9.]' "$work/json")
[ $((linux + $(value rows_skipped))) = 16 ] || fail "$linux times of Linux"
[ "$(excess mmkit | awk '$2 != 0' | wc -l)" = 0 ] || fail "excess: $(excess mmkit)"
[ "$(column mmkit_before | awk '$2 > 2000000' | wc -l)" = 14 ] || fail "rows without 512 tables"
[ "$(column mmkit_after | awk '$2 > 2000000 { print $1 }' | tr '\n' ' ')" = '11 16 ' ] ||
    fail "left: $(column mmkit_after)"
[ "$(grep -c '^ *[0-9]* [A-Za-z].* [0-9]*\.[0-9][0-9]$' "$work/out")" = 16 ] || fail "lines"
if [ "$(wc -l </proc/swaps)" = 1 ]; then
    grep -qx 'Row 16 is not run on Linux: no swap space is on.' "$work/out" || fail "says not why"
fi

# The server: what is left at the end is what the resident part needs.
grep -q '1:16384, 3.4 GiB mapped: 2 threads' "$work/out" || fail "does not say the factor"
[ "$(grep -c '"percent": ' "$work/json")" = 101 ] || fail "samples"
[ "$(value resident_bytes)" = 37748736 ] || fail "resident: $(value resident_bytes)"
ends=$(sed -n 's/^ *"end_bytes": \([0-9]*\),/\1/p; s/^ *"least_at_end_bytes": \([0-9]*\),/\1/p' \
    "$work/json" | tail -n 2 | uniq | wc -l)
[ "$ends" = 1 ] || fail "mmkit's server keeps tables"
grep -q '^mmkit  *[0-9]*\.[0-9][0-9]  *[0-9]*\.[0-9][0-9] .* [0-9.]*$' "$work/out" ||
    fail "no line for mmkit's server"
grep -q '"least then" is an upper bound' "$work/out" || fail "does not say which figure is a bound"

# As Linux would have it: the same tables are left as on Linux, where that does as 6.18 does.
run --factor 0 --policy linux-6.18 --json - || fail "linux-6.18: exit status $?"
mv "$work/out" "$work/json"
grep -q '"sparse"' "$work/json" && fail "--factor 0: a server"
grep -q '^ 1 MADV_DONTNEED' "$work/err" || fail "--json -: no summary"
[ "$(value rows_at_minimum)" = 2 ] || fail "linux-6.18: $(value rows_at_minimum) rows"
excess linux >"$work/theirs"
excess mmkit | grep -v '^16 ' >"$work/ours"
grep -v '^16 ' "$work/theirs" >"$work/their15"
case $(uname -r) in
6.18.*)
    if grep -qx '1 8192' "$work/theirs" && ! cmp -s "$work/ours" "$work/their15"; then
        fail "linux-6.18 and Linux differ: $(diff "$work/ours" "$work/their15")"
    fi
    ;;
esac

# A table too many, of whichever row, is mmkit's fault
run --factor 0 --wrong-at 16
[ $? = 1 ] || fail "--wrong-at goes unnoticed"
grep -q "^16 .*\*" "$work/out" || fail "--wrong-at: no mark"

if [ "$plot" ]; then
    grep -q '<svg' "$work/plot.svg" || fail "--plot: no picture"
else
    run --factor 65536 --plot "$work/plot.svg"
    [ $? = 2 ] || fail "--plot: exit status $?"
    grep -q 'gnuplot' "$work/err" || fail "--plot: $(cat "$work/err")"
fi

# A picture has a file of its own, which messages name.
refused() {
    pattern=$1
    shift
    run --factor 65536 "$@"
    status=$?
    [ $status = 2 ] || fail "bench tables $*: exit status $status"
    grep -q -e "$pattern" "$work/err" || fail "bench tables $*: $(cat "$work/err")"
}
refused "plot '-': expected the name of a file" --plot=-
refused "plot '': expected the name of a file" --plot=
[ ! -e ./- ] || fail "--plot=-: writes a file of that name"
if [ "$plot" ]; then
    refused "plot $work/both: expected another file than that of --json" \
        --json="$work/both" --plot="$work/both"
    [ ! -c /dev/full ] || refused 'plot /dev/full: No space left on device' --plot=/dev/full
fi

# bad usage: one line on standard error, and nothing else
for arguments in "x" "--policy x" "--factor x" "--factor 65537" "--factor 1" "--threads 0" \
    "--threads 9" "--json /nonexistent/x" "--plot /nonexistent/x" "--factor 0 --plot x" \
    "--wrong-at 17" "--rounds 3"; do
    # shellcheck disable=SC2086
    run $arguments
    status=$?
    [ $status = 2 ] || fail "bench tables $arguments: exit status $status"
    [ -s "$work/err" ] || fail "bench tables $arguments: says nothing"
    [ ! -s "$work/out" ] || fail "bench tables $arguments: prints $(cat "$work/out")"
done

[ $failures -eq 0 ]
