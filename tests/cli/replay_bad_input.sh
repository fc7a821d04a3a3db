#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Usage: replay_bad_input.sh MMKIT
#
# Broken recordings and bad usage: status 2 and one clear line, which for a recording starts with
# file and line, for a file that cannot be opened with the program's name. Results that are lost
# are a failure, too. Run with a tool built with -fsanitize=address this finds leaks, too: they change
# the status and add lines.
. "$(dirname "$0")/common.sh"

# check NAME PATTERN ARGUMENT...: runs mmkit; status 2, one line on stderr that matches PATTERN
check() {
    name=$1
    pattern=$2
    shift 2
    "$mmkit" "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    [ $status -eq 2 ] || fail "$name: status $status, expected 2"
    [ "$(wc -l <"$work/err")" -eq 1 ] || fail "$name: $(wc -l <"$work/err") lines, expected one"
    grep -q -- "$pattern" "$work/err" || fail "$name: '$(cat "$work/err")', expected '$pattern'"
    [ ! -s "$work/out" ] || fail "$name: printed results"
}

# edited NAME SED-SCRIPT LINE PATTERN: a good recording, changed
edited() {
    sed "$2" "$here/fork.txt" >"$work/$1.txt"
    check "$1" "^$work/$1.txt:$3: .*$4" replay "$work/$1.txt"
}

# line 15 is the first fault, 12 to 14 an mmap, 36 a FORK
edited cut_number '15s/error_code=.*/error_code=/' 15 'truncated line, expected a hex'
edited cut_word '15s/ip=.*/ip/' 15 "expected ' ip='"
edited cut_early '15s/address.*//' 15 'truncated line'
edited cut_header '15s/: .*//' 15 'expected'
edited garbage '15s/.*/garbage/' 15 'garbage.*expected .comm pid/tid seconds: event'
edited empty_line '15s/.*//' 15 'expected'
edited bad_digit '15s/address=0x7f/address=0x7g/' 15 'expected'
edited big_number '15s/address=0x7f/address=0xfffffffff7f/' 15 'above 64 bits'
edited extra_text '15s/$/ more/' 15 'expected the end of the line'
edited unknown_event '15s/page_fault_user/double_fault/' 15 'unknown event.*expected'
edited unknown_call '12s/sys_enter_mmap/sys_enter_pkey_mprotect/' 12 'unknown system call.*expected'
edited unknown_record '3s/COMM exec/SWITCH/' 3 'unknown record.*expected'
edited lost_events '15s/exceptions.*/PERF_RECORD_LOST lost 12/' 15 'lost events'
edited not_canonical '15s/address=0x7f/address=0x80007f/' 15 'not canonical, expected'
edited bad_result '14s/0x7f0000000000/0x7f0000000800/' 14 'expected whole pages'
edited kernel_result '14s/0x7f0000000000/0xffff800000000000/' 14 'expected whole pages'
edited no_enter '12d' 13 'expected its enter'
edited no_exit '14d' '[0-9]*' 'inside mmap, expected'
edited no_exec '3d' 3 'has no memory, expected'
edited huge_pages '12s/flags: 0x00000022/flags: 0x00040022/' 14 'not supported yet'
edited mremap '12s/mmap: .*/mremap: addr: 0x1, old_len: 0x1, new_len: 0x1, flags: 0x1, new_addr: 0x1/
13d; 14s/mmap/mremap/' 13 'mremap of 0x1 bytes at 0x1, expected whole pages'
edited process_madvise '12s/mmap: .*/process_madvise: pidfd: 0x1, vec: 0x1, vlen: 0x1, behavior: 0x4, flags: 0x0/
13d; 14s/mmap/process_madvise/' 13 'process_madvise.* 0x4 is not supported yet'
edited shmat '12s/mmap: .*/shmat: shmid: 0x1, shmaddr: 0x0, shmflg: 0x0/
13d; 14s/mmap/shmat/' 13 'shmat.*not supported yet'
edited device '4s/00:00 0 0\]/00 0 0]/' 4 "expected ':'"
edited protection '4s/rw-p/rwzp/' 4 'expected protection'
edited pid_range '15s/100\/100/100\/99999999/' 15 'expected ids'

# what a terminal would obey is shown, not sent
sed "15s/.*/$(printf 'a\033[2Jb\177\303\251')/" "$here/fork.txt" >"$work/control.txt"
check control_bytes "^$work/control.txt:15: 'a\\\\x1b\[2Jb\\\\x7f\\\\xc3\\\\xa9', expected" \
    replay "$work/control.txt"

