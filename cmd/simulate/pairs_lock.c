/* SPDX-License-Identifier: MIT */
/*
 * pairs_lock.c - mlock and its like: the mappings are locked in one step, the lock is downgraded,
 * and pages are brought in one by one.
 */
#include "pairs.h"

/* What lies before a hole is set; then the error. */
static int64_t set(struct flat *flat, const struct act *act, bool locked, bool lazily)
{
    unsigned i;

    act_split_ends(flat, act);
    for (i = 0; i < act->count; i++) {
        struct flat_page *p = act_page(flat, act, i);

        if (!p->mapped)
            return MMK_ENOMEM;
        p->locked = locked;
        p->lazily = lazily;
    }
    return 0;
}

enum mmk_fault_result act_bring_in(struct flat *flat, const struct act *act, unsigned page)
{
    const struct flat_page *p = &flat->space[act->space].page[page];

    return flat_fault(flat, act->space, page, (p->prot & MMK_PROT_WRITE) && !p->shared);
}

static void run_lock(struct act *act)
{
    act->code = mmk_mlock(act_mm(act), act_addr(act), act_length(act));
}

static bool model_lock(struct flat *flat, struct act *act)
{
    enum mmk_fault_result result;

    if (act->step++ == 0) {
        act->code = set(flat, act, true, false);
        act->reads = act->code == 0;
        return !act->reads;
    }
    result = act_bring_in(flat, act, act->page + act->step - 2);
    if (result == MMK_FAULT_KILLED)
        act->code = MMK_EINTR;
    else if (result != MMK_FAULT_DONE)
        act->code = MMK_ENOMEM;
    act->reads = act->code == 0 && act->step <= act->count;
    return !act->reads;
}

static void run_lock_lazily(struct act *act)
{
    act->code = mmk_mlock2(act_mm(act), act_addr(act), act_length(act), MMK_MLOCK_ONFAULT);
}

static bool model_lock_lazily(struct flat *flat, struct act *act)
{
    act->code = set(flat, act, true, true);
    return true;
}

static void run_unlock(struct act *act)
{
    act->code = mmk_munlock(act_mm(act), act_addr(act), act_length(act));
}

static bool model_unlock(struct flat *flat, struct act *act)
{
    act->code = set(flat, act, false, false);
    return true;
}

static void run_lock_all(struct act *act)
{
    act->code = mmk_mlockall(act_mm(act), MMK_MCL_CURRENT);
}

/* The first page from `page` on that is mapped. */
static unsigned next_mapped(const struct flat *flat, const struct act *act, unsigned page)
{
    while (page < FLAT_PAGES && !flat->space[act->space].page[page].mapped)
        page++;
    return page;
}

/* The first page behind the mapping that `page` is in. */
static unsigned mapping_end(const struct flat *flat, const struct act *act, unsigned page)
{
    const struct flat_page *pages = flat->space[act->space].page;

    do
        page++;
    while (page < FLAT_PAGES && flat_same_mapping(&pages[page - 1], &pages[page]));
    return page;
}

/* Of a mapping with a page that cannot be had, the rest is left out, which is no error. */
static bool model_lock_all(struct flat *flat, struct act *act)
{
    unsigned page = act->step;

    if (!act->reads) {
        for (page = 0; page < FLAT_PAGES; page++)
            flat->space[act->space].page[page].locked = flat->space[act->space].page[page].mapped;
        act->step = next_mapped(flat, act, 0);
    } else {
        page = act_bring_in(flat, act, page) == MMK_FAULT_DONE ? page + 1
                                                               : mapping_end(flat, act, page);
        act->step = next_mapped(flat, act, page);
    }
    act->reads = act->step < FLAT_PAGES;
    return !act->reads;
}

static void run_unlock_all(struct act *act)
{
    act->code = mmk_munlockall(act_mm(act));
}

static bool model_unlock_all(struct flat *flat, struct act *act)
{
    unsigned page;

    for (page = 0; page < FLAT_PAGES; page++)
        flat->space[act->space].page[page].locked = false;
    return true;
}

const struct op pair_ops_lock[] = {
    {"lock", OP_LARGE | OP_BRINGS | OP_WRITER, run_lock, model_lock},
    {"lock-lazily", OP_WRITER | OP_RARE, run_lock_lazily, model_lock_lazily},
    {"unlock", OP_WRITER | OP_RARE, run_unlock, model_unlock},
    {"lock-all", OP_LARGE | OP_WHOLE | OP_WRITER | OP_RARE | OP_PAIRED | OP_NOWHERE, run_lock_all,
     model_lock_all},
    {"unlock-all", OP_WRITER | OP_RARE | OP_NOWHERE, run_unlock_all, model_unlock_all},
    {NULL, 0, NULL, NULL},
};
