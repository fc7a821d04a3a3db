/* SPDX-License-Identifier: MIT */
/*
 * pairs_larger.c - small pages become a larger one: because somebody asks for it, and in the
 * background.
 *
 * One step a table: the mmap lock is held for writing from the look to the end. Pages are copied,
 * or stay where they are when they lie in a row; that shows only when they are stored to after a
 * fork.
 */
#include "pairs.h"

#include <mmkit/huge.h>

/* All pages are the program's own from now on, unless those of before a fork lie in a row. */
static void collapse(struct flat *flat, const struct act *act, unsigned page)
{
    struct flat_page *p = &flat->space[act->space].page[page];
    bool common = true;
    unsigned i;

    for (i = 0; i < FLAT_TABLE; i++)
        common = common && p[i].own && p[i].common;
    common = common && flat_either(flat, 2) == 1;
    flat_make_larger(flat, act->space, page);
    for (i = 0; i < FLAT_TABLE; i++)
        p[i].common = common;
}

/* What keeps pages from becoming one, 0: nothing; least: of them there must be so many. */
static int why_not(const struct flat_page *p, unsigned least)
{
    unsigned i, own = 0;
    bool pinned = false;

    for (i = 0; i < FLAT_TABLE; i++) {
        if (p[i].guard)
            return MMK_EINVAL;
        pinned = pinned || p[i].pins;
        own += p[i].own;
    }
    if (own < least)
        return MMK_EINVAL;
    return pinned ? MMK_EAGAIN : 0;
}

static void run_collapse(struct act *act)
{
    act->code = mmk_madvise(act_mm(act), act_addr(act), act_length(act), MMK_MADV_COLLAPSE);
}

static bool model_collapse(struct flat *flat, struct act *act)
{
    const struct flat_page *p = act_page(flat, act, 0);

    act->code = MMK_ENOMEM;
    if (!p[0].mapped && !p[1].mapped && !p[2].mapped && !p[3].mapped)
        return true;
    act->code = MMK_EINVAL;
    if (!flat_fits_larger(flat, act->space, act->page))
        return true;
    act->code = p->larger ? 0 : why_not(p, 1);
    if (!p->larger && act->code == 0)
        collapse(flat, act, act->page);
    return true;
}

/* All there are; answers how many it has made. */
static void run_collapse_next(struct act *act)
{
    act->code = (int64_t)mmk_collapse(act_mm(act), UINT64_MAX);
}

static bool model_collapse_next(struct flat *flat, struct act *act)
{
    const struct flat_page *p;
    unsigned page;

    if (flat->space[act->space].killed && flat_either(flat, 2))
        return true;
    while (act->step < FLAT_PAGES / FLAT_TABLE) {
        page = act->step++ * FLAT_TABLE;
        if (!flat_fits_larger(flat, act->space, page))
            continue;
        p = &flat->space[act->space].page[page];
        if (!p->larger && !why_not(p, FLAT_TABLE / 2)) {
            collapse(flat, act, page);
            act->code++;
        }
        return false;
    }
    return true;
}

const struct op pair_ops_larger[] = {
    {"collapse", OP_LARGER | OP_WRITER | OP_NOWHERE, run_collapse, model_collapse},
    {"collapse-next", OP_LARGER | OP_WRITER | OP_NOWHERE, run_collapse_next, model_collapse_next},
    {NULL, 0, NULL, NULL},
};
