/* SPDX-License-Identifier: MIT */
/*
 * pairs_access.c - a program, or the kernel for it, touches memory.
 *
 * That is two steps: the fault, and the access, which is repeated until nothing came in between.
 * As on Linux an access may fail after a fault for it has brought its page in.
 */
#include "pairs.h"

#include <mmkit/user.h>

/* The fault's step. => true: it fails, and so does the access */
static bool model_fault(struct flat *flat, struct act *act, bool write, int64_t *code)
{
    act->step++;
    *code = flat_fault(flat, act->space, act->page, write);
    return *code != MMK_FAULT_DONE;
}

static void run_load(struct act *act)
{
    act->code = machine_load(act_addr(act), &act->word, sizeof(act->word));
}

static bool model_load(struct flat *flat, struct act *act)
{
    uint32_t word = 0;

    if (act->step == 0)
        return model_fault(flat, act, false, &act->code);
    act->code = flat_access(flat, act->space, act->page, false, &word);
    act->word = word;
    return true;
}

static void run_store(struct act *act)
{
    uint64_t word = WORD_STORED(act->cpu);

    act->code = machine_store(act_addr(act), &word, sizeof(word));
}

static bool model_store(struct flat *flat, struct act *act)
{
    uint32_t word = WORD_STORED(act->cpu);

    if (act->step == 0)
        return model_fault(flat, act, true, &act->code);
    act->code = flat_access(flat, act->space, act->page, true, &word);
    return true;
}

/* Two loads: what has been seen once does not go back. */
static void run_look(struct act *act)
{
    uint64_t first = 0, second = 0;
    int64_t code = machine_load(act_addr(act), &first, sizeof(first));

    act->code = code << 8 | machine_load(act_addr(act), &second, sizeof(second));
    act->word = first << 32 | second;
}

/* The fault of the second cannot be told from that of the first, or of the second again. */
static bool model_look(struct flat *flat, struct act *act)
{
    uint32_t word = 0;

    if (act->step++ % 2 == 0) {
        (void)flat_fault(flat, act->space, act->page, false);
        return false;
    }
    act->code = act->code << 8 | flat_access(flat, act->space, act->page, false, &word);
    act->word = act->word << 32 | word;
    return act->step == 4;
}

/* The kernel compares and exchanges, for a futex. */
static void run_exchange(struct act *act)
{
    uint32_t found = 0;

    act->code = mmk_cmpxchg_user(act_mm(act), act_addr(act), WORD_TOUCHED(act->page),
                                 WORD_STORED(act->cpu), &found);
    act->word = act->code ? 0 : found;
}

static bool model_exchange(struct flat *flat, struct act *act)
{
    uint32_t desired = WORD_STORED(act->cpu);
    int64_t result;

    act->code = MMK_EFAULT;
    if (model_fault(flat, act, true, &result))
        return true;
    if (act->step == 1)
        return false;
    act->word = flat_contents(flat, act->space, act->page);
    if (act->word == WORD_TOUCHED(act->page))
        (void)flat_access(flat, act->space, act->page, true, &desired);
    act->code = 0;
    return true;
}

/* A debugger writes: where the program may not, it does in a page of its own. */
static void run_poke(struct act *act)
{
    uint64_t word = WORD_STORED(act->cpu);

    act->code =
        (int64_t)mmk_mm_write(act_mm(act), act_addr(act), &word, sizeof(word), MMK_MM_FORCE);
}

static bool model_poke(struct flat *flat, struct act *act)
{
    struct flat_page *p = act_page(flat, act, 0);
    uint8_t prot = p->mapped ? p->prot : RW; /* a stack may come */
    bool failed;
    int64_t result;

    if (p->mapped && !p->shared)
        p->prot = RW;
    failed = model_fault(flat, act, true, &result);
    if (p->mapped)
        p->prot = prot;
    if (failed || act->step == 1)
        return failed;
    if (p->shared)
        flat->object.page[p->index].word = WORD_STORED(act->cpu);
    else
        p->word = WORD_STORED(act->cpu);
    act->code = sizeof(uint64_t);
    return true;
}

const struct op pair_ops_access[] = {
    {"load", OP_ACCESS | OP_ONE_PAGE | OP_LOOKS | OP_READS, run_load, model_load},
    {"store", OP_ACCESS | OP_ONE_PAGE | OP_LOOKS | OP_FILLS, run_store, model_store},
    {"look", OP_ACCESS | OP_ONE_PAGE | OP_LOOKS, run_look, model_look},
    {"exchange", OP_ACCESS | OP_ONE_PAGE | OP_RARE | OP_LOOKS, run_exchange, model_exchange},
    {"poke", OP_ACCESS | OP_ONE_PAGE | OP_RARE | OP_LOOKS, run_poke, model_poke},
    {"child-load", OP_ACCESS | OP_ONE_PAGE | OP_CHILD | OP_LOOKS, run_load, model_load},
    {"child-store", OP_ACCESS | OP_ONE_PAGE | OP_CHILD | OP_LOOKS, run_store, model_store},
    {NULL, 0, NULL, NULL},
};
