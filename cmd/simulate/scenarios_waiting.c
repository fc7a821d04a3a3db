/* SPDX-License-Identifier: MIT */
/*
 * scenarios_waiting.c - what waits for a grace period is bounded (P11).
 *
 * The limit is so low that each operation passes it; the grace period may last until everybody
 * waits for it.
 */
#include "rules.h"

#include "table_memory.h"

#define ROUNDS 3
#define LIMIT  (2 * PAGE)

static struct mmk_stats stats_now(void)
{
    struct mmk_stats stats;

    mmk_stats_read(&stats);
    return stats;
}

/* Nothing waits that was waited for; and never more did than the limit, and one operation each. */
static void bounded(uint64_t limit, uint64_t operation)
{
    mmk_host_rcu_barrier();
    expect(stats_now().waiting_bytes == 0);
    expect(stats_now().waiting_bytes_peak <= limit + world.cpus * operation);
}

/* ---- mappings -------------------------------------------------------------------------------- */

static uint64_t operation; /* bytes that a mapping leaves behind when it comes, or goes */

static void setup_mappings(void)
{
    start_anon();
    map_pages(14, 1, RO, ANON);
    map_pages(10, 1, RO, ANON);
    unmap(10, 1);
    unmap(14, 1);
    operation = stats_now().waiting_bytes_peak;
    mmk_host_rcu_barrier();
    expect(stats_now().waiting_bytes == 0);
}

static void map_again(unsigned cpu)
{
    unsigned i;

    for (i = 0; i < ROUNDS; i++) {
        map_pages(10 + 4 * cpu, 1, RO, ANON);
        unmap(10 + 4 * cpu, 1);
    }
}

static void mappings_bounded(void)
{
    bounded(1, operation);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void setup_tables(void)
{
    map_pages(0, 32, RW, ANON);
}

/* Two tables at most a round, which are not kept to come back: as if memory were short. */
static void empty_tables(unsigned cpu)
{
    unsigned i;

    for (i = 0; i < ROUNDS; i++) {
        store(16 * cpu + 4 * i, 1);
        dontneed(16 * cpu + 4 * i, 1);
        mmk_table_drain_limbo();
    }
}

static void tables_bounded(void)
{
    bounded(LIMIT, 2 * PAGE);
}

/* ---- memory of an object --------------------------------------------------------------------- */

static void setup_object(void)
{
    map_pages(0, 2, RW, SHARED_ANON);
    store(0, 1);
    store(1, 1);
}

/* The last page has a node of the index go, which is locked. */
static void remove_page(unsigned cpu)
{
    expect(mmk_madvise(world.mm, page_at(cpu), PAGE, MMK_MADV_REMOVE) == 0);
}

const struct scenario scenarios_waiting[] = {
    {.name = "waiting.mappings",
     .what = "mappings come and go faster than grace periods pass",
     .cpus = 2,
     .waiting_limit = 1,
     .setup = setup_mappings,
     .body = map_again,
     .check = mappings_bounded},
    {.name = "waiting.tables",
     .what = "tables are emptied faster than grace periods pass",
     .cpus = 2,
     .waiting_limit = LIMIT,
     .setup = setup_tables,
     .body = empty_tables,
     .check = tables_bounded},
    {.name = "waiting.locked",
     .what = "too much waits, and somebody frees more, with a lock that spins held",
     .cpus = 2,
     .waiting_limit = 1,
     .setup = setup_object,
     .body = remove_page},
    {.name = NULL},
};
