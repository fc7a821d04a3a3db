#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: compare.sh MMKIT short|long
#
# Sequences that nobody has run before. What they are follows from $SEED, or the time: printed, as a
# divergence is with all that repeats it. Long: 40 seconds or so, and everything checked in a part.
mmkit=$1
seed=${SEED:-$(date +%s)}
echo "SEED=$seed"
"$mmkit" oracle --replay '0 brk 0x0'
[ $? -ne 2 ] || exit 77

set -e
case $2 in
    short)
        "$mmkit" oracle --shrink --seed "$seed" --ops 12000 --processes 1
        "$mmkit" oracle --shrink --seed "$seed" --ops 28000 --processes 4
        "$mmkit" oracle --shrink --seed "$seed" --ops 8000 --processes 3 --huge always
        ;;
    *)
        "$mmkit" oracle --shrink --seed "$seed" --ops 60000 --processes 1
        "$mmkit" oracle --shrink --seed "$seed" --ops 90000 --processes 6
        "$mmkit" oracle --shrink --seed "$seed" --ops 20000 --processes 3 --check --thorough
        "$mmkit" oracle --shrink --seed "$seed" --ops 40000 --processes 4 --huge always --check
        ;;
esac
