/* SPDX-License-Identifier: MIT */
/* larger.c - see larger.h. */
#include "larger.h"

#include "migrate.h"
#include "swap_cache.h"

uint64_t count_larger(struct mmk_mm *mm)
{
    struct mmk_mm_stats stats;

    mmk_mm_stats(mm, &stats);
    return stats.huge;
}

static void store_all(void)
{
    unsigned page;

    for (page = 0; page < HUGE_PAGES; page++)
        store(page, page + 1);
}

void map_larger(void)
{
    unsigned cpu;

    start_anon();
    for (cpu = 0; cpu < world.cpus; cpu++) {
        fibers_be_cpu(cpu);
        store_all();
    }
    fibers_be_cpu(0);
    expect(count_larger(world.mm) == 1);
}

void make_table(unsigned at)
{
    mmk_vaddr_t base = page_at(at - at % HUGE_PAGES);

    expect(mmk_madvise(world.mm, base, HUGE_PAGES * PAGE, MMK_MADV_NOHUGEPAGE) == 0);
    expect(look(at) == 0);
    expect(mmk_madvise(world.mm, base, HUGE_PAGES * PAGE, MMK_MADV_HUGEPAGE) == 0);
}

void share_larger(void)
{
    map_larger();
    expect(mmk_fork(world.mm, &it.other) == 0);
    expect(count_larger(it.other) == 1);
}

void expect_rest(unsigned from)
{
    for (; from < HUGE_PAGES; from++)
        expect(look(from) == from + 1);
}

void only_the_root(void)
{
    expect(mmk_mm_table_bytes(world.mm) == PAGE);
}

void first_gone(void)
{
    expect(look(0) == 0);
    expect_rest(1);
}

void all_gone(void)
{
    only_the_root();
    expect(look(0) == 0 && look(3) == 0);
}

void end_larger(void)
{
    mmk_check(world.mm);
    if (it.other)
        mmk_check(it.other);
    put_other();
}

void migrate_page(struct mmk_mm *mm, unsigned at, bool must)
{
    struct mmk_page *page = find_page(mm, at), *to;
    int error;

    expect(page || !must);
    if (!page)
        return;
    to = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    expect(to);
    mmk_page_lock(page);
    error = mmk_page_migrate(page, to);
    mmk_page_unlock(page);
    mmk_page_put(to);
    mmk_page_put(page);
    expect(!must || error == 0);
}
