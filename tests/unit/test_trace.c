/* SPDX-License-Identifier: MIT */
/*
 * test_trace.c - one line of a recording at a time: what it means, and that nothing but a whole
 * line is taken for one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"

#define HEAD "            prog   100/101    1712.771332: "

/* Where user addresses end, and kernel addresses start. */
#define LAST_USER    "0xffffffffffffff"
#define NOT_USER     "0x100000000000000"
#define NOT_KERNEL   "0xfeffffffffffffff"
#define FIRST_KERNEL "0xff00000000000000"

static struct trace_event parse(const char *line)
{
    struct trace_event event;
    struct trace_error error;

    memset(&event, 0xa5, sizeof(event));
    if (!trace_parse(line, &event, &error))
        fail_msg("%s: %s", line, error.text);
    return event;
}

static void refuse(const char *line, const char *complaint)
{
    struct trace_event event;
    struct trace_error error;

    if (trace_parse(line, &event, &error))
        fail_msg("accepted: %s", line);
    if (!strstr(error.text, complaint) || strchr(error.text, '\n'))
        fail_msg("%s: '%s', expected '%s'", line, error.text, complaint);
}

static void fault_has_address_and_kind(void **state)
{
    struct trace_event event;

    (void)state;
    event = parse(HEAD "   exceptions:page_fault_user: address=0x7f7577e8de06 ip=0x7f75 "
                       "error_code=0x14");
    assert_int_equal(event.kind, TRACE_FAULT);
    assert_int_equal(event.pid, 100);
    assert_int_equal(event.tid, 101);
    assert_true(event.fault.address == 0x7f7577e8de06);
    assert_true(event.fault.error_code == 0x14);
    event = parse(HEAD "exceptions:page_fault_kernel: address=" FIRST_KERNEL
                       " ip=elf_load error_code=0x2");
    assert_true(event.fault.address == strtoull(FIRST_KERNEL, NULL, 16));
    event = parse(HEAD "exceptions:page_fault_user: address=" LAST_USER " ip=0x1 error_code=0x4");
    assert_true(event.fault.address == strtoull(LAST_USER, NULL, 16));
}

static void any_name_may_precede_the_ids(void **state)
{
    static const char *const names[] = {"            prog",
                                        "1/2  3.4: x: y  ",
                                        "  web (worker 1)",
                                        "p",
                                        "a b",
                                        " 5/6   7.8: 9/9",
                                        "a very long name of a program"};
    struct trace_event event;
    char line[256];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(line, sizeof(line), "%s   100/101  1.5: PERF_RECORD_COMM exec: x:7:8/9:22/33",
                 names[i]);
        event = parse(line);
        assert_int_equal(event.kind, TRACE_EXEC);
        assert_int_equal(event.pid, 22);
        assert_int_equal(event.tid, 33);
    }
}

static void calls_have_arguments_and_results(void **state)
{
    struct trace_event event;

    (void)state;
    event = parse(HEAD "syscalls:sys_enter_mmap: addr: 0x00000001, len: 0x00000002, prot: "
                       "0x00000003, flags: 0x00000022, fd: 0xffffffff, off: 0x00005000");
    assert_int_equal(event.kind, TRACE_ENTER);
    assert_int_equal(event.enter.call, CALL_MMAP);
    assert_true(event.enter.arguments[0] == 1 && event.enter.arguments[1] == 2);
    assert_true(event.enter.arguments[3] == 0x22 && event.enter.arguments[5] == 0x5000);
    event = parse(HEAD "syscalls:sys_enter_vfork: ");
    assert_int_equal(event.enter.call, CALL_VFORK);
    event = parse(HEAD "syscalls:sys_exit_execve: 0xfffffffffffffffe");
    assert_int_equal(event.kind, TRACE_LEAVE);
    assert_true(event.leave.result == -2);
}

static void mapping_is_read_whole(void **state)
{
    struct trace_event event =
        parse(HEAD "PERF_RECORD_MMAP2 100/101: [0x7f75(0x35000) @ 0x4000 fe:0a 332383 9]: "
                   "r-xs /tmp/a file]: (deleted)");

    (void)state;
    assert_int_equal(event.kind, TRACE_MAPPED);
    assert_true(event.mapped.start == 0x7f75 && event.mapped.length == 0x35000);
    assert_true(event.mapped.offset == 0x4000 && event.mapped.inode == 332383);
    assert_true(event.mapped.major == 0xfe && event.mapped.minor == 0x0a);
    assert_true(event.mapped.generation == 9 && event.mapped.shared);
    assert_int_equal(event.mapped.prot, 5);
    assert_string_equal(event.mapped.name, "/tmp/a file]: (deleted)");
    event = parse(HEAD "PERF_RECORD_MMAP2 100/101: [0x7f75(0x1000) @ 0 00:00 0 0]: ---p //anon");
    assert_true(event.mapped.offset == 0 && event.mapped.prot == 0 && !event.mapped.shared);
}

