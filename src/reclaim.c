/* SPDX-License-Identifier: MIT */
/*
 * reclaim.c - which pages go when memory is short, and how.
 *
 * Hands go round over the descriptors of all frames, which lie in arrays: there are no lists of all
 * pages. Each look at a page takes away the accessed bits of its entries, and changes its age
 * (MMK_PF_AGE):
 *
 *            new             kept
 *   age      0      1        2 ... AGE_MAX
 *   used     1      2        one more
 *   unused   goes   goes     one less; 2: goes
 *
 * The one hand looks at new pages only, the other at those that are kept; passing by the others is
 * one load. The first has its turn while new pages are more than a quarter: so a page that is used
 * once is gone soon, before it costs one that is used again, and one that is used again is kept for
 * long. What a page is used for when it comes in is one use: it takes two more looks to be kept.
 *
 * How many are kept is counted as they become it and go; what others free in between is put right
 * each time that the first hand has come round.
 *
 * A group of address spaces that is at its limit has pages of its own freed. Those it lists, by the
 * CPU that they were charged on (charge.c), for it may be a small part of memory: the list is not
 * in the order of use either, but a ring like the frames, round which a group's hands go by the
 * same rules. They are one hand that has its turn as either: what is not for it is passed by.
 *
 * Tables that nobody uses, and that hold nothing that would be missed (shrink.c), go at the hands'
 * pace: when these have been round once, each table has been looked at once. When pages alone do
 * not do, all tables are looked at, before pages go that are in use; and at last those in use. Of
 * a group only then, as the hands over its pages say nothing of its tables.
 *
 * RC1 A page is looked at with a reference and its lock held, and by its type: whoever makes a
 *     frame a page sets its type last (release), or holds its lock until it is set up. Locking
 *     acquires the one and the other.
 * RC2 Reclaim waits for no lock: whoever allocates may hold any that sleeps. What cannot be had at
 *     once is passed by.
 * RC3 A page goes only when it is clean and nobody else has it: an object's, by freezing its
 *     references (object.c); a private one, when no entry has let it be written (rmap_use.c).
 * RC4 Age changes with the page lock held; a frame that is allocated has 0.
 *
 * Rejected: lists of all pages (Linux's two, its generations, S3-FIFO). Each page would have to be
 * put on one when it is first mapped: a shared line on the fault path, or a batch by CPU whose
 * pages neither their owner nor reclaim can take off, or a lock by CPU, which only those pay who
 * are in a group. What lists order, the accessed bits have to tell again, as nothing is moved on a
 * hit; docs/DESIGN.md has the hits of each.
 */
#include "reclaim.h"

#include "charge.h"
#include "frame.h"
#include "huge_unused.h"
#include "object_swap.h"
#include "percpu_count.h"
#include "planted.h"
#include "rmap_use.h"
#include "shrink.h"
#include "swap_area.h"
#include "swap_cache.h"
#include "swap_out.h"
#include "table_memory.h"
#include "waiting.h"
#include "writeback.h"

#include <mmkit/host.h>
#include <mmkit/stats.h>

#define AGE_ONE  ((uint32_t)1 << MMK_PF_AGE_AT)
#define AGE_KEPT 2u
#define AGE_MAX  4u
#define NEW_PART 4u /* of so many pages one may be new, before the first hand has its turn */
#define CHUNK    8  /* frames that a hand goes on by */
#define BATCH    32 /* pages that are freed at once, if there are many */
#define LOOKS    4  /* rounds of each hand in vain, after which use does not count any more */

_Static_assert(CHUNK <= MMK_SLOT_IO_MOST, "private pages of a step go at once");

enum which { NEW, KEPT, HANDS };

static struct mmk_a64 hands[HANDS]; /* places that each has come to, since mmk_init() */
static struct mmk_tally of_all;     /* frames */
static struct mmk_percpu_count count_scanned, count_freed, count_written, count_direct;

