/* SPDX-License-Identifier: MIT */
/*
 * pairs_page.c - advice, and what else goes page by page, as on Linux: a step a page, with the mmap
 * lock held for reading from the first to the last. Advice that gives back private memory takes
 * none while its mapping stays as it is: whoever changes that comes in between two tables.
 */
#include "pairs.h"

#include <mmkit/reclaim.h>

static void advise(struct act *act, int advice)
{
    act->code = mmk_madvise(act_mm(act), act_addr(act), act_length(act), advice);
}

/* The next page for advice that skips holes, answering them in the end. => NULL: nothing to do */
static struct flat_page *next_advised(struct flat *flat, struct act *act, unsigned *page,
                                      bool *last)
{
    struct flat_page *p;

    *last = act_next_page(act, page);
    p = &flat->space[act->space].page[*page];
    if (p->mapped)
        return p;
    act->code = MMK_ENOMEM;
    return NULL;
}

/* The same for advice that takes no lock in private memory. */
static struct flat_page *next_open(struct flat *flat, struct act *act, unsigned *page, bool *last)
{
    struct flat_page *p = next_advised(flat, act, page, last);

    if (p && !p->object && (*page + 1) % FLAT_TABLE == 0)
        act->reads = false;
    return p;
}

/* An error ends it. */
static bool stop(struct act *act, int64_t code)
{
    act->code = code;
    act->reads = false;
    return true;
}

static void run_dontneed(struct act *act)
{
    advise(act, MMK_MADV_DONTNEED);
}

static bool model_dontneed(struct flat *flat, struct act *act)
{
    unsigned page;
    bool last;
    struct flat_page *p = next_open(flat, act, &page, &last);

    if (!p)
        return last;
    if (flat_sealed_contents(p))
        return stop(act, MMK_EPERM);
    if (p->locked)
        return stop(act, MMK_EINVAL);
    act_split_ends(flat, act);
    flat_drop(flat, act->space, page);
    return last;
}

static void run_free(struct act *act)
{
    advise(act, MMK_MADV_FREE);
}

/* Contents stay until somebody gives the table back. */
static bool model_free(struct flat *flat, struct act *act)
{
    unsigned page;
    bool last;
    struct flat_page *p = next_open(flat, act, &page, &last);

    if (!p)
        return last;
    if (flat_sealed_contents(p))
        return stop(act, MMK_EPERM);
    if (p->object || p->locked)
        return stop(act, MMK_EINVAL);
    act_split_ends(flat, act);
    p->freed = p->own;
    return last;
}

static void run_guard(struct act *act)
{
    advise(act, MMK_MADV_GUARD_INSTALL);
}

static bool model_guard(struct flat *flat, struct act *act)
{
    unsigned page;
    bool last;
    struct flat_page *p = next_advised(flat, act, &page, &last);

    if (!p)
        return last;
    if (flat_sealed_contents(p))
        return stop(act, MMK_EPERM);
    if (p->locked)
        return stop(act, MMK_EINVAL);
    if (flat->space[act->space].killed && flat_either(flat, 2))
        return stop(act, MMK_EINTR);
    p->guard = true;
    flat_drop(flat, act->space, page);
    return last;
}

static void run_unguard(struct act *act)
{
    advise(act, MMK_MADV_GUARD_REMOVE);
}

static bool model_unguard(struct flat *flat, struct act *act)
{
    unsigned page;
    bool last;
    struct flat_page *p = next_advised(flat, act, &page, &last);

    if (p)
        act_split_ends(flat, act);
    if (p && p->guard) {
        p->guard = false;
        flat_drop(flat, act->space, page);
    }
    return last;
}

static void run_willneed(struct act *act)
{
    advise(act, MMK_MADV_WILLNEED);
}

static bool model_willneed(struct flat *flat, struct act *act)
{
    unsigned page;
    bool last;
    const struct flat_page *p = next_advised(flat, act, &page, &last);

    if (p && p->object && p->index < flat->object.size)
        flat_bring_in(flat, p->index);
    return last;
}

/* ---- populate ---------------------------------------------------------------------------------
 */

static void run_populate(struct act *act)
{
    advise(act, MMK_MADV_POPULATE_READ);
}

static bool populate(struct flat *flat, struct act *act, bool write)
{
    unsigned page;
    bool last = act_next_page(act, &page);
    const struct flat_page *p = &flat->space[act->space].page[page];

    if (!p->mapped)
        return stop(act, MMK_ENOMEM);
    if (!(p->prot & (write ? MMK_PROT_WRITE : MMK_PROT_READ)))
        return stop(act, MMK_EINVAL);
    switch (flat_fault(flat, act->space, page, write)) {
    case MMK_FAULT_DONE:
        return last;
    case MMK_FAULT_KILLED:
        return stop(act, MMK_EINTR);
    default:
        return stop(act, MMK_EFAULT);
    }
}

