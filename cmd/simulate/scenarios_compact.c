/* SPDX-License-Identifier: MIT */
/*
 * scenarios_compact.c - as scenarios_rules.c, what compaction must get right beside those who use
 * the pages that it moves, and the frames that it claims.
 *
 * Of all memory 4 frames that lie together are pages 0 and 1 and two free ones; a few others are
 * free, no two of them together. All else is taken.
 */
#include "rules.h"

#include "claim.h"

/* More are free than one CPU takes into its cache at a time. */
enum { ORDER = 2, SPARE = 72, TAKEN = 96 };

static struct {
    struct mmk_page *taken[TAKEN];
    unsigned count;
} rest;

static void take(struct mmk_page *page)
{
    expect(rest.count < TAKEN);
    rest.taken[rest.count++] = page;
}

static struct mmk_page *alloc(unsigned order)
{
    return mmk_page_alloc(order, MMK_ALLOC_NOWAIT);
}

/* What is left, in the largest pieces. */
static void take_rest(void)
{
    struct mmk_page *page;
    unsigned order;

    for (order = MMK_MAX_ORDER + 1; order-- > 0;)
        while ((page = alloc(order)) != NULL)
            take(page);
}

static void put_rest(void)
{
    while (rest.count > 0)
        mmk_page_put(rest.taken[--rest.count]);
}

/* => pages 0 and 1 are mapped nowhere, but have a table */
static void scatter(void)
{
    struct mmk_page *block, *spare[SPARE];
    unsigned i;

    rest.count = 0;
    block = alloc(ORDER);
    expect(block);
    for (i = 0; i < SPARE; i++) {
        spare[i] = alloc(0);
        expect(spare[i]);
    }
    take_rest();
    mmk_page_put(block);
    touch_by(3, 0, 2);
    for (i = 0; i < SPARE; i++)
        if (i % 2)
            mmk_page_put(spare[i]);
        else
            take(spare[i]);
    mmk_frame_drain_here();
}

static void setup(void)
{
    start_anon();
    store(2, 1);
    scatter();
}

static void setup_shared(void)
{
    start_memory();
    map_object(0, MMK_MAP_SHARED);
    store(2, 1);
    scatter();
}

static void setup_forked(void)
{
    struct mmk_claim claim;
    struct mmk_page *page;

    setup();
    page = held_page(world.mm, 0);
    mmk_claim_begin(&claim, mmk_ranges, mmk_page_to_pfn(page) & ~(mmk_pfn_t)3, ORDER);
    mmk_claim_take_free(&claim);
    expect(mmk_fork(world.mm, &it.other) == 0); /* out of other frames */
    mmk_claim_give_back(&claim);
    mmk_page_put(page);
    mmk_frame_drain_here();
}

static void compact(void)
{
    int error = mmk_compact(ORDER);

    expect(error == 0 || error == MMK_EBUSY || error == MMK_ENOMEM);
}

static void end(void)
{
    put_rest();
    put_other();
    mmk_check(world.mm);
    if (it.object) {
        expect(mmk_munmap(world.mm, page_at(0), 4 * PAGE) == 0);
        mmk_check_object(it.object);
        mmk_object_put(it.object);
    }
    mmk_check_frames();
}

/* ---- beside the pages' users ----------------------------------------------------------------- */

static void store_beside(unsigned cpu)
{
    if (cpu == 0) {
        compact();
    } else {
        store(0, 7);
        expect(look(1) == 1);
    }
}

static void stored(void)
{
    expect(look(0) == 7 && look(1) == 1);
    end();
}

static void fork_beside(unsigned cpu)
{
    if (cpu == 0) {
        compact();
        return;
    }
    if (mmk_fork(world.mm, &it.other) != 0)
        it.other = NULL;
    (void)put_word(0, 5);
}

static void forked(void)
{
    uint64_t word = look(0);

    expect((word == 5 || word == 1) && look(1) == 1);
    if (it.other) {
        expect(word_of(it.other, 0) == 1 && word_of(it.other, 1) == 1);
        mmk_check(it.other);
    }
    end();
}

static void exit_beside(unsigned cpu)
{
    if (cpu == 0) {
        compact();
        return;
    }
    put_other();
}

static void as_it_was(void)
{
    expect(look(0) == 1 && look(1) == 1);
    end();
}

/* What is freed lies beside what is claimed. */
static void free_beside(unsigned cpu)
{
    if (cpu == 0) {
        compact();
    } else {
        dontneed(1, 1);
        mmk_frame_drain_here();
    }
}

static void freed(void)
{
    expect(look(0) == 1 && look(1) == 0);
    end();
}

