/* SPDX-License-Identifier: MIT */
/*
 * replay_advice.c - madvise: on mmkit, and on the shadow.
 *
 * A hole is known from the answer, ENOMEM: mmkit must then answer the same. Other errors are not
 * replayed, though Linux may have done a part of what was asked for.
 */
#include "replay_state.h"

/* What the pages of the range that an object has there are the object's without. */
static void punch(struct replay *replay, struct space *space, uint64_t start, uint64_t end)
{
    const struct shadow_region *region;
    struct space *other;

    for (; start < end; start = region->end) {
        uint64_t first, pages;

        region = shadow_find(&space->shadow, start);
        if (region == NULL || region->object == NULL)
            return;
        first = shadow_index(region, start);
        pages = (mmk_min(end, region->end) - start) >> MMK_PAGE_SHIFT;
        for (other = replay->spaces; other != NULL; other = other->next)
            shadow_unmap_object(&other->shadow, region->object, first, first + pages);
        shadow_object_punch(&replay->world, region->object, first, first + pages);
    }
}

/* Others had the object mapped: their tables may have gone, too. */
static void account_others(struct replay *replay, const struct space *space)
{
    struct space *other;

    for (other = replay->spaces; other != NULL; other = other->next) {
        if (other == space)
            continue;
        if (!replay_is_planning(replay))
            replay_space_observe(other);
        replay_space_account(replay, other);
    }
}

static void advise_shadow(struct replay *replay, struct space *space, const struct op *op)
{
    struct shadow *shadow = &space->shadow;
    uint64_t start = op->address, end = start + op->length;

    switch (op->argument) {
    case MMK_MADV_DONTNEED:
    case MMK_MADV_DONTNEED_LOCKED:
        shadow_discard(shadow, start, end);
        break;
    case MMK_MADV_FREE:
        shadow_lazy_free(shadow, start, end);
        break;
    case MMK_MADV_REMOVE:
        punch(replay, space, start, end);
        break;
    case MMK_MADV_DONTFORK:
        shadow_set_flags(shadow, start, end, 0, SHADOW_DONT_FORK);
        break;
    case MMK_MADV_DOFORK:
        shadow_set_flags(shadow, start, end, SHADOW_DONT_FORK, 0);
        break;
    case MMK_MADV_WIPEONFORK:
        shadow_set_flags(shadow, start, end, 0, SHADOW_WIPE_ON_FORK);
        break;
    case MMK_MADV_KEEPONFORK:
        shadow_set_flags(shadow, start, end, SHADOW_WIPE_ON_FORK, 0);
        break;
    case MMK_MADV_WILLNEED:
        shadow_read_ahead(shadow, start, end);
        break;
    case MMK_MADV_POPULATE_READ:
        shadow_populate(shadow, start, end, SHADOW_READ);
        break;
    case MMK_MADV_POPULATE_WRITE:
        shadow_populate(shadow, start, end, SHADOW_WRITE);
        break;
    case MMK_MADV_PAGEOUT:
        shadow->world->paged_out = true;
        break;
    case MMK_MADV_GUARD_INSTALL:
        shadow_guard(shadow, start, end);
        break;
    case MMK_MADV_GUARD_REMOVE:
        shadow_unguard(shadow, start, end);
        break;
    default: /* without effect */
        break;
    }
}

enum step replay_advice(struct replay *replay, struct space *space, const struct op *op)
{
    enum step step = STEP_DONE;

    if (op->partial && shadow_is_covered(&space->shadow, op->address, op->address + op->length))
        return STEP_SKIPPED; /* Linux had no memory: nothing was changed */
    if (!replay_is_planning(replay)) {
        step = replay_judge(replay, "madvise",
                            mmk_madvise(space->mm, op->address, op->length, (int)op->argument),
                            op->partial ? MMK_ENOMEM : 0);
    }
    advise_shadow(replay, space, op);
    if (op->argument == MMK_MADV_REMOVE)
        account_others(replay, space);
    return step;
}
