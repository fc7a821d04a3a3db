/* SPDX-License-Identifier: MIT */
/* pairs_map.c - calls that change mappings, and advice about pages. */
#include "pairs.h"

/* Over what is there, in one step: no access sees a hole. */
static void run_map(struct act *act)
{
    act->code =
        mmk_mmap(act_mm(act), act_addr(act), act_length(act), RW, ANON | MMK_MAP_FIXED, NULL, 0);
}

static bool model_map(struct flat *flat, struct act *act)
{
    unsigned i;

    for (i = 0; i < act->count; i++)
        flat_map(flat, act->space, act->page + i, RW);
    act->code = (int64_t)act_addr(act);
    return true;
}

static void run_unmap(struct act *act)
{
    act->code = mmk_munmap(act_mm(act), act_addr(act), act_length(act));
}

static bool model_unmap(struct flat *flat, struct act *act)
{
    unsigned i;

    for (i = 0; i < act->count; i++)
        flat_unmap(flat, act->space, act->page + i);
    act->code = 0;
    return true;
}

/* What lies before a hole is protected, then the error. */
static int64_t protect(struct flat *flat, struct act *act, unsigned prot)
{
    unsigned i;

    for (i = 0; i < act->count; i++) {
        if (!act_page(flat, act, i)->mapped)
            return MMK_ENOMEM;
        act_page(flat, act, i)->prot = (uint8_t)prot;
    }
    return 0;
}

static void run_protect(struct act *act)
{
    act->code = mmk_mprotect(act_mm(act), act_addr(act), act_length(act), MMK_PROT_READ);
}

static bool model_protect(struct flat *flat, struct act *act)
{
    act->code = protect(flat, act, MMK_PROT_READ);
    return true;
}

/* Nothing, then everything again: two calls. */
static void run_reprotect(struct act *act)
{
    int code = mmk_mprotect(act_mm(act), act_addr(act), act_length(act), MMK_PROT_NONE);

    act->word = (uint64_t)(int64_t)code;
    act->code = mmk_mprotect(act_mm(act), act_addr(act), act_length(act), RW);
}

static bool model_reprotect(struct flat *flat, struct act *act)
{
    if (act->step++ == 0) {
        act->word = (uint64_t)protect(flat, act, MMK_PROT_NONE);
        return false;
    }
    act->code = protect(flat, act, RW);
    return true;
}

/* ---- page by page, as on Linux ----------------------------------------------------------------
 */

/* The next page of a range. => true: there is none after it */
static bool next_page(struct act *act, unsigned *page)
{
    *page = act->page + act->step++;
    return act->step == act->count;
}

static void run_dontneed(struct act *act)
{
    act->code = mmk_madvise(act_mm(act), act_addr(act), act_length(act), MMK_MADV_DONTNEED);
}

/* Holes are skipped, and answered in the end. A locked mapping ends it. */
static bool model_dontneed(struct flat *flat, struct act *act)
{
    unsigned page;
    bool last = next_page(act, &page);
    struct flat_page *p = &flat->space[act->space].page[page];

    if (!p->mapped) {
        act->code = MMK_ENOMEM;
        return last;
    }
    if (p->locked) {
        act->code = MMK_EINVAL;
        return true;
    }
    flat_drop(flat, act->space, page);
    return last;
}

const struct op pair_ops_map[] = {
    {"map", 0, run_map, model_map},
    {"unmap", 0, run_unmap, model_unmap},
    {"protect", 0, run_protect, model_protect},
    {"reprotect", 0, run_reprotect, model_reprotect},
    {"dontneed", 0, run_dontneed, model_dontneed},
    {NULL, 0, NULL, NULL},
};
