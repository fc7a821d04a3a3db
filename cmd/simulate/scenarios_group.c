/* SPDX-License-Identifier: MIT */
/*
 * scenarios_group.c - as scenarios_rules.c, what charging to groups must get right (GR1 - GR4,
 * src/charge.c): nothing is charged twice, nor not at all, whatever meets.
 */
#include "rules.h"

#include "charge.h"

#include <string.h>

static struct mmk_group *group;
static struct mmk_mm *victim; /* that is named next, or NULL */

static struct mmk_mm *choose(struct mmk_group *of, void *private_data)
{
    struct mmk_mm *chosen = victim;

    (void)private_data;
    expect(of == group);
    victim = NULL;
    if (chosen)
        mmk_mm_hold(chosen);
    return chosen;
}

static uint64_t charged(void)
{
    struct mmk_group_stats stats;

    mmk_group_stats(group, &stats);
    return stats.charged / PAGE;
}

/* it.other is one of a new group, with four pages of memory of its own. */
static void start_group(void)
{
    static const struct mmk_group_ops ops = {.victim = choose};

    memset(&it, 0, sizeof(it));
    victim = NULL;
    expect(mmk_group_create(MMK_GROUP_UNLIMITED, &ops, NULL, &group) == 0);
    expect(mmk_group_mm_create(group, &it.other) == 0);
    expect(mmk_mmap(it.other, page_at(0), 4 * PAGE, RW, ANON | MMK_MAP_FIXED, NULL, 0) ==
           (int64_t)page_at(0));
}

static size_t write_to(unsigned page)
{
    const uint64_t word = 7;

    return mmk_mm_write(it.other, page_at(page), &word, sizeof(word), 0);
}

static void setup_stock(void)
{
    start_group();
    expect(write_to(0) == 8);
}

static void limit_to(uint64_t pages)
{
    (void)!mmk_group_set_limit(group, pages * PAGE);
}

/* With all that it has charged, the group goes. */
static void group_end(void)
{
    mmk_check_group(group);
    mmk_check(it.other);
    put_other();
    if (it.object)
        mmk_object_put(it.object);
    mmk_check_group(group);
    expect(charged() == 0);
    mmk_group_put(group);
}

/* ---- stocks ---------------------------------------------------------------------------------- */

static void drain_beside_charge(unsigned cpu)
{
    if (cpu == 0)
        expect(write_to(1) == 8);
    else
        limit_to(100);
}

/* Each finds the other's stock, or says that there is no memory. */
static void setup_tight(void)
{
    setup_stock();
    limit_to(charged() + 1);
}

static void charge_beside_charge(unsigned cpu)
{
    if (write_to(1 + cpu) == 8)
        mmk_a32_fetch_add(&it.said, 1, MMK_RELAXED);
}

static void tight_end(void)
{
    expect(mmk_a32_load(&it.said, MMK_RELAXED) <= 1);
    limit_to(100);
    expect(write_to(3) == 8);
    group_end();
}

/* Its own stock is empty, so a charge is paid from the limit. */
static void setup_paid(void)
{
    setup_stock();
    limit_to(100);
}

/* What has been charged before the limit is known to be beyond it afterwards (GR5). */
static void lower_beside_charge(unsigned cpu)
{
    if (cpu == 0)
        limit_to(1);
    else
        (void)!write_to(1);
}

static void give_beside_charge(unsigned cpu)
{
    if (cpu == 0)
        expect(mmk_madvise(it.other, page_at(0), PAGE, MMK_MADV_DONTNEED) == 0);
    else
        expect(write_to(1) == 8);
}

/* One of two faults comes too late. */
static void fault_beside_fault(unsigned cpu)
{
    (void)cpu;
    expect(write_to(1) == 8);
}

/* ---- the end --------------------------------------------------------------------------------- */

/* All that is left is a page of shared memory, in an object without mappings. */
static void setup_left_over(void)
{
    start_group();
    expect(mmk_object_create(NULL, 4 * PAGE, NULL, &it.object) == 0);
    expect(mmk_mmap(it.other, page_at(0), 4 * PAGE, RW, MMK_MAP_SHARED | MMK_MAP_FIXED, it.object,
                    0) == (int64_t)page_at(0));
    expect(write_to(0) == 8);
    put_other();
    mmk_check_group(group);
    expect(charged() == 1);
}

/* Each is a user, charges a page, frees it, and is none any more. */
static void setup_users(void)
{
    memset(&it, 0, sizeof(it));
    expect(mmk_group_create(MMK_GROUP_UNLIMITED, NULL, NULL, &group) == 0);
    mmk_group_get(group);
}

static void charge_and_put(unsigned cpu)
{
    struct mmk_page *page = mmk_page_alloc(0, 0);

    (void)cpu;
    expect(page && mmk_charge(group, page, MMK_CHARGE_TABLE, MMK_ALLOC_NORMAL));
    mmk_page_set_type(page, MMK_PAGE_TABLE);
    mmk_page_put(page);
    mmk_group_put(group);
}

static void put_beside_uncharge(unsigned cpu)
{
    if (cpu == 0)
        mmk_group_put(group);
    else
        expect(mmk_object_punch_hole(it.object, 0, PAGE) == 0);
}

static void gone_end(void)
{
    struct mmk_stats stats;

    mmk_stats_read(&stats);
    expect(stats.groups == 0);
    if (it.object)
        mmk_object_put(it.object);
}

/* ---- at the limit ---------------------------------------------------------------------------- */

static int read_ones(struct mmk_object *object, uint64_t index, void *page)
{
    (void)object;
    (void)index;
    memset(page, 1, PAGE);
    return 0;
}

