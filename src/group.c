/* SPDX-License-Identifier: MIT */
/*
 * group.c - groups of address spaces: making them, and what is done when one is at its limit.
 * Charging itself: charge.c, with the invariants.
 */
#include "charge.h"

#include "frame.h"
#include "group.h"
#include "mm.h"
#include "planted.h"
#include "reclaim.h"
#include "table_memory.h"

#define UNLIMITED (UINT64_MAX >> 1) /* pages: there are fewer */
#define RECLAIMS  16                /* turns of reclaim for one charge, if others take it away */
#define BATCH     32                /* pages that a turn frees, if there are many */

static unsigned block_order(void)
{
    unsigned order = 0;

    while ((MMK_PAGE_SIZE << order) < sizeof(struct mmk_group))
        order++;
    return order;
}

static uint64_t pages_of(uint64_t bytes)
{
    return bytes == MMK_GROUP_UNLIMITED ? UNLIMITED : bytes >> MMK_PAGE_SHIFT;
}

int mmk_group_create(uint64_t limit, const struct mmk_group_ops *ops, void *private_data,
                     struct mmk_group **group_out)
{
    struct mmk_page *block = mmk_page_alloc(block_order(), MMK_ALLOC_ZERO | MMK_ALLOC_STAYS);
    struct mmk_group *group;

    if (!block)
        return MMK_ENOMEM;
    group = (struct mmk_group *)mmk_page_virt(block);
    mmk_group_init(group, block, pages_of(limit));
    group->ops = ops;
    group->private_data = private_data;
    *group_out = group;
    return 0;
}

struct mmk_group *mmk_mm_group(const struct mmk_mm *mm)
{
    return mm->group;
}

uint64_t mmk_group_reclaim(struct mmk_group *group, uint64_t pages)
{
    uint64_t freed = mmk_reclaim_group(group, pages);

    mmk_a64_fetch_add(&group->reclaimed, freed, MMK_RELAXED);
    return freed;
}

/* ---- at the limit ---------------------------------------------------------------------------- */

/* Freed tables are charged until a grace period has ended. */
static void wait_for_tables(void)
{
    mmk_table_drain_limbo();
    mmk_host_rcu_barrier();
}

/* As far as it can be had at once. => false: nobody is to die */
static bool kill_somebody(struct mmk_group *group)
{
    const struct mmk_group_ops *ops = group->ops;
    struct mmk_mm *victim;
    uint64_t freed = 0;

    mmk_a64_fetch_add(&group->ooms, 1, MMK_RELAXED);
    victim = ops ? ops->victim(group, group->private_data) : NULL;
    if (!victim)
        return false;
    mmk_a64_fetch_add(&group->kills, 1, MMK_RELAXED);
    mmk_kill(victim);
    (void)!mmk_reap(victim, UINT64_MAX, &freed);
    mmk_mm_drop(victim);
    wait_for_tables();
    return true;
}

/*
 * As long as it helps, and others take away what it frees: some more than is needed now, as the
 * next will come, little of a small group.
 */
static bool reclaim_for(struct mmk_group *group, struct mmk_page *page, enum mmk_charge_kind kind)
{
    uint64_t wanted = mmk_min((uint64_t)BATCH, mmk_charge_paid(group) / 32 + 1);
    unsigned turn;

    for (turn = 0; turn < RECLAIMS && mmk_group_reclaim(group, wanted) > 0; turn++)
        if (mmk_charge_try(group, page, kind))
            return true;
    return false;
}

/*
 * One after another: what one death has freed may be enough for all who wait here. Reclaim once
 * more, beside which no other goes over the group's pages: each has seen a part of them.
 */
static bool kill_for(struct mmk_group *group, struct mmk_page *page, enum mmk_charge_kind kind)
{
    bool charged;

    mmk_rw_write_lock(&group->killing, MMK_LOCK_KILLING);
    charged = !MMK_MISTAKE(KILLS_AT_ONCE) &&
              (mmk_charge_try(group, page, kind) || reclaim_for(group, page, kind));
    if (!charged && kill_somebody(group))
        charged = mmk_charge_try(group, page, kind);
    mmk_rw_write_unlock(&group->killing, MMK_LOCK_KILLING);
    return charged;
}

/*
 * Reclaim; then what waits for a grace period; then a victim, but one: who is stuck does not become
 * free by more.
 */
static bool rescue(struct mmk_group *group, struct mmk_page *page, enum mmk_charge_kind kind)
{
    mmk_a64_fetch_add(&group->hits, 1, MMK_RELAXED);
    if (reclaim_for(group, page, kind))
        return true;
    wait_for_tables();
    if (kill_for(group, page, kind))
        return true;
    mmk_a64_fetch_add(&group->failed, 1, MMK_RELAXED);
    return false;
}

/* => pages that it has beyond its limit */
static uint64_t excess(struct mmk_group *group)
{
    uint64_t limit = mmk_a64_load(&group->limit, MMK_RELAXED), paid;

    mmk_charge_drain(group);
    paid = mmk_charge_paid(group);
    return paid > limit ? paid - limit : 0;
}

int mmk_group_set_limit(struct mmk_group *group, uint64_t limit)
{
    uint64_t more;

    mmk_charge_set_limit(group, pages_of(limit));
    while ((more = excess(group)) > 0 && mmk_group_reclaim(group, more) > 0)
        continue;
    if (more > 0)
        wait_for_tables();
    return excess(group) > 0 ? MMK_EBUSY : 0;
}

void mmk_group_stats(const struct mmk_group *group, struct mmk_group_stats *stats)
{
    uint64_t limit = mmk_a64_load(&group->limit, MMK_RELAXED);

    stats->limit = limit == UNLIMITED ? MMK_GROUP_UNLIMITED : limit << MMK_PAGE_SHIFT;
    stats->private_mem = mmk_charge_sum(group, MMK_CHARGE_PRIVATE) << MMK_PAGE_SHIFT;
    stats->object_mem = mmk_charge_sum(group, MMK_CHARGE_OBJECT) << MMK_PAGE_SHIFT;
    stats->table_mem = mmk_charge_sum(group, MMK_CHARGE_TABLE) << MMK_PAGE_SHIFT;
    stats->charged = stats->private_mem + stats->object_mem + stats->table_mem;
    stats->hits = mmk_a64_load(&group->hits, MMK_RELAXED);
    stats->reclaimed = mmk_a64_load(&group->reclaimed, MMK_RELAXED);
    stats->ooms = mmk_a64_load(&group->ooms, MMK_RELAXED);
    stats->kills = mmk_a64_load(&group->kills, MMK_RELAXED);
    stats->failed = mmk_a64_load(&group->failed, MMK_RELAXED);
}

void mmk_group_module_init(void)
{
    mmk_charge_init(rescue);
}
