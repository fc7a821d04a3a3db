/* SPDX-License-Identifier: MIT */
/*
 * pairs_move.c - mremap. One step each, as the mmap lock is held for writing all the time; and one
 * with it held for reading, where locked memory has become larger.
 */
#include "pairs.h"

static void run_move(struct act *act)
{
    act->code = mmk_mremap(act_mm(act), act_addr(act), act_length(act), act_length(act),
                           MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, page_at(act->page + PAIR_ASIDE));
}

static void run_move_keep(struct act *act)
{
    act->code = mmk_mremap(act_mm(act), act_addr(act), act_length(act), act_length(act),
                           MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED | MMK_MREMAP_DONTUNMAP,
                           page_at(act->page + PAIR_ASIDE));
}

/* DONTUNMAP: the whole old mapping is no longer locked, as far as it goes. */
static void unlock_around(struct flat *flat, const struct act *act, unsigned page)
{
    struct flat_page *pages = flat->space[act->space].page;
    unsigned first = page, last = page;

    while (first > 0 && flat_same_mapping(&pages[first - 1], &pages[first]))
        first--;
    while (last + 1 < FLAT_PAGES && flat_same_mapping(&pages[last], &pages[last + 1]))
        last++;
    for (; first <= last; first++)
        pages[first].locked = pages[first].lazily = false;
}

static void leave(struct flat *flat, const struct act *act, unsigned i, bool keep)
{
    unsigned page = act->page + i;

    if (!keep) {
        flat_unmap(flat, act->space, page);
        return;
    }
    unlock_around(flat, act, page);
    act_page(flat, act, i)->guard = false;
    flat_drop(flat, act->space, page);
}

/* Mapping by mapping: what lies before a sealed one has moved. Holes are left out. */
static bool move(struct flat *flat, struct act *act, bool keep)
{
    unsigned i, moved;

    act->code = MMK_EFAULT;
    if (!act_page(flat, act, 0)->mapped)
        return true;
    act->code = (int64_t)page_at(act->page + PAIR_ASIDE);
    for (moved = 0; moved < act->count; moved++) {
        struct flat_page *from = act_page(flat, act, moved);

        if (from->mapped && (from->sealed || from[PAIR_ASIDE].sealed)) {
            act->code = MMK_EPERM;
            break;
        }
        if (from->mapped)
            from[PAIR_ASIDE] = *from;
    }
    for (i = 0; i < moved; i++)
        if (act_page(flat, act, i)->mapped)
            leave(flat, act, i, keep);
    return true;
}

static bool model_move(struct flat *flat, struct act *act)
{
    return move(flat, act, false);
}

static bool model_move_keep(struct flat *flat, struct act *act)
{
    return move(flat, act, true);
}

/* The mapping's last page becomes two. */
static void run_grow(struct act *act)
{
    act->code = mmk_mremap(act_mm(act), page_at(PAIR_END - 1), PAGE, 2 * PAGE, 0, 0);
}

static int64_t grow(struct flat *flat, const struct act *act)
{
    struct flat_page *last = &flat->space[act->space].page[PAIR_END - 1];

    if (!last->mapped)
        return MMK_EFAULT;
    if (last->sealed)
        return MMK_EPERM;
    if (last[1].mapped)
        return MMK_ENOMEM;
    last[1] = *last;
    last[1].index++;
    last[1].guard = false;
    flat_drop(flat, act->space, PAIR_END);
    return (int64_t)page_at(PAIR_END - 1);
}

/* Whether the new page can be had is not told. */
static bool model_grow(struct flat *flat, struct act *act)
{
    const struct flat_page *next = &flat->space[act->space].page[PAIR_END];

    if (act->step++ == 0) {
        act->code = grow(flat, act);
        act->reads = act->code >= 0 && next->locked && !next->lazily;
    } else {
        (void)act_bring_in(flat, act, PAIR_END);
        act->reads = false;
    }
    return !act->reads;
}

/* Of two pages the first stays. */
static void run_shrink(struct act *act)
{
    act->code = mmk_mremap(act_mm(act), act_addr(act), 2 * PAGE, PAGE, 0, 0);
}

static bool model_shrink(struct flat *flat, struct act *act)
{
    act->code = MMK_EFAULT;
    if (!act_page(flat, act, 0)->mapped)
        return true;
    act->code = MMK_EPERM;
    if (act_page(flat, act, 0)->sealed || act_page(flat, act, 1)->sealed)
        return true;
    flat_unmap(flat, act->space, act->page + 1);
    act->code = (int64_t)act_addr(act);
    return true;
}

const struct op pair_ops_move[] = {
    {"move", OP_LARGE | OP_WRITER | OP_ASIDE, run_move, model_move},
    {"move-keep", OP_LARGE | OP_WRITER | OP_ASIDE | OP_RARE | OP_PAIRED, run_move_keep,
     model_move_keep},
    {"grow", OP_WRITER | OP_HEAP | OP_RARE, run_grow, model_grow},
    {"shrink", OP_WRITER | OP_ONE_PAGE | OP_RARE, run_shrink, model_shrink},
    {NULL, 0, NULL, NULL},
};