static void tasks_have_parents(void **state)
{
    struct trace_event event = parse(HEAD "PERF_RECORD_FORK(15647:15649):(15647:15648)");

    (void)state;
    assert_int_equal(event.kind, TRACE_FORK);
    assert_int_equal(event.fork.pid, 15647);
    assert_int_equal(event.fork.tid, 15649);
    assert_int_equal(event.fork.parent_tid, 15648);
    assert_int_equal(parse(HEAD "PERF_RECORD_EXIT(1:2):(3:4)").kind, TRACE_EXIT);
    assert_int_equal(parse(HEAD "PERF_RECORD_COMM: new name:100/101").kind, TRACE_NOTHING);
    assert_int_equal(parse(HEAD "PERF_RECORD_MMAP -1/0: [0xffff(0x1) @ 0]: x [kernel]").kind,
                     TRACE_NOTHING);
}

static void every_cut_of_a_line_is_refused(void **state)
{
    static const char *const lines[] = {
        HEAD "exceptions:page_fault_user: address=0x1 ip=0x1 error_code=0x6",
        HEAD "syscalls:sys_enter_munmap: addr: 0x1, len: 0x2",
        HEAD "syscalls:sys_exit_munmap: 0x0",
        HEAD "PERF_RECORD_MMAP2 100/101: [0x1(0x2) @ 0 00:00 0 0]: ---p a",
        HEAD "PERF_RECORD_FORK(1:2):(3:4)",
        HEAD "PERF_RECORD_COMM exec: a:1/2",
    };
    struct trace_event event;
    struct trace_error error;
    char line[256];
    size_t i, length;

    (void)state;
    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        parse(lines[i]);
        for (length = 0; length < strlen(lines[i]); length++) {
            snprintf(line, sizeof(line), "%.*s", (int)length, lines[i]);
            if (trace_parse(line, &event, &error))
                fail_msg("accepted: '%s'", line);
        }
        snprintf(line, sizeof(line), "%s x", lines[i]);
        if (event.kind != TRACE_MAPPED && i != 3 && trace_parse(line, &event, &error))
            fail_msg("accepted: '%s'", line);
    }
}

static void nonsense_is_refused_by_name(void **state)
{
    (void)state;
    refuse("", "expected 'comm pid/tid seconds: event'");
    refuse("garbage", "expected 'comm pid/tid seconds: event'");
    refuse(HEAD "sched:sched_switch: x", "unknown event");
    refuse(HEAD "syscalls:sys_enter_pkey_free: a: 0x1", "unknown system call 'pkey_free'");
    refuse(HEAD "PERF_RECORD_SWITCH", "unknown record");
    refuse(HEAD "PERF_RECORD_LOST lost 5", "lost events");
    refuse(HEAD "exceptions:page_fault_user: address=" NOT_USER " ip=0x1 error_code=0x4",
           "not canonical, expected");
    refuse(HEAD "exceptions:page_fault_user: address=" NOT_KERNEL " ip=0x1 error_code=0x4",
           "not canonical, expected");
    refuse(HEAD "exceptions:page_fault_user: address=0x10000000000000001 ip=0x1 error_code=0x4",
           "above 64 bits");
    refuse(HEAD "exceptions:page_fault_user: address=12 ip=0x1 error_code=0x4", "(0x...)");
    refuse(HEAD "syscalls:sys_enter_munmap: len: 0x1, addr: 0x2", "expected 'addr'");
    refuse(HEAD "PERF_RECORD_MMAP2 7/7: [0x1(0x2) @ 0 00:00 0 0]: ---p a", "the line's own");
    refuse(HEAD "PERF_RECORD_FORK(99999999999:1):(1:1)", "the number 99999999999");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_has_address_and_kind),
        cmocka_unit_test(any_name_may_precede_the_ids),
        cmocka_unit_test(calls_have_arguments_and_results),
        cmocka_unit_test(mapping_is_read_whole),
        cmocka_unit_test(tasks_have_parents),
        cmocka_unit_test(every_cut_of_a_line_is_refused),
        cmocka_unit_test(nonsense_is_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