# the last line without its newline may have lost digits
head -c -3 "$here/fork.txt" >"$work/cut.txt"
check cut_file "^$work/cut.txt:[0-9]*: truncated line, expected a newline" replay "$work/cut.txt"

: >"$work/empty.txt"
check empty_file "^$work/empty.txt:1: .*expected" replay "$work/empty.txt"
printf 'a\000b\n' >"$work/nul.txt"
check nul_byte "^$work/nul.txt:1: a NUL byte, expected text" replay "$work/nul.txt"
check missing_file "^mmkit replay: $work/none.txt: No such file or directory$" \
    replay "$work/none.txt"
check directory "^mmkit replay: $work: Is a directory$" replay "$work"

if command -v zstd >/dev/null 2>&1; then
    zstd -q "$here/fork.txt" -o "$work/whole.zst"
    head -c -20 "$work/whole.zst" >"$work/cut.zst"
    check cut_zst "^$work/cut.zst:[0-9]*: compressed data ends in the middle, expected" \
        replay "$work/cut.zst"
    { head -c 60 "$work/whole.zst"; printf 'xxxxxxxx'; tail -c +69 "$work/whole.zst"; } \
        >"$work/damaged.zst"
    check damaged_zst "^$work/damaged.zst:[0-9]*: " replay "$work/damaged.zst"
fi

# memory: nothing at all, too little to start, too little for the end
check memory_4k "^$here/fork.txt:[0-9]*: .*more memory than --memory 4K" \
    replay --memory 4K "$here/fork.txt"
awk 'BEGIN { a = 268435456 }
    NR <= 11 { print }
    END {
        printf "%16s %5d/%-5d %12.6f: syscalls:sys_enter_mmap: addr: 0x00000000, " \
            "len: 0x40000000, prot: 0x00000003, flags: 0x00000022, fd: 0xffffffff, " \
            "off: 0x00000000\n", "prog", 100, 100, 2
        printf "%16s %5d/%-5d %12.6f: syscalls:sys_exit_mmap: 0x%x\n", "prog", 100, 100, 2, a
        for (i = 0; i < 20000; i++)
            printf "%16s %5d/%-5d %12.6f: exceptions:page_fault_user: address=0x%x ip=0x1 " \
                "error_code=0x6\n", "prog", 100, 100, 2, a + i * 4096
    }' "$here/fork.txt" >"$work/large.txt"
for size in 1M 2M 8M 32M 64M; do
    check "memory_$size" "^$work/large.txt:[0-9]*: .*more memory than --memory $size" \
        replay --memory $size "$work/large.txt"
done
"$mmkit" replay "$work/large.txt" >/dev/null 2>"$work/err" || fail "large.txt: $(cat "$work/err")"

# Nor when it is the host that has no memory. Tools built with sanitizers need more to start.
if (ulimit -v 150000 && "$mmkit" --version) >/dev/null 2>&1; then
    limited() {
        name=$1
        pattern=$2
        limit=$3
        shift 3
        (ulimit -v "$limit" && exec "$mmkit" replay "$@") >"$work/out" 2>"$work/err"
        status=$?
        [ $status -eq 2 ] || fail "$name: status $status, expected 2"
        grep -qx -- "$pattern" "$work/err" || fail "$name: '$(cat "$work/err")'"
    }
    limited host_memory "$work/large.txt: --memory 512M: this host has no memory for it" 150000 \
        --memory 512M "$work/large.txt"
    limited host_estimate 'mmkit: the host has no memory left' 90000 "$work/large.txt"
fi

# bad usage
check no_subcommand 'expected a subcommand'
check unknown_subcommand "unknown subcommand 'refit', expected" refit
check no_trace 'expected a trace' replay
check empty_trace 'expected a trace, not an empty name' replay ''
check two_traces "'a' and 'b': expected one trace a run$" replay a b
check detached_check 'N is given as --check=N$' replay --check 5 "$here/fork.txt"
check detached_check_last 'N is given as --check=N$' replay "$here/fork.txt" --check 5
check policy_and_compare 'expected --policy or --compare' \
    replay --policy never --compare "$here/fork.txt"
check compare_and_policy 'expected --policy or --compare' \
    replay "$here/fork.txt" --compare --policy mmkit
check help_of_nothing "unknown subcommand 'refit', expected" help refit
check no_json_name 'json: expected a file' replay --json= "$here/fork.txt"
# noticed before the run: the recording does not even exist
check unwritable_json "^mmkit replay: $work/none/file: No such file or directory$" \
    replay --json="$work/none/file" "$work/none.txt"