static bool model_populate(struct flat *flat, struct act *act)
{
    return populate(flat, act, false);
}

static void run_populate_write(struct act *act)
{
    advise(act, MMK_MADV_POPULATE_WRITE);
}

static bool model_populate_write(struct flat *flat, struct act *act)
{
    return populate(flat, act, true);
}

/* ---- mincore ----------------------------------------------------------------------------------
 */

static void run_mincore(struct act *act)
{
    uint8_t vec[PAIR_WHOLE] = {0};
    unsigned i;

    act->code = mmk_mincore(act_mm(act), act_addr(act), act_length(act), vec);
    for (i = 0; i < PAIR_WHOLE; i++)
        act->word |= (uint64_t)vec[i] << 8 * i;
}

static bool model_mincore(struct flat *flat, struct act *act)
{
    unsigned page, i = act->step;
    bool last = act_next_page(act, &page);
    const struct flat_page *p = &flat->space[act->space].page[page];

    if (!p->mapped)
        return stop(act, MMK_ENOMEM);
    if ((p->present && !p->guard) || (p->object && flat->object.page[p->index].cached))
        act->word |= (uint64_t)1 << 8 * i;
    return last;
}

/* ---- tables that nobody would miss --------------------------------------------------------------
 */

enum { LEAF = 4, LEAVES = FLAT_PAGES / LEAF }; /* pages of a leaf table */

/* The second time, what was used before the first may go. */
static void run_give_back(struct act *act)
{
    unsigned i;

    for (i = 0; i < 2; i++)
        expect(mmk_shrink_tables(act_mm(act), UINT64_MAX) % PAGE == 0);
}

static bool would_not_be_missed(const struct flat *flat, unsigned space, unsigned table)
{
    bool present = false;
    unsigned page;

    for (page = table * LEAF; page < (table + 1) * LEAF; page++) {
        if (!flat->space[space].page[page].present)
            continue;
        if (!flat_would_not_be_missed(flat, space, page))
            return false;
        present = true;
    }
    return present;
}

/* A table goes, or stays, in one step: whether it was used does not show, nor who has the lock. */
static bool model_give_back(struct flat *flat, struct act *act)
{
    unsigned table, page;

    while (act->step < 2 * LEAVES) {
        table = act->step++ % LEAVES;
        if (!would_not_be_missed(flat, act->space, table))
            continue;
        if (flat_either(flat, 2))
            for (page = table * LEAF; page < (table + 1) * LEAF; page++)
                flat_drop(flat, act->space, page);
        return false;
    }
    return true;
}

/* ---- what fork does with a mapping: under the lock for writing, in one step -------------------
 */

static void run_dontfork(struct act *act)
{
    advise(act, MMK_MADV_DONTFORK);
}

static bool model_dontfork(struct flat *flat, struct act *act)
{
    int64_t hole = 0;
    unsigned i;

    act_split_ends(flat, act);
    act->code = MMK_EPERM;
    for (i = 0; i < act->count; i++) {
        struct flat_page *p = act_page(flat, act, i);

        if (flat_sealed_contents(p))
            return true;
        p->no_fork = p->mapped;
        if (!p->mapped)
            hole = MMK_ENOMEM;
    }
    act->code = hole;
    return true;
}

static void run_wipe(struct act *act)
{
    advise(act, MMK_MADV_WIPEONFORK);
}

static bool model_wipe(struct flat *flat, struct act *act)
{
    int64_t hole = 0;
    unsigned i;

    act_split_ends(flat, act);
    act->code = MMK_EINVAL;
    for (i = 0; i < act->count; i++) {
        struct flat_page *p = act_page(flat, act, i);

        if (flat_sealed_contents(p))
            act->code = MMK_EPERM;
        if (p->object || flat_sealed_contents(p))
            return true;
        p->wipe = p->mapped;
        if (!p->mapped)
            hole = MMK_ENOMEM;
    }
    act->code = hole;
    return true;
}

const struct op pair_ops_page[] = {
    {"dontneed", 0, run_dontneed, model_dontneed},
    {"free", OP_RARE, run_free, model_free},
    {"guard", 0, run_guard, model_guard},
    {"unguard", OP_RARE, run_unguard, model_unguard},
    {"willneed", OP_RARE | OP_OBJECT, run_willneed, model_willneed},
    {"populate", OP_RARE | OP_READS, run_populate, model_populate},
    {"populate-write", OP_FILLS, run_populate_write, model_populate_write},
    {"mincore", OP_RARE, run_mincore, model_mincore},
    {"give-back", OP_ACCESS | OP_NOWHERE, run_give_back, model_give_back},
    {"dontfork", OP_RARE | OP_WRITER, run_dontfork, model_dontfork},
    {"wipe", OP_RARE | OP_WRITER, run_wipe, model_wipe},
    {NULL, 0, NULL, NULL},
};
