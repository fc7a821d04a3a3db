/* SPDX-License-Identifier: MIT */
/*
 * pairs_map.c - calls that change mappings where they are.
 *
 * One step each: the mmap lock is held for writing until the mappings are what they will be, and
 * an access that still finds a page after that is one that came before.
 */
#include "pairs.h"

/* mmap over what is there: no access sees a hole. */
static void run_map(struct act *act)
{
    act->code =
        mmk_mmap(act_mm(act), act_addr(act), act_length(act), RW, ANON | MMK_MAP_FIXED, NULL, 0);
}

static bool is_sealed(struct flat *flat, const struct act *act)
{
    unsigned i;

    for (i = 0; i < act->count; i++)
        if (act_page(flat, act, i)->sealed)
            return true;
    return false;
}

static bool model_map(struct flat *flat, struct act *act)
{
    unsigned i;

    act_split_ends(flat, act);
    act->code = MMK_EPERM;
    if (is_sealed(flat, act))
        return true;
    for (i = 0; i < act->count; i++)
        flat_map(flat, act->space, act->page + i, RW);
    act->code = (int64_t)act_addr(act);
    return true;
}

/* The object's own page, shared, in each place. */
static void run_map_file(struct act *act)
{
    act->code = mmk_mmap(act_mm(act), act_addr(act), act_length(act), RW,
                         MMK_MAP_SHARED | MMK_MAP_FIXED, pair_run.object, act->page * PAGE);
}

static bool model_map_file(struct flat *flat, struct act *act)
{
    unsigned i;

    (void)model_map(flat, act);
    for (i = 0; i < act->count && act->code >= 0; i++) {
        struct flat_page *p = act_page(flat, act, i);

        p->object = p->shared = true;
        p->index = (uint8_t)(act->page + i);
    }
    return true;
}

/* And what has come is used: whatever was there is over then. */
static void run_map_store(struct act *act)
{
    uint64_t word = WORD_STORED(act->cpu);

    run_map(act);
    if (act->code >= 0)
        act->word = (uint64_t)machine_store(act_addr(act), &word, sizeof(word));
}

static bool model_map_store(struct flat *flat, struct act *act)
{
    uint32_t word = WORD_STORED(act->cpu);

    if (act->step == 0 && model_map(flat, act) && act->code < 0)
        return true;
    if (act->step == 1)
        (void)flat_fault(flat, act->space, act->page, true);
    else if (act->step == 2)
        act->word = flat_access(flat, act->space, act->page, true, &word);
    return act->step++ == 2;
}

static void run_unmap(struct act *act)
{
    act->code = mmk_munmap(act_mm(act), act_addr(act), act_length(act));
}

static bool model_unmap(struct flat *flat, struct act *act)
{
    unsigned i;

    act_split_ends(flat, act);
    act->code = MMK_EPERM;
    if (is_sealed(flat, act))
        return true;
    for (i = 0; i < act->count; i++)
        flat_unmap(flat, act->space, act->page + i);
    act->code = 0;
    return true;
}

/* What lies before a hole, or what is sealed, is protected, then the error. */
static bool protect(struct flat *flat, struct act *act, unsigned prot)
{
    unsigned i;

    act->code = 0;
    for (i = 0; i < act->count && !act->code; i++) {
        struct flat_page *p = act_page(flat, act, i);

        if (!p->mapped)
            act->code = MMK_ENOMEM;
        else if (p->sealed)
            act->code = MMK_EPERM;
        else
            p->prot = (uint8_t)prot;
    }
    return true;
}

static void run_protect(struct act *act)
{
    act->code = mmk_mprotect(act_mm(act), act_addr(act), act_length(act), MMK_PROT_READ);
}

static bool model_protect(struct flat *flat, struct act *act)
{
    return protect(flat, act, MMK_PROT_READ);
}

static void run_deny(struct act *act)
{
    act->code = mmk_mprotect(act_mm(act), act_addr(act), act_length(act), MMK_PROT_NONE);
}

static bool model_deny(struct flat *flat, struct act *act)
{
    return protect(flat, act, MMK_PROT_NONE);
}

static void run_permit(struct act *act)
{
    act->code = mmk_mprotect(act_mm(act), act_addr(act), act_length(act), RW);
}

/* And of locked memory, that may now be written, each page is the program's own from then on. */
static bool model_permit(struct flat *flat, struct act *act)
{
    const struct flat_page *p;
    unsigned i;

    (void)protect(flat, act, RW);
    for (i = 0; i < act->count; i++) {
        p = act_page(flat, act, i);
        if (p->mapped && p->locked && !p->lazily && !p->shared && p->prot == RW)
            (void)act_bring_in(flat, act, act->page + i);
    }
    return true;
}