check bad_policy 'expected mmkit, linux-6.18 or never' replay --policy sometimes "$here/fork.txt"
check bad_size 'expected a size' replay --memory 10X "$here/fork.txt"
check bad_around 'expected a power of two from 4K' replay --around 12K "$here/fork.txt"
check bad_speculate 'expected on or off' replay --speculate yes "$here/fork.txt"
check no_around 'expected a power of two from 4K' replay --around 0 "$here/fork.txt"
check bad_block 'expected a power of two from 4K' replay --block 12K "$here/fork.txt"
check large_around 'expected a power of two from 4K' replay --around 1G "$here/fork.txt"
check bad_huge 'expected never, madvise or always' replay --huge often "$here/fork.txt"
check no_size 'expected a size' replay --memory '' "$here/fork.txt"
check zero_size 'expected a size' replay --memory 0 "$here/fork.txt"
check huge_size 'expected a size' replay --memory 99999999999T "$here/fork.txt"
check no_such_memory 'expected no more than this host has' replay --memory 900T "$here/fork.txt"
check negative_size 'expected a size' replay --memory=-1 "$here/fork.txt"
check zero_check 'expected a number from 1' replay --check=0 "$here/fork.txt"
check bad_check 'expected a number from 1' replay --check=1x "$here/fork.txt"
for option in --no-such-option --swaps=on; do
    "$mmkit" replay $option "$here/fork.txt" >"$work/out" 2>"$work/err"
    [ $? -eq 2 ] || fail "$option: expected status 2"
    grep -q 'unrecognized option' "$work/err" || fail "$option: expected 'unrecognized option'"
    [ ! -s "$work/out" ] || fail "$option: printed results"
done

# help and version
for arguments in --help -h help --version 'replay --help' 'replay -h' 'help replay'; do
    # shellcheck disable=SC2086
    "$mmkit" $arguments >"$work/out" 2>"$work/err" || fail "$arguments: expected status 0"
    [ -s "$work/out" ] || fail "$arguments: printed nothing"
done
"$mmkit" --help >"$work/help"
"$mmkit" replay --help >"$work/replay_help"
for arguments in -h help; do
    "$mmkit" $arguments | cmp -s - "$work/help" || fail "$arguments: expected what --help says"
done
for arguments in 'replay -h' 'help replay'; do
    # shellcheck disable=SC2086
    "$mmkit" $arguments | cmp -s - "$work/replay_help" ||
        fail "$arguments: expected what replay --help says"
done

# what does not arrive is lost, and said to be
lost() {
    name=$1
    shift
    "$mmkit" "$@" >/dev/full 2>"$work/err"
    status=$?
    [ $status -eq 2 ] || fail "$name into a full device: status $status, expected 2"
    grep -q '^mmkit.*: No space left on device$' "$work/err" ||
        fail "$name into a full device: '$(cat "$work/err")'"
}
if [ -c /dev/full ]; then
    lost summary replay "$here/fork.txt"
    lost json replay --json - "$here/fork.txt"
    lost help --help
    lost replay_help replay --help
    "$mmkit" replay --json /dev/full "$here/fork.txt" >"$work/out" 2>"$work/err"
    [ $? -eq 2 ] || fail "--json into a full device: expected status 2"
    grep -q '^mmkit replay: /dev/full: No space left on device$' "$work/err" ||
        fail "--json into a full device: '$(cat "$work/err")'"
fi

# good input by every road gives one result: plain, standard input, compressed
"$mmkit" replay --json - "$here/fork.txt" >"$work/json" 2>"$work/err" || fail "plain: status"
plain=$(value events)
[ -n "$plain" ] || fail "--json - printed no events"
grep -q 'events applied' "$work/err" || fail "--json -: expected the summary on stderr"
"$mmkit" replay --json "$work/json" - <"$here/fork.txt" >/dev/null || fail "stdin: status"
[ "$(value events)" = "$plain" ] || fail "stdin: $(value events) events, expected $plain"
if [ -f "$work/whole.zst" ]; then
    "$mmkit" replay --json "$work/json" "$work/whole.zst" >/dev/null || fail ".zst: status"
    [ "$(value events)" = "$plain" ] || fail ".zst: $(value events) events, expected $plain"
fi

[ $failures -eq 0 ] || exit 1
echo "replay_bad_input: all passed"
