#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: replay_too_small.sh MMKIT TRACE FORMAT
#
# A recording of more memory than the tables of this build translate is refused: one line with file,
# line and the format's name, status 2, no results. So is what the other commands cannot do.
set -u
said=$("$1" replay "$2" 2>&1)
status=$?
[ $status -eq 2 ] || { echo "FAIL: status $status, expected 2: $said" >&2 && exit 1; }
echo "$said" | grep -q "^$2:[0-9]*: 0x[0-9a-f]* needs more address bits than $3 has, expected " ||
    { echo "FAIL: said '$said'" >&2 && exit 1; }
[ "$(echo "$said" | wc -l)" -eq 1 ] || { echo "FAIL: more than one line: $said" >&2 && exit 1; }

for arguments in tables fork dontneed map touch "reclaim $2"; do
    # shellcheck disable=SC2086
    said=$("$1" bench $arguments 2>&1)
    status=$?
    [ $status -eq 2 ] || { echo "FAIL: bench $arguments: status $status: $said" >&2 && exit 1; }
    echo "$said" | grep -q '^mmkit bench .*this page-table format is too small' ||
        { echo "FAIL: bench $arguments: said '$said'" >&2 && exit 1; }
done
