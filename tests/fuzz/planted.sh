#!/bin/sh
# SPDX-License-Identifier: MIT
#
# planted.sh PROGRAM CORPUS - the inputs that were kept find mistakes that are planted in the library,
# and nothing where there is none.
set -u

failed=0

# finds MISTAKE TEXT
finds()
{
    output=$(FUZZ_PLANT=$1 "$program" "$corpus" 2>&1 >/dev/null) && {
        echo "$1: nothing was found"
        failed=1
        return
    }
    case $output in
    *"$2"*) ;;
    *)
        echo "$1: something else was found: $output"
        failed=1
        ;;
    esac
}

program=$1
corpus=$2

"$program" "$corpus" || failed=1
finds free-before-flush 'a frame is freed that is still cached'
finds flush-one-short 'a flush has ended, and what is older is still cached'
finds fork-unflushed 'all is done, and a translation allows what the tables do not'
finds move-unflushed 'what came out'
exit $failed
