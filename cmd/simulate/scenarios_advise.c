/* SPDX-License-Identifier: MIT */
/*
 * scenarios_advise.c - advice that has not taken the mmap lock, beside whoever changes its mapping
 * meanwhile (src/advise.c).
 *
 * The mapping has two tables where tables are small: advice on both may find the mapping another
 * when it has been in the first.
 */
#include "rules.h"

/* Pages 1 and 5 hold a word, which all CPUs know. */
static void start_used(void)
{
    start_anon();
    touch_by(3, 1, 1);
    touch_by(3, 5, 1);
}

static void start_free(void)
{
    start_used();
    expect(mmk_madvise(world.mm, page_at(0), 8 * PAGE, MMK_MADV_FREE) == 0);
}

/* Whatever it answers, it must be one of these. */
static bool advised(unsigned page, unsigned count, int advice, int refused)
{
    int error = mmk_madvise(world.mm, page_at(page), count * PAGE, advice);

    expect(error == 0 || error == refused);
    return error == 0;
}

/* --- who takes the right away ------------------------------------------------------------------
 */

/* From now on nothing is given back. */
static void expect_kept(void)
{
    uint64_t first = look(1), second = look(5);

    expect(look(1) == first && look(5) == second);
    say(&it.said);
    expect(look(1) == first && look(5) == second);
}

static void lock_beside(unsigned cpu)
{
    if (cpu == 1) {
        expect(mmk_mlock(world.mm, page_at(0), 8 * PAGE) == 0);
        expect_kept();
    } else {
        (void)advised(0, 8, MMK_MADV_DONTNEED, MMK_EINVAL);
    }
}

static void lock_lazily_beside(unsigned cpu)
{
    if (cpu == 1) {
        expect(mmk_mlock2(world.mm, page_at(0), 8 * PAGE, MMK_MLOCK_ONFAULT) == 0);
        expect_kept();
    } else {
        (void)advised(0, 8, MMK_MADV_DONTNEED, MMK_EINVAL);
    }
}

static void start_read_only(void)
{
    start_used();
    expect(mmk_mprotect(world.mm, page_at(0), 8 * PAGE, RO) == 0);
    look_by_all(1, 1);
    look_by_all(5, 1);
}

static void seal_beside(unsigned cpu)
{
    if (cpu == 1) {
        expect(mmk_mseal(world.mm, page_at(0), 8 * PAGE, 0) == 0);
        expect_kept();
    } else {
        (void)advised(0, 8, MMK_MADV_DONTNEED, MMK_EPERM);
    }
}

/* --- it goes, or moves --------------------------------------------------------------------------
 */

static void unmap_beside(unsigned cpu)
{
    if (cpu == 1)
        unmap(4, 4);
    else
        (void)advised(0, 8, MMK_MADV_DONTNEED, MMK_ENOMEM);
}

static void unmapped_end(void)
{
    expect(look(1) == 0 && look(5) == ~(uint64_t)0);
}

/* What comes in its place is memory that is not for this advice. */
static void replace_beside(unsigned cpu)
{
    if (cpu == 1) {
        map_object(4, MMK_MAP_SHARED);
        store(5, 7);
    } else {
        (void)advised(0, 8, MMK_MADV_FREE, MMK_EINVAL);
    }
}

static void start_beside_file(void)
{
    start_file();
    map_pages(0, 8, RW, ANON);
    touch_by(3, 1, 1);
    touch_by(3, 5, 1);
}

static void replaced_end(void)
{
    expect(look(5) == 7);
    expect(mmk_msync(world.mm, page_at(4), 4 * PAGE, MMK_MS_SYNC) == 0);
    unmap(0, 8);
    map_object(4, MMK_MAP_SHARED);
    expect(look(5) == 7);
    put_file();
}

/* A table with nothing left in it moves, while whoever has emptied it waits for its parent. */
static void move_beside(unsigned cpu)
{
    if (cpu == 1) {
        move_pages(0, 16, 8);
    } else if (cpu == 0) {
        (void)advised(5, 1, MMK_MADV_DONTNEED, MMK_ENOMEM);
    } else {
        machine_speculate(page_at(21));
        machine_speculate(page_at(21));
    }
}

static void moved_end(void)
{
    expect(look(17) == 1 && look(21) <= 1);
}

static void leave_beside(unsigned cpu)
{
    if (cpu == 1)
        expect(mmk_mremap(world.mm, page_at(1), 7 * PAGE, 7 * PAGE,
                          MMK_MREMAP_MAYMOVE | MMK_MREMAP_FIXED | MMK_MREMAP_DONTUNMAP,
                          page_at(18)) == (int64_t)page_at(18));
    else
        dontneed(1, 7);
}

