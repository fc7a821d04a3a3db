/* SPDX-License-Identifier: MIT */
/*
 * replay_space.c - the life of address spaces, and what is summed over them.
 *
 * Sums are kept by differences: after an operation only the space that it touched is looked at.
 */
#include "replay_state.h"

#include "host_alloc.h"

#include <stdlib.h>

static struct space *add_space(struct replay *replay, struct mmk_mm *mm)
{
    struct space *space = host_alloc(1, sizeof(*space));

    space->mm = mm;
    space->link = &replay->spaces;
    space->next = replay->spaces;
    if (space->next != NULL)
        space->next->link = &space->next;
    replay->spaces = space;
    space->number = ++replay->result->processes;
    return space;
}

struct space *replay_space_create(struct replay *replay)
{
    struct mmk_mm *mm = NULL;
    struct space *space;

    if (!replay_is_planning(replay) && mmk_mm_create(&mm) != 0)
        return NULL;
    if (mm != NULL)
        mmk_set_lock_privilege(mm, true); /* what Linux did not refuse is within its limits */
    space = add_space(replay, mm);
    shadow_init(&space->shadow, &replay->world);
    return space;
}

struct space *replay_space_fork(struct replay *replay, struct space *parent)
{
    struct mmk_mm *mm = NULL;
    struct space *space;

    if (!replay_is_planning(replay) && mmk_fork(parent->mm, &mm) != 0)
        return NULL;
    space = add_space(replay, mm);
    shadow_fork(&space->shadow, &parent->shadow);
    return space;
}

void replay_space_load(struct replay *replay, struct space *space)
{
    if (replay->loaded != space && !replay_is_planning(replay)) {
        machine_switch_mm(space == NULL ? NULL : space->mm);
        replay->loaded = space;
    }
}

/* => the first user of a new space has its mm's first reference */
void replay_space_enter(struct replay *replay, struct space *space, uint32_t task)
{
    if (space->users > 0 && space->mm != NULL)
        mmk_mm_get(space->mm);
    space->users++;
    replay->task_spaces[task] = space;
}

static void add_fault_counts(struct replay *replay, const struct mmk_mm_stats *stats)
{
    struct replay_result *result = replay->result;

    result->faults.anon += stats->fault_anon;
    result->faults.zero += stats->fault_zero;
    result->faults.file += stats->fault_file;
    result->faults.cow += stats->fault_cow;
    result->faults.swap += stats->fault_swap;
    result->swap.major += stats->fault_major;
    result->swap.minor += stats->fault_swap - stats->fault_major;
    result->faults.reuse += stats->fault_reuse;
    result->faults.spurious += stats->fault_spurious;
    result->faults.around += stats->mapped_around;
    result->faults.huge += stats->huge_faults;
    result->locked.vma += stats->locked_vma;
    result->locked.first += stats->locked_first;
    result->locked.memory += stats->locked_memory;
    result->locked.page += stats->locked_page;
    result->locked.kind += stats->locked_kind;
    result->locked.changed += stats->locked_changed;
    result->huge.fallbacks += stats->huge_fallbacks;
    result->huge.splits += stats->huge_splits;
    result->huge.collapses += stats->huge_collapses;
}

static void end_space(struct replay *replay, struct space *space)
{
    struct mmk_mm_stats stats;

    if (space->mm != NULL) {
        mmk_mm_stats(space->mm, &stats);
        add_fault_counts(replay, &stats);
        if (replay->loaded == space)
            replay_space_load(replay, NULL);
        mmk_mm_put(space->mm);
    }
    replay->least -= space->least_seen;
    replay->linked -= space->linked_seen;
    replay->virt_bytes -= space->virt_seen;
    replay->created -= space->created_seen;
    shadow_destroy(&space->shadow);
    *space->link = space->next;
    if (space->next != NULL)
        space->next->link = space->link;
    free(space);
}

void replay_space_leave(struct replay *replay, uint32_t task)
{
    struct space *space = replay->task_spaces[task];

    if (space == NULL)
        return;
    replay->task_spaces[task] = NULL;
    if (--space->users == 0)
        end_space(replay, space);
    else if (space->mm != NULL)
        mmk_mm_put(space->mm);
}

/* Moves a sum by what one space's part of it has changed. */
static void move_sum(uint64_t *sum, uint64_t *seen, uint64_t now)
{
    *sum += now - *seen;
    *seen = now;
}

static void note_frames(struct replay *replay)
{
    const struct shadow_world *world = &replay->world;
    uint64_t resident = world->contents.frames + world->object_pages;
    uint64_t demand = world->contents.frames + world->touched_pages + replay->created;

    if (resident > replay->resident_peak)
        replay->resident_peak = resident;
    if (demand > replay->demand_peak)
        replay->demand_peak = demand;
}

static void note_tables(struct replay *replay)
{
    struct replay_result *result = replay->result;
    int64_t excess = (int64_t)(replay->linked - replay->least) * (int64_t)MMK_PAGE_SIZE;

    if (replay->least > replay->least_peak)
        replay->least_peak = replay->least;
    if (replay->virt_bytes > result->virt_peak_bytes)
        result->virt_peak_bytes = replay->virt_bytes;
    if (replay->linked * MMK_PAGE_SIZE > result->tables.peak_bytes) {
        result->tables.peak_bytes = replay->linked * MMK_PAGE_SIZE;
        result->tables.least_at_peak_bytes = replay->least * MMK_PAGE_SIZE;
    }
    if (excess > result->tables.excess_max_bytes && !replay_has_huge(replay))
        result->tables.excess_max_bytes = excess;
}

/* Most faults change none of the sums. No operation both creates nodes and frees as many. */
static bool has_changed(const struct space *space)
{
    return space->linked != space->linked_seen || space->shadow.slots.nodes != space->least_seen ||
           space->shadow.mapped_bytes != space->virt_seen;
}

static MMK_NOINLINE void account_change(struct replay *replay, struct space *space)
{
    move_sum(&replay->least, &space->least_seen, space->shadow.slots.nodes);
    move_sum(&replay->virt_bytes, &space->virt_seen, space->shadow.mapped_bytes);
    move_sum(&replay->created, &space->created_seen, space->shadow.slots.created);
    move_sum(&replay->linked, &space->linked_seen, space->linked);
    note_tables(replay);
    note_frames(replay);
    if (replay_is_planning(replay) || space->linked_seen >= space->least_seen)
        return;
    if (!replay->too_few_tables && !shadow_may_lack(&replay->world) && !replay_has_huge(replay)) {
        replay->too_few_tables = true;
        replay_diverge(replay, "%llu tables are linked, the entries need %llu",
                       (unsigned long long)space->linked_seen,
                       (unsigned long long)space->least_seen);
    }
}

void replay_space_account(struct replay *replay, struct space *space)
{
    if (has_changed(space))
        account_change(replay, space);
    else
        note_frames(replay);
}