/* One call. */
struct round {
    unsigned flags;          /* enum mmk_alloc, of the allocation that it is for */
    struct mmk_group *group; /* whose pages go, or NULL */
    struct mmk_tally *tally; /* of its pages, or of all */
    enum which which;
    bool swaps;     /* private pages may go to swap: those that have a slot */
    bool room;      /* and others: there are slots that are free */
    bool desperate; /* use does not count, nor age */
    bool hopeful;   /* there are pages that may go another time */
    uint64_t want, freed;
    uint64_t tables;          /* given back: not free before a grace period has passed */
    struct mmk_swap_out *out; /* private pages on their way; no meaning for others */
};

void mmk_reclaim_stats(struct mmk_stats *stats)
{
    stats->reclaim_scanned = mmk_percpu_count_sum(&count_scanned);
    stats->reclaim_freed = mmk_percpu_count_sum(&count_freed);
    stats->reclaim_written = mmk_percpu_count_sum(&count_written);
    stats->reclaim_direct = mmk_percpu_count_sum(&count_direct);
}

/* ---- one page -------------------------------------------------------------------------------- */

static uint32_t age_of(const struct mmk_page *page)
{
    return (mmk_a32_load(&page->flags, MMK_RELAXED) & MMK_PF_AGE) >> MMK_PF_AGE_AT;
}

/* A look. => false: it stays; page locked */
static bool is_old(const struct round *round, struct mmk_page *page) MMK_REQUIRES(page)
{
    uint32_t age = age_of(page), young;

    if (!mmk_page_try_referenced(page, &young))
        return false;
    if (round->desperate)
        return true;
    if (young == 0 && (age <= 1 || age == AGE_KEPT))
        return true;
    if (young == 0) {
        mmk_a32_fetch_sub(&page->flags, AGE_ONE, MMK_RELAXED);
    } else if (age < AGE_MAX) {
        mmk_a32_fetch_add(&page->flags, AGE_ONE, MMK_RELAXED);
        if (age + 1 == AGE_KEPT)
            mmk_a64_fetch_add(&round->tally->kept, 1, MMK_RELAXED);
    }
    return false;
}

/* It is clean now, or cannot be made so. => page locked, mapped nowhere */
static bool make_clean(const struct round *round, struct mmk_object *object, struct mmk_page *page)
    MMK_REQUIRES(page)
{
    if (!mmk_page_test(page, MMK_PF_DIRTY))
        return true;
    if ((round->flags & MMK_ALLOC_NOIO) || !mmk_writeback_nowait(object, page))
        return false;
    mmk_percpu_count_add(&count_written, 1);
    return true;
}

/* An object's page whose content only it has, for this allocation at least. */
static bool is_stuck(const struct round *round, const struct mmk_object *object,
                     const struct mmk_page *page)
{
    return mmk_page_test(page, MMK_PF_DIRTY) &&
           ((round->flags & MMK_ALLOC_NOIO) || !mmk_object_writes(object));
}

/* => true: it goes with the caller's reference. So do the next two; page locked */
static bool take_file_page(struct round *round, struct mmk_object *object, struct mmk_page *page)
    MMK_REQUIRES(page)
{
    if (is_stuck(round, object, page))
        return false;
    round->hopeful = true;
    return is_old(round, page) &&
           (mmk_page_mapcount(page) == 0 || mmk_page_try_to_unmap_nowait(page)) &&
           make_clean(round, object, page) && mmk_object_try_drop(object, page);
}

bool mmk_reclaim_file_page(struct mmk_page *page)
{
    struct mmk_object *object = (struct mmk_object *)mmk_aptr_load(&page->user.object, MMK_RELAXED);
    struct round round = {.flags = MMK_ALLOC_NORMAL, .desperate = true};

    return object && object->ops && take_file_page(&round, object, page);
}

static bool take_object_page(struct round *round, struct mmk_page *page) MMK_REQUIRES(page)
{
    struct mmk_object *object = (struct mmk_object *)mmk_aptr_load(&page->user.object, MMK_RELAXED);

    if (!object) /* truncated */
        return false;
    if (object->ops)
        return take_file_page(round, object, page);
    if (!round->room)
        return false;
    round->hopeful = true;
    return is_old(round, page) && mmk_object_swap_out_nowait(page) == 0;
}

