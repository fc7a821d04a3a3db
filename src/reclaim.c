/* SPDX-License-Identifier: MIT */
/*
 * reclaim.c - which pages go when memory is short, and how.
 *
 * There are no lists. A hand goes round over the descriptors of all frames, which lie in arrays:
 * each page that it comes to was used since its last round, and gets older by less; or was not, and
 * gets a step nearer to being freed. What a page's age is worth falls with each round in vain, so
 * that whatever can be freed is found in a few.
 *
 *   MMK_PF_AGE   0                      1 ... AGE_MAX
 *   used         becomes 1              one more
 *   not used     is freed               one less; freed, if it is not above the pressure
 *
 * RC1 A page is looked at with a reference and its lock held, and by its type: whoever makes a
 *     frame a page sets its type last (release).
 * RC2 Reclaim waits for no lock: whoever allocates may hold any that sleeps. What cannot be had at
 *     once is passed by.
 * RC3 A page goes only when it is clean and nobody else has it: an object's, by freezing its
 *     references (object.c); a private one, when no entry has let it be written (rmap_use.c).
 * RC4 Age changes with the page lock held; a frame that is allocated has 0.
 *
 * Rejected: lists (Linux's two, its generations, S3-FIFO). Each page would have to be put on one
 * when it is first mapped: a shared line on the fault path, or a batch by CPU whose pages neither
 * their owner nor reclaim can take off. What lists order, the accessed bits have to tell again, as
 * nothing is moved on a hit; docs/DESIGN.md has what that costs in hits.
 */
#include "reclaim.h"

#include "frame.h"
#include "object.h"
#include "percpu_count.h"
#include "planted.h"
#include "rmap_use.h"
#include "writeback.h"

#include <mmkit/host.h>
#include <mmkit/stats.h>

#define AGE_ONE ((uint32_t)1 << MMK_PF_AGE_AT)
#define AGE_MAX 3u
#define CHUNK   8  /* frames that the hand goes on by */
#define BATCH   32 /* pages that are freed at once, if there are many */

static struct mmk_a64 hand; /* places it has come to, since mmk_init() */
static struct mmk_percpu_count count_scanned, count_freed, count_written, count_direct;

/* One call. */
struct round {
    unsigned flags;    /* enum mmk_alloc, of the allocation that it is for */
    unsigned pressure; /* rounds in vain: ages up to it do not count */
    uint64_t freed;
    bool hopeful; /* another round may find more */
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

/* => false: it stays for this round; page locked */
static bool is_old(struct round *round, struct mmk_page *page) MMK_REQUIRES(page)
{
    uint32_t age = age_of(page), young;

    if (!mmk_page_try_referenced(page, &young))
        return false;
    if (young > 0 && round->pressure <= AGE_MAX) {
        if (age < AGE_MAX)
            mmk_a32_fetch_add(&page->flags, AGE_ONE, MMK_RELAXED);
        return false;
    }
    if (age > 0)
        mmk_a32_fetch_sub(&page->flags, AGE_ONE, MMK_RELAXED);
    return age <= round->pressure;
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

/* => true: freed, unlocked and put; page locked */
static bool take_object_page(struct round *round, struct mmk_page *page) MMK_NO_TSA
{
    struct mmk_object *object = (struct mmk_object *)mmk_aptr_load(&page->user.object, MMK_RELAXED);

    /* Truncated; or shared memory, whose content is nowhere else; or in use as it is. */
    if (!object || !object->ops || mmk_page_pinned(page) || is_stuck(round, object, page))
        return false;
    round->hopeful = true;
    return is_old(round, page) &&
           (mmk_page_mapcount(page) == 0 || mmk_page_try_to_unmap_nowait(page)) &&
           make_clean(round, object, page) && mmk_object_try_drop(object, page);
}

/* => true: freed, but for the caller's reference; page locked */
static bool take_private_page(struct mmk_page *page) MMK_REQUIRES(page)
{
    return mmk_page_test(page, MMK_PF_LAZYFREE) && mmk_page_mapcount(page) > 0 &&
           !mmk_page_pinned(page) && mmk_page_try_to_unmap_nowait(page);
}

/* => page locked, with a reference: both are gone afterwards */
static void take_locked(struct round *round, struct mmk_page *page) MMK_NO_TSA
{
    bool gone;

    if (mmk_page_type(page) == MMK_PAGE_OBJECT) {
        if (take_object_page(round, page)) {
            round->freed++;
            return;
        }
        gone = false;
    } else {
        gone = take_private_page(page);
    }
    mmk_page_unlock(page);
    mmk_page_put(page);
    round->freed += gone;
}

/* By its flags alone: neither a program's nor an object's; or private, and to be kept. */
static bool is_passed_by(uint32_t flags)
{
    uint32_t type = flags & MMK_PF_TYPE;

    return type != MMK_PAGE_OBJECT && (type != MMK_PAGE_ANON || !(flags & MMK_PF_LAZYFREE));
}

static void look_at(struct round *round, struct mmk_page *page) MMK_NO_TSA
{
    if (is_passed_by(mmk_a32_load(&page->flags, MMK_RELAXED)) || !mmk_page_get_unless_zero(page))
        return;
    /* RC1: it may have become something else before there was the reference. */
    if (is_passed_by(mmk_a32_load(&page->flags, MMK_ACQUIRE))) {
        mmk_page_put(page);
    } else if (!mmk_page_trylock(page)) {
        mmk_page_put(page);
        round->hopeful = true;
    } else {
        mmk_percpu_count_add(&count_scanned, 1);
        take_locked(round, page);
    }
}

/* ---- all ------------------------------------------------------------------------------------- */

/* The next places under the hand, which several may move. => how many */
static uint64_t go_on(struct round *round, uint64_t places)
{
    uint64_t first = mmk_a64_fetch_add(&hand, CHUNK, MMK_RELAXED) % places;
    uint64_t i, count = mmk_min((uint64_t)CHUNK, places - first);

    for (i = 0; i < count; i++)
        look_at(round, mmk_frame_at(first + i));
    return CHUNK;
}

static uint64_t reclaim(uint64_t want, unsigned flags)
{
    uint64_t places = mmk_frame_places(), seen;
    struct round round = {.flags = flags, .hopeful = true};

    for (; round.freed < want && round.hopeful && places > 0 && round.pressure <= AGE_MAX + 1;
         round.pressure++) {
        round.hopeful = false;
        for (seen = 0; seen < places + CHUNK && round.freed < want;)
            seen += go_on(&round, places);
    }
    mmk_percpu_count_add(&count_freed, (int64_t)round.freed);
    return round.freed;
}

/* Some more than is needed now, as the next will come; little of a small memory. */
static uint64_t reclaim_for(uint64_t frames, unsigned flags)
{
    uint64_t batch = mmk_min((uint64_t)BATCH, mmk_frame_places() / 256);

    mmk_percpu_count_add(&count_direct, 1);
    return reclaim(mmk_max(frames, batch), flags);
}

uint64_t mmk_reclaim(uint64_t pages)
{
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
    while (mmk_frames_left() < mmk_config.watermark_high && reclaim(BATCH, MMK_ALLOC_NORMAL) > 0)
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
    mmk_a64_store(&hand, 0, MMK_RELAXED);
    mmk_percpu_count_init(&count_scanned);
    mmk_percpu_count_init(&count_freed);
    mmk_percpu_count_init(&count_written);
    mmk_percpu_count_init(&count_direct);
    mmk_frame_set_reclaimer(reclaim_for);
}
