# SPDX-License-Identifier: MIT
#
# What the tests of the tool share: read by them, with the tool as $1. Sets $mmkit, $here and $work,
# a folder of the test's own; $failures counts what fail() has said.
set -u
mmkit=$1
here=$(dirname "$0")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

fail() {
    echo "FAIL: $*" >&2
    failures=$((failures + 1))
}

# value KEY: the first number under that key in the JSON
value() {
    sed -n "s/^ *\"$1\": \(-\{0,1\}[0-9.]*\).*/\1/p" "$work/json" | head -n 1
}