/* What is on its way goes. */
static void finish(struct round *round)
{
    struct mmk_swap_out *out = round->out;

    mmk_swap_out_finish(out);
    round->freed += out->gone;
    mmk_a64_fetch_sub(&round->tally->kept, out->gone_marked, MMK_RELAXED);
    out->gone = out->gone_marked = 0;
}

static bool is_discarded(struct mmk_page *page) MMK_REQUIRES(page)
{
    return mmk_page_test(page, MMK_PF_LAZYFREE) && mmk_page_mapcount(page) > 0 &&
           mmk_page_try_to_unmap_nowait(page);
}

/* => true: it is on its way, with the caller's lock and reference */
static bool send_private_page(struct round *round, struct mmk_page *page) MMK_REQUIRES(page)
{
    if (!round->room && !mmk_page_test(page, MMK_PF_SWAPCACHE))
        return false;
    round->hopeful = true;
    return is_old(round, page) && !mmk_swap_out_add(round->out, page, age_of(page) >= AGE_KEPT);
}

/* => page locked, with a reference: both are gone afterwards */
static void take_locked(struct round *round, struct mmk_page *page) MMK_NO_TSA
{
    bool was_kept = age_of(page) >= AGE_KEPT, gone = false;

    if (!mmk_page_pinned(page) && mmk_page_type(page) == MMK_PAGE_OBJECT) {
        finish(round); /* nothing is left unflushed while it is written */
        gone = take_object_page(round, page);
    } else if (!mmk_page_pinned(page)) {
        gone = is_discarded(page);
        if (!gone && send_private_page(round, page))
            return;
    }
    mmk_page_unlock(page);
    mmk_swap_put_page(page);
    if (!gone)
        return;
    round->freed++;
    if (was_kept)
        mmk_a64_fetch_sub(&round->tally->kept, 1, MMK_RELAXED);
}

static bool is_kept(uint32_t flags)
{
    return (flags & MMK_PF_AGE) >= AGE_KEPT << MMK_PF_AGE_AT;
}

/* By its flags alone: neither a program's nor an object's; or private, and to stay. */
static bool is_page(const struct round *round, uint32_t flags)
{
    uint32_t type = flags & MMK_PF_TYPE;

    return type == MMK_PAGE_OBJECT ||
           (type == MMK_PAGE_ANON && (round->swaps || (flags & MMK_PF_LAZYFREE)));
}

/* Whether the hand looks at it. */
static bool is_for(const struct round *round, uint32_t flags)
{
    return is_page(round, flags) && (round->desperate || is_kept(flags) == (round->which == KEPT));
}

static void look_at(struct round *round, struct mmk_page *page) MMK_NO_TSA
{
    if (!mmk_page_get_unless_zero(page))
        return;
    /* RC1: it may have become something else before there was the reference. */
    if (!is_page(round, mmk_a32_load(&page->flags, MMK_RELAXED))) {
        mmk_swap_put_page(page);
    } else if (!mmk_page_trylock(page)) {
        mmk_swap_put_page(page);
        round->hopeful = true;
    } else {
        mmk_percpu_count_add(&count_scanned, 1);
        take_locked(round, page);
    }
}

/* What a larger page has for nothing goes first, used or not, and takes no swap space. */
static void look_at_huge(struct round *round, struct mmk_page *page) MMK_NO_TSA
{
    if (!mmk_page_get_unless_zero(page))
        return;
    /* RC1: as look_at(). */
    if (mmk_huge_may_begin(page, mmk_a32_load(&page->flags, MMK_RELAXED)) &&
        mmk_page_trylock(page)) {
        round->freed += mmk_huge_give_back(page);
        mmk_page_unlock(page);
    }
    mmk_swap_put_page(page);
}

/* ---- rounds ---------------------------------------------------------------------------------- */

/* Counts what is passed; having come round, knows. */
static void count(struct mmk_tally *tally, uint64_t pages, uint64_t of_them_kept, bool over)
{
    mmk_a64_fetch_add(&tally->seen_all, pages, MMK_RELAXED);
    mmk_a64_fetch_add(&tally->seen_kept, of_them_kept, MMK_RELAXED);
    if (!over)
        return;
    mmk_a64_store(&tally->all, mmk_a64_xchg(&tally->seen_all, 0, MMK_RELAXED), MMK_RELAXED);
    /* Exchanged: others count there meanwhile. */
    (void)mmk_a64_xchg(&tally->kept, mmk_a64_xchg(&tally->seen_kept, 0, MMK_RELAXED), MMK_RELAXED);
}