static void left_end(void)
{
    expect(look(1) == 0 && look(5) == 0);
    expect(look(18) <= 1 && look(22) <= 1);
}

/* --- it changes, or is copied -------------------------------------------------------------------
 */

static void protect_beside(unsigned cpu)
{
    if (cpu == 1)
        expect(mmk_mprotect(world.mm, page_at(4), 4 * PAGE, RO) == 0);
    else
        dontneed(0, 8);
}

static void given_back_end(void)
{
    expect(look(1) == 0 && look(5) == 0);
}

/* One moment's: where the later page is gone the earlier one is. */
static void fork_beside(unsigned cpu)
{
    if (cpu == 1) {
        expect(mmk_fork(world.mm, &it.other) == 0);
        return;
    }
    dontneed(1, 1);
    dontneed(5, 1);
}

static void forked_end(void)
{
    expect(word_of(it.other, 5) == 1 || word_of(it.other, 1) != 1);
    expect(look(1) == 0 && look(5) == 0);
    put_other();
}

/* --- beside what takes no lock, either ----------------------------------------------------------
 */

static void give_back_twice(unsigned cpu)
{
    dontneed(0, 8);
    if (cpu == 1)
        expect(look(1) == 0 && look(5) == 0);
}

static void fault_beside(unsigned cpu)
{
    if (cpu == 1) {
        store(1, 2);
        store(5, 2);
    } else {
        dontneed(0, 8);
    }
}

static void faulted_end(void)
{
    expect(look(1) == 0 || look(1) == 2);
    expect(look(5) == 0 || look(5) == 2);
}

/* What is stored after it is kept. */
static void free_beside(unsigned cpu)
{
    if (cpu == 1) {
        it.stored = heard(&it.said);
        store(5, 2);
    } else {
        expect(mmk_madvise(world.mm, page_at(0), 8 * PAGE, MMK_MADV_FREE) == 0);
        say(&it.said);
    }
}

static void freed_end(void)
{
    (void)mmk_reclaim(UINT64_MAX);
    expect(look(5) == 2 || (look(5) == 0 && !it.stored));
    expect(look(1) <= 1);
}

const struct scenario scenarios_advise[] = {
    {.name = "advise.locked",
     .what = "memory is given back while it is being locked",
     .cpus = 2,
     .setup = start_used,
     .body = lock_beside},
    {.name = "advise.locked-lazily",
     .what = "memory is given back while what is there of it is being locked",
     .cpus = 2,
     .setup = start_used,
     .body = lock_lazily_beside},
    {.name = "advise.sealed",
     .what = "memory that may only be read is given back while it is being sealed",
     .cpus = 2,
     .setup = start_read_only,
     .body = seal_beside},
    {.name = "advise.unmapped",
     .what = "memory is given back while a half of it is unmapped",
     .cpus = 2,
     .setup = start_used,
     .body = unmap_beside,
     .check = unmapped_end},
    {.name = "advise.replaced",
     .what = "memory is freed lazily while a file comes in the place of a half of it",
     .cpus = 2,
     .setup = start_beside_file,
     .body = replace_beside,
     .check = replaced_end},
    {.name = "advise.moved",
     .what = "a table's only page is given back while the table moves",
     .cpus = 3,
     .setup = start_used,
     .body = move_beside,
     .check = moved_end},
    {.name = "advise.left",
     .what = "memory is given back while what is there moves away",
     .cpus = 2,
     .setup = start_used,
     .body = leave_beside,
     .check = left_end},
    {.name = "advise.protected",
     .what = "memory is given back while a half of it becomes read-only",
     .cpus = 2,
     .setup = start_used,
     .body = protect_beside,
     .check = given_back_end},
    {.name = "advise.forked",
     .what = "two pages are given back, one after the other, while the process forks",
     .cpus = 2,
     .setup = start_used,
     .body = fork_beside,
     .check = forked_end},
    {.name = "advise.twice",
     .what = "two give back the same memory",
     .cpus = 2,
     .setup = start_used,
     .body = give_back_twice,
     .check = given_back_end},
    {.name = "advise.faulted",
     .what = "memory is given back while it is stored to",
     .cpus = 2,
     .setup = start_used,
     .body = fault_beside,
     .check = faulted_end},
    {.name = "advise.freed",
     .what = "memory is freed lazily while it is stored to, and then wanted",
     .cpus = 2,
     .setup = start_free,
     .body = free_beside,
     .check = freed_end},
    {.name = NULL},
};
