/* SPDX-License-Identifier: MIT */
/*
 * test_huge_race.c - larger pages come, are split, and become one again, while a program uses
 * them, gives them back, and forks; and those of a file, while it is cut, written back, and its
 * pages go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mmkit/huge.h>
#include <mmkit/user.h>

#include "huge_unused.h"
#include "migrate.h"
#include "race.h"
#include "rmap_use.h"

enum { ROUNDS = 10000, WORDS = 6 };

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
    config.anon_block = (MMK_PT_GROUP > 4 ? MMK_PT_GROUP : 4) * PAGE;
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

static void migrate(struct mmk_page *page)
{
    struct mmk_page *to = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    int error;

    check(to != NULL);
    error = mmk_page_migrate(page, to);
    check(error == 0 || error == MMK_EBUSY);
    mmk_page_put(to);
}

/* What reclaim and compaction do; what holds nothing is given back from the first page. */
static void from_the_page(unsigned round)
{
    unsigned what = round % 3;
    uint64_t number = what == 2 ? round % 2 * H : round % (2 * H);
    struct mmk_page *page = page_at(AT(number));

    if (!page)
        return;
    mmk_page_lock(page);
    if (mmk_page_type(page) == MMK_PAGE_ANON) {
        if (what == 0)
            (void)mmk_page_referenced(page);
        else if (what == 1)
            migrate(page);
        else
            (void)mmk_huge_give_back(page);
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
        from_the_page(round / 4);
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

/* ---- a file: of each page the first word ------------------------------------------------------
 */

static struct mmk_a64 kept[4 * MMK_HUGE_PAGES];
static struct mmk_object *file;

static int read_word(struct mmk_object *object, uint64_t index, void *page)
{
    (void)object;
    memset(page, 0, PAGE);
    *(uint64_t *)page = mmk_a64_load(&kept[index], MMK_RELAXED);
    return 0;
}

static int write_word(struct mmk_object *object, uint64_t index, const void *page)
{
    (void)object;
    mmk_a64_store(&kept[index], mmk_a64_load(page, MMK_RELAXED), MMK_RELAXED);
    return 0;
}

static int punch_words(struct mmk_object *object, uint64_t offset, uint64_t length)
{
    uint64_t i;

    (void)object;
    for (i = offset / PAGE; i < (offset + length) / PAGE; i++)
        mmk_a64_store(&kept[i], 0, MMK_RELAXED);
    return 0;
}

static const struct mmk_object_ops word_ops = {
    .read_page = read_word, .write_page = write_word, .punch_hole = punch_words};

/* A whole block goes from the file, and may come back as one. */
static void remove_block(uint64_t first, uint64_t words[WORDS])
{
    unsigned i;

    check(mmk_madvise(mm, AT(first), H * PAGE, MMK_MADV_REMOVE) == 0);
    for (i = 0; i < WORDS; i++)
        if (pages[i] >= first && pages[i] < first + H)
            words[i] = 0;
}

/* What was stored is there, whatever becomes of its page; now and then nothing is mapped. */
static void use_file(void)
{
    uint64_t words[WORDS] = {0}, found, round;
    unsigned i;

    machine_switch_mm(mm);
    for (round = 1; round <= ROUNDS / 4; round++) {
        i = (unsigned)(round * 7 % WORDS);
        check(machine_load(AT(pages[i]), &found, sizeof(found)) == MMK_FAULT_DONE);
        check(found == words[i]);
        words[i] = round;
        check(machine_store(AT(pages[i]), &round, sizeof(round)) == MMK_FAULT_DONE);
        if (round % 64 == 0)
            remove_block(round % 128 == 0 ? H : 0, words);
        else if (round % 32 == 0)
            check(mmk_madvise(mm, AT(0), 2 * H * PAGE, MMK_MADV_DONTNEED) == 0);
        else if (round % 32 == 16)
            check(mmk_madvise(mm, AT(H), H * PAGE, MMK_MADV_PAGEOUT) == 0);
    }
    machine_switch_mm(NULL);
    mmk_a32_store(&ended, 1, MMK_RELEASE);
}

/* No page of it that the program uses is cut off, but what lies beside. */
static void reshape_file(unsigned round)
{
    const uint64_t size = mmk_object_size(file);
    int error = 0;

    if (round % 4 == 0)
        error = mmk_object_punch_hole(file, 3 * PAGE, PAGE);
    else if (round % 4 == 1)
        error = mmk_object_sync(file, 0, (round % (2 * H)) * PAGE);
    else if (round % 4 == 2)
        error = mmk_object_resize(file, size == 2 * H * PAGE ? (4 * H - 1) * PAGE : 2 * H * PAGE);
    else
        error = mmk_mprotect(mm, AT(3), PAGE, round % 8 == 3 ? RO : RW);
    check(error == 0);
}

static void move_file_page(uint64_t number)
{
    struct mmk_page *page, *to;

    if (mmk_object_get_page(file, number, &page))
        return;
    to = mmk_page_alloc(0, MMK_ALLOC_NORMAL);
    check(to != NULL);
    (void)!mmk_page_migrate(page, to);
    mmk_page_unlock(page);
    mmk_page_put(page);
    mmk_page_put(to);
}

/* CPU 1 works on the file, CPU 2 has another mapping of it, and has pages go. */
static void race_file(unsigned cpu, void *other)
{
    uint64_t word;
    unsigned round;

    if (cpu == 0)
        use_file();
    for (round = 0; cpu > 0 && !mmk_a32_load(&ended, MMK_ACQUIRE); round++) {
        if (cpu == 1)
            reshape_file(round);
        else if (round % 64 == 0)
            move_file_page(round / 64 % (2 * H));
        else
            check(mmk_mm_read(other, AT(pages[round % WORDS]), &word, 8, 0) == 8);
        if (cpu == 2 && round % 16 == 0)
            check(mmk_madvise(other, AT(0), 2 * H * PAGE, MMK_MADV_DONTNEED) == 0);
    }
}

static void test_race_file(void **state)
{
    struct mmk_mm *other = new_mm();
    unsigned i;

    (void)state;
    for (i = 0; i < 4 * H; i++)
        mmk_a64_store(&kept[i], 0, MMK_RELAXED);
    assert_int_equal(mmk_object_create(&word_ops, 2 * H * PAGE, NULL, &file), 0);
    mmk_object_offer_huge(file);
    map_object_at(0, 2 * H, RW, MMK_MAP_SHARED, file, 0);
    assert_true(mmk_mmap(other, AT(0), 2 * H * PAGE, RW, MMK_MAP_PRIVATE | MMK_MAP_FIXED, file,
                         0) == (int64_t)AT(0));
    store_byte(AT(3), 1);
    store_byte(AT(H + 3), 1);
    assert_int_equal(mm_stats(mm).huge_faults, 2);
    mmk_a32_store(&ended, 0, MMK_RELAXED);
    race_cpus(race_file, other);
    mmk_check(mm);
    mmk_check_object(file);
    mmk_check_frames();
    put_mm(other);
    assert_int_equal(mmk_munmap(mm, AT(0), 2 * H * PAGE), 0);
    mmk_object_put(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_race_file, setup, limited_teardown),
        cmocka_unit_test_setup_teardown(test_race, setup, limited_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