/* The next frames under a hand, which several may move. => how many; *over: it has come round */
static unsigned next_frames(const struct round *round, struct mmk_page *page[], bool *over)
{
    uint64_t places = mmk_frame_places();
    uint64_t first = mmk_a64_fetch_add(&hands[round->which], CHUNK, MMK_RELAXED) % places;
    unsigned i, n = (unsigned)mmk_min((uint64_t)CHUNK, places - first);

    for (i = 0; i < n; i++)
        page[i] = mmk_frame_at(first + i);
    *over = first + CHUNK >= places;
    return n;
}

/* The hands over all frames are at two places, and the first counts; in a group's they are one. */
static void go_on(struct round *round)
{
    struct mmk_page *page[CHUNK];
    struct mmk_swap_out out;
    uint64_t pages = 0, old = 0;
    unsigned i, n;
    bool over;

    mmk_swap_out_begin(&out, false);
    round->out = &out;
    n = round->group ? mmk_charge_next(round->group, page, CHUNK, &over)
                     : next_frames(round, page, &over);
    for (i = 0; i < n; i++) {
        uint32_t flags = mmk_a32_load(&page[i]->flags, MMK_RELAXED);

        pages += is_page(round, flags);
        old += is_page(round, flags) && is_kept(flags);
        if (mmk_unlikely(mmk_huge_may_begin(page[i], flags)))
            look_at_huge(round, page[i]);
        if (is_for(round, flags))
            look_at(round, page[i]);
    }
    finish(round);
    if (round->group || round->which == NEW)
        count(round->tally, pages, old, over);
}

/* Whose turn it is. Nothing is known before the first round is over. */
static enum which whose_turn(const struct mmk_tally *tally)
{
    int64_t pages = (int64_t)mmk_a64_load(&tally->all, MMK_RELAXED);
    int64_t of_them_kept = (int64_t)mmk_a64_load(&tally->kept, MMK_RELAXED);

    return (pages - of_them_kept) * (int64_t)NEW_PART >= pages ? NEW : KEPT;
}

static bool has_enough(const struct round *round)
{
    return round->freed + round->tables >= round->want;
}

/*
 * Tables go, some more than are wanted: so many may stay, once they are free, with the CPU that has
 * freed them. Only the others count.
 */
static void take_tables(struct round *round, bool used)
{
    uint64_t hidden = MMK_TABLE_STOCK_MAX + mmk_frame_cache_limit();
    uint64_t wanted = round->want - round->freed - round->tables, given;

    if (wanted < UINT64_MAX - hidden)
        wanted += hidden;
    given = mmk_shrink_round(round->group, wanted, used, &round->freed);
    round->tables += given > hidden ? given - hidden : 0;
}

/* Pages alone do not do. last: nor do those in use. => true: enough */
static bool shrink(struct round *round, bool last)
{
    take_tables(round, false);
    if (!has_enough(round) && last)
        take_tables(round, true);
    return has_enough(round);
}

/*
 * A hand that has come round in vain, often enough, lets the other have its turn; then tables go,
 * and at last whatever there is.
 * => false: there is nothing, or enough
 */
static bool choose(struct round *round, uint64_t vain[HANDS], uint64_t steps)
{
    uint64_t enough = round->hopeful ? LOOKS * steps : steps;

    round->which = whose_turn(round->tally);
    if (vain[round->which] < enough)
        return true;
    round->which = round->which == NEW ? KEPT : NEW;
    if (vain[round->which] < enough)
        return true;
    if (shrink(round, round->desperate || !round->hopeful) || round->desperate || !round->hopeful)
        return false;
    round->desperate = true;
    vain[NEW] = vain[KEPT] = (LOOKS - 1) * steps;
    return true;
}

