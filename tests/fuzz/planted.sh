#!/bin/sh
# SPDX-License-Identifier: MIT
#
# planted.sh PROGRAM CORPUS - the inputs that were kept find mistakes that are planted in the library,
# and nothing where there is none.
set -u

failed=0

# finds MISTAKE: the machine, or the model, says so; which of the two depends on the input
finds()
{
    output=$(FUZZ_PLANT=$1 "$program" "$corpus" 2>&1 >/dev/null) && {
        echo "$1: nothing was found"
        failed=1
        return
    }
    case $output in
    'CPU '[0-9]*) ;;
    *)
        echo "$1: something else was found: $output"
        failed=1
        ;;
    esac
}

program=$1
corpus=$2

"$program" "$corpus" || failed=1
for mistake in free-before-flush flush-one-short fork-unflushed move-unflushed; do
    finds $mistake
done
exit $failed