static void run_seal(struct act *act)
{
    act->code = mmk_mseal(act_mm(act), act_addr(act), act_length(act), 0);
}

/* All or nothing. */
static bool model_seal(struct flat *flat, struct act *act)
{
    unsigned i;

    act->code = MMK_ENOMEM;
    for (i = 0; i < act->count; i++)
        if (!act_page(flat, act, i)->mapped)
            return true;
    act_split_ends(flat, act);
    for (i = 0; i < act->count; i++)
        act_page(flat, act, i)->sealed = true;
    act->code = 0;
    return true;
}

/* ---- where nothing is mapped ------------------------------------------------------------------
 */

static bool is_free(const struct flat *flat, const struct act *act, unsigned page, unsigned count)
{
    while (count-- > 0)
        if (flat->space[act->space].page[page++].mapped)
            return false;
    return true;
}

static void map_at(struct flat *flat, const struct act *act, unsigned page, unsigned count)
{
    while (count-- > 0)
        flat_map(flat, act->space, page++, RW);
}

static void run_place(struct act *act)
{
    act->code = mmk_mmap(act_mm(act), page_at(act->page + PAIR_ASIDE), act_length(act), RW,
                         ANON | MMK_MAP_FIXED_NOREPLACE, NULL, 0);
}

static bool model_place(struct flat *flat, struct act *act)
{
    unsigned page = act->page + PAIR_ASIDE;

    act->code = MMK_EEXIST;
    if (!is_free(flat, act, page, act->count))
        return true;
    map_at(flat, act, page, act->count);
    act->code = (int64_t)page_at(page);
    return true;
}

static void run_anywhere(struct act *act)
{
    act->code = mmk_mmap(act_mm(act), 0, act_length(act), RW, ANON, NULL, 0);
}

/* The highest gap. */
static bool model_anywhere(struct flat *flat, struct act *act)
{
    unsigned page = PAIR_HIGH + 1 - act->count;

    while (!is_free(flat, act, page, act->count))
        page--;
    map_at(flat, act, page, act->count);
    act->code = (int64_t)page_at(page);
    return true;
}

/* ---- the heap, behind the mapping -------------------------------------------------------------
 */

static void run_heap(struct act *act)
{
    act->code = (int64_t)mmk_brk(act_mm(act), page_at(PAIR_HEAP + 1));
}

static bool model_heap(struct flat *flat, struct act *act)
{
    struct flat_space *space = &flat->space[act->space];

    /* A page is left free behind it. */
    if (space->heap_end == PAIR_HEAP && is_free(flat, act, PAIR_HEAP, 2)) {
        map_at(flat, act, PAIR_HEAP, 1);
        space->heap_end++;
    }
    act->code = (int64_t)page_at(space->heap_end);
    return true;
}

static void run_unheap(struct act *act)
{
    act->code = (int64_t)mmk_brk(act_mm(act), page_at(PAIR_HEAP));
}

static bool model_unheap(struct flat *flat, struct act *act)
{
    struct flat_space *space = &flat->space[act->space];

    if (space->heap_end > PAIR_HEAP && space->page[PAIR_HEAP].mapped) {
        flat_unmap(flat, act->space, PAIR_HEAP);
        space->heap_end--;
    }
    act->code = (int64_t)page_at(space->heap_end);
    return true;
}

const struct op pair_ops_map[] = {
    {"map", OP_LARGE | OP_WRITER, run_map, model_map},
    {"map-file", OP_LARGE | OP_WRITER | OP_OBJECT | OP_RARE, run_map_file, model_map_file},
    {"map-store", OP_LARGE | OP_WRITER | OP_RARE | OP_LOOKS, run_map_store, model_map_store},
    {"unmap", OP_WRITER, run_unmap, model_unmap},
    {"protect", OP_LARGE | OP_WRITER, run_protect, model_protect},
    {"deny", OP_LARGE | OP_WRITER | OP_RARE, run_deny, model_deny},
    {"permit", OP_WRITER | OP_CLOSED, run_permit, model_permit},
    {"seal", OP_WRITER | OP_RARE, run_seal, model_seal},
    {"place", OP_WRITER | OP_RARE | OP_ASIDE, run_place, model_place},
    {"anywhere", OP_WRITER | OP_RARE | OP_HIGH, run_anywhere, model_anywhere},
    {"heap", OP_WRITER | OP_RARE | OP_HEAP, run_heap, model_heap},
    {"unheap", OP_WRITER | OP_RARE | OP_HEAP, run_unheap, model_unheap},
    {NULL, 0, NULL, NULL},
};