/* There is swap space, and whoever asks lets pages be written to it. */
static void ask_for_swap(struct round *round)
{
    if (!(round->flags & MMK_ALLOC_NOIO))
        mmk_swap_area_room(&round->swaps, &round->room);
}

/* => pages freed; steps: that take a hand round */
static uint64_t run(struct round *round, uint64_t steps)
{
    uint64_t vain[HANDS] = {0, 0}, before, done;

    ask_for_swap(round);
    for (done = 0; !has_enough(round) && choose(round, vain, steps); done++) {
        before = round->freed;
        go_on(round);
        vain[round->which] = round->freed > before ? 0 : vain[round->which] + 1;
    }
    if (round->room)
        (void)mmk_swap_area_refill(); /* else the next pages may have nowhere to go */
    if (!round->group)
        mmk_shrink_pace(done * CHUNK);
    mmk_percpu_count_add(&count_freed, (int64_t)round->freed);
    return round->freed;
}

static uint64_t reclaim(uint64_t want, unsigned flags)
{
    struct round round = {.flags = flags, .tally = &of_all, .want = want};
    uint64_t places = mmk_frame_places();

    round.freed = mmk_huge_zero_shrink(); /* not charged to any group */
    return places > 0 ? run(&round, places / CHUNK + 2) : 0;
}

uint64_t mmk_reclaim_group(struct mmk_group *group, uint64_t want)
{
    struct round round = {.group = group, .tally = &group->tally, .want = want};
    uint64_t shares, pages = mmk_charge_listed(group, &shares);

    mmk_waiting_throttle();
    return run(&round, pages / CHUNK + shares);
}

/* ---- for whom -------------------------------------------------------------------------------- */

/* Some more than is needed now, as the next will come; little of a small memory. */
static uint64_t reclaim_for(uint64_t frames, unsigned flags)
{
    uint64_t batch = mmk_min((uint64_t)BATCH, mmk_frame_places() / 256);

    mmk_percpu_count_add(&count_direct, 1);
    mmk_table_drain_limbo(); /* if this is not enough, a grace period is waited for */
    return reclaim(mmk_max(frames, batch), flags);
}

uint64_t mmk_reclaim(uint64_t pages)
{
    mmk_waiting_throttle();
    return reclaim(pages, MMK_ALLOC_NORMAL);
}

/* => false: it is over. Cleared first: what gets short meanwhile is seen the next time. */
static bool wait_for_shortage(void)
{
    uint32_t seen = MMK_FRAMES_SHORT;

    while (!mmk_a32_cmpxchg(&mmk_frames_short, &seen, MMK_FRAMES_ENOUGH, MMK_RELAXED)) {
        if (seen == MMK_FRAMES_OVER)
            return false;
        mmk_host_wait(&mmk_frames_short, MMK_FRAMES_ENOUGH);
        seen = MMK_FRAMES_SHORT;
    }
    return true;
}

bool mmk_reclaim_work(void)
{
    if (!wait_for_shortage())
        return false;
    while (mmk_frames_left() < mmk_config.watermark_high && mmk_reclaim(BATCH) > 0)
        continue;
    return true;
}

void mmk_reclaim_stop(void)
{
    mmk_a32_store(&mmk_frames_short, MMK_FRAMES_OVER, MMK_RELAXED);
    mmk_host_wake(&mmk_frames_short, UINT32_MAX);
}

void mmk_reclaim_init(void)
{
    mmk_a64_store(&hands[NEW], 0, MMK_RELAXED);
    mmk_a64_store(&hands[KEPT], 0, MMK_RELAXED);
    mmk_a64_store(&of_all.all, 0, MMK_RELAXED);
    mmk_a64_store(&of_all.kept, 0, MMK_RELAXED);
    mmk_a64_store(&of_all.seen_all, 0, MMK_RELAXED);
    mmk_a64_store(&of_all.seen_kept, 0, MMK_RELAXED);
    mmk_percpu_count_init(&count_scanned);
    mmk_percpu_count_init(&count_freed);
    mmk_percpu_count_init(&count_written);
    mmk_percpu_count_init(&count_direct);
    mmk_shrink_init();
    mmk_frame_set_reclaimer(reclaim_for);
}
