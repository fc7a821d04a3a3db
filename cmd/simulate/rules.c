/* SPDX-License-Identifier: MIT */
/* rules.c - see rules.h. */
#include "rules.h"

#include "file.h"
#include "huge.h"

#include <string.h>

struct it it;

void say(struct mmk_a32 *word)
{
    mmk_a32_store(word, 1, MMK_RELEASE);
}

bool heard(struct mmk_a32 *word)
{
    return mmk_a32_load(word, MMK_ACQUIRE) != 0;
}

void dontneed(unsigned page, unsigned count)
{
    expect(mmk_madvise(world.mm, page_at(page), count * PAGE, MMK_MADV_DONTNEED) == 0);
}

void unmap(unsigned page, unsigned count)
{
    expect(mmk_munmap(world.mm, page_at(page), count * PAGE) == 0);
}

void move_pages(unsigned from, unsigned to, unsigned count)
{
    expect(mmk_mremap(world.mm, page_at(from), count * PAGE, count * PAGE,
                      MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED, page_at(to)) == (int64_t)page_at(to));
}

uint64_t look(unsigned page)
{
    uint64_t word = 0;
    enum mmk_fault_result result = get_word(page, &word);

    expect(result == MMK_FAULT_DONE || result == MMK_FAULT_SEGV_MAPERR || result == MMK_FAULT_BUS);
    return result == MMK_FAULT_DONE ? word : ~(uint64_t)0;
}

void store(unsigned page, uint64_t word)
{
    expect(put_word(page, word) == MMK_FAULT_DONE);
}

void touch_by(unsigned except, unsigned page, unsigned count)
{
    unsigned cpu, i;

    for (cpu = 0; cpu < world.cpus && cpu < except; cpu++) {
        fibers_be_cpu(cpu);
        for (i = page; i < page + count; i++)
            store(i, 1);
    }
    fibers_be_cpu(0);
}

void look_by_all(unsigned page, unsigned count)
{
    unsigned cpu, i;

    for (cpu = 0; cpu < world.cpus; cpu++) {
        fibers_be_cpu(cpu);
        for (i = page; i < page + count; i++)
            (void)look(i);
    }
    fibers_be_cpu(0);
}

void start_anon(void)
{
    memset(&it, 0, sizeof(it));
    map_pages(0, 8, RW, ANON);
}

void start_touched(void)
{
    start_anon();
    touch_by(3, 0, 2);
}

void start_file(void)
{
    memset(&it, 0, sizeof(it));
    it.object = file_create(4);
}

void start_memory(void)
{
    memset(&it, 0, sizeof(it));
    expect(mmk_object_create(NULL, 4 * PAGE, NULL, &it.object) == 0);
}

void map_object(unsigned page, unsigned flags)
{
    expect(mmk_mmap(world.mm, page_at(page), 4 * PAGE, RW, flags | MMK_MAP_FIXED, it.object, 0) ==
           (int64_t)page_at(page));
}

void start_shared_file(void)
{
    start_file();
    map_object(0, MMK_MAP_SHARED);
}

void expect_first(void)
{
    struct mmk_mm_stats stats;

    mmk_mm_stats(world.mm, &stats);
    expect(stats.rss_file == 1);
}

void lock_first(void)
{
    expect(mmk_mlock(world.mm, page_at(0), PAGE) == 0);
    expect_first();
}

static int refuse_or_drop(struct mmk_notifier *notifier, const struct mmk_notifier_range *range)
{
    (void)notifier;
    if (!range->may_sleep)
        return MMK_EAGAIN;
    fibers_touch(&it.mirrored, FIBERS_WRITE);
    if (page_at(0) - range->start < range->end - range->start)
        it.mirrored = 0;
    return 0;
}

void start_mirror(void)
{
    static const struct mmk_notifier_ops ops = {.invalidate_begin = refuse_or_drop};

    it.notifier.ops = &ops;
}

static bool is_there(mmk_paddr_t *phys)
{
    unsigned prot;

    return mmk_translate(world.mm, page_at(0), MMK_ACCESS_READ, phys, &prot) == 0;
}

void mirror_first(void)
{
    mmk_paddr_t phys;
    uint64_t seq;

    expect(mmk_notifier_register(world.mm, &it.notifier) == 0);
    seq = mmk_notifier_read_begin(&it.notifier);
    if (!is_there(&phys) || mmk_notifier_read_retry(&it.notifier, seq))
        return;
    fibers_touch(&it.mirrored, FIBERS_WRITE);
    it.mirrored = phys;
}

void put_mirror(void)
{
    mmk_paddr_t phys;

    expect(!it.mirrored || (is_there(&phys) && phys == it.mirrored));
    mmk_notifier_unregister(world.mm, &it.notifier);
}

void put_file(void)
{
    expect(mmk_munmap(world.mm, page_at(0), 16 * PAGE) == 0);
    put_other();
    mmk_check_object(it.object);
    mmk_object_put(it.object);
}

struct mmk_page *find_page(struct mmk_mm *mm, unsigned at)
{
    struct mmk_page *page = NULL;
    struct mmk_walk walk;

    mmk_rcu_read_lock();
    mmk_walk_lock(mm, page_at(at), &walk);
    if (walk.level == 0)
        page = mmk_pte_page(mmk_pte_read(walk.entry));
    else if (mmk_walk_huge(&walk, mmk_pte_read(walk.entry)))
        page = mmk_pte_page(mmk_huge_piece(&walk, mmk_pte_read(walk.entry)));
    if (page)
        mmk_page_get(page);
    mmk_walk_unlock(&walk);
    mmk_rcu_read_unlock();
    return page;
}

struct mmk_page *held_page(struct mmk_mm *mm, unsigned at)
{
    struct mmk_page *page = find_page(mm, at);

    expect(page);
    return page;
}

void put_other(void)
{
    struct mmk_mm *other = it.other;

    it.other = NULL;
    if (other)
        mmk_mm_put(other);
}

uint64_t word_of(struct mmk_mm *mm, unsigned page)
{
    uint64_t word = ~(uint64_t)0;

    (void)!mmk_mm_read(mm, page_at(page), &word, sizeof(word), 0);
    return word;
}
