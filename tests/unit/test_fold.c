/* SPDX-License-Identifier: MIT */
/*
 * test_fold.c - recordings' addresses made to fit page tables that translate fewer bits: what must
 * hold of every pair of addresses is checked of random ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fold.h"
#include "random.h"

#include <mmkit/fault.h>

#define GIB ((uint64_t)1 << 30)
#define MIB ((uint64_t)1 << 20)

enum { OPS = 600, TASKS = 4 };

static struct op ops[OPS], before[OPS];
static struct program_task tasks[TASKS];
static struct program program = {
    .name = (char *)"test", .ops = ops, .tasks = tasks, .task_count = TASKS};

static uint64_t random_state = 88172645463325252;

static uint64_t pick(uint64_t limit)
{
    return random_below(&random_state, limit);
}

/* Starts over: task 0 execs. */
static int begin(void **state)
{
    (void)state;
    memset(ops, 0, sizeof(ops));
    ops[0].kind = OP_EXEC;
    program.op_count = 1;
    return 0;
}

static struct op *add(enum op_kind kind, uint32_t task, uint64_t address, uint64_t length)
{
    struct op *op = &ops[program.op_count++];

    assert_true(program.op_count <= OPS);
    op->kind = (uint8_t)kind;
    op->task = task;
    op->line = (uint32_t)program.op_count;
    op->address = address;
    op->length = length;
    return op;
}

static void fold(unsigned bits)
{
    memcpy(before, ops, sizeof(ops));
    assert_true(fold_program(&program, bits, "small"));
}

/* Nothing may change, and a message must say why. */
static void refuse(unsigned bits, const char *expected)
{
    char said[512] = "";
    int pipes[2], stderr_was = dup(STDERR_FILENO);
    bool done;

    memcpy(before, ops, sizeof(ops));
    assert_int_equal(pipe(pipes), 0);
    dup2(pipes[1], STDERR_FILENO);
    done = fold_program(&program, bits, "small");
    dup2(stderr_was, STDERR_FILENO);
    close(stderr_was);
    close(pipes[1]);
    assert_true(read(pipes[0], said, sizeof(said) - 1) >= 0);
    close(pipes[0]);
    assert_false(done);
    assert_memory_equal(before, ops, sizeof(ops));
    if (strstr(said, expected) == NULL)
        fail_msg("said \"%s\", expected \"%s\"", said, expected);
}

static void test_enough_bits(void **state)
{
    (void)state;
    add(OP_MMAP, 0, 0x7ffff7fff000, 4096);
    add(OP_MMAP, 0, 0x555555554000, 4096);
    fold(47);
    assert_memory_equal(before, ops, sizeof(ops));
    fold(48);
    fold(56);
    assert_memory_equal(before, ops, sizeof(ops));
    add(OP_MUNMAP, 0, 0x7ffff7fff000, 8192 + (uint64_t)4096);
    add(OP_FAULT, 0, 0x800000000000, 0);
    fold(48);
    assert_memory_equal(before, ops, sizeof(ops));
    refuse(47,
           "test:5: 0x800000000000 needs more address bits than small has, expected at most 47");
    refuse(38, "test:5: 0x800000000000 needs more address bits than small has, expected memory");
}

/* Code, heap, libraries and stack of a program, as they are. */
static void test_program(void **state)
{
    const struct op *op = ops + 1;

    (void)state;
    add(OP_MMAP, 0, 0x555555554000, 0x200000);
    add(OP_MMAP, 0, 0x7ffff7d00000, 0x200000);
    add(OP_MMAP, 0, 0x7ffffffde000, 0x21000);
    add(OP_FAULT, 0, 0x7ffff7d01234, 0);
    add(OP_FAULT, 0, 0x10, 0);
    add(OP_FAULT, 0, 0xffffffff81000000, 0);
    fold(38);
    assert_true(op[0].address == 2 * GIB + 0x15554000); /* a free one above that of 0x10 */
    assert_true(op[1].address == 5 * GIB - GIB + 0x37d00000);
    assert_true(op[2].address == op[1].address + (0x7ffffffde000 - 0x7ffff7d00000));
    assert_true(op[3].address == op[1].address + 0x1234);
    assert_true(op[4].address == 0x10);
    assert_true(op[5].address == 0xffffffff81000000);
    assert_true(op[0].length == 0x200000 && op[1].length == 0x200000 && op[2].length == 0x21000);
}

/* A range may lie across what is moved together; its ends are where they were. */
static void test_ranges(void **state)
{
    struct op *op = ops + 1;

    (void)state;
    add(OP_MMAP, 0, 10 * GIB + MIB, MIB);
    add(OP_MMAP, 0, 5000 * GIB + MIB, 2 * GIB);
    add(OP_MUNMAP, 0, 10 * GIB, 4990 * GIB + 3 * MIB);
    add(OP_MADVISE, 0, 10 * GIB + MIB, GIB);
    fold(38);
    assert_true(op[0].address == GIB + MIB && op[0].length == MIB);
    assert_true(op[1].address == 4 * GIB + MIB && op[1].length == 2 * GIB);
    assert_true(op[2].address == GIB && op[2].length == 3 * GIB + 3 * MIB);
    assert_true(op[3].address == GIB + MIB && op[3].length == GIB); /* uses the one above, too */
}

