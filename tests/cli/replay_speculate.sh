#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: replay_speculate.sh MMKIT TRACES
#
# Faults on private memory take no lock of the address space but for the first of a mapping: 99 of
# 100 at least, in each recording, all that have locked for another reason than that their object's
# page was not at hand being taken for such. Without speculation there are as many of each kind.
. "$(dirname "$0")/common.sh"
traces=$2

# replay SWITCH: sets $private, the faults on private memory
replay() {
    "$mmkit" replay --speculate "$1" --json "$work/json" "$trace" >"$work/out" 2>"$work/err" ||
        fail "$trace, --speculate $1: $(head -n 1 "$work/err")"
    kinds=
    private=0
    for key in anon zero cow reuse; do
        kinds="$kinds $(value $key)"
        private=$((private + $(value $key)))
    done
    kinds="$kinds $(value file)"
}

for trace in "$traces"/*.txt.zst; do
    replay on
    speculated=$kinds
    locked=0
    for key in vma memory kind changed; do
        locked=$((locked + $(value $key)))
    done
    first=$(value first)
    [ $((locked * 100)) -le $((private - first)) ] ||
        fail "$trace: $locked of $private faults on private memory have locked, and $first first ones"
    replay off
    [ "$kinds" = "$speculated" ] ||
        fail "$trace: $speculated faults of each kind; without speculation $kinds"
done

[ "$failures" -eq 0 ] || exit 1
