/* SPDX-License-Identifier: MIT */
/*
 * pairs_object.c - what is done to the object that is mapped. Its page `n` is mapped at page n.
 *
 * Truncation is one step: a call that still finds a page beyond the new end is one that came
 * before, unless others that came before it did not. Holes and write-back go page by page, as on
 * Linux.
 */
#include "pairs.h"

static void run_truncate(struct act *act)
{
    act->code = mmk_object_resize(pair_run.object, act->page * PAGE);
}

static bool model_truncate(struct flat *flat, struct act *act)
{
    unsigned i;

    flat->object.size = act->page;
    for (i = act->page; i < FLAT_OBJECT; i++)
        flat_discard(flat, i, true);
    return true;
}

static void run_extend(struct act *act)
{
    act->code = mmk_object_resize(pair_run.object, FLAT_OBJECT * PAGE);
}

static bool model_extend(struct flat *flat, struct act *act)
{
    (void)act;
    flat->object.size = FLAT_OBJECT;
    return true;
}

static void run_punch(struct act *act)
{
    act->code = mmk_object_punch_hole(pair_run.object, act->page * PAGE, act_length(act));
}

static bool model_punch(struct flat *flat, struct act *act)
{
    flat_discard(flat, act->page + act->step++, false);
    return act->step == act->count;
}

static void run_remove(struct act *act)
{
    act->code = mmk_madvise(act_mm(act), act_addr(act), act_length(act), MMK_MADV_REMOVE);
}

/* Each mapping is looked at first; its pages then go under no lock of the address space. */
static bool model_remove(struct flat *flat, struct act *act)
{
    const struct flat_page *p = act_looked_at(flat, act);

    if (p && (!p->object || p->locked || !p->shared)) {
        act->code = p->object && !p->locked ? MMK_EACCES : MMK_EINVAL;
        if (flat_sealed_contents(p))
            act->code = MMK_EPERM;
        return true;
    }
    if (!p && act->step < act->upto)
        flat_discard(flat, act->page + act->step++, false);
    return act->step == act->count;
}

static void run_sync(struct act *act)
{
    act->code = mmk_object_sync(pair_run.object, act->page * PAGE, act_length(act));
}

static bool model_sync(struct flat *flat, struct act *act)
{
    flat_write_back(flat, act->page + act->step++);
    return act->step == act->count;
}

static void run_msync(struct act *act)
{
    act->code = mmk_msync(act_mm(act), act_addr(act), act_length(act), MMK_MS_SYNC);
}

static bool model_msync(struct flat *flat, struct act *act)
{
    const struct flat_page *p = act_looked_at(flat, act);

    if (!p && act->step < act->upto)
        flat_write_back(flat, act->page + act->step++);
    else if (p && !(p->object && p->shared))
        act->step = act->upto;
    return act->step == act->count;
}

const struct op pair_ops_object[] = {
    {"truncate", OP_LARGE | OP_CUTS | OP_ACCESS | OP_OBJECT | OP_ONE_PAGE | OP_PAIRED, run_truncate,
     model_truncate},
    {"extend", OP_ACCESS | OP_OBJECT | OP_ONE_PAGE | OP_RARE, run_extend, model_extend},
    {"punch", OP_LARGE | OP_ACCESS | OP_OBJECT, run_punch, model_punch},
    {"remove", OP_LARGE | OP_SHARED | OP_RARE, run_remove, model_remove},
    {"sync", OP_ACCESS | OP_SHARED, run_sync, model_sync},
    {"msync", OP_SHARED | OP_RARE, run_msync, model_msync},
    {NULL, 0, NULL, NULL},
};