static void pin_beside(unsigned cpu)
{
    if (cpu == 0) {
        compact();
        return;
    }
    expect(mmk_pin_pages(world.mm, page_at(0), 1, MMK_PIN_WRITE, &it.pinned) == 1);
    *(uint64_t *)mmk_page_address(it.pinned) = 8;
}

static void pinned(void)
{
    expect(look(0) == 8);
    mmk_unpin_pages(&it.pinned, 1, true);
    end();
}

static void truncate_beside(unsigned cpu)
{
    if (cpu == 0)
        compact();
    else
        expect(mmk_object_resize(it.object, PAGE) == 0);
    mmk_frame_drain_here();
}

static void truncated(void)
{
    expect(look(0) == 1 && look(1) == ~(uint64_t)0);
    end();
}

/* ---- beside those who take frames ------------------------------------------------------------ */

/* For a moment: nobody else has them. */
enum { MOST = 3 };

static void use_frames(unsigned cpu, unsigned count)
{
    struct mmk_page *page[MOST];
    unsigned i;

    for (i = 0; i < count; i++) {
        page[i] = alloc(0);
        if (page[i])
            *(uint64_t *)mmk_page_address(page[i]) = 10 * cpu + i;
    }
    for (i = 0; i < count; i++)
        if (page[i]) {
            expect(*(uint64_t *)mmk_page_address(page[i]) == 10 * cpu + i);
            mmk_page_put(page[i]);
        }
}

static void alloc_beside(unsigned cpu)
{
    if (cpu == 0) {
        compact();
        use_frames(0, 1);
    } else {
        use_frames(cpu, MOST);
    }
}

static void fill(unsigned char *at, unsigned cpu)
{
    unsigned i;

    for (i = 0; i < 1u << ORDER; i++)
        *(uint64_t *)(void *)(at + i * PAGE) = cpu + 1;
}

/* Both want a block, and there may be one. */
static void block_beside(unsigned cpu)
{
    struct mmk_page *block = mmk_page_alloc(ORDER, MMK_ALLOC_NORMAL);
    unsigned char *at;
    unsigned i;

    if (!block)
        return;
    at = mmk_page_address(block);
    fill(at, cpu);
    for (i = 0; i < 1u << ORDER; i++)
        expect(*(uint64_t *)(void *)(at + i * PAGE) == cpu + 1);
    mmk_page_put(block);
}

/* Pages are found by their frames, and held for a moment. */
static void find_beside(unsigned cpu)
{
    unsigned i;

    if (cpu == 0) {
        compact();
        say(&it.said);
        return;
    }
    for (i = 0; i < 300 && !heard(&it.said); i++)
        if (mmk_page_get_unless_zero(it.pinned))
            mmk_page_put(it.pinned);
}

static void setup_found(void)
{
    setup();
    it.pinned = held_page(world.mm, 0);
    mmk_page_put(it.pinned);
}

static void reclaim_beside(unsigned cpu)
{
    if (cpu == 0)
        compact();
    else
        (void)mmk_reclaim(1);
}

#define COMPACT(kind, about, number, set_up, run, end_with)                                        \
    {                                                                                              \
        .name = kind, .what = about, .cpus = number, .setup = set_up, .body = run,                 \
        .check = end_with                                                                          \
    }

const struct scenario scenarios_compact[] = {
    COMPACT("compact.store", "a page is stored to while its block is emptied", 2, setup,
            store_beside, stored),
    COMPACT("compact.shared", "likewise, shared memory", 2, setup_shared, store_beside, stored),
    COMPACT("compact.fork", "pages are shared with a child while their block is emptied", 2, setup,
            fork_beside, forked),
    COMPACT("compact.exit", "one of those who have the pages of a block ends", 2, setup_forked,
            exit_beside, as_it_was),
    COMPACT("compact.free", "a page of a block is freed beside what is claimed", 2, setup,
            free_beside, freed),
    COMPACT("P9.compacted", "a page of a block is pinned", 2, setup, pin_beside, pinned),
    COMPACT("P4.compacted", "a page of a block is truncated", 2, setup_shared, truncate_beside,
            truncated),
    COMPACT("compact.alloc", "frames are given out beside a claim, which ends", 2, setup,
            alloc_beside, as_it_was),
    COMPACT("compact.block", "two want the same block", 2, setup, block_beside, as_it_was),
    COMPACT("compact.find", "a page that goes is found by its frame", 2, setup_found, find_beside,
            as_it_was),
    COMPACT("compact.reclaim", "likewise by reclaim", 2, setup_shared, reclaim_beside, as_it_was),
    {.name = NULL},
};