static void test_brk(void **state)
{
    const struct {
        uint64_t asked, result, now_asked, now;
    } cases[] = {
        {0, 700 * GIB, 0, GIB},
        {700 * GIB + MIB, 700 * GIB + MIB, GIB + MIB, GIB + MIB},
        {700 * GIB - MIB, 700 * GIB + MIB, 0, GIB + MIB},
        {900 * GIB, 700 * GIB + MIB, UINT64_MAX, GIB + MIB},
        {UINT64_MAX, 700 * GIB + MIB, UINT64_MAX, GIB + MIB},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        add(OP_BRK, 0, cases[i].asked, 0)->argument = cases[i].result;
    fold(38);
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(ops[i + 1].address == cases[i].now_asked);
        assert_true(ops[i + 1].argument == cases[i].now);
    }
}

/* Each exec starts anew; threads and children of a fork are where their parent is. */
static void test_families(void **state)
{
    const struct op *op = ops + 1;

    (void)state;
    add(OP_MMAP, 0, 100 * GIB, MIB);
    add(OP_FORK, 0, 0, 0)->child = 1;
    add(OP_MMAP, 1, 300 * GIB, MIB); /* known from the beginning: the parent keeps the gap */
    add(OP_MMAP, 0, 500 * GIB, MIB);
    add(OP_SHARE, 1, 0, 0)->child = 2;
    add(OP_EXEC, 1, 0, 0);
    add(OP_MMAP, 1, 500 * GIB, MIB);
    add(OP_FAULT, 2, 500 * GIB, 0);
    fold(38);
    assert_true(op[0].address == GIB);
    assert_true(op[2].address == 3 * GIB);
    assert_true(op[3].address == 5 * GIB);
    assert_true(op[6].address == GIB);
    assert_true(op[7].address == 5 * GIB);
}

static void test_too_much(void **state)
{
    uint64_t i;

    (void)state;
    add(OP_MMAP, 0, 1000 * GIB, 255 * GIB);
    fold(38);
    assert_true(ops[1].address == GIB);
    begin(NULL);
    add(OP_MMAP, 0, 1000 * GIB, 256 * GIB); /* the lowest GiB stays free */
    refuse(38, "test:2: ");
    fold(39);
    begin(NULL);
    for (i = 0; i < 128; i++)
        add(OP_MMAP, 0, (2 * i + 1) * GIB, MIB);
    fold(38);
    begin(NULL);
    for (i = 0; i < 129; i++)
        add(OP_MMAP, 0, (500 - 3 * i) * GIB, MIB);
    refuse(38, "test:130: 0x1d00000000 needs more address bits than small has");
    begin(NULL);
    add(OP_MMAP, 0, 0, (uint64_t)1 << 18);
    fold(18);
    assert_true(ops[1].address == 0 && ops[1].length == (uint64_t)1 << 18);
    add(OP_FAULT, 0, (uint64_t)1 << 18, 0);
    refuse(18, "test:3: 0x40000 needs more address bits");
    begin(NULL);
    add(OP_FAULT, 0, GIB, 0);
    refuse(18, "test:2: 0x40000000 needs more address bits");
}

static int compare(uint64_t one, uint64_t other)
{
    return (one > other) - (one < other);
}

/* Order, alignment, neighbours: of every two addresses in use. */
static void check_pair(const struct op *a, const struct op *b)
{
    const uint64_t was[] = {before[a - ops].address, before[b - ops].address};
    const uint64_t chunk[] = {was[0] / GIB, was[1] / GIB},
                   now[] = {a->address / GIB, b->address / GIB};

    assert_int_equal(compare(was[0], was[1]), compare(a->address, b->address));
    if (chunk[0] + 1 == chunk[1] || chunk[0] == chunk[1])
        assert_true(now[1] - now[0] == chunk[1] - chunk[0]);
    else if (chunk[0] < chunk[1])
        assert_true(now[1] - now[0] >= 2 && now[1] - now[0] <= chunk[1] - chunk[0]);
}

static void test_random(void **state)
{
    uint64_t bases[3];
    size_t round, i, j;

    (void)state;
    for (round = 0; round < 20; round++) {
        begin(NULL);
        for (i = 0; i < 3; i++)
            bases[i] = pick((uint64_t)1 << 46);
        for (i = 1; i < 150; i++)
            add(OP_FAULT, 0, bases[pick(3)] + pick(i % 7 == 0 ? 100 * GIB : 4 * GIB), 0);
        fold(39);
        for (i = 1; i < program.op_count; i++) {
            assert_true(ops[i].address >> 39 == 0);
            assert_true((before[i].address - ops[i].address) % GIB == 0);
            for (j = 1; j < program.op_count; j++)
                check_pair(&ops[i], &ops[j]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_enough_bits, begin),
        cmocka_unit_test_setup(test_program, begin),
        cmocka_unit_test_setup(test_ranges, begin),
        cmocka_unit_test_setup(test_brk, begin),
        cmocka_unit_test_setup(test_families, begin),
        cmocka_unit_test_setup(test_too_much, begin),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
