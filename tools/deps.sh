#!/bin/sh
# SPDX-License-Identifier: MIT
#
# deps.sh build|test|afl - makes sure that what the build, or the tests, need is installed; or the
# tests and AFL++.
#
# Each thing is probed for by name, so that nothing is asked of apt when all is there, and a
# system without apt can supply it in its own way. What lacks is installed when this runs as root
# on Debian; else the command to run is printed and the exit status is 1.
set -u

lacking=

# need PACKAGE PROBE...: PACKAGE is wanted unless the command PROBE succeeds
need()
{
    package=$1
    shift
    "$@" >/dev/null 2>&1 || lacking="$lacking $package"
}

have()
{
    command -v "$1"
}

cxx()
{
    echo 'int x;' | "$1" -x c++ -fsyntax-only -
}

# The sanitizers' run-time library comes apart from clang itself.
sanitizers()
{
    echo 'int main(void) { return 0; }' |
        clang-19 -x c -fsanitize=address -o /dev/null -
}

case ${1-} in
build | test | afl) ;;
*)
    echo "usage: $0 build|test|afl" >&2
    exit 2
    ;;
esac

need meson have meson
need ninja-build have ninja
need pkg-config have pkg-config
need liburcu-dev pkg-config --exists liburcu
need libzstd-dev pkg-config --exists libzstd
if [ "$1" != build ]; then
    need cmake have cmake
    need libcmocka-dev pkg-config --exists cmocka
    need gcc have gcc
    need gcc-aarch64-linux-gnu have aarch64-linux-gnu-gcc
    need gcc-riscv64-linux-gnu have riscv64-linux-gnu-gcc
    need g++ cxx gcc
    need clang-19 have clang-19
    need libclang-rt-19-dev sanitizers
    need llvm-19 have llvm-cov-19
    need valgrind have valgrind
    need zstd have zstd
    # Formatting is a matter of the version: checked only where this one is to be had.
    case $(cat /etc/debian_version 2>/dev/null) in
    12*) need clang-format-14 have clang-format-14 ;;
    esac
fi

[ "$1" != afl ] || need afl++ have afl-clang-fast

[ -z "$lacking" ] && exit 0

if [ "$(id -u)" -ne 0 ] || ! have apt-get >/dev/null; then
    echo "mmkit's $1 needs what is not installed here. On Debian 12 or later, run:" >&2
    echo "    sudo apt-get update && sudo apt-get install -y --no-install-recommends$lacking" >&2
    exit 1
fi

echo "installing:$lacking" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of words
apt-get update -qq >/dev/null &&
    apt-get install -y -qq --no-install-recommends $lacking >/dev/null || {
    echo "deps.sh: apt-get failed; nothing else was done" >&2
    exit 1
}