static const struct mmk_object_ops ones_ops = {.read_page = read_ones, .punch_hole = punch_nothing};

static uint64_t read_from(unsigned page)
{
    uint64_t word = 0;

    (void)!mmk_mm_read(it.other, page_at(page), &word, sizeof(word), 0);
    return word;
}

static void setup_file(void)
{
    start_group();
    expect(mmk_object_create(&ones_ops, 4 * PAGE, NULL, &it.object) == 0);
    expect(mmk_mmap(it.other, page_at(8), 4 * PAGE, RO, MMK_MAP_SHARED | MMK_MAP_FIXED, it.object,
                    0) == (int64_t)page_at(8));
    expect(read_from(8) != 0);
}

static void reclaim_beside_hole(unsigned cpu)
{
    if (cpu == 0)
        (void)mmk_group_reclaim(group, 1);
    else
        expect(mmk_object_punch_hole(it.object, 0, PAGE) == 0);
}

static void reclaim_beside_read(unsigned cpu)
{
    if (cpu == 0)
        (void)mmk_group_reclaim(group, 1);
    else
        expect(read_from(8) != 0 && read_from(9) != 0);
}

static void reclaim_beside_reclaim(unsigned cpu)
{
    (void)cpu;
    (void)mmk_group_reclaim(group, 2);
}

static void file_end(void)
{
    mmk_check_object(it.object);
    group_end();
}

/* A child that has a page of its own is named, while it touches others. */
static struct mmk_mm *parent, *doomed;

static void setup_victim(void)
{
    start_group();
    parent = it.other;
    expect(mmk_fork(parent, &it.other) == 0);
    expect(write_to(0) == 8);
    limit_to(charged() + 1);
    victim = it.other;
}

static void kill_beside_charge(unsigned cpu)
{
    const uint64_t word = 7;

    if (cpu == 0)
        (void)!mmk_mm_write(parent, page_at(0), &word, sizeof(word), 0);
    else
        (void)!write_to(1);
}

/* What the child leaves is enough for both. */
static void setup_killers(void)
{
    start_group();
    parent = it.other;
    expect(write_to(2) == 8);
    expect(mmk_fork(parent, &it.other) == 0);
    expect(write_to(0) == 8 && write_to(1) == 8);
    limit_to(charged());
    expect(write_to(2) == 0); /* for nobody is named yet */
    doomed = victim = it.other;
    it.other = parent;
}

static void charge_by_killing(unsigned cpu)
{
    expect(write_to(cpu) == 8);
}

static void killers_end(void)
{
    struct mmk_group_stats stats;

    mmk_group_stats(group, &stats);
    expect(stats.kills == 1 && stats.charged <= stats.limit);
    mmk_mm_put(doomed);
    group_end();
}

static void killed_end(void)
{
    struct mmk_group_stats stats;

    mmk_group_stats(group, &stats);
    expect(stats.kills <= 1 && stats.charged <= stats.limit);
    mmk_check(parent);
    mmk_mm_put(parent);
    group_end();
}

const struct scenario scenarios_group[] = {
    {.name = "group.drained",
     .what = "a stock is collected while its CPU takes from it",
     .cpus = 2,
     .setup = setup_stock,
     .body = drain_beside_charge,
     .check = group_end},
    {.name = "group.tight",
     .what = "two want the last page that the limit has room for",
     .cpus = 2,
     .setup = setup_tight,
     .body = charge_beside_charge,
     .check = tight_end},
    {.name = "group.lowered",
     .what = "the limit is set below what is charged, while something is charged",
     .cpus = 2,
     .setup = setup_paid,
     .body = lower_beside_charge,
     .check = group_end},
    {.name = "group.given",
     .what = "a page is given back to the stock of a CPU that takes from it",
     .cpus = 2,
     .setup = setup_stock,
     .body = give_beside_charge,
     .check = group_end},
    {.name = "group.aborted",
     .what = "a page is charged that no entry comes to map, for another was first",
     .cpus = 2,
     .setup = setup_stock,
     .body = fault_beside_fault,
     .check = group_end},
    {.name = "group.last",
     .what = "a group's last user leaves while the last page charged to it is freed",
     .cpus = 2,
     .setup = setup_left_over,
     .body = put_beside_uncharge,
     .check = gone_end},
    {.name = "group.users",
     .what = "the last user closes the stocks of those who have left before",
     .cpus = 2,
     .setup = setup_users,
     .body = charge_and_put,
     .check = gone_end},
    {.name = "group.hole",
     .what = "a page is reclaimed for its group that is just taken from its object",
     .cpus = 2,
     .setup = setup_file,
     .body = reclaim_beside_hole,
     .check = file_end},
    {.name = "group.read",
     .what = "a page is reclaimed for its group while others are charged",
     .cpus = 2,
     .setup = setup_file,
     .body = reclaim_beside_read,
     .check = file_end},
    {.name = "group.reclaimed",
     .what = "two reclaim a group's pages, which they go round together",
     .cpus = 2,
     .setup = setup_file,
     .body = reclaim_beside_reclaim,
     .check = file_end},
    {.name = "group.killed",
     .what = "a victim is charged while it is killed for somebody's charge",
     .cpus = 2,
     .setup = setup_victim,
     .body = kill_beside_charge,
     .check = killed_end},
    {.name = "group.killers",
     .what = "two find the limit reached at once; one victim is enough for both",
     .cpus = 2,
     .setup = setup_killers,
     .body = charge_by_killing,
     .check = killers_end},
    {.name = NULL},
};
