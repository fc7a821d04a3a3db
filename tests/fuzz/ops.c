/* SPDX-License-Identifier: MIT */
/*
 * ops.c - any bytes are a sequence of calls (cmd/oracle/generate.c), made on mmkit alone: what a
 * fuzzer runs. Every invariant is checked after each call, and at the end all frames are back. Of
 * inputs whose size says so, tables that would not be missed go after each call.
 *
 * Bytes that hang, crash, or break an invariant are the fuzzer's finding; the calls are printed
 * when FUZZ_PRINT is set, as `mmkit oracle --script' reads them, to see what Linux says.
 */
#include "generate.h"
#include "mmkit_side.h"

#include <stdio.h>
#include <stdlib.h>

enum { PROCESSES_HERE = 3, OPS_MAX = 100 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

/* With the first input: AFL++ forks after LLVMFuzzerInitialize(), and a child has no threads. */
static void create(void)
{
    const struct linux_constants constants = {.may_advise = true,
                                              .may_lock = true,
                                              .memlock_max = UINT64_MAX,
                                              .mmap_min_addr = 65536,
                                              .max_map_count = 64,
                                              .overcommit = 0};
    static bool is_there;

    mmkit_side_set_huge(MMK_HUGE_ALWAYS);
    if (!is_there && !mmkit_side_create(&constants))
        abort();
    is_there = true;
}

static bool is_possible(const struct op *op)
{
    if (!mmkit_side_has(op->process))
        return false;
    if (op->call == CALL_FORK)
        return !mmkit_side_has((unsigned)op->args[0]);
    return op->call != CALL_EXIT || op->process != 0;
}

static void print(const struct op *op)
{
    op_print(stdout, op);
    putchar('\n');
    fflush(stdout);
}

static void run(struct generator *generator, bool gives_back, bool printing)
{
    struct outcome outcome;
    struct op op;
    unsigned i;

    for (i = 0; i < OPS_MAX && generator->left > 0; i++) {
        generate(generator, &op);
        if (!is_possible(&op))
            continue;
        if (printing)
            print(&op);
        mmkit_side_do(&op, 0, &outcome);
        if (!mmkit_side_has(op.process))
            continue;
        mmkit_side_check(op.process);
        if (!gives_back)
            continue;
        mmkit_side_give_back(op.process);
        mmkit_side_check(op.process);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct generator generator;

    generate_begin(&generator, 1, CALLS_ALL, PROCESSES_HERE);
    generator.bytes = bytes;
    generator.left = size;
    generator.is_strict = size & 1;
    generator.huge = size & 4;
    generator.huge_files = (size & 12) == 12;
    create();
    if (!mmkit_side_start(2))
        abort();
    run(&generator, size & 2, getenv("FUZZ_PRINT") != NULL);
    if (!mmkit_side_stop()) {
        fprintf(stderr, "frames have not come back\n");
        abort();
    }
    return 0;
}
