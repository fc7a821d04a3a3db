/* SPDX-License-Identifier: MIT */
/*
 * test_huge_race.c - larger pages come, are split, and become one again, while a program uses
 * them, gives them back, and forks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mmkit/huge.h>
#include <mmkit/user.h>

#include "migrate.h"
#include "race.h"
#include "rmap_use.h"

enum { ROUNDS = 20000, WORDS = 6 };

#define H        ((uint64_t)MMK_HUGE_PAGES)
#define AT(page) (BASE + (page)*PAGE)

/* Pages with a word that CPU 0 counts up: of the first larger page, and of the second, of which all
   is given back now and then. */
static const uint64_t pages[WORDS] = {0, 1, H - 1, H, H + 1, 2 * H - 1};

static struct mmk_a32 ended;

static int setup(void **state)
{
    struct mmk_config config = fixture_config();

    (void)state;
    alarm(100);
    config.huge = MMK_HUGE_ALWAYS;
    return fixture_setup_with(&config);
}

static void give_back(uint64_t first, uint64_t count, uint64_t words[WORDS])
{
    unsigned i;

    check(mmk_madvise(mm, AT(first), count * PAGE, MMK_MADV_DONTNEED) == 0);
    for (i = 0; i < WORDS; i++)
        if (pages[i] >= first && pages[i] < first + count)
            words[i] = 0;
}

static void use(void)
{
    uint64_t words[WORDS] = {0}, found, round;
    unsigned i;

    machine_switch_mm(mm);
    for (round = 1; round <= ROUNDS; round++) {
        i = (unsigned)(round * 7 % WORDS);
        if (words[i] != 0 || round % 128 == 1) { /* reads of what is not there bring zeros */
            check(machine_load(AT(pages[i]), &found, sizeof(found)) == MMK_FAULT_DONE);
            check(found == words[i]);
        }
        words[i] = round;
        check(machine_store(AT(pages[i]), &round, sizeof(round)) == MMK_FAULT_DONE);
        if (round % 32 == 0)
            give_back(H, H, words);
        else if (round % 32 == 16)
            give_back(1, 1, words);
    }
    machine_switch_mm(NULL);
    mmk_a32_store(&ended, 1, MMK_RELEASE);
}

/* A child has what there was, whatever the parent does; and may write. */
static void fork_and_look(void)
{
    uint64_t before[WORDS], after;
    struct mmk_mm *child;
    unsigned i;

    check(mmk_fork(mm, &child) == 0);
    for (i = 0; i < WORDS; i++)
        check(mmk_mm_read(child, AT(pages[i]), &before[i], 8, 0) == 8);
    check(mmk_fault(child, AT(2), MMK_ACCESS_WRITE) == MMK_FAULT_DONE);
    for (i = 0; i < WORDS; i++)
        check(mmk_mm_read(child, AT(pages[i]), &after, 8, 0) == 8 && after == before[i]);
    mmk_mm_put(child);
}

/* The page at an address, with a reference. => NULL: none */
static struct mmk_page *page_at(mmk_vaddr_t addr)
{
    struct mmk_page *page;

    mmk_rcu_read_lock();
    page = peek_page(mm, addr);
    if (page && !mmk_page_get_unless_zero(page))
        page = NULL;
    mmk_rcu_read_unlock();
    return page;
}

static void from_the_page(uint64_t number)
{
    struct mmk_page *page = page_at(AT(number)), *to;
    int error;

    if (!page)
        return;
    mmk_page_lock(page);
    if (mmk_page_type(page) == MMK_PAGE_ANON && number % 2) {
        (void)mmk_page_referenced(page);
    } else if (mmk_page_type(page) == MMK_PAGE_ANON) {
        to = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
        check(to != NULL);
        error = mmk_page_migrate(page, to);
        check(error == 0 || error == MMK_EBUSY);
        mmk_page_put(to);
    }
    mmk_page_unlock(page);
    mmk_page_put(page);
}

static void reshape(unsigned round)
{
    int error = 0;

    if (round % 4 == 0)
        (void)mmk_collapse(mm, 2);
    else if (round % 4 == 1)
        error = mmk_madvise(mm, AT(3), PAGE, MMK_MADV_COLD);
    else if (round % 4 == 2)
        from_the_page(round % (2 * H));
    else
        error = mmk_madvise(mm, AT(0), H * PAGE, MMK_MADV_COLLAPSE);
    check(error == 0 || error == MMK_EINVAL || error == MMK_EAGAIN || error == MMK_ENOMEM);
}

/* CPU 0 is the program, CPU 1 forks, CPU 2 has its larger pages come and go. */
static void race(unsigned cpu, void *argument)
{
    unsigned round;

    (void)argument;
    if (cpu == 0)
        use();
    for (round = 0; cpu > 0 && !mmk_a32_load(&ended, MMK_ACQUIRE); round++)
        if (cpu == 1)
            fork_and_look();
        else
            reshape(round);
}

static void test_race(void **state)
{
    struct mmk_mm_stats stats;

    (void)state;
    map_at(0, 2 * H, RW, ANON);
    mmk_a32_store(&ended, 0, MMK_RELAXED);
    race_cpus(race, NULL);
    mmk_check(mm);
    mmk_check_frames();
    stats = mm_stats(mm);
    assert_true(stats.huge_faults > 0);
    assert_true(stats.huge_splits > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_race, setup, limited_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
