/* SPDX-License-Identifier: MIT */
/*
 * replay_check.c - --check: mmkit's own invariants, its counters against the shadow's, and every
 * byte that every program must see. Once pages were reclaimed the shadow's counts are bounds.
 */
#include "replay_state.h"

#include <inttypes.h>

static void compare_count(struct replay *replay, const struct space *space, const char *what,
                          uint64_t got, uint64_t expected)
{
    if (got != expected) {
        replay_diverge(replay, "address space %" PRIu64 " counts %" PRIu64 " %s, expected %" PRIu64,
                       mmk_mm_id(space->mm), got, what, expected);
    }
}

/* Of pages: what reclaim took is a page less, what came with a larger one a page more. */
static void compare_pages_count(struct replay *replay, const struct space *space, const char *what,
                                uint64_t got, uint64_t expected)
{
    if (got > expected && replay_has_huge(replay))
        return;
    if (got > expected || !shadow_may_lack(&replay->world))
        compare_count(replay, space, what, got, expected);
}

static void compare_counts(struct replay *replay, const struct space *space)
{
    const struct shadow *shadow = &space->shadow;
    struct mmk_mm_stats stats;

    mmk_mm_stats(space->mm, &stats);
    compare_count(replay, space, "mapped bytes", stats.virt_bytes, shadow->mapped_bytes);
    compare_pages_count(replay, space, "private pages", stats.rss_anon, shadow->private_pages);
    compare_pages_count(replay, space, "file pages", stats.rss_file, shadow->file_pages);
    compare_pages_count(replay, space, "shared pages", stats.rss_shmem, shadow->shared_pages);
}

struct walk {
    struct replay *replay;
    struct space *space;
};

static uint64_t visit_page(void *context, uint64_t page, uint64_t value)
{
    struct walk *walk = context;
    uint64_t address = page << MMK_PAGE_SHIFT;
    const struct shadow_region *region = shadow_find(&walk->space->shadow, address);

    if (region->prot != MMK_PROT_NONE)
        replay_compare_page(walk->replay, walk->space, address);
    return value;
}

/* Every page that has an entry: a read may not even fault. */
static void compare_pages(struct replay *replay, struct space *space)
{
    struct page_map slots = space->shadow.slots; /* the walk moves its cache */
    struct walk walk = {replay, space};
    struct machine_stats before, after;

    replay_space_load(replay, space);
    machine_stats_read(&before);
    page_map_range(&slots, 0, (uint64_t)1 << (slots.pool->levels * slots.pool->bits), visit_page,
                   &walk);
    machine_stats_read(&after);
    if (after.faults != before.faults && !shadow_may_lack(&replay->world)) {
        replay_diverge(replay, "reading what is mapped took %" PRIu64 " faults, expected none",
                       after.faults - before.faults);
    }
}

void replay_check_all(struct replay *replay)
{
    struct space *space;
    size_t i;

    for (space = replay->spaces; space != NULL; space = space->next) {
        mmk_check(space->mm);
        compare_counts(replay, space);
        compare_pages(replay, space);
    }
    for (i = 0; i < replay->program->file_count; i++)
        if (replay->files[i].object != NULL)
            mmk_check_object(replay->files[i].object);
    mmk_check_frames();
}

void replay_check_op(struct replay *replay, struct space *space, const struct op *op)
{
    switch ((enum op_kind)op->kind) {
    case OP_FAULT:
        mmk_check_address(space->mm, op->address);
        replay_space_load(replay, space);
        replay_compare_page(replay, space, op->address);
        break;
    case OP_MREMAP:
        mmk_check_address(space->mm, op->address);
        mmk_check_address(space->mm, op->target);
        mmk_check_address(space->mm, op->target + op->argument - 1);
        break;
    case OP_BRK:
        mmk_check_address(space->mm, op->argument);
        break;
    default:
        if (!op_is_range(op))
            break;
        mmk_check_address(space->mm, op->address);
        mmk_check_address(space->mm, op->address + op->length - 1);
        break;
    }
    compare_counts(replay, space);
}
